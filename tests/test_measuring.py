"""What is measured after a release: which rows are kept, and what happens to steps that fail or have ended."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from bench_tools import ABOUT, row
from measure import steps as measure_steps
from measure.everything import run_all
from measure.merge import merged
from measure.steps import Step, all_steps
from ncodec.bench.results import Results, read_results, write_results


def test_merged_results_hold_the_newest_rows_once() -> None:
    newer = dataclasses.replace(ABOUT, model="base-11111111", started="2027")
    old = Results({ABOUT.id: ABOUT}, (row(), row(method="noisy", setting="default", size_bytes=None, rate_bpp=None)))
    new = row(circumstances=newer.id, psnr_denoised_clean_db=31.0)
    found = merged([old, Results({newer.id: newer}, (new,))])
    assert list(found.circumstances) == [ABOUT.id, newer.id]
    assert [(each.method, each.psnr_denoised_clean_db) for each in found.rows] == [
        ("noisy", row().psnr_denoised_clean_db), ("ncodec-denoised", 31.0),
    ]  # fmt: skip
    again = merged([found, found])
    assert again == found


def test_every_step_adds_to_a_result_file_that_is_there(tmp_path: Path) -> None:
    found = all_steps(tmp_path, tmp_path, tmp_path / "work", None)
    assert len({step.name for step in found}) == len(found)
    assert all((measure_steps.RESULTS / f"{step.into}.jsonl").exists() for step in found)
    assert [step.is_timed for step in found] == sorted(step.is_timed for step in found)


@pytest.mark.parametrize("is_timed", [False, True])
def test_times_are_measured_whole_and_all_else_is_added(
    is_timed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opponents' times of another day are not kept beside ncodec's of today."""
    monkeypatch.setattr(measure_steps, "RESULTS", tmp_path)
    monkeypatch.setattr(measure_steps.subprocess, "Popen", lambda *_, **__: None)
    old, new = row(method="noisy", setting="default"), row()
    kept, work = tmp_path / "bench-x.jsonl", tmp_path / "work"
    write_results(kept, Results({ABOUT.id: ABOUT}, (old,)))
    step = Step("x", "bench-x", ("ncodec", "bench"), is_timed)
    work.mkdir()
    step.start(work)
    assert step.result(work).exists() != is_timed
    write_results(step.result(work), Results({ABOUT.id: ABOUT}, (new,)))
    step.start(work)  # after an interruption
    assert step.result(work).exists() != is_timed
    write_results(step.result(work), Results({ABOUT.id: ABOUT}, (new,)))
    step.collect(work)
    assert read_results(kept).rows == ((new,) if is_timed else (old, new))


@dataclasses.dataclass(frozen=True)
class Stub(Step):
    """A step that writes its name, or fails."""

    def start(self, work: Path) -> subprocess.Popen[bytes]:
        code = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('rows'); sys.exit(int(sys.argv[2]))"
        return subprocess.Popen([sys.executable, "-c", code, str(self.result(work)), *self.arguments[1:]])


def test_steps_end_once_and_those_that_fail_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, work = tmp_path / "results", tmp_path / "work"
    results.mkdir()
    work.mkdir()
    monkeypatch.setattr(measure_steps, "RESULTS", results)
    good, bad = Stub("good", "kept", ("measure.good", "0")), Stub("bad", "lost", ("measure.bad", "3"))
    assert run_all([good, bad], work, 2) == [bad]
    assert [path.name for path in results.iterdir()] == ["kept.jsonl"]
    (results / "kept.jsonl").unlink()
    assert run_all([good, bad], work, 1) == [bad]
    assert not list(results.iterdir())
