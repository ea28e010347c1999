"""Model cards: models/README.md, generated from the manifest: ncodec's models, then the denoisers beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ncodec.nets.architecture import Architecture
from ncodec.nets.dncnn import DnCnnSizes

HEAD = """# Models

Generated from `manifest.json` by `python -m ncodec.train.release` and `python -m ncodec.train.opponents`; what the
names promise stands in `docs/models.md`. The last row of a name is what `--model NAME` takes. A file says which
model it needs.
"""

CARD = """
## {file}

* name `{name}`, model id `{id}`, released {released}, licence {license}
* trained on: {trained_on}
* seen: {gigapixels_seen} gigapixels in {steps:,} steps, {training_hours} hours
* kMAC a pixel: analysis {analysis:.1f}, synthesis {synthesis:.1f}, integer networks {exact:.1f}
"""

DENOISERS_HEAD = """
# Denoisers

What `ncodec bench` and the measurements compare with; nothing else uses them, and `--model` does not take them.
"""

DENOISER_CARD = """
## {file}

* DnCNN {what}, {size_mb:.1f} MB, licence {license}
* trained on: {trained_on}
* seen: {gigapixels_seen} gigapixels in {steps:,} steps, {training_hours} hours
* kMAC a pixel: {kmac:.0f}
"""


def model_cards(manifest: Path) -> str:
    """Markdown of all rows: models, oldest first, then denoisers."""
    rows = json.loads(manifest.read_text(encoding="utf-8"))
    denoisers = [_denoiser_card(row) for row in rows.get("denoisers", ())]
    return "".join([HEAD, *map(_model_card, rows["models"]), *([DENOISERS_HEAD] if denoisers else ()), *denoisers])


def _model_card(row: dict[str, Any]) -> str:
    arch = Architecture.from_dict(row["architecture"])
    costs = {
        "analysis": arch.analysis_kmac_per_pixel(),
        "synthesis": arch.synthesis_kmac_per_pixel(),
        "exact": arch.exact_kmac_per_pixel(),
    }
    return CARD.format(id=row["sha256"][:16], **costs, **row)


def _denoiser_card(row: dict[str, Any]) -> str:
    sizes = DnCnnSizes.from_dict(row["architecture"])
    what = "told the noise level (FDnCNN)" if sizes.conditioned else "blind"
    return DENOISER_CARD.format(what=what, size_mb=row["size_bytes"] / 1e6, kmac=sizes.kmac_per_pixel(), **row)
