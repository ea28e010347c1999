"""Networks for a command, loaded when the first file needs them: bad files are found out without torch."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ncodec.cli.exits import SetupError
from ncodec.errors import NcodecError

if TYPE_CHECKING:
    from ncodec.nets.model import Model
    from ncodec.weights import Models


class Networks:
    """Models on a device.

    Args:
        device: auto, cpu, cuda or cuda:n.
        threads: of the processor; None leaves torch's choice.
        extra: weights files beside the shipped ones.
    """

    def __init__(self, device: str, threads: int | None, extra: tuple[str, ...] = ()) -> None:
        self._device, self._threads, self._extra = device, threads, tuple(map(Path, extra))

    @cached_property
    def models(self) -> Models:
        """For `ncodec.codec.decode`. Raises SetupError: what is wrong here is wrong for every file."""
        import torch

        from ncodec.device import choose_device, transform_dtype
        from ncodec.weights import Models

        if self._threads:
            torch.set_num_threads(self._threads)
        try:
            place = choose_device(self._device)
        except NcodecError as err:
            raise SetupError from err
        return Models(place, transform_dtype(place), self._extra)

    def model(self, name: str) -> Model:
        """The model of this name or path. Raises SetupError."""
        models = self.models
        try:
            return models.by_name(name)
        except NcodecError as err:
            raise SetupError from err
