"""Everything the fuzzer ever found worth keeping, every time (tests/fuzz/fuzz_parse.py extends the corpus)."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.fuzz_parse import TARGETS, run

CORPUS = sorted((Path(__file__).parent / "fuzz" / "corpus").iterdir())


def test_the_corpus_is_there_and_reaches_every_target():
    assert {path.read_bytes()[0] % len(TARGETS) for path in CORPUS if path.stat().st_size} == set(range(len(TARGETS)))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name[:12])
def test_corpus_raises_format_errors_only(path: Path):
    run(path.read_bytes())
