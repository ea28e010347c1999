"""What has to be measured again after a release: one command a step, and where its rows go."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from measure.merge import merged
from measure.results import RESULTS, ROOT
from ncodec.bench.results import read_results, write_results

REAL_SETS = ("cc15", "fmd")
TIMED_PICTURES = ("kodim05.png", "kodim23.png")
TIMED_METHODS = (
    "ncodec-denoised,ncodec-plain,ncodec-then-dncnn,dncnn-then-avif420,dncnn-then-avif444,dncnn-then-jxl,dncnn,noisy,"
    "testolina,hyperprior-then-dncnn"
)
OTHER_ON_REAL = "ncodec-plain,ncodec-partial,ncodec-then-dncnn,hyperprior-then-dncnn,testolina"
BLIND_DNCNN = "dncnn_GD_Color_Blind.pth"
LPIPS = "lpips_squeeze_v0.1.pth"


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: of its folder or file in the working folder.
        into: the result file that it makes or adds to, without its ending.
        arguments: after `python -m`, without its output.
        is_timed: it must run alone, on all cores, and whole: its ratios are of times of one day.
    """

    name: str
    into: str
    arguments: tuple[str, ...]
    is_timed: bool = False

    @property
    def is_bench(self) -> bool:
        """It is a run of `ncodec bench`, which goes on where its result file ends."""
        return self.arguments[0] == "ncodec"

    @property
    def is_added(self) -> bool:
        """Its rows are added to those that the result file has."""
        return self.is_bench and not self.is_timed

    def result(self, work: Path) -> Path:
        """Where it writes."""
        return work / self.name / "results.jsonl" if self.is_bench else work / f"{self.name}.jsonl"

    def start(self, work: Path) -> subprocess.Popen[bytes]:
        """Run it in a process of its own, which says what it does in a text file."""
        result = self.result(work)
        result.parent.mkdir(parents=True, exist_ok=True)
        known = RESULTS / f"{self.into}.jsonl"
        if self.is_timed:
            result.unlink(missing_ok=True)  # of a run that was interrupted, maybe days ago
        if self.is_added and known.exists() and not result.exists():
            shutil.copy(known, result)  # what others were measured to be holds still
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
        environment.pop("OMP_NUM_THREADS", None)
        if not self.is_timed:
            environment["OMP_NUM_THREADS"] = "1"
        out = str(result.parent if self.is_bench else result)
        with (work / f"{self.name}.txt").open("ab") as text:
            command = [sys.executable, "-m", *self.arguments, "--out", out]
            return subprocess.Popen(command, stdout=text, stderr=text, cwd=ROOT, env=environment)

    def collect(self, work: Path) -> None:
        """Put what it found into docs/results."""
        known = RESULTS / f"{self.into}.jsonl"
        if self.is_added:
            parts = [read_results(path) for path in (known, self.result(work)) if path.exists()]
            write_results(known, merged(parts))
        else:
            shutil.copy(self.result(work), known)


def all_steps(data: Path, weights: Path, work: Path, run: Path | None) -> list[Step]:
    """Those of one thread first, rates before what is measured in few places. `prepare` makes what they read."""
    kodak = str(data / "kodak")
    common = ("--repeats", "0", "--threads", "1", "--show", "0", "--lpips-weights", str(weights / LPIPS))
    floats = ("--weights", str(run)) if run else ()

    def bench(name: str, folder: str, into: str, methods: str, *more: str) -> Step:
        return Step(name, f"bench-{into}", ("ncodec", "bench", folder, *common, "--methods", methods, *more))

    def measured(name: str, folder: str, *more: str) -> Step:
        return Step(name, name, (f"measure.{name}", folder, "--processes", "1", *more))

    clean = {name: ("--reference", f"{work}/{name}-clean") for name in REAL_SETS}
    four = ("--qualities", "1,3,5,8")
    cascades = "ncodec-then-fdncnn-given,ncodec-then-fdncnn-estimated"
    steps = [
        bench("kodak-25", kodak, "kodak-25", "ncodec-denoised,ncodec-plain,ncodec-partial"),
        measured("kodak", kodak, *floats),
        Step("figure", "figure", ("measure.figure",)),
        bench("kodak-10", kodak, "kodak-10", "ncodec-denoised", "--noise", "gaussian:10"),
        bench("kodak-50", kodak, "kodak-50", "ncodec-denoised", "--noise", "gaussian:50"),
        *(bench(name, f"{work}/{name}-noisy", name, "ncodec-denoised", *clean[name]) for name in REAL_SETS),
        measured("real", str(data / "real"), "--dncnn", str(weights / BLIND_DNCNN)),
        bench("kodak-25-refined", kodak, "kodak-25", "ncodec-refined"),
        bench("kodak-25-dncnn", kodak, "kodak-25", "ncodec-then-dncnn"),
        bench("kodak-25-fdncnn", kodak, "kodak-25", cascades, "--qualities", "3,6"),
        measured("cheng", kodak),
        measured("enhancement", kodak),
        *(
            bench(f"{name}-refined", f"{work}/{name}-noisy", name, "ncodec-refined", *clean[name], *four)
            for name in REAL_SETS
        ),
        *(bench(f"{name}-others", f"{work}/{name}-noisy", name, OTHER_ON_REAL, *clean[name]) for name in REAL_SETS),
        *(
            bench(f"kodak-{n}-refined", kodak, f"kodak-{n}", "ncodec-refined", "--noise", f"gaussian:{n}", *four)
            for n in (10, 50)
        ),
        measured("refine", kodak),
        measured("search", str(data / "train"), "--cache", str(work / "pack")),
    ]
    return steps + _timed_steps(data, work)


def prepare(data: Path, work: Path) -> None:
    """The folders that `ncodec bench` reads: pairs of one name, and the pictures that are timed."""
    for name in REAL_SETS:
        for folder, ending in (("noisy", "_real"), ("clean", "_mean")):
            place = work / f"{name}-{folder}"
            place.mkdir(parents=True, exist_ok=True)
            for path in sorted((data / "real" / name).glob("*_real.png")):
                link = place / path.name
                if not link.exists():
                    link.symlink_to(path.with_name(path.name.replace("_real", ending)))
    timed = work / "timed"
    timed.mkdir(parents=True, exist_ok=True)
    for name in TIMED_PICTURES:
        shutil.copy(data / "kodak" / name, timed / name)


def _timed_steps(data: Path, work: Path) -> list[Step]:
    has_amx = "amx_tile" in Path("/proc/cpuinfo").read_text()
    ending = "" if has_amx else "-on-epyc"  # files of the machine with AMX have the plain names
    about = ("--qualities", "3,6", "--show", "0")
    return [
        Step("speed", f"speed{ending}", ("measure.speed", str(data / "kodak")), is_timed=True),
        *(
            Step(
                f"times-{dtype}",
                f"bench-times-{dtype}{ending}",
                ("ncodec", "bench", str(work / "timed"), *about, "--dtype", dtype, "--methods", TIMED_METHODS + more),
                is_timed=True,
            )
            for dtype, more in (("float32", ""), ("bfloat16", ",ncodec-refined"))
        ),
        Step("large", "large", ("measure.large",), is_timed=True),
        *([Step("cold", "cold", ("measure.cold", str(data / "kodak")), is_timed=True)] if has_amx else []),
    ]
