"""Coverage-guided fuzzing of all that reads bytes of an .ncd file without a network (needs `pip install atheris`).

    python tests/fuzz/fuzz_parse.py -max_total_time=3600 tests/fuzz/corpus

The first byte of an input picks the target. Any exception but a FormatError is a finding: save the input in
tests/fuzz/corpus and mend the parser. The corpus is kept; tests/test_fuzz.py runs all of it every time.
"""

from __future__ import annotations

import contextlib
import struct
import sys
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

with contextlib.suppress(ImportError):
    import atheris

    with atheris.instrument_imports(include=["ncodec"]):
        pass

from ncodec.alpha import unpack_alpha
from ncodec.container import dump, parse
from ncodec.enhancement.params import Params
from ncodec.errors import FormatError
from ncodec.streams import unpack_streams


def sealed(data: bytes) -> bytes:
    """The same bytes with right checksums where a header says they should be, so that fuzzing gets past them."""
    if len(data) < 40 or len(data) < 40 + 9 * data[11]:
        return data
    end = 36 + 9 * data[11]
    head, body = bytearray(data[:end]), data[end + 4 :]
    at = 0
    for entry in range(36, end, 9):
        size = struct.unpack_from("<I", head, entry + 1)[0]
        struct.pack_into("<I", head, entry + 5, zlib.crc32(body[at : at + size]))
        at += size
    return bytes(head) + struct.pack("<I", zlib.crc32(head)) + body


def read_container(data: bytes) -> None:
    """Parse, use every section, write again: the bytes must be the same."""
    box = parse(data)
    for section in box.sections:
        box.section(section.tag)
    box.kept_share()
    assert dump(box) == data


def read_params(data: bytes) -> None:
    """Enhancement parameters come back from what they are written as."""
    channels = 3 if data[:1] > b"\x7f" else 1
    params, used = Params.from_bytes(data[1:], channels)
    assert used <= len(data) - 1
    assert Params.from_bytes(params.to_bytes(), channels)[0] == params


def read_streams(data: bytes) -> None:
    """Streams never overlap or go missing."""
    count = 1 + data[0] if data else 1
    _, streams = unpack_streams(data[1:], count, "fuzzed")
    assert 4 * count + sum(map(len, streams)) == len(data) - 1


def read_alpha(data: bytes) -> None:
    """Alpha that is read is of the picture's size."""
    assert unpack_alpha(data, 3, 5).shape == (3, 5)


TARGETS = (
    read_container,
    lambda data: read_container(sealed(data)),
    read_params,
    read_streams,
    read_alpha,
)


def run(data: bytes) -> None:
    """One input against one target."""
    with contextlib.suppress(FormatError):
        TARGETS[data[0] % len(TARGETS) if data else 0](data[1:])


if __name__ == "__main__":
    atheris.Setup(sys.argv, run)  # pyright: ignore[reportPossiblyUnboundVariable]
    atheris.Fuzz()  # pyright: ignore[reportPossiblyUnboundVariable]
