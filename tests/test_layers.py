"""The layout: imports point down, every third-party package has its home, rooms stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "ncodec"
LEVEL = {
    "errors": 0, "compat": 0, "effort": 0,
    "claim": 1, "container": 1, "entropy": 1, "exif": 1, "streams": 1, "device": 1,
    "picture": 2, "noise": 2, "trellis": 2,
    "enhancement": 3, "paths": 3,
    "nets": 4, "alpha": 4, "residual": 4, "upright": 4,
    "weights": 5, "base": 5, "target": 5,
    "refine": 6,
    "codec": 7, "info": 7, "api": 8, "cli": 9,
}  # fmt: skip
HOME = {
    "constriction": {"entropy"},
    "PIL": {"picture", "exif", "alpha", "api"},
    "safetensors": {"weights", "nets"},
    "compressai": set(),
    "rich": {"cli"},
    "click": {"cli"},
    "torch": {"compat", "device", "nets", "weights", "base", "target", "refine", "codec", "api", "cli"},
}
LIMIT_LINES = 250


def modules() -> Iterator[tuple[str, Path]]:
    """(top-level name, path) of every module; train and bench are leaves that may import everything."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if name not in {"__init__", "__main__", "train", "bench"}:
            yield name, path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_imports_point_down_and_stay_home():
    for here, path in modules():
        for name in imports(path):
            top, _, rest = name.partition(".")
            if top == "ncodec":
                there = rest.split(".")[0]
                assert _may_import(here, there), f"{path} imports {name}"
            elif top in HOME:
                assert here in HOME[top], f"{path}: {top} belongs in {HOME[top]}"


def _may_import(here: str, there: str) -> bool:
    """The version is everybody's; the rest imports only from its own room or from lower levels."""
    return there in {"__version__", here} or (there in LEVEL and LEVEL[there] < LEVEL[here])


def test_rooms_stay_small():
    large = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := path.read_text(encoding="utf-8").count("\n")) > LIMIT_LINES
    }
    assert not large
