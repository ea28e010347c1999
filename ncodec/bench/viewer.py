"""Pictures for looking at, side by side: each method's at the setting whose rate is nearest to a common one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ncodec.bench.methods import Method
from ncodec.bench.pictures import Pair, Source
from ncodec.bench.row import ID_DIGITS, Row
from ncodec.picture import Picture, save_png

RATE_BPP = 0.5
NOISY, CLEAN = "noisy", "clean"
DIGITS = "?" * ID_DIGITS


class Viewer:
    """Writes `FOLDER/<picture>/<method>-<setting>-<circumstances>-<pixels>.png`, `noisy-` and `clean-<pixels>.png`.

    Circumstances and pixels are those of the row: a picture of another noise or model is not taken for it.

    Args:
        folder: made when the first picture is written.
        shown: names of the pictures that are wanted.
    """

    def __init__(self, folder: Path, shown: frozenset[str]) -> None:
        self._folder, self._shown = folder, shown

    def wants(self, source: Source) -> bool:
        """Whether a picture is shown."""
        return source.name in self._shown

    def begin(self, source: Source, pair: Pair) -> None:
        """Write the picture as it was, and as it should be; those of another noise go."""
        if not self.wants(source):
            return
        for name, pixels in ((CLEAN, pair.clean), (NOISY, pair.noisy)):
            path = self._file(source, input_name(name, pair.crc))
            for old in path.parent.glob(f"{name}-{DIGITS}.png"):
                if old != path:
                    old.unlink()
            self._write(path, pixels)

    def show(self, source: Source, method: Method, rows: Mapping[str, Row], outputs: Outputs) -> None:
        """Write what there is to see of a method, at one of its settings.

        Args:
            source: the picture.
            method: the method.
            rows: of it, by setting.
            outputs: uint8 [H, W, C] by setting, of those that were made just now; others are made if they are needed.
        """
        if not self.wants(source) or not rows or method.name == NOISY:
            return
        setting = nearest(rows)
        path = self._file(source, shot_name(rows[setting]))
        if path.exists():
            return
        for other in rows:  # of an earlier run
            for old in path.parent.glob(f"{method.name}-{other}-{DIGITS}-{DIGITS}.png"):
                old.unlink()
        self._write(path, outputs.of(setting))

    def _file(self, source: Source, name: str) -> Path:
        return self._folder / PurePosixPath(source.name) / f"{name}.png"

    @staticmethod
    def _write(path: Path, pixels: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_bytes(save_png(Picture(np.ascontiguousarray(pixels))))
        part.replace(path)


@dataclass(frozen=True)
class Outputs:
    """Pictures that a method has made: those of this run, and a way to the others.

    Attributes:
        fresh: uint8 [H, W, C] by setting.
        make: gives the picture of a setting.
    """

    fresh: Mapping[str, np.ndarray]
    make: Callable[[str], np.ndarray]

    def of(self, setting: str) -> np.ndarray:
        """uint8 [H, W, C]."""
        return self.fresh[setting] if setting in self.fresh else self.make(setting)


def input_name(name: str, pixels: str) -> str:
    """Of the file that holds what is NOISY or CLEAN, without suffix.

    Args:
        name: which of them.
        pixels: digest of both, as rows have it.
    """
    return f"{name}-{pixels}"


def shot_name(row: Row) -> str:
    """Of the file that holds what came out for a row, without suffix."""
    return f"{row.method}-{row.setting}-{row.circumstances}-{row.pixels}"


def nearest(rows: Mapping[str, Row]) -> str:
    """The setting whose rate is nearest to RATE_BPP by ratio; the first without compression."""
    rates = {setting: row.rate_bpp for setting, row in rows.items() if row.rate_bpp}
    if not rates:
        return next(iter(rows))
    return min(rates, key=lambda setting: abs(math.log(rates[setting] / RATE_BPP)))
