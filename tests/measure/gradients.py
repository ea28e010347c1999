"""How loud the samples of a training step are: gradients of one sample each, of the released model.

python -m measure.gradients FOLDER [--cache CACHE] [--samples 320] [--out docs/results/gradients.jsonl]

FOLDER holds training pictures, CACHE what a training run decoded from them. Takes 21 MB of memory a sample. Rows:
`weighting`, one a way to weigh the samples and a group of parameters, against the clean pictures and against what our
blind DnCNN makes of the noisy ones (what a distillation would learn from).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import torch
from torch import Tensor

from measure.results import RESULTS, Row, circumstances, write
from ncodec.nets.architecture import LAMBDAS, QUALITIES
from ncodec.nets.dncnn import load_dncnn
from ncodec.train.checkpoint import find_start, load_start
from ncodec.train.data import Pack, open_packs
from ncodec.train.loss import PEAK, mse_per_sample
from ncodec.train.noise import noisy_and_sigma
from ncodec.train.recipe import Recipe, load_recipe
from ncodec.train.trainer import Trainer
from ncodec.weights import models_folder

CLIPS = (1.0, 4.0, 16.0)
LOUDEST = 0.01
"""Share of the samples whose share of the squares is reported."""
NO_NOISE = 1e-6
"""Mean squared error in [0, 1] units below which a picture has none: half a level of 255 squared."""
CHUNK = 20_000
"""Numbers of every gradient that are multiplied at once."""


@dataclasses.dataclass(frozen=True)
class Gradients:
    """Inner products [n, n] of the samples' gradients of their cost, by group of parameters; and the samples' costs.

    The cost of a sample is `bpp + lambda * 255^2 * mse`.
    """

    products: dict[str, Tensor]
    cost: Tensor
    quality: Tensor

    def weightings(self) -> Iterator[tuple[str, Tensor]]:
        """Name, and float64 [n] factors on the gradients."""
        by_lambda = LAMBDAS[self.quality].double() ** -0.5
        yield "cost, times lambda^-1/2", by_lambda
        logarithm = 1 / self.cost
        yield "logarithm of the cost", logarithm
        norm = sum(product.diagonal() for product in self.products.values()) ** 0.5 * logarithm
        for clip in CLIPS:
            yield f"logarithm, clipped at {clip:g}", logarithm * (clip / norm).clamp(max=1)


Aim = Callable[[Tensor, Tensor], Tensor]
"""Clean and noisy pictures, float32 [B, 3, H, W] -> what the decoded ones are compared with."""


def measure(trainer: Trainer, samples: int, aim: Aim) -> Gradients:
    """Of pictures, noise and qualities as a run draws them, every quality as often."""
    named = trainer.task.groups(trainer.network)
    groups = {field.name: {id(p) for p in getattr(named, field.name)} for field in dataclasses.fields(named)}
    vectors: dict[str, list[Tensor]] = {name: [] for name in groups}
    costs, qualities = [], []
    parameters = trainer.gradients.parameters
    while len(costs) < samples:
        clean = trainer.source.batch()
        noisy, _ = noisy_and_sigma(clean, trainer.recipe.noise, trainer.noise)
        for one_aim, one_noisy in zip(aim(clean, noisy).split(1), noisy.split(1), strict=True):
            quality = torch.tensor([len(costs) % QUALITIES])
            with torch.autocast("cpu", dtype=trainer.gradients.dtype):
                estimate, rate_bpp = trainer.gradients.forward(one_noisy, quality)
            cost = rate_bpp + LAMBDAS[quality] * PEAK**2 * mse_per_sample(estimate, one_aim)
            found = list(zip(parameters, torch.autograd.grad(cost, parameters), strict=True))
            for name, members in groups.items():
                vectors[name].append(torch.cat([g.flatten().bfloat16() for p, g in found if id(p) in members]))
            costs.append(cost.item())
            qualities.append(quality)
    products = {name: _products(group) for name, group in vectors.items()}
    return Gradients(products, torch.tensor(costs, dtype=torch.float64), torch.cat(qualities))


def _products(vectors: list[Tensor]) -> Tensor:
    total = torch.zeros(len(vectors), len(vectors), dtype=torch.float64)
    for begin in range(0, len(vectors[0]), CHUNK):
        part = torch.stack([vector[begin : begin + CHUNK] for vector in vectors]).float()
        total += part @ part.T
    return total


def clean_pictures(clean: Tensor, noisy: Tensor) -> Tensor:
    """An `Aim`."""
    return clean


def denoised_pictures(clean: Tensor, noisy: Tensor) -> Tensor:
    """An `Aim`: our blind DnCNN's estimates, but for pictures without noise."""
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        estimate = load_dncnn(models_folder() / "dncnn-blind.safetensors")(noisy).float().clamp(0, 1)
    is_clean = (noisy - clean).square().mean((1, 2, 3), keepdim=True) < NO_NOISE
    return torch.where(is_clean, clean, estimate)


AIMS = {"clean": clean_pictures, "denoised": denoised_pictures}


def rows_of(found: Gradients, aim: str) -> list[Row]:
    """What every weighting makes of them."""
    rows: list[Row] = []
    for name, weights in found.weightings():
        for group, products in found.products.items():
            weighted = products * weights[:, None] * weights
            squares = weighted.diagonal()
            count = len(squares)
            of_mean = (weighted.sum() - squares.sum()) / (count * (count - 1))  # without bias
            loudest = squares.sort(descending=True).values[: round(LOUDEST * count)].sum() / squares.sum()
            rows.append({
                "kind": "weighting", "aim": aim, "weighting": name, "parameters": group, "samples": count,
                "mean_square": squares.mean().item(), "square_of_mean": of_mean.item(), "loudest": loudest.item(),
            })  # fmt: skip
    return rows


def _trainer(recipe: Recipe, pack: Pack) -> Trainer:
    start = load_start(find_start("base"))
    return Trainer(dataclasses.replace(recipe, architecture=start.architecture), pack, torch.device("cpu"), start)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--cache", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--samples", type=click.IntRange(100), default=320, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "gradients.jsonl")
def main(folder: Path, cache: Path, samples: int, threads: int, out: Path) -> None:
    """Measure and write the rows."""
    torch.set_num_threads(threads)
    pack, _ = open_packs(folder, cache, lambda text: click.echo(text, err=True))
    recipe = load_recipe("base").changed("loop.seed=11")
    about = circumstances("gradients", "base", patch=recipe.data.patch)
    rows = [row for name, aim in AIMS.items() for row in rows_of(measure(_trainer(recipe, pack), samples, aim), name)]
    write(out, [about, *rows])


if __name__ == "__main__":
    main()
