"""The README's figures: a table of bits at equal PSNR and the text under its picture, from the result files.

python -m measure.readme [--results docs/results] [--readme README.md]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from measure.results import RESULTS, ROOT, Row, read
from ncodec.bench.curves import Point, bd_rate, is_above, saved_percent
from ncodec.bench.report.experiment import Experiment, load_experiments
from ncodec.bench.report.idle import idle
from ncodec.bench.report.naming import OURS, REFINED, label_of
from ncodec.bench.runtime import runtimes

BEGIN, END = "<!-- results -->\n", "<!-- /results -->\n"
SETS = {
    "kodak-10": "Kodak, sigma 10",
    "kodak-25": "Kodak, sigma 25",
    "kodak-50": "Kodak, sigma 50",
    "cc15": "cameras",
    "fmd": "microscopes",
}
"""Result file -> column. Cameras are CC15, microscopes FMD."""
AGAINST = ("dncnn-then-avif420-ssim", "dncnn-then-jxl", "bm3d-then-avif420-ssim")
DENOISERS = {method.partition("-then-")[0] for method in AGAINST}
MARKS = "¹²³⁴⁵"
"""Of the columns' footnotes."""
TIMES, CASCADE = "times-bfloat16-on-epyc", "dncnn-then-avif420"
NOTHING = "-"
TABLE_HEAD = """Bits at equal PSNR of the denoised picture (BD-rate; in brackets with `--effort 1`), ncodec's against \
others'. *Better*: its smallest file is better than all of theirs, whatever their rate; *below*: and has so many fewer \
bits than their best one, which is not their smallest; "-": not measured, or no such pair.
"""


@click.command()
@click.option("--results", type=click.Path(exists=True, file_okay=False, path_type=Path), default=RESULTS)
@click.option("--readme", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=ROOT / "README.md")
def main(results: Path, readme: Path) -> None:
    """Write what stands between the two marks anew."""
    readme.write_text(with_block(readme.read_text(encoding="utf-8"), block(results)), encoding="utf-8")


def with_block(readme: str, text: str) -> str:
    """The README with another text between the marks. ValueError if it has not got them."""
    before, _, rest = readme.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"no {BEGIN.strip()} and {END.strip()} in it: {old[:40]!r}")
    return before + BEGIN + text + END + after


def block(results: Path) -> str:
    """Markdown: the picture with its text, the table, a sentence on time."""
    found = {each.name: each for each in load_experiments(results / f"bench-{name}.jsonl" for name in (*SETS, TIMES))}
    return "\n".join([_picture(results / "figure.jsonl"), table(found), _time(found[TIMES])])


def _picture(path: Path) -> str:
    about, rows = read(path)
    told = "; ".join(map(_panel, rows))
    return (
        "![the same crop four times](docs/images/comparison.png)\n\n"
        f"*Noise of sigma {about['sigma']}, files of about the same size, pixel by pixel. From the left: {told}.*\n"
    )


def _panel(row: Row) -> str:
    size = f"{row['size_bytes']:,} bytes, " if row["size_bytes"] else ""
    return f"{row['what']} ({size}{row['psnr_db']:.1f} dB)"


def table(found: dict[str, Experiment]) -> str:
    """Bits at equal PSNR by test set, and under it denoisers that do nothing there."""
    there = {name: column for name, column in SETS.items() if name in found}
    notes = {name: texts for name in there if (texts := idle(found[name].summary, DENOISERS))}
    marks = dict(zip(notes, MARKS, strict=False))
    columns = [f"{column} {marks[name]}" if name in marks else column for name, column in there.items()]
    lines = [
        TABLE_HEAD,
        f"| | {' | '.join(columns)} |",
        f"|---|{'---:|' * len(there)}",
    ]
    for method in AGAINST:
        cells = [_cell(found[name], method) for name in there]
        lines.append(f"| {label_of(method)} | {' | '.join(cells)} |")
    return "\n".join([*lines, *(f"\n{mark} {' '.join(notes[name])}" for name, mark in marks.items())]) + "\n"


def _cell(experiment: Experiment, method: str) -> str:
    ours, refined = (_percent(experiment, name, method) for name in (OURS, REFINED))
    return f"{ours} ({refined})" if refined != NOTHING else ours


def _percent(experiment: Experiment, name: str, method: str) -> str:
    summary = experiment.summary
    if name not in summary.methods or method not in summary.methods:
        return NOTHING
    return bits_word(summary.curve(name), summary.curve(method))


def bits_word(ours: Sequence[Point], theirs: Sequence[Point]) -> str:
    """How many bits one curve takes against another, as text."""
    value = bd_rate(theirs, ours).value
    if value is not None:
        return f"{value:+.0f} %"
    if not is_above(theirs, ours):
        return NOTHING
    percent = saved_percent(theirs, ours)
    return f"below {percent:+.0f} %" if percent is not None and percent < 0 else "better"


def _time(experiment: Experiment) -> str:
    (line,) = (line for line in runtimes(experiment.rows) if line.method == CASCADE)
    about, ours_s = experiment.about, line.total_s / line.ratio
    return (
        f"Encoding and denoised decoding take {ours_s:.2f} s a picture of {_size(experiment)} pixels, "
        f"{label_of(CASCADE)} {line.ratio:.1f} times as long ({about.threads} threads of {about.cpu}, {about.dtype}).\n"
    )


def _size(experiment: Experiment) -> str:
    row = experiment.rows[0]
    return f"{max(row.width, row.height)} x {min(row.width, row.height)}"


if __name__ == "__main__":
    main()
