"""`python -m ncodec.train.opponents`: a denoiser or a reference codec of a run -> the file that measurements load."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import torch
from safetensors import safe_open
from safetensors.torch import save

from ncodec.errors import ModelError
from ncodec.nets import dncnn
from ncodec.train import reference
from ncodec.train.checkpoint import Start, load_start
from ncodec.train.commands import one_sentence
from ncodec.train.manifest import facts, set_denoiser
from ncodec.train.sizes import DENOISER, REFERENCE, task_of
from ncodec.train.tasks.registry import TASKS

LICENSE = "MIT"
KINDS = {DENOISER: dncnn.KIND, REFERENCE: reference.KIND}


@click.command()
@click.option("--weights", required=True, type=click.Path(exists=True, path_type=Path), help="A run's folder or file.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="models/...safetensors")
@click.option("--trained-on", required=True, help="One line on the pictures and their licences.")
def main(weights: Path, out: Path, trained_on: str) -> None:
    """Write the averaged weights of a run as float16, with what they have seen.

    Beside a manifest.json a denoiser gets its row there: the wheel holds what is named in it.
    """
    with one_sentence():
        start = load_start(weights)
        click.echo(write_opponent(start, out, trained_on))
        manifest = out.with_name("manifest.json")
        if task_of(start.architecture) == DENOISER and manifest.exists():
            set_denoiser(manifest, denoiser_row(out))


def write_opponent(start: Start, out: Path, trained_on: str) -> Path:
    """Averaged weights -> `out`, all of it or nothing.

    Metadata: `kind`, `task`, `architecture` and `record` (JSON; steps and pixels seen in it), `trained_on`.

    Raises:
        ModelError: the weights are the codec's own (`ncodec.train.release` is for those), or do not fit their sizes.
    """
    task = task_of(start.architecture)
    if task not in KINDS:
        raise ModelError(f"the weights are of a {task}: python -m ncodec.train.release is for those")
    wanted = dict(TASKS[task].network(start.architecture).named_parameters())
    if missing := sorted(set(wanted) - set(start.ema)):
        raise ModelError(f"the weights have no {missing[0]}")
    tensors = {name: start.ema[name].detach().cpu().to(torch.float16).contiguous() for name in wanted}
    metadata = {
        "kind": KINDS[task],
        "task": task,
        "architecture": json.dumps(start.architecture.to_dict()),
        "record": json.dumps(asdict(start.record)),
        "trained_on": trained_on,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    part.write_bytes(save(tensors, metadata))
    part.replace(out)
    return out


def denoiser_row(path: Path) -> dict[str, Any]:
    """Of a denoiser's file in the manifest, whose files go into the wheel."""
    with safe_open(path, "numpy") as file:
        trained_on = file.metadata()["trained_on"]
    return {"size_bytes": path.stat().st_size} | facts(path, load_start(path), trained_on, LICENSE)


if __name__ == "__main__":
    main()
