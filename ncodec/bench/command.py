"""What `ncodec bench` does: options -> pictures, parts, circumstances -> rows -> tables and a report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from ncodec.bench.circumstances import circumstances, sha8
from ncodec.bench.clock import Clock
from ncodec.bench.curves import NO_PACKAGE, has_measures
from ncodec.bench.methods import METHODS, Method, choose
from ncodec.bench.methods.kit import Kit, Materials
from ncodec.bench.metrics import Lpips
from ncodec.bench.missing import Missing
from ncodec.bench.pictures import Endings, Source, clean_sources, noisy_sources
from ncodec.bench.results import ResultFile, Results
from ncodec.bench.row import ID_DIGITS
from ncodec.bench.run import Comparison, Plan, Watcher, settings_of
from ncodec.bench.selection import Selection, select
from ncodec.bench.summary import Picture
from ncodec.bench.table import tables
from ncodec.bench.viewer import Viewer
from ncodec.device import choose_device, transform_dtype
from ncodec.errors import RequestError
from ncodec.nets.model import Model
from ncodec.noise import parse_noise

RESULTS = "results.jsonl"
PICTURES = "pictures"
REAL = "real"
"""What the circumstances call the noise of pictures that have it already."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Wishes:
    """The options of `ncodec bench`, as the command line has checked them.

    Attributes:
        folder: of the pictures, or one picture.
        paths: the pictures in it.
        out: folder of the results.
        noise: `gaussian:25`, `poisson-gaussian:a,b` or `none`.
        seed: of the first picture's noise.
        reference: folder of clean pictures; the others are noisy then, and get no noise.
        endings: of the names of noisy and clean pictures, `_real:_mean`.
        methods, without: names, `*` allowed.
        qualities: 1 ... 8.
        repeats: timed runs.
        show: so many pictures are written for looking at.
        anchor: method that rates are compared with.
        model: of ncodec.
        device: auto, cpu, cuda or cuda:n.
        dtype: auto, float32 or bfloat16.
        dncnn_weights, references, lpips_weights: where they are; None for the shipped ones, and for no LPIPS.
    """

    folder: Path
    paths: tuple[Path, ...]
    out: Path
    noise: str
    seed: int
    reference: Path | None
    endings: str
    methods: str
    without: str
    qualities: tuple[int, ...]
    repeats: int
    show: int
    anchor: str
    model: str
    device: str
    dtype: str
    dncnn_weights: Path
    references: Path
    lpips_weights: Path | None


