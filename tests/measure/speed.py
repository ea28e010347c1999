"""Time in process after warm-up, split by parts, beside the machine's convolution rate and compressai's hyperprior.

python -m measure.speed FOLDER [--out docs/results/speed.jsonl]

Every round runs each operation once, so that what else the machine does meets all of them; ratios are taken within a
round. Rows: `operation` (medians), `convolution` (the machine's own rate), `transforms` (their rate, as a share of it),
`ratio`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import click
import torch
from torch.nn import functional as F

from measure.results import RESULTS, Row, circumstances, write
from measure.stopwatch import Stopwatch
from measure.work import Progress, clean_and_noisy, models
from ncodec import codec
from ncodec.compat import allow_torchvision_beside_cpu_torch
from ncodec.container import dump, parse
from ncodec.entropy import Decoder, Encoder
from ncodec.nets.inference import Transforms
from ncodec.nets.model import Model
from ncodec.nets.prior import ExactPrior
from ncodec.paths import LatentPaths
from ncodec.picture import Picture

PICTURE, SIGMA, SEED = "kodim05", 25, 4
QUALITIES = (3, 6)
RIVAL_QUALITY = 5
WARM_UP = 2
SECONDS_PER_ROUND = 5.0
CONVOLUTIONS = {"1x1": (768, 1), "3x3": (256, 3)}
"""Channels and kernel side of large convolutions: bfloat16, channels-last, on 64 x 96 positions."""
CONVOLUTION_REPEATS = 10

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

WATCHED = (
    (Transforms, "analyse", "analysis"),
    (Transforms, "hyper_analyse", "analysis"),
    (Transforms, "synthesise", "synthesis"),
    (ExactPrior, "features", "integer networks"),
    (ExactPrior, "step1", "integer networks"),
    (ExactPrior, "step2", "integer networks"),
    (LatentPaths, "quantise", "latents' paths"),
    (Encoder, "push", "entropy coder"),
    (Encoder, "finish", "entropy coder"),
    (Decoder, "__init__", "entropy coder"),
    (Decoder, "pop", "entropy coder"),
    (Decoder, "close", "entropy coder"),
    (codec, "estimate_noise", "noise estimation"),
    (codec, "encode_residual", "enhancement"),
    (codec, "add_residual", "enhancement"),
)

Times = list[tuple[float, dict[str, float]]]


@dataclass
class Operation:
    """Something that every round runs once.

    Attributes:
        name, quality: what it is.
        call: runs it.
        times: of each round, in all and by part, in seconds.
    """

    name: str
    quality: int | None
    call: Callable[[], Any]
    times: Times = field(default_factory=list)

    def total_s(self) -> list[float]:
        return [total for total, _ in self.times]

    def part_s(self, *parts: str) -> list[float]:
        return [sum(split.get(part, 0.0) for part in parts) for _, split in self.times]

    def row(self) -> Row:
        names = sorted({part for _, split in self.times for part in split})
        return {
            "kind": "operation",
            "operation": self.name,
            "quality": self.quality,
            "median_s": median(self.total_s()),
            "least_s": min(self.total_s()),
            "parts_s": {name: median(self.part_s(name)) for name in names},
        }


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "speed.jsonl")
@click.option("--model", default="base", show_default=True)
@click.option("--threads", type=int, default=2, show_default=True)
@click.option("--repeats", type=int, default=11, show_default=True)
@click.option("--clock", type=click.Choice(list(CLOCKS)), default="wall", help="cpu: for one thread, when it is busy.")
def main(folder: Path, out: Path, model: str, threads: int, repeats: int, clock: str) -> None:
    """Time everything on one picture of FOLDER."""
    torch.set_num_threads(threads)
    _, noisy = clean_and_noisy(folder / f"{PICTURE}.png", SIGMA, SEED)
    about = circumstances(
        "speed", model, repeats=repeats, clock=clock, picture=PICTURE, sigma=SIGMA, noise_seed=SEED,
        rival_quality=RIVAL_QUALITY,
    )  # fmt: skip
    coder = models().by_name(model)
    ours = [part for quality in QUALITIES for part in operations(coder, Picture(noisy), quality)]
    rival = Operation("bmshj2018_hyperprior compress + decompress", None, compressai_round_trip(noisy))
    rates: dict[str, list[float]] = {name: [] for name in CONVOLUTIONS}
    stopwatch = Stopwatch(frozenset({"enhancement"}), CLOCKS[clock])
    progress = Progress("speed", WARM_UP + repeats, (WARM_UP + repeats) * SECONDS_PER_ROUND)
    with stopwatch.watching(WATCHED):
        for number in range(WARM_UP + repeats):
            for operation in [*ours, rival]:
                result = stopwatch.run(operation.call)
                operation.times += [result] if number >= WARM_UP else []
            for name, values in rates.items():
                values += [convolution_tflops(*CONVOLUTIONS[name], CLOCKS[clock])] if number >= WARM_UP else []
            progress.step()
    by_name = {(operation.name, operation.quality): operation for operation in ours}
    rows = [operation.row() for operation in [*ours, rival]]
    rows += [{"kind": "convolution", "name": name, "tflops": median(values)} for name, values in rates.items()]
    rows += transform_rows(coder, by_name, rates, noisy.shape[0] * noisy.shape[1])
    write(out, [about, *rows, *ratio_rows(by_name, rival)])


def operations(model: Model, picture: Picture, quality: int) -> list[Operation]:
    """Encodes and decodes of one picture at one quality, from and to bytes."""
    data = dump(codec.encode(picture, model, quality, quality))
    return [
        Operation("encode, base only", quality, lambda: dump(codec.encode(picture, model, quality, None))),
        Operation("encode", quality, lambda: dump(codec.encode(picture, model, quality, quality))),
        Operation("decode, denoised", quality, lambda: codec.decode(parse(data), models(), 1.0)),
        Operation("decode, plain", quality, lambda: codec.decode(parse(data), models(), 0.0)),
    ]


def compressai_round_trip(pixels: Any) -> Callable[[], Any]:
    """compressai's bmshj2018_hyperprior, weights untrained: the same operations, whatever they make of the picture."""
    allow_torchvision_beside_cpu_torch()
    from compressai.zoo import bmshj2018_hyperprior

    net = bmshj2018_hyperprior(RIVAL_QUALITY, pretrained=False).eval()
    net.update()
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255

    @torch.inference_mode()
    def round_trip() -> torch.Tensor:
        coded = net.compress(x)
        return net.decompress(coded["strings"], coded["shape"])["x_hat"]

    return round_trip


