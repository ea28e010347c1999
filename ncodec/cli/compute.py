"""Networks for a command, loaded when the first file needs them: bad files are found out without torch."""

from __future__ import annotations

import gc
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ncodec.cli.exits import SetupError
from ncodec.errors import NcodecError

if TYPE_CHECKING:
    from ncodec.nets.model import Model
    from ncodec.weights import Models


SPIN_COUNT = "2000"


class Networks:
    """Models on a device.

    Args:
        device: auto, cpu, cuda or cuda:n.
        threads: of the processor; None leaves torch's choice.
        extra: weights files beside the shipped ones.
    """

    def __init__(self, device: str, threads: int | None, extra: tuple[str, ...] = ()) -> None:
        self._device, self._threads, self._extra = device, threads, tuple(map(Path, extra))
        self._named: dict[str, Model] = {}

    @cached_property
    def models(self) -> Models:
        """For `ncodec.codec.decode`. Raises SetupError: what is wrong here is wrong for every file."""
        # libgomp's threads wait actively by default: beside other work a decode of 0.1 s then takes many seconds. A
        # short wait costs nothing on an idle machine. It is read once, when torch is loaded.
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
        # Importing torch makes a million objects that live as long as the process: collecting among them while they
        # are made, and again whenever a batch makes more, costs half a second.
        gc.disable()
        import torch

        from ncodec import codec  # noqa: F401 - everything else that a command will need
        from ncodec.device import choose_device, transform_dtype
        from ncodec.weights import Models

        gc.freeze()
        gc.enable()
        if self._threads:
            torch.set_num_threads(self._threads)
        try:
            place = choose_device(self._device)
            return Models(place, transform_dtype(place), self._extra)
        except NcodecError as err:
            raise SetupError from err

    def model(self, name: str) -> Model:
        """The model of this name or path, the same for a whole batch. Raises SetupError."""
        models = self.models
        try:
            if name not in self._named:
                self._named[name] = models.by_name(name)
            return self._named[name]
        except NcodecError as err:
            raise SetupError from err
