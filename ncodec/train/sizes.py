"""The sizes of every network that the trainer trains, by the task that its recipe names."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from ncodec.errors import ModelError
from ncodec.nets.architecture import Architecture
from ncodec.nets.dncnn import DnCnnSizes

CODEC, DENOISER, REFERENCE = "codec", "denoiser", "reference"


@dataclass(frozen=True, slots=True)
class ReferenceSizes:
    """compressai's ScaleHyperprior, with Testolina et al.'s denoising convolutions or without (`train/reference.py`).

    Attributes:
        width: channels of the transforms (N).
        latent: of the latents (M).
        denoising: 5x5 convolutions at the latent end of the decoder; 0 for the plain codec, whose aim is its input.
        trade_off: lambda of `bpp + lambda * 255^2 * MSE`; one network serves one.
    """

    width: int = 128
    latent: int = 192
    denoising: int = 4
    trade_off: float = 0.0067

    def to_dict(self) -> dict[str, float]:
        """Plain numbers, for a JSON text."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, float]) -> ReferenceSizes:
        """The mirror of `to_dict`. Raises ValueError on a missing, unknown or senseless value."""
        names = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or set(values) != names:
            raise ValueError(f"sizes {sorted(names.symmetric_difference(values))} are missing or unknown")
        sizes = cls(**values)  # pyright: ignore[reportArgumentType]
        if any(type(n) is not int or not 0 < n <= 4096 for n in (sizes.width, sizes.latent)):
            raise ValueError("a size is not an integer in 1..4096")
        if type(sizes.denoising) is not int or not 0 <= sizes.denoising <= 100:
            raise ValueError("denoising is not an integer in 0..100")
        if type(sizes.trade_off) not in (int, float) or not 0 < sizes.trade_off <= 100:
            raise ValueError("the trade-off is not a number above 0")
        return sizes


Sizes = Architecture | DnCnnSizes | ReferenceSizes

SIZES: dict[str, type[Architecture] | type[DnCnnSizes] | type[ReferenceSizes]] = {
    CODEC: Architecture,
    DENOISER: DnCnnSizes,
    REFERENCE: ReferenceSizes,
}


def task_of(sizes: Sizes) -> str:
    """The task that trains a network of these sizes."""
    return next(name for name, kind in SIZES.items() if isinstance(sizes, kind))


def codec_sizes(sizes: Sizes) -> Architecture:
    """Those of the base codec. ModelError if they are another network's."""
    if not isinstance(sizes, Architecture):
        raise ModelError(f"the weights are of a {task_of(sizes)}, not of the base codec")
    return sizes
