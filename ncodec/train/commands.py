"""How the commands of this package end where something is wrong that is not a bug."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ncodec.cli.batch import complain
from ncodec.cli.exits import failure


@contextmanager
def one_sentence() -> Iterator[None]:
    """Errors become a sentence and an exit status, those of the command line `ncodec`; bugs stay as they are."""
    try:
        yield
    except Exception as error:
        told = failure(error)
        if told is None:
            raise
        complain(told.sentence)
        sys.exit(told.status)
