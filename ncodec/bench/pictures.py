"""The pictures of a comparison: clean ones with seeded noise on them, or noisy ones with clean references."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ncodec.cli.inputs import PICTURES
from ncodec.errors import ImageError
from ncodec.noise import Noise, add_noise
from ncodec.picture import load

PEAK = 255


@dataclass(frozen=True)
class Endings:
    """How the names of noisy and clean pictures end where they differ: `_real`, `_mean`."""

    noisy: str
    clean: str

    def clean_stem(self, stem: str) -> str | None:
        """Of the clean picture that belongs to a noisy one; None if its name does not end so."""
        return stem.removesuffix(self.noisy) + self.clean if self.noisy and stem.endswith(self.noisy) else None


@dataclass(frozen=True)
class Source:
    """A picture to be compared on.

    Attributes:
        name: path inside its folder, with slashes.
        path: of the picture that is read: clean, or noisy if there is a reference.
        reference: of the clean picture; None if `path` is clean and noise is to be added.
        seed: of its noise.
    """

    name: str
    path: Path
    reference: Path | None
    seed: int


@dataclass(frozen=True, eq=False)
class Pair:
    """A noisy picture and what it should be.

    Attributes:
        noisy, clean: uint8 [H, W, C], C 1 or 3.
        sigma_8bit: standard deviation of the noise over the whole picture in 8-bit levels, as a denoiser is told it:
            that of the noise model, before rounding and clipping; with a reference that of the difference.
    """

    noisy: np.ndarray
    clean: np.ndarray
    sigma_8bit: float

    @property
    def crc(self) -> str:
        """8 hex digits that change with any pixel."""
        return f"{zlib.crc32(self.noisy.tobytes(), zlib.crc32(self.clean.tobytes())):08x}"


def clean_sources(folder: Path, paths: list[Path], seed: int) -> list[Source]:
    """All are clean; noise of seed + k goes on picture k."""
    return [Source(_name(path, folder), path, None, seed + k) for k, path in enumerate(paths)]


def noisy_sources(
    folder: Path, paths: list[Path], references: Path, endings: Endings
) -> tuple[list[Source], dict[str, ImageError]]:
    """Noisy pictures with their references, and the error of each that has none.

    A reference has the other ending, or else the same name; any suffix. Pictures that serve as references of others
    are no noisy pictures.
    """
    found = [(path, _reference(path, folder, references, endings)) for path in paths]
    used = {reference for _, reference in found}
    sources = [Source(_name(path, folder), path, reference, 0) for path, reference in found if reference]
    alone = [path for path, reference in found if not reference and path.resolve() not in used]
    return sources, {str(path): _no_reference(path, references, endings) for path in alone}


def read_pair(source: Source, noise: Noise) -> Pair:
    """Load a picture; add the noise, or load the reference. Alpha is left out.

    Raises:
        ImageError: a picture cannot be read, or the two differ in size.
        OSError: a file cannot be read.
    """
    pixels = load(source.path.read_bytes()).pixels
    if source.reference is None:
        noisy = add_noise(pixels, noise, source.seed) if noise != Noise(0, 0) else pixels
        return Pair(noisy, pixels, rms_sigma(noise, pixels))
    clean = load(source.reference.read_bytes()).pixels
    if clean.shape[:2] != pixels.shape[:2]:
        sizes = (f"{shape[1]}x{shape[0]}" for shape in (pixels.shape, clean.shape))
        raise ImageError("{}, its reference {}".format(*sizes))
    channels = max(pixels.shape[2], clean.shape[2])  # a gray picture of one may be an RGB picture with gray pixels
    pixels, clean = (np.repeat(part, channels // part.shape[2], axis=2) for part in (pixels, clean))
    difference = pixels.astype(np.float32) - clean
    return Pair(pixels, clean, float(np.sqrt(np.square(difference).mean(dtype=np.float64))))


def rms_sigma(noise: Noise, pixels: np.ndarray) -> float:
    """Root of the noise's mean variance over a picture, in 8-bit levels: the variance is linear in the intensity."""
    return PEAK * float(noise.sigma_at(float(pixels.mean(dtype=np.float64)) / PEAK))


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path != folder else path.name


def _no_reference(path: Path, references: Path, endings: Endings) -> ImageError:
    names = [f"{stem}.*" for stem in (endings.clean_stem(path.stem), path.stem) if stem]
    return ImageError(f"{references} holds no clean picture for it ({' or '.join(names)})")


def _reference(path: Path, folder: Path, references: Path, endings: Endings) -> Path | None:
    """The clean picture of a noisy one, never the picture itself.

    The other ending comes first: under its own name a folder of both kinds holds a noisy picture again.
    """
    place = references / PurePosixPath(_name(path, folder)).parent
    for stem in filter(None, (endings.clean_stem(path.stem), path.stem)):
        for other in sorted(place.glob(f"{_literal(stem)}.*")):
            if other.stem == stem and other.suffix.lower() in PICTURES and not other.samefile(path):
                return other.resolve()
    return None


def _literal(stem: str) -> str:
    """A name in which glob sees no pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in stem)
