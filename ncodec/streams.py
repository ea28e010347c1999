"""The payload of a coded section: symbol checksum, stream lengths, entropy-coded streams; struct only."""

from __future__ import annotations

import struct

from ncodec.errors import FormatError

_U32 = struct.Struct("<I")


def pack_streams(crc: int, streams: list[bytes]) -> bytes:
    """Symbol checksum, the lengths of all streams but the last, the streams."""
    lengths = b"".join(_U32.pack(len(stream)) for stream in streams[:-1])
    return b"".join([_U32.pack(crc), lengths, *streams])


def unpack_streams(payload: bytes, count: int, what: str) -> tuple[int, list[bytes]]:
    """The mirror of `pack_streams`.

    Args:
        payload: of the section, or what follows its parameters.
        count: streams in it, >= 1, known from the picture's size.
        what: the section's name, for messages.

    Returns:
        The symbol checksum and `count` streams.

    Raises:
        FormatError: the lengths do not fit the payload.
    """
    begin = _U32.size * count
    if len(payload) < begin:
        raise FormatError(f"the {what} section holds {len(payload)} bytes, its {count} streams need at least {begin}")
    crc, *lengths = (value for (value,) in _U32.iter_unpack(payload[:begin]))
    lengths.append(len(payload) - begin - sum(lengths))
    if lengths[-1] < 0:
        raise FormatError(f"the stream lengths of the {what} section are longer than the section")
    streams = []
    for length in lengths:
        streams.append(payload[begin : begin + length])
        begin += length
    return crc, streams
