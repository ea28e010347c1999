"""How loud the samples of a training step are."""

from __future__ import annotations

from measure.sections.markdown import Row, number, of_kind, percent, table

GROUPS = {"matrices": "Muon's matrices", "fast": "gains and scales", "rest": "the rest"}
AIMS = {"clean": "against the clean picture", "denoised": "against our DnCNN's estimate"}


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    found = of_kind(rows, "weighting")
    lines = []
    for aim, name in dict.fromkeys((row["aim"], row["weighting"]) for row in found):
        cells = [f"{name}; {AIMS[aim]}"]
        for group in GROUPS:
            (row,) = of_kind(found, "weighting", aim=aim, weighting=name, parameters=group)
            cells += [number(row["mean_square"], 2), percent(row["loudest"], 0), _noise_scale(row)]
        lines.append(cells)
    head = [
        "",
        *(cell for group in GROUPS.values() for cell in (f"{group}: mean square", "loudest 1 %", "noise scale")),
    ]
    return "\n".join([
        f"Gradients of {found[0]['samples']} single patches of {about['patch']}^2 of the released model, pictures and "
        "noise as in training, every quality as often. *Mean square*: of the gradient's norm. *Loudest 1 %*: its share "
        "of the sum of squares. *Noise scale* (McCandlish et al. 2018): variance of a sample's gradient over the "
        "square of the mean one, so the number of patches whose mean gradient is as much noise as signal; \"-\" where "
        "the mean could not be told from noise. Part of the signal is that the model was trained for the first row's "
        "loss, whose optimum lies elsewhere.\n",
        table(head, lines),
    ])  # fmt: skip


def _noise_scale(row: Row) -> str:
    """`-` where the square of the mean lies within the noise of its estimate (about its variance over n)."""
    variance = row["mean_square"] - row["square_of_mean"]
    if row["square_of_mean"] < variance / row["samples"]:
        return "-"
    return number(variance / row["square_of_mean"], 0)
