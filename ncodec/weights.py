"""models/manifest.json -> verified weights file -> Model. Weights are content-addressed and never pickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ncodec.errors import ModelError

if TYPE_CHECKING:
    import torch

    from ncodec.nets.model import Model

ID_BYTES = 8
MAX_FILE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Release:
    """One immutable row of models/manifest.json.

    Attributes:
        name: what users say, for example `base`; the last row of a name is its current release.
        file: `<name>-<first 8 hex digits of the SHA-256>.safetensors`.
        sha256: of the file; its first 8 bytes are the model id in .ncd files.
        kind: `base`, or `head` for a further synthesis on the same bitstream.
        base: for a head, the model id (16 hex digits) that it belongs to; empty for a base model.
        trained_on, license: where the weights come from.
        decoder_sha256: of the file that is here, if it is the model's decoder alone (an older one's in a wheel).
    """

    name: str
    file: str
    sha256: str
    kind: str
    base: str
    trained_on: str
    license: str
    decoder_sha256: str = ""

    @property
    def id(self) -> bytes:
        """The 8 bytes that .ncd files carry."""
        return bytes.fromhex(self.sha256)[:ID_BYTES]


def models_folder() -> Path:
    """Where the shipped models lie: inside the installed package, or beside it in a checkout."""
    inside = Path(__file__).parent / "_models"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "models"


@cache
def releases() -> tuple[Release, ...]:
    """All shipped models, oldest first. Raises ModelError if the manifest is missing or broken."""
    path = models_folder() / "manifest.json"
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["models"]
        found = tuple(Release(**{name: row[name] for name in Release.__slots__ if name in row}) for row in rows)
        if any(len(row.id) != ID_BYTES for row in found):
            raise ValueError("a SHA-256 is cut short")
        return found
    except OSError as err:
        raise ModelError(f"the list of models {path} cannot be read: {err.strerror}") from err
    except (KeyError, TypeError, ValueError) as err:
        raise ModelError(f"the list of models {path} is broken ({err})") from err


def release_of(model_id: bytes) -> Release | None:
    """The shipped release with this id, if there is one."""
    return next((row for row in releases() if row.id == model_id), None)


class Models:
    """Loads models on demand, each once, onto one device.

    Args:
        device: where networks run.
        dtype: of the transforms, float32 or bfloat16.
        extra: weights files of users' own models, beside the shipped ones.

    Raises:
        ModelError: one of `extra` is not there, whether a file will need it or not.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype, extra: tuple[Path, ...] = ()) -> None:
        for path in extra:
            if not _is_file(path):
                raise ModelError(f"there is no weights file {path}")
        self._device, self._dtype, self._extra = device, dtype, extra
        self._loaded: dict[bytes, Model] = {}

    def by_name(self, name: str) -> Model:
        """To encode with: the current release of a name, or the weights file at a path. Raises ModelError."""
        rows = [row for row in releases() if row.kind == "base" and name in (row.name, Path(row.file).stem)]
        path = Path(name)
        if rows:
            model = self.by_id(rows[-1].id)
        elif _is_file(path):
            model = self._keep(_read(path))
        else:
            names = ", ".join(sorted({row.name for row in releases() if row.kind == "base"}))
            raise ModelError(f"there is no model {name}: say {names}, or the path of a weights file")
        if not model.transforms.can_analyse:
            raise ModelError(f"{name} is an older model of which only the decoder is here: encode with a newer one")
        return model

    def by_id(self, model_id: bytes) -> Model:
        """The model that a .ncd file asks for. Raises ModelError if it is neither shipped nor given."""
        if model_id in self._loaded:
            return self._loaded[model_id]
        row = release_of(model_id)
        if row is not None and row.kind == "base":
            return self._keep(_read_release(row))
        for path in self._extra:
            found = _read(path)
            if found.id == model_id:
                return self._keep(found)
        known = ", ".join(row.id.hex()[:8] for row in releases() if row.kind == "base")
        raise ModelError(
            f"the file needs model {model_id.hex()[:8]}, here are {known}: "
            "use the ncodec that wrote it or a newer one, or name its weights with --model"
        )

    def _keep(self, found: _File) -> Model:
        if found.id not in self._loaded:
            self._loaded[found.id] = found.load(self._device, self._dtype)
        return self._loaded[found.id]


@dataclass(frozen=True, slots=True)
class _File:
    id: bytes
    load: Callable[[torch.device, torch.dtype], Model]


def _is_file(path: Path) -> bool:
    """Raises ModelError if nobody can say: a folder that may not be searched, a name that is too long."""
    try:
        return path.is_file()
    except OSError as err:
        raise ModelError(f"the weights {path} cannot be read: {err.strerror}") from err


def _read_release(row: Release) -> _File:
    return _read(models_folder() / row.file, row.decoder_sha256 or row.sha256, row.id)


def _read(path: Path, sha256: str | None = None, model_id: bytes | None = None) -> _File:
    """Read and verify a weights file; tensors are made when it is wanted. Without an id it has that of its bytes."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelError(f"{path} is larger than {MAX_FILE_BYTES} bytes: it is no model of ncodec")
        data = path.read_bytes()
    except OSError as err:
        raise ModelError(f"the weights {path} cannot be read: {err.strerror}") from err
    digest = hashlib.sha256(data)
    known_as = model_id or digest.digest()[:ID_BYTES]
    if sha256 is not None and digest.hexdigest() != sha256:
        raise ModelError(
            f"the weights {path} are damaged: their SHA-256 is not the one of the release; reinstall ncodec"
        )

    def load(device: torch.device, dtype: torch.dtype) -> Model:
        from ncodec.device import own_precision
        from ncodec.nets.model import model_from_tensors

        metadata, tensors = _parse(path, data)
        with own_precision(device):  # constants are folded into weights
            return model_from_tensors(known_as, path.name, metadata, tensors, device, dtype)

    return _File(known_as, load)


def _parse(path: Path, data: bytes) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(data)
        size = int.from_bytes(data[:8], "little")
        return json.loads(data[8 : 8 + size]).get("__metadata__", {}), tensors
    except (SafetensorError, ValueError, KeyError) as err:
        raise ModelError(f"{path} is not a safetensors file ({err})") from err
