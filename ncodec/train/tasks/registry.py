"""Tasks by name."""

from __future__ import annotations

from typing import Any

from ncodec.train.sizes import CODEC, DENOISER, REFERENCE
from ncodec.train.tasks.codec import CodecTask
from ncodec.train.tasks.denoiser import DenoiserTask
from ncodec.train.tasks.reference import ReferenceTask
from ncodec.train.tasks.task import Task

TASKS: dict[str, Task[Any, Any]] = {CODEC: CodecTask(), DENOISER: DenoiserTask(), REFERENCE: ReferenceTask()}
"""The keys of `ncodec.train.sizes.SIZES`."""
