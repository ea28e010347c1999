"""`python -m ncodec` and the console script."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def main() -> int:
    """Run the command line of this process; returns the exit status, unless a signal is what ends it."""
    from ncodec.cli.signals import end_by_signal, kill_at_once

    kill_at_once()
    from ncodec.cli.main import main as run

    status = run()
    end_by_signal(status)
    if "torch" in sys.modules:
        # Taking torch apart at the end of the interpreter takes another half second, and nothing is left to do: outputs
        # are closed, and `run` has flushed stdout.
        with suppress(OSError, AttributeError):  # closed, or nobody left to tell
            sys.stderr.flush()
        os._exit(status)
    return status


if __name__ == "__main__":
    sys.exit(main())
