"""Makes the parts of methods, each once, when they are first wanted; remembers what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ncodec.bench.circumstances import sha8
from ncodec.bench.methods.alone import Matched
from ncodec.bench.methods.denoisers import Bm3d, Network
from ncodec.bench.methods.files import avif, jpeg, jpeg2000, jxl, webp
from ncodec.bench.methods.grain import AvifDenoise
from ncodec.bench.methods.method import Method
from ncodec.bench.methods.ours import EFFORT, PARTIAL_STRENGTH, Ncodec
from ncodec.bench.methods.parts import Codec, Denoiser
from ncodec.bench.methods.references import ReferenceCodec
from ncodec.bench.missing import Missing
from ncodec.nets.dncnn import load_dncnn
from ncodec.weights import Models

BLIND = ("dncnn-blind.safetensors", "dncnn_GD_Color_Blind.pth")
CONDITIONED = ("dncnn-conditioned.safetensors", "dncnn_FDnCNN_color.pth")
"""Names of weights files: ours, else the authors' own."""


@dataclass(frozen=True)
class Materials:
    """What parts are made of.

    Attributes:
        model: ncodec's: a name or a path.
        device, dtype: where networks run, and in float32 or bfloat16; ncodec and the denoisers alike.
        threads: of the processor, for all.
        dncnn: folder of DnCNN's and FDnCNN's weights.
        references: folder of the reference codecs' weights.
    """

    model: str
    device: torch.device
    dtype: torch.dtype
    threads: int
    dncnn: Path
    references: Path


class Kit:
    """The parts by name.

    Args:
        materials: what they are made of.

    Raises:
        ModelError: there is no such model of ncodec.
    """

    def __init__(self, materials: Materials) -> None:
        self._materials = materials
        self._models = Models(materials.device, materials.dtype)
        self.model = self._models.by_name(materials.model)
        self._made: dict[str, Any] = {}
        threads = materials.threads
        self._denoisers: dict[str, Callable[[], Denoiser]] = {
            "dncnn": lambda: self._network(BLIND),
            "fdncnn-given": lambda: self._network(CONDITIONED),
            "fdncnn-estimated": lambda: self._network(CONDITIONED, estimates=True),
            "bm3d": lambda: Bm3d(threads),
        }
        self._codecs: dict[str, Callable[[], Codec]] = {
            "ncodec-denoised": lambda: self._ours(1.0),
            "ncodec-refined": lambda: self._ours(1.0, EFFORT),
            "ncodec-partial": lambda: self._ours(PARTIAL_STRENGTH),
            "ncodec-plain": lambda: self._ours(0.0),
            "hyperprior": lambda: self._reference("plain"),
            "testolina": lambda: self._reference("denoising"),
            "avif-denoise": lambda: AvifDenoise(threads, grain=False),
            "avif-grain": lambda: AvifDenoise(threads, grain=True),
            "jpeg": jpeg,
            "webp": webp,
            "avif420": lambda: avif("4:2:0", threads),
            "avif444": lambda: avif("4:4:4", threads),
            "avif420-ssim": lambda: avif("4:2:0", threads, tune="ssim"),
            "avif444-ssim": lambda: avif("4:4:4", threads, tune="ssim"),
            "jpeg2000": jpeg2000,
            "jxl": lambda: jxl(threads),
            "jpeg2000-alone": lambda: Matched(jpeg2000(), 0.02, 8, steps=10, is_log=True),
            "avif444-alone": lambda: Matched(avif("4:4:4", threads), 0, 100, steps=7),
        }

    def denoiser(self, name: str) -> Denoiser:
        """Raises Missing, ModelError."""
        return self._make(name, self._denoisers)

    def codec(self, name: str) -> Codec:
        """Raises Missing, ModelError."""
        return self._make(name, self._codecs)

    def missing(self, method: Method) -> str | None:
        """What a method lacks; None if nothing. Raises ModelError if a weights file is there, but broken."""
        try:
            for name in method.parts:
                self._make(name, self._denoisers | self._codecs)
        except Missing as err:
            return str(err)
        return None

    def weights(self) -> dict[str, str]:
        """All weights files that are there beside ncodec's: kind -> `file sha8`."""
        folder, references = self._materials.dncnn, self._materials.references
        files = {"dncnn": _first(folder, BLIND), "fdncnn": _first(folder, CONDITIONED)}
        for kind in ("plain", "denoising"):
            files |= {path.stem: path for path in sorted(references.glob(f"{kind}-*.safetensors"))}
        return {kind: sha8(path) for kind, path in files.items() if path}

    def _make(self, name: str, makers: dict[str, Callable[[], Any]]) -> Any:
        if name not in self._made:
            self._made[name] = makers[name]()
        return self._made[name]

    def _ours(self, strength: float, effort: int = 0) -> Ncodec:
        return Ncodec(self._models, self.model, strength, effort)

    def _reference(self, kind: str) -> ReferenceCodec:
        if self._materials.device.type != "cpu":
            raise Missing("the reference codecs run on the CPU only: their times would not compare")
        return ReferenceCodec(self._materials.references, kind)

    def _network(self, names: tuple[str, ...], *, estimates: bool = False) -> Network:
        path = _first(self._materials.dncnn, names)
        if path is None:
            raise Missing(f"{self._materials.dncnn} holds no {' or '.join(names)}")
        net = load_dncnn(path).to(self._materials.device)
        return Network(net, self._materials.dtype, estimates)


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
