"""The training step."""

from __future__ import annotations

from measure.sections.markdown import Row, milliseconds, number, of_kind, table


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    steps = of_kind(rows, "step")
    slowest = max(row["step_s"] for row in steps)
    lines = [
        [row["layers"], milliseconds(row["step_s"]), number(row["megapixels_per_s"]), number(slowest / row["step_s"])]
        for row in steps
    ]
    first = steps[0]
    return "\n".join([
        f"One step of the base model's training, {first['batch']} patches of {first['patch']}x{first['patch']}, median "
        f"of {about['rounds'] * about['steps_per_round']} steps of each kind in one process, in turns: the network's "
        "layers and Muon compiled for the processor (`ncodec/train/native`), and as PyTorch has them.\n",
        table(["layers", "step, ms", "megapixels a second", "times as fast"], lines),
    ])  # fmt: skip
