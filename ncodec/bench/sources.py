"""Which of our own code has a say in the figures, as hashes of what it says, comments and docstrings left out."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import ncodec
from ncodec.bench.row import ID_DIGITS

PACKAGE = Path(ncodec.__file__).parent
CODE = {
    "ncodec": (
        *("alpha.py", "base.py", "codec.py", "container.py", "entropy.py", "paths.py", "residual.py", "streams.py"),
        *("enhancement/*.py", "nets/[!dg]*.py", "noise/*.py", "trellis/*.py", "bench/methods/ours.py"),
    ),
    "refining": ("effort.py", "refine.py", "target.py", "nets/gradient.py"),
    "networks": ("nets/dncnn.py", "nets/windows.py", "bench/methods/denoisers.py"),
    "noise": ("noise/*.py",),
    "bm3d": ("bench/methods/denoisers.py",),
    "files": ("bench/methods/files.py",),
    "grain": ("bench/methods/grain.py",),
    "alone": ("bench/methods/alone.py", "bench/methods/kit.py"),
    "references": ("train/reference.py", "train/sizes.py", "bench/methods/references.py"),
    "figures": ("bench/metrics.py", "bench/pictures.py"),
    "times": ("bench/clock.py", "bench/session.py"),
}
"""Part of the comparison -> files inside the package, as patterns (`nets/[!dg]*.py`: all but DnCNN, the gradient)."""
SAME = {
    "c96dd963": "4cd37a0c",
    **dict.fromkeys(("7aadade7", "be75bed0", "6680dfc6"), "3e394437"),
    **dict.fromkeys(("cd863710", "b1f778e5"), "fc179db4"),
    "764df80c": "1c84026b",
}
"""Hash of code -> that of the code after it, which was found to give the same bytes: rows outlive it. (4cd37a0c: FDnCNN
can be residual; six Kodak pictures, both DnCNNs, both number formats. 3e394437: the kit knows more parts.
fc179db4: another order of looking for references, another message; pixels and all figures of the noisy pictures of
CC15 and FMD computed anew, pixels and PSNR of 18 of Kodak: the committed rows' own; then an import from elsewhere.
1c84026b: JPEG 2000's rate of gray pictures alone.)"""
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_hashes() -> dict[str, str]:
    """Part -> 8 hex digits, of the package as it is on disk now."""
    return {part: _hash(patterns) for part, patterns in CODE.items()}


def _hash(patterns: tuple[str, ...]) -> str:
    files = sorted({path for pattern in patterns for path in PACKAGE.glob(pattern)})
    told = hashlib.sha256()
    for path in files:
        told.update(f"{path.relative_to(PACKAGE).as_posix()} {meaning(path.read_text(encoding='utf-8'))}".encode())
    return told.hexdigest()[:ID_DIGITS]


def meaning(source: str) -> str:
    """Python code without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body[:1] = [ast.Pass()]
    return ast.dump(tree)
