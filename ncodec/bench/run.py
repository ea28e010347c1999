"""The comparison itself: every picture through every method at every setting, a row each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ncodec.bench.clock import Clock
from ncodec.bench.methods import Method, Output
from ncodec.bench.methods.kit import Kit
from ncodec.bench.methods.parts import DEFAULT
from ncodec.bench.metrics import ms_ssim, psnr_db, ssim
from ncodec.bench.pictures import Pair, Source, read_pair
from ncodec.bench.results import ResultFile
from ncodec.bench.row import Row
from ncodec.bench.session import Outcome, Session, shared_chains
from ncodec.bench.summary import Picture
from ncodec.bench.viewer import Outputs, Viewer
from ncodec.container import QUALITIES
from ncodec.errors import ImageError, NcodecError
from ncodec.noise import Noise

Distance = Callable[[np.ndarray, np.ndarray], float | None]


class Watcher(Protocol):
    """Who is told how it goes."""

    def tick(self, name: str) -> None:
        """One more row is there."""
        ...

    def say(self, line: str) -> None:
        """For people who wait."""
        ...

    def fail(self, subject: str, err: Exception) -> None:
        """A picture, or a method on it, has failed; raises `err` if going on makes no sense."""
        ...


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Attributes:
        sources: the pictures.
        noise: that is added to those without a reference.
        methods: each with its settings.
        circumstances: id of them.
    """

    sources: Sequence[Source]
    noise: Noise
    methods: Sequence[tuple[Method, tuple[str, ...]]]
    circumstances: str

    @property
    def size(self) -> int:
        """Rows in all."""
        return len(self.sources) * sum(len(settings) for _, settings in self.methods)


def settings_of(method: Method, kit: Kit, qualities: Sequence[int]) -> tuple[str, ...]:
    """Of the codec's eight settings those of `qualities` (1 ... 8); all where it has another number of them."""
    if not method.codec:
        return (DEFAULT,)
    known = kit.codec(method.codec).settings
    return tuple(known[quality - 1] for quality in qualities) if len(known) == QUALITIES else known


class Comparison:
    """Measures what a result file does not have yet.

    Args:
        kit: the parts of methods.
        clock: that times them.
        lpips: that metric, if it is wanted.
        file: where rows go.
        viewer: that writes pictures to look at.
        watcher: is told how it goes.

    Attributes:
        pictures: that were read, each with the digest of its pixels: under its name a file may hold rows of others.
    """

    def __init__(
        self, kit: Kit, clock: Clock, lpips: Distance | None, file: ResultFile, viewer: Viewer, watcher: Watcher
    ) -> None:
        self._kit, self._clock, self._lpips = kit, clock, lpips
        self._file, self._viewer, self._watcher = file, viewer, watcher
        self.pictures: set[Picture] = set()

    def run(self, plan: Plan) -> None:
        """All pictures, past those that cannot be read."""
        for source in plan.sources:
            try:
                pair = read_pair(source, plan.noise)
            except Exception as err:
                self._watcher.fail(str(source.path), err)
                continue
            self.pictures.add((source.name, pair.crc))
            new = self._picture(plan, source, pair)
            self._watcher.say(f"{source.name}: {new} new rows")

    def _picture(self, plan: Plan, source: Source, pair: Pair) -> int:
        """Number of rows that were not there yet."""
        session = Session(pair, self._kit, self._clock, shared_chains(method for method, _ in plan.methods))
        self._viewer.begin(source, pair)
        return sum(self._method(plan, source, pair, session, *wanted) for wanted in plan.methods)

    def _method(
        self, plan: Plan, source: Source, pair: Pair, session: Session, method: Method, settings: tuple[str, ...]
    ) -> int:
        """Number of rows that were not there yet."""
        rows: dict[str, Row] = {}
        fresh: dict[str, np.ndarray] = {}
        new = 0
        height, width = pair.clean.shape[:2]
        for place, setting in enumerate(settings):
            wanted = Row(plan.circumstances, source.name, pair.crc, width, height, method.name, setting)
            known = self._file.find(wanted)
            try:
                if known is None:
                    outcome = session.outcome(method, setting)
                    known = measured(wanted, pair, method, outcome, self._lpips)
                    self._file.add(known)
                    new += 1
                    if self._viewer.wants(source):
                        fresh[setting] = outcome.pixels
                rows[setting] = known
            except (NcodecError, MemoryError, RuntimeError) as err:  # torch's lack of memory is a RuntimeError
                self._watcher.fail(f"{source.name}, {method.name} {setting}", err)
            except ValueError as err:  # a library does not take such a picture, BM3D none with a side below 8
                self._watcher.fail(f"{source.name}, {method.name}", ImageError(f"left out: {err}"))
                for left in settings[place:]:
                    self._watcher.tick(f"{source.name} {method.name} {left}")
                break
            self._watcher.tick(f"{source.name} {method.name} {setting}")
        outputs = Outputs(fresh, lambda setting: session.outcome(method, setting).pixels)
        self._viewer.show(source, method, rows, outputs)
        return new


def measured(row: Row, pair: Pair, method: Method, outcome: Outcome, lpips: Distance | None) -> Row:
    """`row` with the figures of an outcome."""
    out, clean = outcome.pixels, pair.clean
    keeps_noise = method.output is Output.PLAIN
    size = outcome.size_bytes
    return replace(
        row,
        size_bytes=size,
        rate_bpp=None if size is None else 8 * size / (row.width * row.height),
        psnr_plain_noisy_db=psnr_db(out, pair.noisy) if keeps_noise else None,
        psnr_plain_clean_db=psnr_db(out, clean) if keeps_noise else None,
        psnr_denoised_clean_db=None if keeps_noise else psnr_db(out, clean),
        ssim=ssim(out, clean),
        ms_ssim=ms_ssim(out, clean),
        lpips=lpips(out, clean) if lpips else None,
        denoise_s=outcome.denoise_s,
        encode_s=outcome.encode_s,
        decode_s=outcome.decode_s,
        repeats=outcome.repeats,
        memory_peak_mib=outcome.memory_peak_mib,
        kmac_per_pixel=outcome.kmac_per_pixel,
    )
