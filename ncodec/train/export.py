"""A trained network -> a release: integer networks, integer tables, one safetensors file named by its own hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from ncodec import base
from ncodec.device import transform_dtype
from ncodec.enhancement.tables import build_tables
from ncodec.nets.architecture import QUALITIES
from ncodec.nets.exact import FEATURE_BITS, prove_bound
from ncodec.nets.model import GRAPH_VERSION, KIND, Model, model_from_tensors
from ncodec.train import tables
from ncodec.train.network import Network

TRANSFORMS = ("analysis", "hyper_analysis", "synthesis")
WEIGHT_MAX = (1 << 15) - 1
KEPT = "training.prior."
"""The factorized prior's own parameters are kept beside its tables, so that training can go on from a release."""
_BLOCKS = {"block32": "hyper_synthesis.block32", "block16": "hyper_synthesis.block16", "context.block": "context.block"}
EXACT_LAYERS = {
    "up32": "hyper_synthesis.up32.c",
    "up16": "hyper_synthesis.up16.c",
    "first.inner": "first.inner",
    "first.out": "first.out",
    "context.inner": "context.inner",
    "context.out": "context.out",
    **{f"{name}.{part}": f"{path}.{part}" for name, path in _BLOCKS.items() for part in "adbuv"},
}
"""Integer layer -> the layer of `Network` that it is made from."""
HYPER_LOWEST, HYPER_COUNT = -256, 513
HISTOGRAM_HALF = 2048


def write_release(
    network: Network, name: str, pictures: Iterable[np.ndarray], folder: Path, record: Mapping[str, str]
) -> Path:
    """Write `<name>-<8 hex digits>.safetensors` into `folder`.

    Args:
        network: trained, in evaluation mode.
        name: of the release.
        pictures: uint8 [H, W, 3], noisy as users' pictures will be, to calibrate the tables.
        folder: where the file goes.
        record: metadata to keep: what it was trained on and for how long.
    """
    metadata, tensors = quantised(network, pictures)
    data = save(
        {key: tensor.contiguous() for key, tensor in sorted(tensors.items())}, {**metadata, **record, "name": name}
    )
    path = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:8]}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)
    return path


@torch.no_grad()
def quantised(network: Network, pictures: Iterable[np.ndarray]) -> tuple[dict[str, str], dict[str, Tensor]]:
    """(metadata, tensors) of a release. The tables are calibrated on the symbols that `pictures` give."""
    metadata = {
        "kind": KIND,
        "graph_version": str(GRAPH_VERSION),
        "architecture": json.dumps(network.arch.to_dict()),
    }
    kept = {KEPT + key: value for key, value in network.prior.named_parameters() if value.requires_grad}
    tensors = {**_transforms(network), **exact_prior(network), **kept}
    tensors["prior.thresholds"] = torch.from_numpy(tables.raw_thresholds())
    density = tables.prior_cumulative(network.prior, HYPER_LOWEST, HYPER_COUNT)
    _store(tensors, "hyper", tables.hyper_tables(density, HYPER_LOWEST))
    _store(tensors, "latent", tables.latent_tables())
    _store(tensors, "enhancement", build_tables())
    cpu = torch.device("cpu")
    draft = model_from_tensors(bytes(8), "draft", metadata, tensors, cpu, transform_dtype(cpu))
    hyper, latent = histograms(draft, pictures)
    _store(tensors, "hyper", tables.hyper_tables(density, HYPER_LOWEST, hyper))
    _store(tensors, "latent", tables.latent_tables(latent))
    return metadata, tensors


