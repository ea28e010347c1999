"""Time in process."""

from __future__ import annotations

from measure.sections.markdown import Row, milliseconds, number, of_kind, percent, table, values_of

COLUMNS = {
    "transforms": ("analysis", "synthesis"),
    "integer networks": ("integer networks",),
    "latents' paths": ("latents' paths",),
    "entropy coder": ("entropy coder",),
    "noise estimation": ("noise estimation",),
    "enhancement": ("enhancement", "enhancement: entropy coder"),
    "file, rest": ("rest",),
}
AIMS = {
    "denoised decode / plain decode": "at most 1",
    "entropy coder / denoised decode": "at most 5 %",
    "compressai / (encode, base only + denoised decode)": "at least 5",
}


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    clock = "wall-clock" if about["clock"] == "wall" else "processor"
    head = (
        f"One picture, {about['picture']} with sigma {about['sigma']}, from and to bytes in memory; median {clock} "
        f"milliseconds of {about['repeats']} runs after warm-up, {about['threads']} "
        f"thread{'s' if about['threads'] > 1 else ''}. Every round runs everything once; ratios are medians of the "
        "rounds' own.\n"
    )
    ratios = _ratios(of_kind(rows, "ratio"), about["dtype"])
    return "\n".join([head, _operations(of_kind(rows, "operation")), _transforms(rows), ratios])


def _operations(rows: list[Row]) -> str:
    lines = []
    for row in rows:
        parts = row["parts_s"]
        name = row["operation"] + (f", quality {row['quality']}" if row["quality"] else "")
        cells = [name, milliseconds(row["median_s"])]
        for names in COLUMNS.values():
            some = [parts[name] for name in names if name in parts]
            cells.append(milliseconds(sum(some) if some and row["quality"] else None))
        lines.append(cells)
    return table(["", "all, ms", *COLUMNS], lines)


def _transforms(rows: list[Row]) -> str:
    own = of_kind(rows, "convolution")
    rates = " and ".join(f"{number(row['tflops'])} TFLOP/s ({row['name']})" for row in own)
    lines = [
        [f"{row['transform']}, quality {row['quality']}", number(row["kmac_per_pixel"], 1),
         milliseconds(row["median_s"]), number(row["tflops"]), percent(row["share"], 0)]
        for row in of_kind(rows, "transforms")
    ]  # fmt: skip
    return (
        f"The machine's own rate in torch's bfloat16 convolutions, channels-last, in the same rounds: {rates}. The "
        "transforms' rate as a share of the faster one (aim: at least 50 %), a multiply-accumulate counted as two:\n\n"
        + table(["", "kMAC per pixel", "ms", "TFLOP/s", "share"], lines)
    )


def _ratios(rows: list[Row], dtype: str) -> str:
    qualities = values_of(rows, "quality")
    lines = []
    for name, aim in AIMS.items():
        some = {row["quality"]: row["value"] for row in rows if row["ratio"] == name}
        shown = [percent(some[q]) if "%" in aim else number(some[q]) for q in qualities]
        lines.append([name, *shown, aim])
    apart = "" if dtype == "float32" else f"; it runs in float32, ncodec's transforms in {dtype}"
    note = (
        "*compressai* is bmshj2018_hyperprior, compress and decompress of the same picture, its weights untrained"
        f"{apart}.\n"
    )
    return table(["ratio", *(f"quality {q}" for q in qualities), "aim"], lines) + "\n" + note
