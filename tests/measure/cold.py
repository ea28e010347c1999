"""The command line from the shell, each time a new process: how long it takes, and where a decode's time goes.

python -m measure.cold FOLDER [--out docs/results/cold.jsonl]

Files are in the system's cache. Rows: `command` (medians), `phase` (of a denoised decode, from inside), `imports`
(Python's own account of them, `-X importtime`, which makes them slower).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

import click

from measure.results import RESULTS, ROOT, Row, circumstances, write
from measure.work import Progress, clean_and_noisy
from ncodec.picture import Picture, save_png

PICTURE, SIGMA, SEED, QUALITY = "kodim05", 25, 4, 3
PACKAGES_SHOWN = 8
SECONDS_PER_RUN = 1.7
IMPORT_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")

NCODEC = [sys.executable, "-m", "ncodec"]
DECODE = ["decode", "img.ncd", "-o", "out.png", "--force", "--quiet"]
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "ncodec --help": [*NCODEC, "--help"],
    "ncodec info": [*NCODEC, "info", "img.ncd"],
    "ncodec encode": [*NCODEC, "encode", "noisy.png", "-o", "new.ncd", "--force", "--quiet", "--quality", str(QUALITY)],
    "ncodec decode --denoise": [*NCODEC, *DECODE, "--denoise"],
    "ncodec decode": [*NCODEC, *DECODE],
}


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "cold.jsonl")
@click.option("--repeats", type=int, default=7, show_default=True)
def main(folder: Path, out: Path, repeats: int) -> None:
    """Time commands on one picture of FOLDER."""
    about = circumstances(
        "cold", "base", repeats=repeats, picture=PICTURE, sigma=SIGMA, noise_seed=SEED, quality=QUALITY
    )
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        _, noisy = clean_and_noisy(folder / f"{PICTURE}.png", SIGMA, SEED)
        (place / "noisy.png").write_bytes(save_png(Picture(noisy)))
        quality = ("--quality", str(QUALITY))
        run([*NCODEC, "encode", "noisy.png", "-o", "img.ncd", "--quiet", *quality], place)
        rows = measure(place, repeats)
    write(out, [about, *rows])


def measure(place: Path, repeats: int) -> list[Row]:
    """Rounds of all commands and of the probe, then the imports once."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    phases: list[dict[str, float]] = []
    progress = Progress("cold", repeats, repeats * SECONDS_PER_RUN * len(COMMANDS))
    for _ in range(repeats):
        for name, command in COMMANDS.items():
            begin = time.perf_counter()
            run(command, place)
            times[name].append(time.perf_counter() - begin)
        phases.append(probe(place))
        progress.step()
    rows: list[Row] = [
        {"kind": "command", "command": name, "median_s": median(values), "least_s": min(values)}
        for name, values in times.items()
    ]
    for phase in phases[0]:
        rows.append({"kind": "phase", "phase": phase, "median_s": median(each[phase] for each in phases)})
    return [*rows, *({"kind": "imports", "package": name, "self_s": s} for name, s in imports(place))]


def probe(place: Path) -> dict[str, float]:
    """Seconds of each phase of a denoised decode in a fresh process, its end included."""
    begin = time.perf_counter()
    output = run([sys.executable, "-m", "measure.cold_probe", str(time.time()), *DECODE, "--denoise"], place).stdout
    total = time.perf_counter() - begin
    phases: dict[str, float] = json.loads(output)
    return phases | {"end of Python": total - sum(phases.values())}


def imports(place: Path) -> list[tuple[str, float]]:
    """(top-level package, seconds in its own modules' code) of a denoised decode: the slowest, then all others."""
    command = [sys.executable, "-X", "importtime", *NCODEC[1:], *DECODE, "--denoise"]
    spent: defaultdict[str, float] = defaultdict(float)
    for micros, module in IMPORT_LINE.findall(run(command, place).stderr):
        package = module.partition(".")[0]
        spent["standard library" if package in sys.stdlib_module_names else package] += int(micros) / 1e6
    shown = sorted(spent.items(), key=lambda item: -item[1])[:PACKAGES_SHOWN]
    return [*shown, ("others", sum(spent.values()) - sum(s for _, s in shown))]


def run(command: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    """One process, in a folder of its own. Raises CalledProcessError if it fails."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=True)


if __name__ == "__main__":
    main()
