"""Hatchling hook: puts the weights that models/manifest.json names into the wheel, as ncodec/_models.

Named files, not the folder: a mapped folder would ship whatever lies on the builder's disk.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ModelsHook(BuildHookInterface):
    """Verifies every named file and maps it into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raises ValueError if a file is missing or is not the one of the manifest."""
        if version == "editable":  # the checkout's own models/ is found beside the package
            return
        models = Path(self.root) / "models"
        include = {str(models / "manifest.json"): "ncodec/_models/manifest.json"}
        rows = json.loads((models / "manifest.json").read_text(encoding="utf-8"))
        for row in (*rows["models"], *rows["denoisers"]):
            path = models / row["file"]
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
                raise ValueError(f"{path} is missing or is not the file of the manifest")
            include[str(path)] = f"ncodec/_models/{row['file']}"
        build_data["force_include"] = {**build_data.get("force_include", {}), **include}
