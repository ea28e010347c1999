"""models/manifest.json: the list of what ships, and the cards beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ncodec.errors import RequestError
from ncodec.train.cards import HEAD, model_cards
from ncodec.train.checkpoint import Start

MODELS, DENOISERS = "models", "denoisers"
CARDS = "README.md"
Rows = dict[str, list[dict[str, Any]]]


def facts(path: Path, start: Start, trained_on: str, license_name: str) -> dict[str, Any]:
    """What every row says: of the file, its network, and how long that was trained."""
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "trained_on": trained_on,
        "license": license_name,
        "architecture": start.architecture.to_dict(),
        "gigapixels_seen": round(start.record.lifetime_pixels / 1e9, 2),
        "steps": start.record.lifetime_steps,
        "training_hours": round(start.record.lifetime_seconds / 3600, 2),
    }


def check_place(folder: Path) -> None:
    """Nothing of others is replaced there. RequestError if the folder has a README that is not ours."""
    cards = folder / CARDS
    if cards.exists() and not cards.read_bytes().startswith(HEAD.partition("`")[0].encode()):
        raise RequestError(f"{cards}: not a list of models, which would replace it: choose another folder")


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
    check_place(manifest.parent)
    known = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
    rows: Rows = {MODELS: known.get(MODELS, []), DENOISERS: known.get(DENOISERS, [])}
    change(rows)
    _replace(manifest, json.dumps(rows, indent=2) + "\n")
    _replace(manifest.with_name(CARDS), model_cards(manifest))


def _replace(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
