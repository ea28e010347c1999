"""A large picture."""

from __future__ import annotations

from measure.sections.markdown import Row, number, of_kind, plural, table


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    megapixels = about["width"] * about["height"] / 1e6
    lines = [
        [f"`ncodec {row['command']}`", number(row["wall_s"], 1), number(row["coding_s"], 1), number(row["cpu_s"], 1),
         number(row["peak_bytes"] / 1e9), number(row["rate_bpp"], 3)]
        for row in of_kind(rows, "command")
    ]  # fmt: skip
    head = (
        f"A procedural picture of {about['width']} x {about['height']} pixels ({number(megapixels, 0)} megapixels), "
        f"sigma {about['sigma']}, quality {about['quality']}, {plural(about['threads'], 'thread')}, from and to PNG "
        f"files (the input has {number(about['png_bytes'] / 1e6, 0)} MB). Peak is the resident memory of the whole "
        "process (1 GB = 10^9 bytes); the aim is less than 4 GB. *Coding* leaves out imports, weights and PNG.\n"
    )
    return head + "\n" + table(["", "process, s", "coding, s", "processor, s", "peak, GB", "bpp"], lines)
