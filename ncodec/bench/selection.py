"""Rows of a result file that may stand in one table: several runs may have measured them."""

from __future__ import annotations

from dataclasses import dataclass

from ncodec.bench.identity import Identities
from ncodec.bench.results import Results
from ncodec.bench.row import Circumstances, Row
from ncodec.errors import RequestError


@dataclass(frozen=True)
class Selection:
    """Rows that may be compared with each other.

    Attributes:
        about: the circumstances that all of them hold under.
        rows: in order of their measurement; of several of one thing the last.
        runs: circumstances in which they were measured, oldest first.
        outdated: methods that have rows of this setup, but none that hold: they would have to be measured again.
    """

    about: Circumstances
    rows: tuple[Row, ...]
    runs: tuple[Circumstances, ...]
    outdated: tuple[str, ...] = ()


def select(results: Results, about: Circumstances) -> Selection:
    """The rows that hold under some circumstances (see `ncodec.bench.identity`), whichever run measured them."""
    known = {**results.circumstances, about.id: about}
    identities = Identities(known)
    holding = [row for row in results.rows if identities.of(row) == identities.under(about.id, row)]
    rows = tuple({row.thing: row for row in holding}.values())
    runs = tuple(known[name] for name in dict.fromkeys(row.circumstances for row in rows))
    alike = [row.method for row in results.rows if _setup(known[row.circumstances]) == _setup(about)]
    outdated = tuple(dict.fromkeys(method for method in alike if method not in {row.method for row in rows}))
    return Selection(about, rows, runs, outdated)


def latest(results: Results) -> Selection:
    """What holds under the circumstances of the last row. RequestError if there is no row."""
    if not results.rows:
        raise RequestError("the result file holds no row")
    return select(results, results.circumstances[results.rows[-1].circumstances])


def selections(results: Results) -> list[Selection]:
    """What holds under the latest circumstances of every setup: noise, number format, device, with times or without."""
    used = [results.circumstances[row.circumstances] for row in results.rows]
    return [select(results, about) for about in {_setup(about): about for about in used}.values()]


def _setup(about: Circumstances) -> tuple[object, ...]:
    """What makes another table, and not a newer one."""
    machine = (about.cpu, about.threads) if about.repeats else None
    return about.noise, about.seed, about.dtype, about.device, machine
