"""`python -m ncodec` and the console script."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line of this process; returns the exit status."""
    from ncodec.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
