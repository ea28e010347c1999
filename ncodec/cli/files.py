"""Reading inputs and writing outputs: `-`, terminals, devices; a file is written all or nothing."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import click

from ncodec.cli.exits import OutputError
from ncodec.errors import RequestError

STREAM = "-"
STDIN, STDOUT = "standard input", "standard output"

MAX_INPUT_BYTES = 1 << 31
"""No input is read further: 268 megapixels of RGBA are half of it."""

_CHUNK = 1 << 20
_EXISTS = "it exists already: say --force to replace it"
_TERMINAL = "will not write binary data to a terminal: say -o FILE"


def read(source: str) -> bytes:
    """All bytes of a file, device or (`-`) standard input. Raises OSError, RequestError."""
    if source == STREAM:
        if sys.stdin is None:
            raise closed(STDIN)
        return _read_all(sys.stdin.buffer)
    with Path(source).open("rb") as file:
        if os.fstat(file.fileno()).st_size > MAX_INPUT_BYTES:
            raise RequestError(_too_large())
        return _read_all(file)


def closed(stream: str) -> OSError:
    """What there is to say of a standard stream that is not there."""
    return OSError(errno.EBADF, "it is closed", stream)


def check_source(source: str) -> None:
    """Find out before the work what `read` would raise of a file that is not there."""
    if source != STREAM:
        Path(source).stat()
        if not os.access(source, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), source)


def check_target(target: str, *, force: bool, makes_folder: bool) -> None:
    """Find out before the work that `write` would refuse or fail."""
    if target == STREAM:
        return
    path = Path(target)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
    if path.is_file() and not force:
        raise OutputError(target, _EXISTS)
    if path.is_symlink():
        with suppress(FileNotFoundError):  # a link to nothing makes that file, links in a circle make none
            path.stat()
    if path.is_file() or not path.exists():  # a device is written to where it is
        _check_folder(path, makes_folder)


def _check_folder(path: Path, makes_folder: bool) -> None:
    """Of a file that will be written, or of the links that lead to it: it must take new files, or new folders."""
    folder = Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent
    while makes_folder and not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        code = errno.ENOTDIR if any(parent.is_file() for parent in path.parents) else errno.ENOENT
        raise OSError(code, os.strerror(code), str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def write(target: str, data: bytes, *, force: bool, makes_folder: bool = False) -> None:
    """Write all of `data` or nothing; nobody ever sees half a file, and nothing is lost that was there.

    Args:
        target: a file, a device or FIFO (written to directly), or `-`.
        data: the bytes.
        force: replace a file that is there.
        makes_folder: make the folders above it.

    Raises:
        OutputError: the file is there, or it is a terminal.
        OSError: with `target` as its file name.
    """
    if target == STREAM:
        _write_stdout(data)
        return
    try:
        path = Path(target)
        if makes_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            _write_device(path, data)
        else:
            _write_file(path.resolve(), data, force)  # a link stays, the file that it points to is replaced
    except FileExistsError as err:
        raise OutputError(target, _EXISTS) from err
    except OSError as err:
        raise OSError(err.errno, err.strerror, target) from err


def refuse_terminal() -> None:
    """Raise UsageError if the product would go to a terminal."""
    if sys.stdout is not None and sys.stdout.isatty():
        raise click.UsageError(_TERMINAL)


def abandon_stdout() -> None:
    """Point standard output to nowhere, so that the interpreter's last flush does not fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _read_all(file: BinaryIO) -> bytes:
    """In chunks: devices and pipes have no size, and one read of the limit would allocate it."""
    chunks, size = [], 0
    while chunk := file.read(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_INPUT_BYTES:
            raise RequestError(_too_large())
    return b"".join(chunks)


def _too_large() -> str:
    return f"it is larger than {MAX_INPUT_BYTES:,} bytes"


def _write_stdout(data: bytes) -> None:
    if sys.stdout is None:
        raise closed(STDOUT)
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as err:
        raise OSError(err.errno, err.strerror, STDOUT) from err


def _write_device(path: Path, data: bytes) -> None:
    with path.open("wb", buffering=0) as file:
        if file.isatty():
            raise OutputError(str(path), _TERMINAL)
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]


def _write_file(path: Path, data: bytes, force: bool) -> None:
    """A temporary file beside `path`, which takes its name when all bytes are on the disk."""
    part = path.with_name(f".ncodec-{os.urandom(8).hex()}.part")
    try:
        with part.open("xb") as file:  # not tempfile: its files are mode 0600 for good, this one follows the umask
            if force and path.exists() and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if force:
            part.replace(path)
        else:
            _take_name(part, path)
    finally:
        part.unlink(missing_ok=True)


def _take_name(part: Path, path: Path) -> None:
    """Give `part` the name `path` unless there is a file of that name, also one that came up just now."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except (OSError, AttributeError, NotImplementedError):  # no hard links on this disk: reserve the name, then replace
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            part.replace(path)
        except BaseException:
            path.unlink()
            raise
