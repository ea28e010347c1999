"""The result file."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from bench_tools import ABOUT, ROW, row
from ncodec.bench.results import ResultFile, read_results
from ncodec.bench.selection import Selection, latest
from ncodec.errors import RequestError


def written(path: Path, *rows: object) -> Path:
    with ResultFile(path) as file:
        file.begin(ABOUT)
        for each in rows:
            file.add(each)  # pyright: ignore[reportArgumentType]
    return path


def test_rows_come_back(tmp_path: Path) -> None:
    rows = (ROW, row(setting="4", rate_bpp=1.5))
    found = read_results(written(tmp_path / "deep" / "results.jsonl", *rows))
    assert found.rows == rows
    assert found.circumstances == {ABOUT.id: ABOUT}
    assert latest(found) == Selection(ABOUT, rows, (ABOUT,))


def test_lines_are_as_documented(tmp_path: Path) -> None:
    about, first = map(json.loads, written(tmp_path / "r.jsonl", ROW).read_text().splitlines())
    assert (about["kind"], about["id"]) == ("circumstances", ABOUT.id)
    assert first["kind"] == "row"
    assert first["circumstances"] == about["id"]
    assert first["psnr_plain_noisy_db"] is None


def test_identity_is_everything_but_the_time() -> None:
    assert replace(ABOUT, started="later").id == ABOUT.id
    assert len(ABOUT.id) == 8
    assert len({replace(ABOUT, **{name: value}).id for name, value in {
        "threads": 2, "seed": 1, "dtype": "bfloat16", "weights": {"dncnn": "x"}, "noise": "none", "repeats": 1,
    }.items()} | {ABOUT.id}) == 7  # fmt: skip


def test_a_file_grows_and_is_found_again(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", ROW)
    before = path.read_bytes()
    with ResultFile(path) as file:
        file.begin(replace(ABOUT, started="later"))
        assert file.find(row(ssim=None)) == ROW
        for other in (row(setting="4"), row(picture="b.png"), row(pixels="76543210")):
            assert file.find(other) is None
    assert path.read_bytes() == before


def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", ROW, row(setting="4"))
    whole = path.read_bytes()
    last = len(whole.splitlines()[-1])
    ends = [whole[:-cut] for cut in (2, 20, last, last + 1)]
    for left in (*ends, whole[: -last - 1] + bytes(last)):
        path.write_bytes(left)
        assert read_results(path).rows == (ROW,)
        with ResultFile(path) as file:
            file.add(row(setting="4"))
        assert path.read_bytes() == whole


def test_a_last_line_without_its_end_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", ROW, row(setting="4"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with ResultFile(path) as file:
        assert len(file.rows) == 2
        assert path.read_bytes() == whole


@pytest.mark.parametrize("text", ['{"mine": [1, 2]}', "my notes", "[]", '{"kind": "mine"}'])
def test_a_foreign_file_of_one_line_is_not_touched(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(text)
    with pytest.raises(RequestError, match="line 1: not a result"):
        ResultFile(path)
    assert path.read_text() == text


def test_a_disk_that_fills_up_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system takes what still fits, without an error, and says so only when there is no room at all."""
    path = written(tmp_path / "r.jsonl", ROW)
    before, real, room = path.read_bytes(), os.write, [30]

    def write(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(fd, data[: room[0]])
        room[0] -= written
        return written

    with ResultFile(path) as file:
        monkeypatch.setattr(os, "write", write)
        with pytest.raises(OSError, match="No space"):
            file.add(row(setting="4"))
        assert path.read_bytes() == before
        assert len(file.rows) == 1
        room[0] = 1 << 20
        file.add(row(setting="4"))
    assert len(read_results(path).rows) == 2


def test_a_short_write_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:100]))
    assert read_results(written(tmp_path / "r.jsonl", ROW)).rows == (ROW,)


def test_a_file_is_one_processes(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", ROW)
    with ResultFile(path), pytest.raises(RequestError, match="another process"):
        ResultFile(path)
    with ResultFile(path) as file:
        assert file.rows == [ROW]


@pytest.mark.parametrize(
    "line",
    ["x", "[]", "1", "{}", '{"kind": "row"}', '{"kind": "nothing"}', '{"kind": "circumstances", "id": "1"}'],
)
def test_other_files_are_refused(tmp_path: Path, line: str) -> None:
    path = written(tmp_path / "r.jsonl", ROW)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(RequestError, match="line 3"):
        read_results(path)


@pytest.mark.parametrize("wrong", [{"ssim": "good"}, {"width": 1.5}, {"method": None}, {"repeats": True}])
def test_values_of_another_kind_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    path = written(tmp_path / "r.jsonl", ROW)
    record = json.loads(path.read_text().splitlines()[1]) | wrong
    path.write_text(path.read_text() + json.dumps(record) + "\n")
    with pytest.raises(RequestError, match=next(iter(wrong))):
        read_results(path)


def test_a_row_needs_its_circumstances(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", ROW)
    path.write_text(path.read_text().replace(f'"circumstances": "{ABOUT.id}"', '"circumstances": "deadbeef"'))
    with pytest.raises(RequestError, match="deadbeef"):
        read_results(path)


def test_no_rows_have_no_latest(tmp_path: Path) -> None:
    with pytest.raises(RequestError):
        latest(read_results(written(tmp_path / "r.jsonl")))


def test_numbers_keep_seven_digits(tmp_path: Path) -> None:
    text = written(tmp_path / "r.jsonl", row(ssim=1 / 3, encode_s=1e-9 / 3, rate_bpp=0.0)).read_text()
    assert '"ssim": 0.3333333,' in text
    assert '"encode_s": 3.333333e-10' in text
