"""After a release: all result files that depend on the base model alone, and what is made from them: the pages of
figures, the README's own.

python -m measure.everything DATA WEIGHTS --work FOLDER [--run RUN] [--only kodak,cc15]

DATA holds kodak/ and real/, WEIGHTS the authors' DnCNN and LPIPS's network. What is measured is the newest release of
the checkout that this runs in. Steps run two at a time, one thread each; then those that measure time, one at a time
on both cores: the machine must have nothing else to do. A step that has ended is not run again in the same FOLDER, one
that was interrupted goes on where it can. What measures time begins with an empty file, always: times of opponents from
another day are none to compare with.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from measure.results import RESULTS, ROOT
from measure.steps import Step, all_steps, prepare

AT_A_TIME = 2
TERMINATED = 128 + signal.SIGTERM
LOOK_EVERY_S = 1.0


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("weights", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--work", required=True, type=click.Path(file_okay=False, path_type=Path), help="For what is half done.")
@click.option("--run", type=click.Path(exists=True, path_type=Path), help="Floating-point weights of the release.")
@click.option("--only", help="Names of steps, with commas between them.")
def main(data: Path, weights: Path, work: Path, run: Path | None, only: str | None) -> None:
    """Measure everything."""
    data, weights, work = data.resolve(), weights.resolve(), work.resolve()
    steps = all_steps(data, weights, work, run.resolve() if run else None)
    wanted = set(only.split(",")) if only else {step.name for step in steps}
    if unknown := wanted - {step.name for step in steps}:
        raise click.UsageError(f"no steps {', '.join(sorted(unknown))}; there are {', '.join(s.name for s in steps)}")
    steps = [step for step in steps if step.name in wanted]
    prepare(data, work)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # not without what it has begun
    failed = run_all([step for step in steps if not step.is_timed], work, AT_A_TIME)
    failed += run_all([step for step in steps if step.is_timed], work, 1)
    write_documents()
    if failed:
        raise click.ClickException(f"failed, see their .txt in {work}: {', '.join(step.name for step in failed)}")


def run_all(steps: Sequence[Step], work: Path, at_a_time: int) -> list[Step]:
    """Run what has not ended before, and collect what each found; returns those that failed."""
    waiting = [step for step in steps if not _ended(step, work).exists()]
    running: dict[Step, subprocess.Popen[bytes]] = {}
    failed = []
    try:
        while waiting or running:
            while waiting and len(running) < at_a_time:
                step = waiting.pop(0)
                running[step] = step.start(work)
                say(f"{step.name} begins")
            time.sleep(LOOK_EVERY_S)
            for step in [step for step, process in running.items() if process.poll() is not None]:
                if status := running.pop(step).returncode:
                    failed.append(step)
                    say(f"{step.name} failed, status {status}")
                else:
                    step.collect(work)
                    _ended(step, work).touch()
                    say(f"{step.name} ended")
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()
    return failed


def write_documents() -> None:
    """docs/measurements.md, docs/benchmarks.md and the README's figures from the result files."""
    files = sorted(str(path) for path in RESULTS.glob("bench-*.jsonl"))
    subprocess.run([sys.executable, "-m", "measure.report"], cwd=ROOT, check=True)
    page = [sys.executable, "-m", "ncodec.bench.report.page", *files]
    text = subprocess.run(page, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    (ROOT / "docs" / "benchmarks.md").write_bytes(text)
    subprocess.run([sys.executable, "-m", "measure.readme"], cwd=ROOT, check=True)


def say(text: str) -> None:
    """A line with the time, on standard error."""
    click.echo(f"{time.strftime('%H:%M:%S')} {text}", err=True)


def _ended(step: Step, work: Path) -> Path:
    return work / f"{step.name}.done"


if __name__ == "__main__":
    main()
