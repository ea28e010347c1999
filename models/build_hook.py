"""Hatchling hook: puts the weights that models/manifest.json names into the wheel, as ncodec/_models.

Named files, not the folder: a mapped folder would ship whatever lies on the builder's disk. Of a model that a newer one
of its name has replaced only what decodes goes in, since only files that exist want it: 12 MB instead of 20. Its row
then says what that file's hash is, `decoder_sha256`; its `sha256`, and so its id, stays that of the whole model.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DECODER = ("synthesis.", "prior.", "tables.")
"""What the names of tensors that a decoder needs begin with (docs/models.md)."""
LENGTH_BYTES = 8
"""A safetensors file: the length of its header, the header (JSON, padded to a multiple of that), the tensors."""


class ModelsHook(BuildHookInterface):
    """Verifies every named file and maps it, or the decoder that is in it, into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raises ValueError if a file is missing or is not the one of the manifest."""
        if version == "editable":  # the checkout's own models/ is found beside the package
            return
        self._made = tempfile.TemporaryDirectory(prefix="ncodec-models-")
        models, made = Path(self.root) / "models", Path(self._made.name)
        rows = json.loads((models / "manifest.json").read_text(encoding="utf-8"))
        whole = {row["name"]: row["file"] for row in rows["models"]}  # the last one of a name
        include = {str(made / "manifest.json"): "ncodec/_models/manifest.json"}
        for row in rows["models"]:
            path = _verified(models, row)
            if row["file"] not in whole.values():
                data = decoder_of(path.read_bytes())
                row["decoder_sha256"] = hashlib.sha256(data).hexdigest()
                path = made / row["file"]
                path.write_bytes(data)
            include[str(path)] = f"ncodec/_models/{row['file']}"
        include |= {str(_verified(models, row)): f"ncodec/_models/{row['file']}" for row in rows["denoisers"]}
        (made / "manifest.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
        build_data["force_include"] = {**build_data.get("force_include", {}), **include}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel is there, and holds what was made for it."""
        if version != "editable":
            self._made.cleanup()


def _verified(models: Path, row: dict[str, Any]) -> Path:
    path = models / row["file"]
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
        raise ValueError(f"{path} is missing or is not the file of the manifest")
    return path


def decoder_of(weights: bytes) -> bytes:
    """A safetensors file with the tensors of the decoder alone, in their order; its metadata as they are."""
    start = LENGTH_BYTES + int.from_bytes(weights[:LENGTH_BYTES], "little")
    header = json.loads(weights[LENGTH_BYTES:start])
    kept, parts, end = {"__metadata__": header.pop("__metadata__")}, [], 0
    for name, tensor in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        if name.startswith(DECODER):
            low, high = tensor["data_offsets"]
            parts.append(weights[start + low : start + high])
            kept[name] = {**tensor, "data_offsets": [end, end + high - low]}
            end += high - low
    text = json.dumps(kept, separators=(",", ":")).encode()
    text += b" " * (-len(text) % LENGTH_BYTES)
    return b"".join([len(text).to_bytes(LENGTH_BYTES, "little"), text, *parts])