class Bench:
    """A comparison that is ready to run.

    Args:
        wishes: what is wanted.

    Attributes:
        notes: what is left out, and why: one sentence each.
        failures: pictures that cannot be compared on, with their errors.
        size: rows in all.

    Raises:
        NcodecError: it cannot be done.
    """

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self._noise = parse_noise(wishes.noise)
        check_anchor(wishes.anchor)
        methods = choose(wishes.methods, wishes.without)
        device = choose_device(wishes.device)
        dtype = transform_dtype(device) if wishes.dtype == "auto" else DTYPES[wishes.dtype]
        threads = torch.get_num_threads()
        self._kit = Kit(Materials(wishes.model, device, dtype, threads, wishes.dncnn_weights, wishes.references))
        self._clock = Clock(wishes.repeats, device)
        self.notes: list[str] = []
        weights = self._kit.weights()
        self._lpips = self._load_lpips(weights)
        self._circumstances = circumstances(
            model=_model_name(self._kit.model),
            weights=weights,
            device=device,
            dtype=dtype,
            seed=wishes.seed,
            noise=REAL if wishes.reference else wishes.noise,
            repeats=wishes.repeats,
        )
        self.failures: dict[str, Exception] = {}
        there = self._there(methods)
        sources = self._sources()
        settings = [(method, settings_of(method, self._kit, wishes.qualities)) for method in there]
        self._write_report = self._load_report()
        if not has_measures():
            self.notes.append(f"left out: BD-rate and BD-PSNR: {NO_PACKAGE} (pip install 'ncodec[bench]')")
        self._plan = Plan(sources, self._noise, settings, self._circumstances.id)
        self.size = self._plan.size

    def run(self, watcher: Watcher) -> None:
        """Measure what is not in the result file yet; an interrupt leaves it valid."""
        wishes = self._wishes
        shown = frozenset(source.name for source in self._plan.sources[: wishes.show])
        with ResultFile(wishes.out / RESULTS) as file:
            file.begin(self._circumstances)
            viewer = Viewer(wishes.out / PICTURES, shown)
            comparison = Comparison(self._kit, self._clock, self._lpips, file, viewer, watcher)
            comparison.run(self._plan)
            self._selection = self._of_plan(Results(file.circumstances, tuple(file.rows)), comparison.pictures)

    def tables(self, console: Console) -> Iterable[Table]:
        """What was measured, of the methods, settings and pictures of this run; after `run`."""
        found = self._selection
        return tables(found.rows, found.about, self._wishes.anchor, console) if found.rows else []

    def report(self) -> Path | None:
        """Write the report of the rows that the tables show; after `run`. None if packages are not installed."""
        out = self._wishes.out
        if self._write_report is None or not self._selection.rows:
            return None
        self._write_report(self._selection, out / PICTURES, out, self._wishes.anchor)
        return out / "report.html"

    def _there(self, methods: Sequence[Method]) -> list[Method]:
        """Those whose packages and weights are there; notes of the others."""
        lacks: dict[str, list[str]] = {}
        there: list[Method] = []
        for method in methods:
            lack = self._kit.missing(method)
            if lack is None:
                there.append(method)
            else:
                lacks.setdefault(lack, []).append(method.name)
        self.notes += [f"left out: {', '.join(names)}: {lack}" for lack, names in lacks.items()]
        if not there:
            raise RequestError(f"no method is left: {next(iter(lacks))}")
        return there

    def _load_report(self) -> Callable[[Selection, Path, Path, str], None] | None:
        try:
            return import_module("ncodec.bench.report.write").write_report
        except ModuleNotFoundError as err:
            self.notes.append(
                f"left out: report.html: the package {err.name} is not installed (pip install 'ncodec[bench]')"
            )
            return None

    def _load_lpips(self, weights: dict[str, str]) -> Lpips | None:
        path = self._wishes.lpips_weights
        if path is None:
            return None
        try:
            metric = Lpips(path)
        except Missing as err:
            self.notes.append(f"left out: LPIPS: {err}")
            return None
        weights["lpips"] = sha8(path)
        return metric

    def _sources(self) -> list[Source]:
        wishes = self._wishes
        if wishes.reference is None:
            return clean_sources(wishes.folder, list(wishes.paths), wishes.seed)
        noisy, _, clean = wishes.endings.partition(":")
        found, alone = noisy_sources(wishes.folder, list(wishes.paths), wishes.reference, Endings(noisy, clean))
        self.failures |= alone
        return found

    def _of_plan(self, results: Results, pictures: Collection[Picture]) -> Selection:
        """What holds now, of the methods, settings and pictures of this run.

        A picture that has come between the others moves the noise of all after it: rows of the old noise do not count.
        """
        wanted = {(method.name, setting) for method, settings in self._plan.methods for setting in settings}
        mine = [
            row for row in results.rows if (row.picture, row.pixels) in pictures and (row.method, row.setting) in wanted
        ]
        return select(Results(results.circumstances, tuple(mine)), self._circumstances)


def _model_name(model: Model) -> str:
    """The file's; where it does not tell the model's id, as that of a release does, with the id."""
    stem, digits = Path(model.name).stem, model.id.hex()[:ID_DIGITS]
    return stem if stem.endswith(digits) else f"{stem} {digits}"


def check_anchor(anchor: str) -> None:
    """Raise RequestError unless it is a method that compresses."""
    known = [method.name for method in METHODS if method.codec]
    if anchor not in known:
        raise RequestError(f"the anchor {anchor} is no method with rates: say {', '.join(known)}")
