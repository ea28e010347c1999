"""The container: golden bytes, every cut, every flipped byte, any noise."""

from __future__ import annotations

import contextlib
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ncodec.container import MAGIC, MAX_PIXELS, Container, Header, Section, Tag, dump, parse
from ncodec.errors import Damaged, FormatError, NcodecError, Truncated

SPEC = Path(__file__).parent.parent / "docs" / "format.md"

BOX = Container(
    Header(
        width=3, height=2, is_rgb=True, has_alpha=False, quality=3, model=bytes.fromhex("1f0c9a2e03bd77e1"),
        poisson_a=0.0, gaussian_b=0.0078125,
    ),
    (Section.of(Tag.HYPERPRIOR, b"\xa5\x5a\x01\x02\x03"), Section.of(Tag.LATENTS, b"\x10\x20\x30\x40\x50\x60\x70\x80")),
)  # fmt: skip
GOLDEN = bytes.fromhex(
    "894e43440d0a1a0a 01 01 03 02"  # magic, version, mode RGB, quality, sections
    "1f0c9a2e03bd77e1 03000000 02000000 00000000 0000003c"  # model, 3x2, a, b
    "01 05000000 3251a870"  # hyperprior, 5 bytes
    "02 08000000 6eb6f0cb"  # latents, 8 bytes
    "eaacc7a1"  # CRC of all that
    "a55a010203 1020304050607080"
)


def read_all(data: bytes) -> None:
    """Parse and use every section."""
    box = parse(data)
    for section in box.sections:
        box.section(section.tag)


def test_bytes_are_frozen():
    assert dump(BOX) == GOLDEN
    assert parse(GOLDEN) == BOX


def test_worked_example_in_the_spec_is_the_golden_file():
    block = re.search(r"```hex\n(.*?)```", SPEC.read_text(encoding="utf-8"), re.S)
    assert block is not None
    octets = bytes.fromhex("".join(line.partition("#")[0] for line in block.group(1).splitlines()))
    assert octets == GOLDEN


@pytest.mark.parametrize("cut", range(len(GOLDEN)))
def test_every_prefix_is_truncated(cut: int):
    with pytest.raises(Truncated if cut else FormatError):
        parse(GOLDEN[:cut])


@pytest.mark.parametrize("at", range(len(GOLDEN)))
@pytest.mark.parametrize("mask", [1, 0x80, 0xFF])
def test_every_flipped_byte_is_noticed(at: int, mask: int):
    bad = bytearray(GOLDEN)
    bad[at] ^= mask
    with pytest.raises(FormatError):
        read_all(bytes(bad))


@given(st.binary(max_size=200))
@example(b"")
@example(MAGIC)
@settings(max_examples=300)
def test_noise_raises_only_format_errors(data: bytes):
    with contextlib.suppress(FormatError):
        parse(data)
    with contextlib.suppress(FormatError):
        parse(GOLDEN[:36] + data)


def resealed(**change: object) -> bytes:
    """The golden file with fields of its header changed and the checksum made right again."""
    names = ["magic", "version", "mode", "quality", "count", "model", "width", "height", "a", "b"]
    layout = struct.Struct("<8sBBBB8sIIff")
    values = dict(zip(names, layout.unpack(GOLDEN[:36]), strict=True)) | change
    head = layout.pack(*values.values()) + GOLDEN[36:54]
    return head + struct.pack("<I", zlib.crc32(head)) + GOLDEN[58:]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"version": 2}, "version 2"),
        ({"mode": 4}, "colour mode"),
        ({"mode": 3}, "alpha"),
        ({"quality": 0}, "quality 0"),
        ({"quality": 9}, "quality 9"),
        ({"width": 0}, "pixels"),
        ({"width": 1 << 31}, "pixels"),
        ({"width": 1 << 15, "height": (1 << 13) + 1}, str(MAX_PIXELS)),
        ({"a": float("nan")}, "noise"),
        ({"a": -1.0}, "noise"),
        ({"b": float("inf")}, "noise"),
        ({"b": 2.0}, "noise"),
    ],
)
def test_headers_outside_the_limits_are_refused(change: dict[str, object], what: str):
    assert parse(resealed()) == BOX
    with pytest.raises(FormatError, match=what):
        parse(resealed(**change))


def with_sections(*sections: Section) -> bytes:
    """A file of these sections without `dump`'s own check."""
    head = bytearray(GOLDEN[:36])
    head[11] = len(sections)
    table = b"".join(struct.pack("<BII", s.tag, len(s.payload), s.crc) for s in sections)
    body = bytes(head) + table
    return body + struct.pack("<I", zlib.crc32(body)) + b"".join(s.payload for s in sections)


def test_unknown_optional_sections_are_kept_and_unknown_required_ones_refused():
    hyper, latents = BOX.sections
    assert parse(with_sections(hyper, latents, Section.of(0xF0, b"later"))).size_bytes(0xF0) == 5
    with pytest.raises(FormatError, match="0x7f"):
        parse(with_sections(hyper, latents, Section.of(0x7F, b"later")))


def test_sections_must_ascend_and_the_base_layer_must_be_there():
    hyper, latents = BOX.sections
    for wrong in ((latents, hyper), (hyper, latents, latents)):
        with pytest.raises(FormatError, match="ascending"):
            parse(with_sections(*wrong))
    for missing in ((hyper,), (latents,), ()):
        with pytest.raises(FormatError, match=r"no .* section"):
            parse(with_sections(*missing))


def test_bytes_after_the_last_section_are_refused():
    with pytest.raises(FormatError, match="follow"):
        parse(GOLDEN + b"\0")


def test_a_damaged_section_stops_only_who_uses_it():
    noise = Section(Tag.ENHANCEMENT, b"damaged", 0)
    box = parse(with_sections(*BOX.sections, noise))
    assert box.section(Tag.HYPERPRIOR) == BOX.sections[0].payload
    with pytest.raises(Damaged, match="enhancement"):
        box.section(Tag.ENHANCEMENT)
    assert dump(box.without(Tag.ENHANCEMENT)) == GOLDEN


def test_dump_refuses_what_parse_would():
    with pytest.raises(ValueError, match="quality"):
        dump(replace(BOX, header=replace(BOX.header, quality=9)))


def test_errors_have_the_documented_statuses():
    def walk(kind: type[NcodecError]) -> list[type[NcodecError]]:
        return [kind, *(each for child in kind.__subclasses__() for each in walk(child))]

    kinds = [kind for kind in walk(NcodecError) if kind.__module__ == "ncodec.errors"]
    assert {kind.__name__: kind.exit_status for kind in kinds} == {
        "NcodecError": 1, "RequestError": 2, "ImageError": 3, "FormatError": 4, "Truncated": 4, "Damaged": 4,
        "ModelError": 5, "DriftError": 6,
    }  # fmt: skip
