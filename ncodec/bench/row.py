"""What is measured: one row for a picture, method and setting, beside the circumstances it was measured in."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ncodec.errors import RequestError

ID_DIGITS = 8
DIGITS = 7
"""Significant digits of a number in a result file."""


@dataclass(frozen=True)
class Circumstances:
    """What rows were measured with; rows of other circumstances are not compared with them.

    Attributes:
        ncodec, commit: version, and the last commit that changed what is measured (`-dirty` if the checkout differs;
            None outside a checkout).
        model: of ncodec, `base-xxxxxxxx`.
        weights: what else was loaded: name -> `file sha8`.
        torch, pillow: versions.
        packages: versions of what else has a say in the figures; codec libraries inside Pillow too.
        cpu: name and widest instruction set in use.
        threads: of every method.
        device, dtype: of the networks.
        seed: the noise of picture k is made with seed + k.
        noise: as on the command line; `real` where the pictures were noisy already.
        repeats: timed runs.
        started: UTC; not part of the identity.
    """

    ncodec: str
    commit: str | None
    model: str
    weights: dict[str, str]
    torch: str
    pillow: str
    packages: dict[str, str]
    cpu: str
    threads: int
    device: str
    dtype: str
    seed: int
    noise: str
    repeats: int
    started: str = field(compare=False)

    @property
    def id(self) -> str:
        """8 hex digits of a hash of everything but when it was."""
        facts = {name: value for name, value in asdict(self).items() if name != "started"}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:ID_DIGITS]


@dataclass(frozen=True)
class Row:
    """One picture, method and setting. Figures that the method does not have are None.

    Attributes:
        circumstances: id of them.
        picture: path inside the folder, with slashes.
        pixels: 8 hex digits, CRC-32 of the clean and the noisy pixels: a name alone is no identity.
        width, height: pixels.
        method, setting: `ncodec-denoised`, `3`; the codec's quality or parameter, or `default`.
        size_bytes: of a real file, headers included; None without compression.
        rate_bpp: its bits per pixel.
        psnr_plain_noisy_db, psnr_plain_clean_db: of an output that keeps the noise, against the input and against the
            clean picture; None where the pictures are equal.
        psnr_denoised_clean_db: of a denoised output.
        ssim, ms_ssim, lpips: of the output, against the clean picture.
        niqe: always None: no library gives it without a download.
        denoise_s: of a denoiser before the encoder or after the decoder, wall time.
        encode_s, decode_s: from pixels to bytes, and back.
        repeats: timed runs, of which the times are the medians; 1 where a run takes long.
        memory_peak_mib: most that the method took at a time, beyond what was there before; weights not counted.
        kmac_per_pixel: multiply-accumulates of all networks, encoder, decoder and denoiser together, in thousands.
    """

    circumstances: str
    picture: str
    pixels: str
    width: int
    height: int
    method: str
    setting: str
    size_bytes: int | None = None
    rate_bpp: float | None = None
    psnr_plain_noisy_db: float | None = None
    psnr_plain_clean_db: float | None = None
    psnr_denoised_clean_db: float | None = None
    ssim: float | None = None
    ms_ssim: float | None = None
    lpips: float | None = None
    niqe: float | None = None
    denoise_s: float | None = None
    encode_s: float | None = None
    decode_s: float | None = None
    repeats: int = 1
    memory_peak_mib: float | None = None
    kmac_per_pixel: float | None = None

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What is measured once."""
        return self.circumstances, self.picture, self.pixels, self.method, self.setting


@dataclass(frozen=True)
class Results:
    """What a result file holds.

    Attributes:
        circumstances: by id, in order of their appearance.
        rows: in order.
    """

    circumstances: dict[str, Circumstances]
    rows: tuple[Row, ...]


