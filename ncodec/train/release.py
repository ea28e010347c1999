"""`python -m ncodec.train.release`: weights of a run -> models/: quantised file, manifest row, model cards."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from ncodec.errors import NcodecError
from ncodec.noise import Noise, add_noise
from ncodec.train.checkpoint import Start, load_start
from ncodec.train.commands import one_sentence
from ncodec.train.data import Pack, centre_crops, open_packs
from ncodec.train.export import write_release
from ncodec.train.manifest import add_model, check_place, facts
from ncodec.train.network import Network, trainable_network
from ncodec.train.noise import LEVELS, noisy_and_sigma
from ncodec.train.recipe import NoiseRecipe
from ncodec.train.sizes import codec_sizes

CALIBRATION_SIGMAS = (0, 5, 10, 20, 25, 30, 50)
CALIBRATION_SIDE = 384
CALIBRATION_PICTURES = 28


@click.command()
@click.option("--weights", required=True, type=click.Path(exists=True, path_type=Path), help="A run's folder or file.")
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path), help="Pictures it was trained on.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of the decoded pictures.")
@click.option("--models", default="models", show_default=True, type=click.Path(path_type=Path))
@click.option("--name", default="base", show_default=True, help="What users call it.")
@click.option("--trained-on", required=True, help="One line on the pictures and their licences.")
@click.option("--license", "license_name", default="MIT", show_default=True, help="Licence of the weights.")
def main(**options: Any) -> None:
    """Quantise the EMA weights of a run and add them to a folder of models."""
    with one_sentence():
        click.echo(release(**options))


def release(
    weights: Path, data: Path, cache: Path | None, models: Path, name: str, trained_on: str, license_name: str
) -> Path:
    """Write a release and its manifest row; returns the weights file. Raises ModelError, ImageError, RequestError."""
    check_place(models)
    start = load_start(weights)
    with tempfile.TemporaryDirectory() as scratch:
        path = write_model(start, data, cache or Path(scratch), models, name)
    add_model(models / "manifest.json", manifest_row(path, name, start, trained_on, license_name))
    return path


def write_model(start: Start, data: Path, cache: Path, folder: Path, name: str) -> Path:
    """The averaged weights of the codec, quantised, as a file that `--model` takes: `<name>-<digits>.safetensors`."""
    pack, _ = open_packs(data, cache)
    return write_release(ema_network(start), name, calibration(pack, start.noise), folder, record_of(start))


def ema_network(start: Start) -> Network:
    """The network of the averaged weights, which is what ships, in evaluation mode."""
    network = trainable_network(codec_sizes(start.architecture))
    missing = network.load_state_dict(start.ema, strict=False)
    unknown = [key for key in missing.missing_keys if not key.startswith("prior._")]
    if unknown or missing.unexpected_keys:
        raise NcodecError(f"the weights do not fit the network: {unknown + missing.unexpected_keys}")
    return network.eval()


def calibration(pack: Pack, noise: NoiseRecipe | None) -> Iterator[np.ndarray]:
    """Noisy crops of training pictures, uint8 [H, W, 3]; never of the validation split, on which rates are measured.

    Every second one has noise as it was trained for, where that is known, the others white noise of all strengths.
    """
    crops = centre_crops(pack, CALIBRATION_PICTURES, CALIBRATION_SIDE)
    random = torch.Generator().manual_seed(0)
    for i, crop in enumerate(crops):
        if noise is not None and i % 2:
            clean = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / LEVELS
            noisy, _ = noisy_and_sigma(clean, noise, random)
            yield (noisy[0] * LEVELS).round().byte().permute(1, 2, 0).contiguous().numpy()
            continue
        yield add_noise(crop, Noise.gaussian(CALIBRATION_SIGMAS[i % len(CALIBRATION_SIGMAS)]), seed=i)


def record_of(start: Start) -> dict[str, str]:
    """Metadata of the weights file: how long it was trained."""
    return {"record": json.dumps(asdict(start.record))}


def manifest_row(path: Path, name: str, start: Start, trained_on: str, license_name: str) -> dict[str, Any]:
    """One row of the manifest (see ncodec.weights.Release), with the record of the training beside it."""
    kind = {"name": name, "kind": "base", "base": "", "released": date.today().isoformat()}
    return kind | facts(path, start, trained_on, license_name)


if __name__ == "__main__":
    main()
