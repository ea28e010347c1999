"""The command line from the shell."""

from __future__ import annotations

from measure.sections.markdown import Row, milliseconds, of_kind, percent, table


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    head = (
        f"Every run a new process; files in the system's cache; {about['picture']} with sigma {about['sigma']}, "
        f"quality {about['quality']}; median of {about['repeats']} runs, taken in turns. The aim for `ncodec --help` "
        "is 250 ms.\n"
    )
    commands = [
        [f"`{row['command']}`", milliseconds(row["median_s"]), milliseconds(row["least_s"])]
        for row in of_kind(rows, "command")
    ]
    phases = of_kind(rows, "phase")
    total = sum(row["median_s"] for row in phases)
    parts = [[row["phase"], milliseconds(row["median_s"]), percent(row["median_s"] / total, 0)] for row in phases]
    packages = [[row["package"], milliseconds(row["self_s"])] for row in of_kind(rows, "imports")]
    return "\n".join([
        head,
        table(["", "median, ms", "least, ms"], commands),
        "Where a cold denoised decode spends its time, as a process sees itself; a phase does not count what another "
        "one does inside it:\n",
        table(["", "ms", "share"], parts),
        "Its imports by Python's own account (`-X importtime`, which makes them slower), modules' own code:\n",
        table(["package", "ms"], packages),
    ])  # fmt: skip