def read_results(path: Path) -> Results:
    """Read a result file. A last line that was cut off (by a power failure, a kill) is passed over.

    Raises:
        RequestError: a line is not of a result file of `ncodec bench`.
        OSError: it cannot be read.
    """
    circumstances: dict[str, Circumstances] = {}
    rows: list[Row] = []
    whole = path.read_bytes().rpartition(b"\n")[0]
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            record = json.loads(line)
            kind, claimed = record.pop("kind"), record.pop("id", None)
            if kind == "circumstances":
                circumstances[claimed] = Circumstances(**record)
            elif kind == "row":
                rows.append(_row(record, circumstances))
            else:
                raise ValueError(f"kind {kind!r}")
        except (ValueError, TypeError, KeyError, AttributeError) as err:
            raise RequestError(f"{path}, line {number}: not a result of ncodec bench ({err})") from err
    return Results(circumstances, tuple(rows))


def write_results(path: Path, results: Results) -> None:
    """Write a whole result file, all or nothing."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(b"".join(_line(_record(each)) for each in (*results.circumstances.values(), *results.rows)))
    part.replace(path)


class ResultFile:
    """A result file that grows line by line: whatever ends the run, what it holds is valid.

    Args:
        path: of the file; it and its folder are made if they are not there.

    Attributes:
        rows: those that were there, and those that were added.

    Raises:
        RequestError, OSError: as `read_results`.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        found = read_results(path) if path.exists() else Results({}, ())
        self.rows = list(found.rows)
        self._known = set(found.circumstances)
        self._by_key = {row.key: row for row in found.rows}
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        os.ftruncate(self._fd, path.read_bytes().rfind(b"\n") + 1)

    def __enter__(self) -> ResultFile:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._fd)

    def find(self, wanted: Row) -> Row | None:
        """The row of the same key, if it is there."""
        return self._by_key.get(wanted.key)

    def begin(self, circumstances: Circumstances) -> None:
        """Say what the rows to come are measured with, unless the file says it already."""
        if circumstances.id not in self._known:
            self._known.add(circumstances.id)
            self._append(_record(circumstances))

    def add(self, row: Row) -> None:
        """Append a row."""
        self._append(_record(row))
        self._by_key[row.key] = row
        self.rows.append(row)

    def _append(self, record: dict[str, Any]) -> None:
        os.write(self._fd, _line(record))  # one call: an interrupt comes before or after it


def of_latest(results: Results) -> tuple[Circumstances, tuple[Row, ...]]:
    """The circumstances that the last row was measured in, and all rows of them. RequestError if there is no row."""
    if not results.rows:
        raise RequestError("the result file holds no row")
    last = results.rows[-1].circumstances
    return results.circumstances[last], tuple(row for row in results.rows if row.circumstances == last)


def _line(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _record(value: Circumstances | Row) -> dict[str, Any]:
    if isinstance(value, Circumstances):
        return {"kind": "circumstances", "id": value.id} | asdict(value)
    return {"kind": "row"} | {name: _rounded(part) for name, part in asdict(value).items()}


def _row(record: dict[str, Any], circumstances: dict[str, Circumstances]) -> Row:
    row = Row(**record)
    if row.circumstances not in circumstances:
        raise ValueError(f"circumstances {row.circumstances} are not told before")
    wrong = [item.name for item in fields(Row) if not _fits(getattr(row, item.name), str(item.type))]
    if wrong:
        raise ValueError(f"{wrong[0]} is {getattr(row, wrong[0])!r}")
    return row


def _fits(value: Any, kind: str) -> bool:
    if value is None:
        return kind.endswith("| None")
    if kind.startswith("str"):
        return isinstance(value, str)
    return isinstance(value, (int, float) if kind.startswith("float") else int) and not isinstance(value, bool)


def _rounded(value: Any) -> Any:
    """Floats with the digits that mean something."""
    if isinstance(value, float) and value and math.isfinite(value):
        return round(value, DIGITS - 1 - math.floor(math.log10(abs(value))))
    return value
