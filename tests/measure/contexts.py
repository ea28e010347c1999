"""In how many steps the latents are coded: entropy networks of 2 and of 4, trained on latents of the released model.

python -m measure.contexts FOLDER [--cache CACHE] [--batches 400] [--epochs 2] [--out docs/results/contexts.jsonl]

FOLDER holds training pictures, CACHE what a training run decoded from them. The analysis transform stays as it is, so
its latents are computed once; hyper-synthesis and the parameters of all steps go on from the released ones, those of
steps 3 and 4 from step 2's. Rows: `context`, one a number of steps, noise level and quality, of the validation split.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click
import torch
from torch import Tensor, nn

from measure.results import RESULTS, Row, circumstances, write
from ncodec.nets.architecture import QUALITIES, Architecture
from ncodec.nets.layers import Block
from ncodec.train.checkpoint import find_start, load_start
from ncodec.train.data import Pack, centre_crops, open_packs
from ncodec.train.evaluate import CROP_SIDE, SIGMAS, noisy_crops
from ncodec.train.loss import rate_distortion
from ncodec.train.network import Network, gaussian_bits, trainable_network
from ncodec.train.noise import noisy_and_sigma
from ncodec.train.optimisers import Optimisers, rate_factor
from ncodec.train.patches import PatchSource
from ncodec.train.recipe import Recipe, load_recipe
from ncodec.train.tasks.task import Groups

STEPS = (2, 4)
RATES = ("optimiser.adam_rate=2e-4", "optimiser.muon_rate=0.004", "optimiser.warmup_steps=50")
LOG_STEPS = 50

Report = Callable[[str], None]


class SteppedEntropy(nn.Module):
    """Everything between latents and bits, `steps` of them: the first from features, the others given those before."""

    def __init__(self, network: Network, steps: int) -> None:
        super().__init__()
        self.network, self.steps = network, steps
        self.contexts = nn.ModuleList(copy.deepcopy(network.context) for _ in range(steps - 1))

    def forward(self, y: Tensor) -> Tensor:
        """float32 [B, latent, H, W] -> float32 [B] bits."""
        net = self.network
        z = net.hyper_analysis(y).float()
        features = net.hyper_synthesis(net.decoded(z, 0.0))
        parameters = net.first(features).float()
        step_of = coding_step(y, self.steps)
        known = torch.zeros_like(y)
        for i, context in enumerate(self.contexts, 1):
            known = torch.where(step_of == i - 1, net.decoded(y, parameters.chunk(2, 1)[0]), known)
            mine = torch.cat([step_of == i] * 2, 1)
            parameters = torch.where(mine, context(features, known).float(), parameters)
        mean, scale = parameters.chunk(2, 1)
        bits = gaussian_bits(net.relaxed(y, mean) - mean, nn.functional.softplus(scale)).sum((1, 2, 3))
        return bits + net.hyper_bits(net.relaxed(z, 0.0))

    def groups(self) -> Groups:
        """What learns: all but transforms and the hyper-latents' prior."""
        parts = nn.ModuleList([self.network.hyper_synthesis, self.network.first, self.contexts])
        blocks = [m for m in parts.modules() if isinstance(m, Block)]
        return Groups.of(parts, [conv.weight for block in blocks for conv in (block.a, block.b, block.u, block.v)])