def histograms(model: Model, pictures: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Count symbols at all qualities.

    Returns:
        int64 [hyper, HYPER_COUNT] and int64 [rows, 2 * HISTOGRAM_HALF + 1].
    """
    hyper = np.zeros((model.arch.hyper, HYPER_COUNT), np.int64)
    latent = np.zeros((tables.LATENT_ROWS, 2 * HISTOGRAM_HALF + 1), np.int64)
    for picture in pictures:
        for quality in range(1, QUALITIES + 1):
            y = model.transforms.analyse(torch.from_numpy(picture), quality)
            z = model.transforms.hyper_analyse(y)
            for channel, values in enumerate(z.view(-1, model.arch.hyper).t().numpy()):
                hyper[channel] += np.bincount(np.clip(values - HYPER_LOWEST, 0, HYPER_COUNT - 1), minlength=HYPER_COUNT)
            for symbols, rows in base.coded_symbols(model, y, base.drop_uncoded(model, z)):
                clipped = np.clip(symbols, -HISTOGRAM_HALF, HISTOGRAM_HALF).astype(np.int64) + HISTOGRAM_HALF
                width = latent.shape[1]
                latent += np.bincount(rows.astype(np.int64) * width + clipped, minlength=latent.size).reshape(
                    latent.shape
                )
    return hyper, latent


def exact_prior(network: Network) -> dict[str, Tensor]:
    """Floating-point hyper-synthesis, step-1 and context networks -> `prior.*` integer tensors (post-training)."""
    return {
        f"prior.{name}.{part}": tensor
        for name, path in EXACT_LAYERS.items()
        for part, tensor in _integer_layer(network.get_submodule(path), name).items()
    }


def _integer_layer(module: nn.Module, name: str) -> dict[str, Tensor]:
    """The finest power-of-two grid on which the weights fit int16 and the accumulators stay provably exact."""
    conv = cast(nn.Conv2d, module)
    weight, bias = conv.weight.detach().double(), conv.bias.detach().double()  # pyright: ignore[reportOptionalMemberAccess]
    for shift in range(24, 0, -1):
        w = torch.round(weight * 2.0**shift).flatten(1)
        b = torch.round(bias * 2.0 ** (shift + FEATURE_BITS)).long()
        if w.abs().max() > WEIGHT_MAX:
            continue
        try:
            prove_bound(w, b, name)
        except ValueError:
            continue
        w = w.t() if conv.groups > 1 else w  # depthwise: [taps, channels]
        return {"weight": w.to(torch.int16).contiguous(), "bias": b, "shift": torch.tensor([shift], dtype=torch.int32)}
    raise ValueError(f"layer {name} has weights too large for any grid")


def trained_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a release -> the float32 state of a `Network` to go on from; the mirror of `quantised`.

    Raises:
        KeyError: a tensor is missing.
    """
    state = {key: value.float() for key, value in tensors.items() if key.partition(".")[0] in TRANSFORMS}
    state |= {"prior." + key.removeprefix(KEPT): value for key, value in tensors.items() if key.startswith(KEPT)}
    for name, path in EXACT_LAYERS.items():
        weight, bias, shift = (tensors[f"prior.{name}.{part}"] for part in ("weight", "bias", "shift"))
        unit = 2.0 ** -int(shift)
        matrix = weight.double() * unit
        depthwise = path.endswith(".d")
        state[f"{path}.weight"] = (matrix.t().reshape(-1, 1, 3, 3) if depthwise else matrix[:, :, None, None]).float()
        state[f"{path}.bias"] = (bias.double() * unit * 2.0**-FEATURE_BITS).float()
    return state


def _transforms(network: Network) -> dict[str, Tensor]:
    """The transforms in float16, a quarter of a level off at most; gains stay float32."""
    out = {}
    for prefix in TRANSFORMS:
        for key, value in getattr(network, prefix).state_dict().items():
            out[f"{prefix}.{key}"] = value.float() if key == "log_gain" else value.half()
    return out


def _store(tensors: dict[str, Tensor], name: str, value: tables.Tables) -> None:
    for part in ("low", "size", "counts"):
        tensors[f"tables.{name}.{part}"] = torch.from_numpy(getattr(value, part).astype(np.int32))
