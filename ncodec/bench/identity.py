"""What a row depends on, and thereby under which circumstances it holds.

A row tells the circumstances of its run, all of them. It depends on fewer: BM3D before JPEG XL is the same whichever
model ncodec has that day. So a row holds under other circumstances, too, where these agree in what it depends on:

* every row: the noise and its seed (the pixels themselves are in its key), libraries and weights of the metrics, and
  our own code of pictures and metrics;
* each part of its method: the versions of the packages that it calls, the weights that it loads, our own code of it;
  for ncodec its model; for networks the number format and the device;
* rows with times: processor, threads and repeats, and our code that measures.

`ncodec bench` measures only what has no row that holds: with a new model of ncodec, or a new version of a package, what
depends on it. So a comparison may be made in parts (`--methods`), one after the other into one file. Networks differ in
a last digit from one processor to another; that makes no other row, unless it has times.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from ncodec.bench.methods.method import METHODS
from ncodec.bench.row import ID_DIGITS, Circumstances, Row
from ncodec.bench.sources import SAME


@dataclass(frozen=True)
class Needs:
    """What a part of a method depends on.

    Attributes:
        code: names in `ncodec.bench.sources.CODE`.
        packages: names of packages, and of libraries inside Pillow.
        weights: name of its weights; `{setting}` in it stands for the codec's.
        is_network: its number format and device matter.
        is_ours: ncodec's model matters.
        has_threads: how many there are changes what it codes.
    """

    code: tuple[str, ...]
    packages: tuple[str, ...]
    weights: str = ""
    is_network: bool = False
    is_ours: bool = False
    has_threads: bool = False


_FIGURES = Needs(("figures",), ("pytorch-msssim",))
_LPIPS = Needs((), ("lpips",), "lpips")
_OURS = Needs(("ncodec",), ("torch", "constriction"), is_network=True, is_ours=True)
_AVIF = ("pillow", "libavif")
NEEDS = {
    **dict.fromkeys(("ncodec-denoised", "ncodec-partial", "ncodec-plain"), _OURS),
    "ncodec-refined": replace(_OURS, code=("ncodec", "refining")),
    "hyperprior": Needs(("references",), ("torch", "compressai"), "plain-{setting}"),
    "testolina": Needs(("references",), ("torch", "compressai"), "denoising-{setting}"),
    "avif-denoise": Needs(("files", "grain"), (*_AVIF, "av"), has_threads=True),
    "avif-grain": Needs(("files", "grain"), _AVIF, has_threads=True),
    "jpeg": Needs(("files",), ("pillow", "libjpeg-turbo")),
    "webp": Needs(("files",), ("pillow", "libwebp")),
    **dict.fromkeys(("avif420", "avif444", "avif420-ssim", "avif444-ssim"), Needs(("files",), _AVIF, has_threads=True)),
    "jpeg2000": Needs(("files",), ("pillow", "openjpeg")),
    "jxl": Needs(("files",), ("pillow", "pillow-jxl-plugin")),
    "jpeg2000-alone": Needs(("files", "alone"), ("pillow", "openjpeg")),
    "avif444-alone": Needs(("files", "alone"), _AVIF, has_threads=True),
    "dncnn": Needs(("networks",), ("torch",), "dncnn", is_network=True),
    "fdncnn-given": Needs(("networks",), ("torch",), "fdncnn", is_network=True),
    "fdncnn-estimated": Needs(("networks", "noise"), ("torch",), "fdncnn", is_network=True),
    "bm3d": Needs(("bm3d",), ("bm3d", "bm4d")),
}
"""Part (a denoiser or a codec of `ncodec.bench.methods.kit`) -> what it depends on."""
_METHODS = {method.name: method for method in METHODS}


def facts(about: Circumstances, method: str, setting: str) -> dict[str, Any]:
    """Those of the circumstances that a row depends on; all of them for a method that is not known (any more)."""
    known = _METHODS.get(method)
    if known is None:
        return {"everything": about.id}
    needs = [_FIGURES, *([_LPIPS] if _LPIPS.weights in about.weights else ()), *(NEEDS[part] for part in known.parts)]
    versions = {**about.packages, "torch": about.torch, "pillow": about.pillow}
    weights = {need.weights.format(setting=setting) for need in needs if need.weights}
    found: dict[str, Any] = {
        "noise": (about.noise, about.seed),
        "code": {name: SAME.get(told := about.code.get(name, ""), told) for need in needs for name in need.code},
        "packages": {name: versions.get(name) for need in needs for name in need.packages},
        "weights": {name: about.weights.get(name) for name in weights},
    }
    if any(need.is_ours for need in needs):
        found["model"] = about.model
    if any(need.is_network for need in needs):
        found["networks"] = (about.dtype, about.device)
    if any(need.has_threads for need in needs):
        found["threads"] = about.threads
    if about.repeats and known.parts:
        found["times"] = (about.cpu, about.threads, about.device, about.repeats, about.code.get("times"))
    return found


class Identities:
    """Hashes of what rows depend on, each made once.

    Args:
        circumstances: by id; more may be added to it.
    """

    def __init__(self, circumstances: dict[str, Circumstances]) -> None:
        self._circumstances = circumstances
        self._made: dict[tuple[str, str, str], str] = {}

    def of(self, row: Row) -> str:
        """8 hex digits of all that a row depends on, but the picture."""
        return self.under(row.circumstances, row)

    def under(self, circumstances: str, row: Row) -> str:
        """Those of a row of its method and setting that is measured under other circumstances, given by their id."""
        key = (circumstances, row.method, row.setting)
        if key not in self._made:
            told = json.dumps(facts(self._circumstances[circumstances], row.method, row.setting), sort_keys=True)
            self._made[key] = hashlib.sha256(told.encode()).hexdigest()[:ID_DIGITS]
        return self._made[key]
