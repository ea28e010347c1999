"""A base-layer model: transforms, integer networks and integer tables, made from the tensors of a weights file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ncodec.enhancement.tables import ROWS as ENHANCEMENT_ROWS
from ncodec.enhancement.trellis import with_odd
from ncodec.entropy import Tables
from ncodec.errors import ModelError
from ncodec.nets.architecture import Architecture
from ncodec.nets.inference import Transforms
from ncodec.nets.prior import ExactPrior
from ncodec.paths import with_odd as latents_with_odd

GRAPH_VERSION = 2
"""Version of the graph that the tensors describe (docs/format.md); a weights file of another one is refused."""
KIND = "ncodec-base"


@dataclass(frozen=True)
class Model:
    """Everything that codes and decodes pictures of one model id.

    Attributes:
        id: 8 bytes, the first of the SHA-256 of the weights file; stored in every .ncd file.
        name: of the weights file.
        arch: sizes.
        transforms: analysis, hyper-analysis and synthesis, floating point.
        prior: the exact entropy model.
        hyper_tables: one row per hyper-latent channel.
        latent_tables: one row per scale, row 0 is not coded; and their odd rows.
        enhancement_tables: of the enhancement layer, with the odd rows that follow from them.
    """

    id: bytes
    name: str
    arch: Architecture
    transforms: Transforms
    prior: ExactPrior
    hyper_tables: Tables
    latent_tables: Tables
    enhancement_tables: Tables

    @property
    def device(self) -> torch.device:
        """Where the networks run."""
        return self.prior.device


def model_from_tensors(
    id: bytes,  # noqa: A002 - it is the format's term
    name: str,
    metadata: Mapping[str, str],
    tensors: Mapping[str, Tensor],
    device: torch.device,
    dtype: torch.dtype,
) -> Model:
    """Check and assemble a model.

    Args:
        id: 8 bytes.
        name: for messages.
        metadata: of the safetensors file: `kind`, `graph_version`, `architecture` (JSON).
        tensors: of the safetensors file.
        device: where the networks shall run.
        dtype: float32 or bfloat16, of the transforms.

    Raises:
        ModelError: anything is missing, of another shape, or of another graph version.
    """
    if metadata.get("kind") != KIND:
        raise ModelError(f"{name} is not an ncodec base model")
    if metadata.get("graph_version") != str(GRAPH_VERSION):
        raise ModelError(
            f"{name} has graph version {metadata.get('graph_version')}, this ncodec knows version {GRAPH_VERSION}"
        )
    try:
        arch = Architecture.from_dict(json.loads(metadata["architecture"]))
        return Model(
            id,
            name,
            arch,
            Transforms(arch, tensors, device, dtype),
            ExactPrior(arch, tensors).to(device),
            _tables(tensors, "hyper", arch.hyper),
            latents_with_odd(_tables(tensors, "latent", len(tensors["prior.thresholds"]) + 1)),
            with_odd(_tables(tensors, "enhancement", ENHANCEMENT_ROWS)),
        )
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as err:  # torch's words for misfits, too
        raise ModelError(f"{name} is not a valid base model: {err}") from err


def _tables(tensors: Mapping[str, Tensor], name: str, rows: int) -> Tables:
    low, size, counts = (tensors[f"tables.{name}.{part}"].cpu().numpy() for part in ("low", "size", "counts"))
    tables = Tables(low.astype(np.int16), size.astype(np.int32), counts.astype(np.int32))
    if len(low) != rows:
        raise ValueError(f"{len(low)} {name} tables, {rows} expected")
    return tables
