"""The error tree. Every class has the exit status with which the command line ends on it (docs/cli.md)."""

from __future__ import annotations


class NcodecError(Exception):
    """Something that is not a bug of ncodec: the picture, the file, the model or the request is at fault."""

    exit_status = 1


class RequestError(NcodecError):
    """The input is good, but what is asked of it cannot be done."""

    exit_status = 2


class ImageError(NcodecError):
    """The input picture cannot be read, or is of a kind that ncodec does not code."""

    exit_status = 3


class FormatError(NcodecError):
    """The bytes are not a valid .ncd file (docs/format.md)."""

    exit_status = 4


class Truncated(FormatError):
    """The .ncd file ends too early."""


class Damaged(FormatError):
    """A checksum of the .ncd file does not fit its bytes."""


class ModelError(NcodecError):
    """A weights file is missing, unknown, damaged, or does not fit the .ncd file."""

    exit_status = 5


class DriftError(NcodecError):
    """Valid file, right weights, but this machine decoded other symbols than the encoder coded."""

    exit_status = 6
