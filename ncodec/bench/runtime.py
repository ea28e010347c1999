"""The runtime table of Testolina et al. 2021 (their Table 1): one network that decodes denoised, against a cascade."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from ncodec.bench.row import Row
from ncodec.bench.summary import Picture

Timed = dict[Picture, list[Row]]
"""A method's rows with times."""

AGAINST = {
    "ncodec-denoised": (
        "ncodec-refined",
        "ncodec-then-dncnn",
        "ncodec-then-fdncnn-given",
        "ncodec-then-fdncnn-estimated",
        "dncnn-then-avif420",
        "dncnn-then-avif444",
        "dncnn-then-jxl",
        "bm3d-then-avif444",
    ),
    "testolina": ("hyperprior-then-dncnn", "hyperprior-then-fdncnn-given", "hyperprior-then-fdncnn-estimated"),
}
"""A combined method and what does the same in several steps, or with a longer search."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """Seconds a picture of one method, means over pictures and settings; None for a step that it does not have.

    Attributes:
        method: its name.
        combined: the method that it is compared with; its own name for that one.
        pictures: how many both have, which are averaged over.
        denoise_s, encode_s, decode_s: of the steps.
        ratio: of its total to the combined method's on the same pictures.
    """

    method: str
    combined: str
    pictures: int
    denoise_s: float | None
    encode_s: float | None
    decode_s: float | None
    ratio: float

    @property
    def total_s(self) -> float:
        """Of all steps."""
        return sum(filter(None, (self.denoise_s, self.encode_s, self.decode_s)))


def runtimes(rows: Iterable[Row]) -> list[Runtime]:
    """A line for each method that there is, after the combined method that it is compared with.

    Args:
        rows: of one circumstance; those without times are passed over. A picture counts for a method if every setting
            of both methods has it.
    """
    timed: dict[str, Timed] = {}
    for row in rows:
        if row.total_s is not None:
            timed.setdefault(row.method, {}).setdefault((row.picture, row.pixels), []).append(row)
    lines: list[Runtime] = []
    for combined, others in AGAINST.items():
        if combined not in timed:
            continue
        lines.append(_line(combined, combined, timed, 1.0))
        for method in others:
            if set(timed.get(method, {})) & set(timed[combined]):
                ours, theirs = _line(combined, method, timed, 1.0), _line(method, combined, timed, 1.0)
                lines.append(_line(method, combined, timed, theirs.total_s / ours.total_s))
    return lines


def _line(method: str, other: str, timed: dict[str, Timed], ratio: float) -> Runtime:
    pictures = sorted(set(timed[method]) & set(timed[other]))
    denoise_s, encode_s, decode_s = (
        _mean(timed[method], pictures, name) for name in ("denoise_s", "encode_s", "decode_s")
    )
    return Runtime(method, other, len(pictures), denoise_s, encode_s, decode_s, ratio)


def _mean(rows: Timed, pictures: list[Picture], figure: str) -> float | None:
    """Over the settings of each picture, then over the pictures."""
    values = [[getattr(row, figure) for row in rows[picture]] for picture in pictures]
    return None if values[0][0] is None else fmean(fmean(of_picture) for of_picture in values)
