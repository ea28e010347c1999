"""What a run is made with: versions, commit, processor."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import PIL
import torch
from PIL import features

import ncodec
from ncodec.bench.row import ID_DIGITS, Circumstances
from ncodec.bench.sources import code_hashes

PACKAGES = ("numpy", "constriction", "compressai", "pytorch-msssim", "lpips", "bm3d", "bm4d", "pillow-jxl-plugin", "av")
LIBRARIES = {"libjpeg_turbo": "libjpeg-turbo", "webp": "libwebp", "avif": "libavif", "jpg_2000": "openjpeg"}
"""Inside Pillow: its name for them -> theirs."""
ROOT = Path(ncodec.__file__).parent.parent
DECISIVE = (
    *(":(glob)ncodec/*.py", "ncodec/nets", "ncodec/noise", "ncodec/enhancement", "ncodec/trellis"),
    *("ncodec/train/reference.py", "ncodec/bench", ":(exclude)ncodec/bench/report", "models/manifest.json"),
)
"""What has a say in the figures: a change of anything else does not make rows incomparable."""


def circumstances(
    *,
    model: str,
    weights: dict[str, str],
    device: torch.device,
    dtype: torch.dtype,
    seed: int,
    noise: str,
    repeats: int,
) -> Circumstances:
    """Of this process, with the threads that torch has now."""
    return Circumstances(
        ncodec=ncodec.__version__,
        commit=commit(),
        model=model,
        weights=weights,
        torch=torch.__version__,
        pillow=PIL.__version__,
        packages=packages(),
        code=code_hashes(),
        cpu=cpu_name(),
        threads=torch.get_num_threads(),
        device=device_name(device),
        dtype=str(dtype).removeprefix("torch."),
        seed=seed,
        noise=noise,
        repeats=repeats,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def packages() -> dict[str, str]:
    """Versions of those that are installed, and of Pillow's own libraries."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    for name, shown in LIBRARIES.items():
        version = features.version(name) if features.check(name) else None
        if version:
            found[shown] = version
    return found


def commit(decisive: Sequence[str] = DECISIVE) -> str | None:
    """The last that changed what is measured; `-dirty` if the checkout differs. None for an installed package."""
    if not (ROOT / ".git").exists():
        return None
    changed = _git("status", "--porcelain", "--", *decisive)
    return _git("log", "-1", "--format=%H", "--", *decisive) + ("-dirty" if changed else "") or None


def cpu_name() -> str:
    """As the kernel says it, and the widest instruction set that torch uses."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    amx = ", AMX" if getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)() else ""
    return f"{names[0] if names else platform.processor()} ({torch.backends.cpu.get_cpu_capability()}{amx})"


def device_name(device: torch.device) -> str:
    """`cpu`, or the graphics processor's own name."""
    return str(device) if device.type == "cpu" else f"{device}: {torch.cuda.get_device_name(device)}"


def sha8(path: Path) -> str:
    """File name and the first hex digits of its SHA-256."""
    return f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()[:ID_DIGITS]}"


def _git(*words: str) -> str:
    try:
        run = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:  # git is not installed
        return ""
    return run.stdout.strip()
