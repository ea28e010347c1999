"""models/manifest.json: the list of what ships, and the cards beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ncodec.train.cards import model_cards

MODELS, DENOISERS = "models", "denoisers"
Rows = dict[str, list[dict[str, Any]]]


def add_model(manifest: Path, row: dict[str, Any]) -> None:
    """Append a model of ncodec; rows of models are never changed or removed, for files say which one they need."""

    def change(rows: Rows) -> None:
        if all(old["sha256"] != row["sha256"] for old in rows[MODELS]):
            rows[MODELS].append(row)

    _rewrite(manifest, change)


def set_denoiser(manifest: Path, row: dict[str, Any]) -> None:
    """Put a denoiser in, in place of the one whose file had the same name: no `.ncd` file needs it."""

    def change(rows: Rows) -> None:
        others = [old for old in rows[DENOISERS] if old["file"] != row["file"]]
        rows[DENOISERS] = sorted([*others, row], key=lambda each: each["file"])

    _rewrite(manifest, change)


def _rewrite(manifest: Path, change: Callable[[Rows], None]) -> None:
    """All or nothing; the cards after it."""
    known = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
    rows: Rows = {MODELS: known.get(MODELS, []), DENOISERS: known.get(DENOISERS, [])}
    change(rows)
    part = manifest.with_suffix(".part")
    part.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    part.replace(manifest)
    manifest.with_name("README.md").write_text(model_cards(manifest), encoding="utf-8")
