"""What a change of the training is worth."""

from __future__ import annotations

from measure.sections.markdown import Row, delta_percent, of_kind, table
from ncodec.bench.curves import bd_rate, curve_of


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    lines = []
    for run in of_kind(rows, "run"):
        first, *others = of_kind(rows, "descent", run=run["run"])
        rates = run["optimiser"]
        for row in others:
            deltas = [delta_percent(bd_rate(_curve(first, sigma), _curve(row, sigma))) for sigma in (0, 25)]
            rate = f"{rates['adam_rate']:g} / {rates['muon_rate']:g}"
            lines.append([run["run"], rate, f"{row['step']} of {run['steps']}", *deltas])
    data = rows[0]["data"]
    head = ["", "Adam / Muon rate", "step", "clean input", "sigma 25"]
    return "\n".join([
        "BD-rate of the averaged weights on the validation split (estimated rates) against the released model, in "
        f"which every run began: {data['batch']} x {data['patch']}^2 a step, the rates falling all the way, averages "
        f"with a decay of {rows[0]['optimiser']['ema_decay']:g}. As long as the rates are high, noise costs more than "
        "is learnt; how much it costs is what the first two rows of a run compare.\n",
        table(head, lines),
    ])  # fmt: skip


def _curve(row: Row, sigma: float) -> tuple[tuple[float, float], ...]:
    return curve_of((p["rate_bpp"], p["psnr_db"]) for p in row["points"] if p["sigma"] == sigma)
