"""Model cards: models/README.md, generated from the manifest."""

from __future__ import annotations

import json
from pathlib import Path

from ncodec.nets.architecture import Architecture

HEAD = """# Models

Generated from `manifest.json` by `python -m ncodec.train.release`; what the names promise stands in `docs/models.md`.
The last row of a name is what `--model NAME` takes. Every row stays: a file says which model it needs.
"""

CARD = """
## {file}

* name `{name}`, model id `{id}`, released {released}, licence {license}
* trained on: {trained_on}
* seen: {gigapixels_seen} gigapixels in {steps:,} steps, {training_hours} hours
* kMAC a pixel: analysis {analysis:.1f}, synthesis {synthesis:.1f}, integer networks {exact:.1f}
"""


def model_cards(manifest: Path) -> str:
    """Markdown of all rows, oldest first."""
    text = HEAD
    for row in json.loads(manifest.read_text(encoding="utf-8"))["models"]:
        arch = Architecture.from_dict(row["architecture"])
        costs = {
            "analysis": arch.analysis_kmac_per_pixel(),
            "synthesis": arch.synthesis_kmac_per_pixel(),
            "exact": arch.exact_kmac_per_pixel(),
        }
        text += CARD.format(id=row["sha256"][:16], **costs, **row)
    return text
