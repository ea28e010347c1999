"""What a run leaves on disk: its whole state, to go on after a kill, and plain weights, to start other runs from."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ncodec.errors import ModelError
from ncodec.nets import dncnn
from ncodec.nets.model import KIND
from ncodec.train import reference
from ncodec.train.export import trained_state
from ncodec.train.network import trainable_network
from ncodec.train.recipe import NoiseRecipe
from ncodec.train.sizes import CODEC, SIZES, Sizes, codec_sizes, task_of
from ncodec.train.tasks.registry import TASKS
from ncodec.weights import models_folder, releases

PIECE_BYTES = 15_000_000
"""Pieces of a state stay below 16 MB, which is what can be carried between machines."""
STATE = "state.pt"
PIECES = "state.json"
STATE_KEYS = {"recipe", "network", "ema", "progress"}
"""Without which no run goes on."""
OPPONENT_KINDS = (dncnn.KIND, reference.KIND)


@dataclass(slots=True)
class Progress:
    """How far a run is.

    `seconds` are those of training, with the saves between its steps and without the evaluations; `skipped` counts the
    clipped parts of batches that had no finite gradient; `lifetime_pixels` counts the runs before, too.
    """

    step: int = 0
    pixels: int = 0
    seconds: float = 0.0
    skipped: int = 0
    lifetime_pixels: int = 0
    lifetime_steps: int = 0
    lifetime_seconds: float = 0.0

    def count(self, pixels: int) -> None:
        """One step over so many pixels."""
        self.step += 1
        self.lifetime_steps += 1
        self.pixels += pixels
        self.lifetime_pixels += pixels

    def spend(self, seconds: float) -> None:
        self.seconds += seconds
        self.lifetime_seconds += seconds


@dataclass(frozen=True, slots=True)
class Start:
    """Weights that a run can begin from; `noise` is what they were trained for, where that is known."""

    architecture: Sizes
    network: dict[str, Tensor]
    ema: dict[str, Tensor]
    record: Progress
    noise: NoiseRecipe | None = None


def save_state(state: dict[str, Any], folder: Path, pieces: bool = False) -> None:
    """Replace the state in `folder` at once: a kill at any moment leaves the old one or the new one, whole."""
    folder.mkdir(parents=True, exist_ok=True)
    if not pieces:
        part = folder / (STATE + ".part")
        torch.save(state, part)
        part.replace(folder / STATE)
        _remove_pieces(folder, keep=[])
        return
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    names = []
    for start in range(0, len(data), PIECE_BYTES):
        names.append(f"state-{digest[:8]}.{len(names):03d}")
        (folder / names[-1]).write_bytes(data[start : start + PIECE_BYTES])
    part = folder / (PIECES + ".part")
    part.write_text(json.dumps({"sha256": digest, "pieces": names}))
    part.replace(folder / PIECES)
    (folder / STATE).unlink(missing_ok=True)
    _remove_pieces(folder, keep=[PIECES, *names])


def load_state(folder: Path) -> dict[str, Any] | None:
    """The state in `folder`, tensors on the CPU, or None if there is none. ModelError if it cannot be read."""
    try:
        if (folder / STATE).exists():
            return _unpack((folder / STATE).read_bytes())
        if not (folder / PIECES).exists():
            return None
        listed = json.loads((folder / PIECES).read_text())
        data = b"".join((folder / name).read_bytes() for name in listed["pieces"])
        if hashlib.sha256(data).hexdigest() != listed["sha256"]:
            raise ModelError(f"{folder}: the pieces of the training state do not fit together")
        return _unpack(data)
    except (OSError, LookupError, TypeError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(f"{folder}: the training state cannot be read ({error})") from error


def _unpack(data: bytes) -> dict[str, Any]:
    """Of a run; ValueError if it is something else."""
    file = io.BytesIO(data)
    if not zipfile.is_zipfile(file):  # torch.load would take it for a format of old, and fail in many ways
        raise ValueError("it is not a file of torch.save")
    file.seek(0)
    state = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or not state.keys() >= STATE_KEYS:
        raise ValueError("it is of another program, or of another version")
    return state


def save_weights(path: Path, start: Start, recipe_name: str = "") -> None:
    """Weights to go on from: network and EMA as float16 in one safetensors file, sizes and record in its metadata.

    Without a network's the averages are both (`load_weights`).
    """
    tensors = {}
    for prefix, state in (("net", start.network), ("ema", start.ema)):
        for name, value in state.items():
            if value.is_floating_point():
                tensors[f"{prefix}.{name}"] = value.detach().cpu().half().contiguous()
    metadata = {
        "task": task_of(start.architecture),
        "architecture": json.dumps(start.architecture.to_dict()),
        "record": json.dumps(asdict(start.record)),
        "recipe": recipe_name,
    }
    if start.noise is not None:
        metadata["noise"] = json.dumps(asdict(start.noise))
    part = path.with_name(path.name + ".part")
    part.write_bytes(save(tensors, metadata))
    part.replace(path)


def load_weights(path: Path) -> Start:
    """The mirror of `save_weights`, or the network of a released model; tensors as float32.

    Raises:
        ModelError: the file is neither; the message says why.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        sizes = SIZES[metadata.get("task", CODEC)].from_dict(json.loads(metadata["architecture"]))
        record = Progress(**json.loads(metadata["record"]))
        noise = NoiseRecipe(**json.loads(metadata["noise"])) if "noise" in metadata else None
        if metadata.get("kind") == KIND:
            state = trainable_network(codec_sizes(sizes)).state_dict() | trained_state(tensors)
            return Start(sizes, state, state, record)
        if metadata.get("kind") in OPPONENT_KINDS:
            state = TASKS[task_of(sizes)].network(sizes).state_dict() | {k: t.float() for k, t in tensors.items()}
            return Start(sizes, state, state, record)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{path}: not a file of weights to go on from ({error})") from error
    states = [
        {name.removeprefix(prefix): value.float() for name, value in tensors.items() if name.startswith(prefix)}
        for prefix in ("net.", "ema.")
    ]
    network, averages = states
    return Start(sizes, network or averages, averages, record, noise)


def find_start(name: str) -> Path:
    """A path as it is, or the weights file of a shipped model, which holds all that training needs.

    Raises:
        ModelError: there is neither, or of an older model only the decoder is here.
    """
    if Path(name).exists():
        return Path(name)
    rows = [row for row in releases() if name in (row.name, Path(row.file).stem)]
    if not rows:
        raise ModelError(f"{name}: no such file or folder, and no shipped model of that name")
    if rows[-1].decoder_sha256:
        raise ModelError(f"{name}: of this older model only the decoder is here; begin with {rows[-1].name}")
    return models_folder() / rows[-1].file


def load_start(path: Path) -> Start:
    """Weights from a run's folder or from a file of `save_weights`. ModelError if there are none."""
    if path.is_file():
        return load_weights(path)
    state = load_state(path)
    if state is None:
        raise ModelError(f"{path}: neither a file of weights nor the folder of a training run")
    recipe = state["recipe"]
    sizes = SIZES[recipe.get("task", CODEC)].from_dict(recipe["architecture"])
    noise = NoiseRecipe(**recipe["noise"])  # of old states some keys lack
    return Start(sizes, state["network"], state["ema"], Progress(**state["progress"]), noise)


def _remove_pieces(folder: Path, keep: list[str]) -> None:
    for path in folder.glob("state*"):
        if path.name not in (STATE, *keep) and (path.name == PIECES or path.name.startswith("state-")):
            path.unlink()
