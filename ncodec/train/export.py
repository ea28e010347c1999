"""A trained network -> a release: integer networks, integer tables, one safetensors file named by its own hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from ncodec import base
from ncodec.device import transform_dtype
from ncodec.enhancement.tables import build_tables
from ncodec.nets.architecture import QUALITIES
from ncodec.nets.model import GRAPH_VERSION, KIND, Model, model_from_tensors
from ncodec.train import tables
from ncodec.train.integers import exact_prior, float_prior
from ncodec.train.network import Network

TRANSFORMS = ("analysis", "hyper_analysis", "synthesis")
KEPT = "training.prior."
"""The factorized prior's own parameters are kept beside its tables, so that training can go on from a release."""
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
    pictures = list(pictures)
    tensors = {**_transforms(network), **exact_prior(network, pictures), **kept}
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


def trained_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a release -> the float32 state of a `Network` to go on from; the mirror of `quantised`.

    Raises:
        KeyError: a tensor is missing.
    """
    state = {key: value.float() for key, value in tensors.items() if key.partition(".")[0] in TRANSFORMS}
    state |= {"prior." + key.removeprefix(KEPT): value for key, value in tensors.items() if key.startswith(KEPT)}
    return state | float_prior(tensors)


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
