"""Every method of the comparison, in the order of tables: what is done to a noisy picture, by the names of its parts.

The parts themselves, which need packages and weights, are made by `ncodec.bench.methods.kit`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from ncodec.errors import RequestError

NCODEC, CASCADE, CODEC_DENOISER, DENOISE_FIRST, COMPRESSION_ONLY, DENOISER = FAMILIES = (
    "ncodec",
    "cascade",
    "codec-denoiser",
    "denoise-then-encode",
    "compression-only",
    "denoiser",
)


class Output(Enum):
    """What a method puts out, and thereby what it is compared with."""

    PLAIN = "the picture with its noise"
    DENOISED = "the picture without its noise"


@dataclass(frozen=True, slots=True)
class Method:
    """A chain: a denoiser before the encoder, a codec, a denoiser after the decoder; none of them must be there.

    Attributes:
        name: on the command line and in rows.
        label: for people.
        family: one of FAMILIES; plots give each a colour.
        before, codec, after: names of parts; empty for none.
        output: with its noise or without.
    """

    name: str
    label: str
    family: str
    before: str = ""
    codec: str = ""
    after: str = ""
    output: Output = Output.DENOISED

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts that there are."""
        return tuple(filter(None, (self.before, self.codec, self.after)))


_DENOISERS = {
    "dncnn": "DnCNN",
    "fdncnn-given": "FDnCNN (noise level given)",
    "fdncnn-estimated": "FDnCNN (noise level estimated)",
    "bm3d": "BM3D (noise level given)",
}
_FIRST = ("dncnn", "bm3d")
_AFTER = ("dncnn", "fdncnn-given", "fdncnn-estimated")
_FILES = {
    "jpeg": "JPEG",
    "webp": "WebP",
    "avif420": "AVIF 4:2:0",
    "avif444": "AVIF 4:4:4",
    "avif420-ssim": "AVIF 4:2:0 with tune=ssim",
    "avif444-ssim": "AVIF 4:4:4 with tune=ssim",
    "jpeg2000": "JPEG 2000",
    "jxl": "JPEG XL",
}
_ALONE = ("jpeg2000", "avif444")


def _ours() -> Iterable[Method]:
    yield Method("ncodec-denoised", "ncodec, denoised", NCODEC, codec="ncodec-denoised")
    yield Method("ncodec-refined", "ncodec --effort 1, denoised", NCODEC, codec="ncodec-refined")
    yield Method("ncodec-partial", "ncodec, half denoised", NCODEC, codec="ncodec-partial")
    yield Method("ncodec-plain", "ncodec, plain", NCODEC, codec="ncodec-plain", output=Output.PLAIN)


def _cascades() -> Iterable[Method]:
    for start, codec, label in (
        ("ncodec", "ncodec-plain", "ncodec plain"),
        ("hyperprior", "hyperprior", "hyperprior"),
    ):
        for after in _AFTER:
            title = f"{label}, then {_DENOISERS[after]}"
            yield Method(f"{start}-then-{after}", title, CASCADE, codec=codec, after=after)


def _codec_denoisers() -> Iterable[Method]:
    yield Method("testolina", "Testolina et al., combined", CODEC_DENOISER, codec="testolina")
    yield Method("avif-denoise", "AVIF's own denoiser", CODEC_DENOISER, codec="avif-denoise")
    title = "AVIF's own denoiser and film grain"
    yield Method("avif-grain", title, CODEC_DENOISER, codec="avif-grain", output=Output.PLAIN)


def _denoise_first() -> Iterable[Method]:
    for before in _FIRST:
        for codec, label in _FILES.items():
            title = f"{_DENOISERS[before].partition(' (')[0]}, then {label}"
            yield Method(f"{before}-then-{codec}", title, DENOISE_FIRST, before=before, codec=codec)


def _compression_only() -> Iterable[Method]:
    for codec in _ALONE:
        title = f"{_FILES[codec]} alone, residual as the noise"
        yield Method(f"{codec}-alone", title, COMPRESSION_ONLY, codec=f"{codec}-alone")


def _denoisers() -> Iterable[Method]:
    for name, label in _DENOISERS.items():
        yield Method(name, label, DENOISER, before=name)
    yield Method("noisy", "the noisy picture itself", DENOISER, output=Output.PLAIN)


METHODS: tuple[Method, ...] = (
    *_ours(),
    *_cascades(),
    *_codec_denoisers(),
    *_denoise_first(),
    *_compression_only(),
    *_denoisers(),
)


ON_REQUEST = frozenset({"ncodec-refined"})
"""So slow that they are measured only when their whole name is said."""


def choose(wanted: str, without: str = "") -> tuple[Method, ...]:
    """Methods by name, in the order of METHODS.

    Args:
        wanted: names with commas between, `*` for any characters; empty for all. One that is ON_REQUEST is taken
            by its whole name only.
        without: the same, of those to be left out.

    Raises:
        RequestError: a name is no method's, or none is left.
    """
    taken = _named(wanted or "*") - (ON_REQUEST - set(_words(wanted))) - _named(without)
    left = tuple(method for method in METHODS if method.name in taken)
    if not left:
        raise RequestError("no method is left")
    return left


def _named(text: str) -> set[str]:
    found: set[str] = set()
    for pattern in _words(text):
        names = {method.name for method in METHODS if fnmatchcase(method.name, pattern)}
        if not names:
            known = ", ".join(method.name for method in METHODS)
            raise RequestError(f"there is no method {pattern}: say {known}")
        found |= names
    return found


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]