@torch.inference_mode()
def convolution_tflops(channels: int, side: int, clock: Callable[[], float]) -> float:
    """Rate of torch's own bfloat16 convolution, in 10^12 operations a second (a multiply-accumulate is two)."""
    x = torch.randn(1, channels, 64, 96).bfloat16().to(memory_format=torch.channels_last)
    weight = torch.randn(channels, channels, side, side).bfloat16().to(memory_format=torch.channels_last)
    F.conv2d(x, weight, padding=side // 2)
    begin = clock()
    for _ in range(CONVOLUTION_REPEATS):
        F.conv2d(x, weight, padding=side // 2)
    spent = clock() - begin
    return 2 * channels**2 * side**2 * x.shape[2] * x.shape[3] * CONVOLUTION_REPEATS / spent / 1e12


def transform_rows(
    model: Model, by_name: dict[tuple[str, int | None], Operation], rates: dict[str, list[float]], pixels: int
) -> list[Row]:
    """Rate of the transforms, and its share of the faster of the machine's convolutions, round by round."""
    best = [max(values) for values in zip(*rates.values(), strict=True)]
    costs = {
        ("encode, base only", "analysis"): model.arch.analysis_kmac_per_pixel(),
        ("decode, denoised", "synthesis"): model.arch.synthesis_kmac_per_pixel(),
    }
    rows = []
    for quality in QUALITIES:
        for (name, part), kmac in costs.items():
            times = by_name[name, quality].part_s(part)
            tflops = [2 * 1000 * kmac * pixels / time_s / 1e12 for time_s in times]
            shares = [rate / peak for rate, peak in zip(tflops, best, strict=True)]
            row = {"kind": "transforms", "quality": quality, "transform": part, "kmac_per_pixel": kmac}
            rows.append(row | {"median_s": median(times), "tflops": median(tflops), "share": median(shares)})
    return rows


def ratio_rows(by_name: dict[tuple[str, int | None], Operation], rival: Operation) -> list[Row]:
    """Medians of ratios within a round."""
    rows = []
    for quality in QUALITIES:
        encode, denoised, plain = (
            by_name[name, quality] for name in ("encode, base only", "decode, denoised", "decode, plain")
        )
        both = [sum(pair) for pair in zip(encode.total_s(), denoised.total_s(), strict=True)]
        for name, above, below in (
            ("denoised decode / plain decode", denoised.total_s(), plain.total_s()),
            ("entropy coder / denoised decode", denoised.part_s("entropy coder"), denoised.total_s()),
            ("compressai / (encode, base only + denoised decode)", rival.total_s(), both),
        ):
            value = median(a / b for a, b in zip(above, below, strict=True))
            rows.append({"kind": "ratio", "quality": quality, "ratio": name, "value": value})
    return rows


if __name__ == "__main__":
    main()
