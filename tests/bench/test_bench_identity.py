"""Which rows hold under which circumstances."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench_tools import ABOUT, row
from ncodec.bench.circumstances import LIBRARIES, PACKAGES
from ncodec.bench.identity import NEEDS, Identities, facts
from ncodec.bench.methods import METHODS, ours
from ncodec.bench.results import ResultFile, Results, read_results
from ncodec.bench.row import Circumstances, Row
from ncodec.bench.selection import latest, select, selections
from ncodec.bench.sources import CODE, PACKAGE, SAME, code_hashes, meaning

EARLIER = replace(
    ABOUT,
    weights={"dncnn": "d.safetensors 11111111", "plain-0.5": "p.safetensors 22222222"},
    packages=dict.fromkeys((*PACKAGES, *LIBRARIES.values()), "1"),
    code=dict.fromkeys(CODE, "00000000"),
)
METHOD_NAMES = (
    *("ncodec-denoised", "ncodec-then-dncnn", "hyperprior-then-dncnn"),
    *("dncnn-then-jpeg", "bm3d-then-jxl", "bm3d", "noisy"),
)
UNTIMED = replace(EARLIER, repeats=0)


def invalidated(about: Circumstances, **changes: Any) -> set[str]:
    """Methods whose rows do not hold any more when the circumstances change; a dict changes only what it names."""
    for name, value in changes.items():
        if isinstance(value, dict):
            changes[name] = getattr(about, name) | value
    later = replace(about, **changes)
    return {name for name in METHOD_NAMES if facts(about, name, "0.5") != facts(later, name, "0.5")}


NETWORKS = {"ncodec-denoised", "ncodec-then-dncnn", "hyperprior-then-dncnn", "dncnn-then-jpeg"}


@pytest.mark.parametrize(
    ("changes", "methods"),
    [
        ({"model": "base-ffffffff"}, {"ncodec-denoised", "ncodec-then-dncnn"}),
        ({"code": {"ncodec": "1"}}, {"ncodec-denoised", "ncodec-then-dncnn"}),
        ({"weights": {"dncnn": "x 1"}}, {"ncodec-then-dncnn", "hyperprior-then-dncnn", "dncnn-then-jpeg"}),
        ({"weights": {"plain-0.5": "x 1"}}, {"hyperprior-then-dncnn"}),
        ({"weights": {"plain-0.25": "another rate"}}, set()),
        ({"weights": {"lpips": "x 1"}}, set(METHOD_NAMES)),
        ({"packages": {"libjpeg-turbo": "2"}}, {"dncnn-then-jpeg"}),
        ({"packages": {"pillow-jxl-plugin": "2"}}, {"bm3d-then-jxl"}),
        ({"packages": {"bm3d": "2"}}, {"bm3d-then-jxl", "bm3d"}),
        ({"packages": {"av": "2"}}, set()),
        ({"pillow": "14"}, {"dncnn-then-jpeg", "bm3d-then-jxl"}),
        ({"torch": "3"}, NETWORKS),
        ({"dtype": "bfloat16"}, NETWORKS),
        ({"code": {"figures": "1"}}, set(METHOD_NAMES)),
        ({"noise": "gaussian:10"}, set(METHOD_NAMES)),
        ({"seed": 1}, set(METHOD_NAMES)),
        ({"commit": "badcafe", "ncodec": "0.2.0", "started": "later"}, set()),
        ({"threads": 8, "cpu": "another"}, set()),
    ],
)
def test_rows_end_with_what_they_depend_on(changes: dict[str, Any], methods: set[str]) -> None:
    assert invalidated(UNTIMED, **changes) == methods


@pytest.mark.parametrize("changes", [{"threads": 8}, {"cpu": "another"}, {"repeats": 1}, {"code": {"times": "1"}}])
def test_times_depend_on_the_machine(changes: dict[str, Any]) -> None:
    assert invalidated(EARLIER, **changes) == set(METHOD_NAMES) - {"noisy"}


@pytest.mark.parametrize(("earlier", "later"), SAME.items())
def test_code_that_was_found_to_do_the_same_ends_no_rows(earlier: str, later: str) -> None:
    before = replace(UNTIMED, code=EARLIER.code | {"networks": earlier})
    assert invalidated(before, code={"networks": later}) == set()
    assert invalidated(before, code={"networks": "1"}) == NETWORKS - {"ncodec-denoised"}
    assert later in code_hashes().values()  # else the entry tells nothing any more


def test_what_the_slow_encoder_is_called_with_is_hashed() -> None:
    """Its effort decides about its rows as its code does; it once stood beside the methods' names, which are not."""
    (method,) = (method for method in METHODS if method.name == "ncodec-refined")
    patterns = [pattern for name in NEEDS[method.codec].code for pattern in CODE[name]]
    assert Path(ours.__file__) in {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    assert "\nEFFORT = " in Path(ours.__file__).read_text(encoding="utf-8")
    assert f"--effort {ours.EFFORT}" in method.label


def test_a_method_that_is_not_known_depends_on_everything() -> None:
    assert facts(EARLIER, "gone", "1") != facts(replace(EARLIER, commit="badcafe"), "gone", "1")


def test_every_part_is_known_and_names_what_there_is() -> None:
    assert set(NEEDS) == {part for method in METHODS for part in method.parts}
    versions = {*PACKAGES, *LIBRARIES.values(), "torch", "pillow"}
    assert {name for need in NEEDS.values() for name in need.packages} <= versions
    assert {name for need in NEEDS.values() for name in need.code} <= set(CODE)


def test_code_is_found_and_prose_does_not_count() -> None:
    for patterns in CODE.values():
        assert all(list(PACKAGE.glob(pattern)) for pattern in patterns)
    assert len(set(code_hashes().values())) == len(CODE)
    one = meaning('"""Text."""\nx = 1\ndef f():\n    """More."""\n    return x  # why\n')
    assert one == meaning('"""Other text."""\nx = 1\n\n\ndef f():\n    """Less."""\n    return (x)\n')
    assert one != meaning('"""Text."""\nx = 2\ndef f():\n    """More."""\n    return x\n')


NEW = replace(UNTIMED, model="base-ffffffff", started="2027")


def file_of_two_runs(path: Path) -> Path:
    """Everything with one model; then ncodec with another."""
    with ResultFile(path) as file:
        file.begin(UNTIMED)
        for method in ("bm3d", "ncodec-denoised", "ncodec-then-dncnn"):
            file.add(row(circumstances=UNTIMED.id, method=method, ssim=0.1))
        file.begin(NEW)
        file.add(row(circumstances=NEW.id, ssim=0.2))
    return path


def test_a_new_model_does_not_measure_its_opponents_again(tmp_path: Path) -> None:
    with ResultFile(file_of_two_runs(tmp_path / "r.jsonl")) as file:
        found = {method: file.find(row(circumstances=NEW.id, method=method)) for method in (*METHOD_NAMES[:2], "bm3d")}
    assert found["bm3d"] == row(circumstances=UNTIMED.id, method="bm3d", ssim=0.1)
    assert found["ncodec-denoised"] == row(circumstances=NEW.id, ssim=0.2)
    assert found["ncodec-then-dncnn"] is None


def test_opponents_stand_beside_the_new_model_and_old_rows_are_told(tmp_path: Path) -> None:
    results = read_results(file_of_two_runs(tmp_path / "r.jsonl"))
    found = latest(results)
    assert [(each.method, each.ssim) for each in found.rows] == [("bm3d", 0.1), ("ncodec-denoised", 0.2)]
    assert found.runs == (UNTIMED, NEW)
    assert found.outdated == ("ncodec-then-dncnn",)
    assert selections(results) == [found]
    assert [each.ssim for each in select(results, UNTIMED).rows] == [0.1, 0.1, 0.1]


def test_of_two_rows_of_one_thing_the_later_one_holds() -> None:
    rows: tuple[Row, ...] = (row(circumstances=NEW.id, ssim=0.1), row(circumstances=NEW.id, ssim=0.2))
    assert [each.ssim for each in latest(Results({NEW.id: NEW}, rows)).rows] == [0.2]


def test_number_formats_are_two_tables_that_share_what_has_no_networks() -> None:
    other = replace(UNTIMED, dtype="bfloat16")
    rows = (row(circumstances=UNTIMED.id), row(circumstances=UNTIMED.id, method="bm3d"), row(circumstances=other.id))
    first, second = selections(Results({UNTIMED.id: UNTIMED, other.id: other}, rows))
    assert [each.method for each in first.rows] == ["ncodec-denoised", "bm3d"]
    assert [each.method for each in second.rows] == ["bm3d", "ncodec-denoised"]
    assert first.outdated == second.outdated == ()


def test_a_hash_is_of_the_rows_own_circumstances() -> None:
    identities = Identities({UNTIMED.id: UNTIMED, NEW.id: NEW})
    ours = row(circumstances=UNTIMED.id)
    assert identities.of(ours) == identities.under(UNTIMED.id, ours) != identities.under(NEW.id, ours)
    assert len(identities.of(ours)) == 8
