"""One cold run of the command line, its phases timed: run by cold.py in a fresh process, prints JSON of seconds.

Nothing is imported here that the product would not import then: imports are timed as they come.
"""

from __future__ import annotations

import builtins
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from measure.stopwatch import Stopwatch

PACKAGES = ("torch", "numpy", "PIL", "constriction", "safetensors", "click", "rich")
"""What each of them is not yet loaded for goes to its account; the rest of the imports to ncodec."""
FUNCTIONS = {
    ("ncodec.weights", "Models.by_id"): "weights: read, verify, prepare",
    ("ncodec.codec", "decode"): "decode",
    ("ncodec.picture", "save_png"): "write the PNG",
}


class Hook:
    """Takes the place of `__import__`: times what is loaded, and wraps `FUNCTIONS` as soon as they are there."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch
        self._import = builtins.__import__
        self._waiting = dict(FUNCTIONS)

    def __call__(self, name: str, *args: Any, **options: Any) -> Any:
        package = name.partition(".")[0]
        part = package if package in PACKAGES else "ncodec" if package == "ncodec" else None
        if part is None or name in sys.modules:
            module = self._import(name, *args, **options)
        else:
            with self._stopwatch.part(f"import {part}"):
                module = self._import(name, *args, **options)
        if self._waiting and package == "ncodec":
            self._wrap_what_is_there()
        return module

    def _wrap_what_is_there(self) -> None:
        for (module, path), part in list(self._waiting.items()):
            *owners, name = path.split(".")
            owner = sys.modules.get(module)
            for step in owners:
                owner = getattr(owner, step, None)
            function: Callable[..., Any] | None = getattr(owner, name, None)
            if function is not None:
                setattr(owner, name, self._stopwatch.wrapped(function, part))
                del self._waiting[module, path]


def main(begun: float, arguments: list[str]) -> dict[str, float]:
    """Do as `python -m ncodec ARGUMENTS` would; `begun` is the time.time() at which the process was asked for."""
    started = time.time() - begun
    stopwatch = Stopwatch()
    sys.argv = ["ncodec", *arguments]
    builtins.__import__ = Hook(stopwatch)
    with stopwatch.part("command line"):
        from ncodec.cli.main import main as command_line

        status = command_line()
    if status:
        raise SystemExit(status)
    return {"start of Python": started, **stopwatch.times_s}


if __name__ == "__main__":
    print(json.dumps(main(float(sys.argv[1]), sys.argv[2:])), flush=True)  # noqa: T201 - its product, for cold.py
