"""What methods and families are called where people read; older result files may name methods that are gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ncodec.bench.methods import METHODS
from ncodec.bench.methods.method import (
    CASCADE,
    CODEC_DENOISER,
    COMPRESSION_ONLY,
    DENOISE_FIRST,
    DENOISER,
    FAMILIES,
    NCODEC,
)

OURS = "ncodec-denoised"
REFINED = "ncodec-refined"
PLAIN = "ncodec-plain"
NOISY = "noisy"
OTHER = "other"

_FAMILY_LABELS = {
    NCODEC: "ncodec",
    CASCADE: "Code plain, then denoise",
    CODEC_DENOISER: "Codecs that denoise",
    DENOISE_FIRST: "Denoise, then encode",
    COMPRESSION_ONLY: "Compression alone",
    DENOISER: "Denoisers without compression",
}
_SHORTER = {
    " (noise level given)": ", told",
    " (noise level estimated)": ", estimating",
    ", residual as the noise": "",
    " and film grain": " + grain",
    "Testolina et al., combined": "Testolina et al.",
}
_KNOWN = {method.name: method for method in METHODS}
REFERENCES = frozenset(method.name for method in METHODS if method.codec in ("hyperprior", "testolina"))
"""Of networks that run in float32, as compressai codes with them, whatever number format others run in."""


@dataclass(frozen=True, slots=True)
class Info:
    """A method's name, label for people, and family.

    `denoises_after`: a denoiser works on what its decoder puts out; `is_coded_by_ncodec`: its file is one of ncodec's.
    """

    name: str
    label: str
    family: str
    denoises_after: bool = False
    is_coded_by_ncodec: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Methods of one plot: a word for file names, a title, the methods."""

    name: str
    title: str
    methods: tuple[str, ...]


def info_of(method: str) -> Info:
    """Of a method by the name in its rows; an unknown one is its own label."""
    known = _KNOWN.get(method)
    if known is None:
        return Info(method, method, OTHER)
    return Info(method, known.label, known.family, bool(known.after), known.codec.startswith("ncodec-"))


def label_of(method: str) -> str:
    """For people."""
    return info_of(method).label


def short_label_of(method: str) -> str:
    """For plots."""
    text = label_of(method)
    for long, short in _SHORTER.items():
        text = text.replace(long, short)
    return text


def in_float32(methods: Iterable[str], dtype: str) -> list[str]:
    """Those that run in float32 though networks were to run in `dtype`; none where that is the same."""
    return [method for method in methods if method in REFERENCES and dtype != "float32"]


def noise_text(noise: str) -> str:
    """Of circumstances, for people."""
    kind, _, level = noise.partition(":")
    texts = {
        "gaussian": f"white Gaussian noise, sigma {level}",
        "poisson-gaussian": f"Poisson-Gaussian noise ({level})",
        "none": "no noise added",
        "real": "noisy as they were taken",
    }
    return texts.get(kind, noise)


def family_label(family: str) -> str:
    """For people."""
    return _FAMILY_LABELS.get(family, "Others")


def in_order(methods: Iterable[str]) -> list[str]:
    """Methods in the order of tables, unknown ones last."""
    order = {name: place for place, name in enumerate(_KNOWN)}
    return sorted(methods, key=lambda name: order.get(name, len(order)))


def by_family(methods: Iterable[str]) -> dict[str, list[str]]:
    """Methods by family, families and methods in the order of tables."""
    found: dict[str, list[str]] = {family: [] for family in (*FAMILIES, OTHER)}
    for method in in_order(methods):
        found[info_of(method).family].append(method)
    return {family: members for family, members in found.items() if members}


def panels(methods: Iterable[str]) -> list[Panel]:
    """What stands together in one plot: a family each, and denoising first by its denoiser, for it has many rows."""
    found: dict[tuple[str, str], list[str]] = {}
    for family, members in by_family(methods).items():
        for method in members:
            first = _KNOWN[method].before if family == DENOISE_FIRST else ""
            found.setdefault((family, first), []).append(method)
    return [
        Panel(f"{first}-first" if first else family, f"{label_of(first).partition(' (')[0]} first, then encode"
              if first else family_label(family), tuple(members))
        for (family, first), members in found.items()
    ]  # fmt: skip
