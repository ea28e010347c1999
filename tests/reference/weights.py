"""A weights file (docs/format.md, section 7): safetensors, read by hand."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reference.ans import Table

DTYPES = {"F16": "<f2", "F32": "<f4", "I16": "<i2", "I32": "<i4", "I64": "<i8"}


@dataclass(frozen=True)
class Weights:
    """Tensors as they stand in the file, its architecture, and its id."""

    id: bytes
    architecture: dict[str, int]
    tensors: dict[str, np.ndarray]

    def tables(self, name: str) -> list[Table]:
        """Every row of a set of tables."""
        lows, sizes, counts = (self.tensors[f"tables.{name}.{part}"].tolist() for part in ("low", "size", "counts"))
        rows, at = [], 0
        for low, size in zip(lows, sizes, strict=True):
            rows.append(Table(low, counts[at : at + size]))
            at += size
        return rows


def read_weights(path: Path) -> Weights:
    """Length of the header, u64; header, JSON; tensors."""
    data = path.read_bytes()
    size = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__")
    if (metadata["kind"], metadata["graph_version"]) != ("ncodec-base", "2"):
        raise ValueError("weights of another kind or version")
    tensors = {}
    for name, entry in header.items():
        first, last = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[first:last], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return Weights(hashlib.sha256(data).digest()[:8], json.loads(metadata["architecture"]), tensors)