def coding_step(y: Tensor, steps: int) -> Tensor:
    """int64 [1, latent, H, W]: the step that codes a latent. Four of them halve the two of the checkerboard again."""
    c, i, j = (torch.arange(n)[(...,) + (None,) * after] for n, after in zip(y.shape[1:], (2, 1, 0), strict=True))
    colour = (c + i + j) % 2
    return (2 * colour + (c // 2 + i) % 2 if steps == 4 else colour)[None]


def exact_kmac_per_pixel(arch: Architecture, steps: int) -> float:
    """Of the integer networks if the latents were coded in so many steps, in thousands a pixel."""
    e, m = arch.entropy, arch.latent
    context = (e + m) * e + 6 * e * e + 9 * e + 2 * e * m
    return arch.exact_kmac_per_pixel() + (steps - 2) * context / 256 / 1000


@dataclass(frozen=True)
class Latents:
    """Batches of them, and the quality of every sample."""

    y: list[Tensor]
    quality: list[Tensor]


@torch.no_grad()
def training_latents(network: Network, pack: Pack, recipe: Recipe, batches: int) -> Latents:
    """bfloat16, of pictures and noise as the trainer draws them."""
    source = PatchSource(pack, recipe.data, torch.device("cpu"), recipe.loop.seed)
    random = torch.Generator().manual_seed(recipe.loop.seed)
    found = Latents([], [])
    for _ in range(batches):
        noisy, _ = noisy_and_sigma(source.batch(), recipe.noise, random)
        quality = torch.randint(QUALITIES, (len(noisy),), generator=random)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found.y.append(network.analysis(noisy, quality).bfloat16())
        found.quality.append(quality)
    return found


def train(entropy: SteppedEntropy, latents: Latents, recipe: Recipe, epochs: int, report: Report) -> None:
    """Let it learn the latents' rate, its own rates falling all the way."""
    optimisers = Optimisers(entropy.groups(), recipe.optimiser)
    random = torch.Generator().manual_seed(1)
    order = torch.cat([torch.randperm(len(latents.y), generator=random) for _ in range(epochs)]).tolist()
    entropy.train()
    sums, begin = [], time.perf_counter()
    for step, batch in enumerate(order):
        optimisers.set_rates(rate_factor(step, step / len(order), recipe.optimiser))
        y, quality = latents.y[batch].float(), latents.quality[batch]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rate_bpp = entropy(y) / recipe.data.patch**2
        loss = rate_distortion(rate_bpp, torch.zeros_like(rate_bpp), quality)
        loss.backward()
        optimisers.step()
        entropy.zero_grad(set_to_none=True)
        sums.append(loss.item())
        if step % LOG_STEPS == LOG_STEPS - 1:
            mean = sum(sums[-LOG_STEPS:]) / LOG_STEPS
            seconds = time.perf_counter() - begin
            report(f"{entropy.steps} steps: {step + 1} of {len(order)}, {mean:.4f}, {seconds:.0f} s")
    entropy.eval()


@torch.no_grad()
def evaluate(entropy: SteppedEntropy, crops: Tensor, trained: str) -> list[Row]:
    """Rates of the validation split."""
    rows: list[Row] = []
    for sigma in SIGMAS:
        _, noisy = noisy_crops(crops.numpy(), sigma)
        for quality in range(QUALITIES):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                y = entropy.network.analysis(noisy, torch.full((len(noisy),), quality))
                bits = entropy(y.float())
            rate_bpp = bits.mean().item() / CROP_SIDE**2
            rows.append({"kind": "context", "steps": entropy.steps, "trained": trained, "sigma": sigma,
                         "quality": quality + 1, "rate_bpp": rate_bpp,
                         "kmac_per_pixel": exact_kmac_per_pixel(entropy.network.arch, entropy.steps)})  # fmt: skip
    return rows


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--cache", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--batches", type=click.IntRange(1), default=400, show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=2, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "contexts.jsonl")
def main(folder: Path, cache: Path, batches: int, epochs: int, threads: int, out: Path) -> None:
    """Train both, measure both."""
    torch.set_num_threads(threads)
    start = load_start(find_start("base"))
    recipe = replace(load_recipe("base"), architecture=start.architecture).changed(*RATES)

    def report(text: str) -> None:
        click.echo(text, err=True)

    pack, validation = open_packs(folder, cache, report)
    crops = torch.from_numpy(centre_crops(validation, recipe.loop.evaluate_crops, CROP_SIDE))
    network = trainable_network(start.architecture).eval()
    network.load_state_dict(start.ema)
    network.requires_grad_(False)
    latents = training_latents(network, pack, recipe, batches)
    report("latents computed")
    rows = evaluate(SteppedEntropy(network, 2).eval(), crops, "released")
    for steps in STEPS:
        entropy = SteppedEntropy(copy.deepcopy(network), steps)
        for part in (entropy.network.hyper_synthesis, entropy.network.first, entropy.contexts):
            part.requires_grad_(True)
        train(entropy, latents, recipe, epochs, report)
        rows += evaluate(entropy, crops, "on latents of the released model")
    megapixels = batches * epochs * recipe.data.batch * recipe.data.patch**2 / 1e6
    write(out, [circumstances("contexts", "base", megapixels=megapixels, batches=batches, epochs=epochs), *rows])


if __name__ == "__main__":
    main()
