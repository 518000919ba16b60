"""Answers of people, kept the moment that they are given: one SQLite file for each experiment.

An answer that has been kept survives the end of the process, and of the machine: each is committed, and on the disk,
before ``keep`` returns. Who may ask, and how, is for ``metamers.experiment_server``; what answers mean for
``metamers.people``.
"""

import json
import secrets
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metamers.files import write

AWAY_AFTER_S = 3 * 3600  # then whoever has not finished no longer holds an order
MOST_PARTICIPANTS = 100_000

TABLES = """
CREATE TABLE IF NOT EXISTS design (name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS participant
    (name TEXT PRIMARY KEY, place INTEGER NOT NULL, heard REAL NOT NULL,
     ended INTEGER NOT NULL DEFAULT 0, finished INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS answer
    (participant TEXT NOT NULL REFERENCES participant, step TEXT NOT NULL, content TEXT NOT NULL,
     PRIMARY KEY (participant, step));
"""

# Whoever was not asked to the end leaves their order to another.
TAKEN = "SELECT place, COUNT(*) FROM participant WHERE finished OR (NOT ended AND heard > ?) GROUP BY place"


class StoreError(ValueError):
    """What cannot be kept, and why."""


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection whose transactions are on the disk when they are committed; what is not committed is undone."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    finally:
        connection.close()


def prepare(path: Path, design: str) -> None:
    """Make the file of an experiment's answers, where there is none.

    Raises
    ------
    StoreError
        When it holds the answers to another design.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(path) as connection:
        for table in filter(str.strip, TABLES.split(";")):
            connection.execute(table)
        known = connection.execute("SELECT name FROM design").fetchone()
        if known is None:
            connection.execute("INSERT INTO design VALUES (?)", (design,))
        elif known[0] != design:
            raise StoreError(
                f"{path} holds answers to the design {known[0]}, but the experiment is {design} now. Move the file "
                "away, or give another folder for answers."
            )


def begin(path: Path, participant: str | None, orders: int) -> dict[str, Any]:
    """Let a participant begin, or go on.

    Parameters
    ----------
    path
        The file of answers.
    participant
        The name that an earlier call gave, or None. An unknown name, or that of somebody who has ended, is a new
        participant.
    orders
        How many the design has.

    Returns
    -------
    dict
        ``participant``, a new name for a new one; ``order``, for a new one that which the fewest have taken, not
        counting those who went away or were not asked to the end; ``rows``, what they have answered.

    Raises
    ------
    StoreError
        When there are too many participants to be true.
    """
    with _opened(path) as connection:
        known = connection.execute(
            "SELECT place FROM participant WHERE name = ? AND NOT ended", (participant,)
        ).fetchone()
        if known:
            connection.execute("UPDATE participant SET heard = ? WHERE name = ?", (time.time(), participant))
            rows = [json.loads(content) for content in _rows(connection, participant)]
            return {"participant": participant, "order": known[0], "rows": rows}
        if connection.execute("SELECT COUNT(*) FROM participant").fetchone()[0] >= MOST_PARTICIPANTS:
            raise StoreError(f"there are {MOST_PARTICIPANTS} participants already")
        taken = dict.fromkeys(range(orders), 0) | dict(connection.execute(TAKEN, (time.time() - AWAY_AFTER_S,)))
        place = min(taken, key=lambda order: (taken[order], order))
        name = secrets.token_hex(12)
        connection.execute("INSERT INTO participant (name, place, heard) VALUES (?, ?, ?)", (name, place, time.time()))
    return {"participant": name, "order": place, "rows": []}


def order_of(path: Path, participant: str) -> int:
    """The order of a participant who has not ended.

    Raises
    ------
    StoreError
        When there is nobody of that name.
    """
    with _opened(path) as connection:
        known = connection.execute(
            "SELECT place FROM participant WHERE name = ? AND NOT ended", (participant,)
        ).fetchone()
    if known is None:
        raise StoreError("nobody of that name has begun, or they have ended")
    return known[0]


def keep(path: Path, participant: str, step: str, row: Mapping[str, Any], after: str | None = None) -> bool:
    """Keep an answer, or that a stimulus is about to be shown.

    What is answered twice, as after a reply that got lost, counts as it was answered first.

    Parameters
    ----------
    path
        The file of answers.
    participant, step, row
        Whose, what is answered, and the row of jsPsych's data.
    after
        The step that must have been kept before.

    Returns
    -------
    bool
        Whether this row is what is kept, and not another of that step: a stimulus that another page of the same
        participant has shown is not to be shown again.

    Raises
    ------
    StoreError
        When nobody of that name has begun, or they have ended; or when the step before is not there.
    """
    with _opened(path) as connection:
        query = "UPDATE participant SET heard = ? WHERE name = ? AND NOT ended"
        if not connection.execute(query, (time.time(), participant)).rowcount:
            raise StoreError("nobody of that name has begun, or they have ended")
        kept = "SELECT content FROM answer WHERE participant = ? AND step = ?"
        if after is not None and connection.execute(kept, (participant, after)).fetchone() is None:
            raise StoreError(f"{step}: wanted {after} before it")
        content = json.dumps(row)
        connection.execute("INSERT OR IGNORE INTO answer VALUES (?, ?, ?)", (participant, step, content))
        return connection.execute(kept, (participant, step)).fetchone()[0] == content


def end(path: Path, participant: str, steps: Collection[str]) -> None:
    """A participant has ended, and finished if they answered all these steps; the next at that browser is another."""
    with _opened(path) as connection:
        kept = connection.execute("SELECT step FROM answer WHERE participant = ?", (participant,))
        finished = {step for (step,) in kept}.issuperset(steps)
        connection.execute("UPDATE participant SET ended = 1, finished = ? WHERE name = ?", (finished, participant))


def _rows(connection: sqlite3.Connection, participant: str) -> list[str]:
    """The rows of a participant, as JSON, in the order in which they came."""
    query = "SELECT content FROM answer WHERE participant = ? ORDER BY rowid"
    return [content for (content,) in connection.execute(query, (participant,))]


def participants(path: Path) -> list[str]:
    """Whoever has answered anything: consent comes before whatever is shown."""
    with _opened(path) as connection:
        return [name for (name,) in connection.execute("SELECT DISTINCT participant FROM answer ORDER BY participant")]


def export(path: Path, names: Iterable[str], folder: Path) -> None:
    """Write the answers of participants who gave any as jsPsych's JSON: ``<participant>.json``, whole or as it was.

    Each row is on a line of its own, as it was kept: a row from an older server that is not valid JSON leaves the
    others readable.
    """
    with _opened(path) as connection:
        answered = {name: rows for name in names if (rows := _rows(connection, name))}
    for name, rows in answered.items():
        write(folder / f"{name}.json", "[\n" + ",\n".join(rows) + "\n]\n")
