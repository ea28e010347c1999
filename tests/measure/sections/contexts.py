"""What coding the latents in four steps would save."""

from __future__ import annotations

from measure.sections.markdown import Row, number, of_kind, signed_percent, table


def section(about: Row, rows: list[Row]) -> str:
    """All of the chapter but its heading."""
    found = of_kind(rows, "context")
    variants = list(dict.fromkeys((row["steps"], row["trained"]) for row in found))
    released = {(row["sigma"], row["quality"]): row["rate_bpp"] for row in found if row["trained"] == "released"}
    sigmas = sorted({sigma for sigma, _ in released})
    qualities = sorted({quality for _, quality in released})
    lines = []
    for sigma in sigmas:
        for steps, trained in variants:
            own = of_kind(found, "context", sigma=sigma, steps=steps, trained=trained)
            rates = {row["quality"]: row["rate_bpp"] for row in own}
            cells = [
                number(rates[quality], 4)
                if trained == "released"
                else signed_percent(rates[quality] / released[sigma, quality] - 1)
                for quality in qualities
            ]
            lines.append([f"{steps} steps, {trained}, sigma {sigma:g}", number(own[0]["kmac_per_pixel"], 1), *cells])
    return "\n".join([
        "Estimated bits per pixel of the released model on the validation split, and how much they change when hyper-"
        f"synthesis and the parameters of all steps are trained on for {about['megapixels']:.0f} megapixels of its "
        "latents, in two steps (the control) and in four, where steps 3 and 4 begin with step 2's weights. Four steps "
        "halve the checkerboard's two again.\n",
        table(["", "kMAC per pixel", *(f"quality {quality}" for quality in qualities)], lines),
    ])  # fmt: skip
