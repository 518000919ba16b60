"""Store participants' answers: one SQLite file for each experiment.

Each answer is committed to the disk before ``keep`` returns, so that it survives a crash of the process or the machine.
``metamers.experiment.server`` checks requests, and ``metamers.humans.own_participants`` analyses the answers.
"""

import fcntl
import json
import secrets
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from metamers.run.files import write

INACTIVE_AFTER_S = 3 * 3600  # an unfinished participant without requests for so long frees their order
MAX_PARTICIPANTS = 100_000
LOCK = "server.lock"

TABLES = """
CREATE TABLE IF NOT EXISTS design (name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS participant
    (name TEXT PRIMARY KEY, place INTEGER NOT NULL, heard REAL NOT NULL,
     ended INTEGER NOT NULL DEFAULT 0, finished INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS answer
    (participant TEXT NOT NULL REFERENCES participant, step TEXT NOT NULL, content TEXT NOT NULL,
     PRIMARY KEY (participant, step));
CREATE TABLE IF NOT EXISTS chosen
    (participant TEXT NOT NULL REFERENCES participant, step TEXT NOT NULL, exhibit TEXT NOT NULL,
     PRIMARY KEY (participant, step));
"""

# Participants who ended early do not count: their order goes to another participant.
TAKEN = "SELECT place, COUNT(*) FROM participant WHERE finished OR (NOT ended AND heard > ?) GROUP BY place"


NO_PARTICIPANT = "no participant of that name has begun, or the participant has ended"


class StoreError(ValueError):
    """An answer cannot be stored; the message says why."""


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a connection with one transaction, which is on the disk once committed and undone after an error."""
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


def lock(folder: Path) -> IO[str]:
    """Lock a folder of answers for one server, until the returned file is closed or the process ends.

    Raises
    ------
    StoreError
        When another server uses the folder, or the disk has no locks.
    """
    file = (folder / LOCK).open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        in_use = isinstance(error, BlockingIOError)
        why = "another server stores answers there; stop it" if in_use else f"it cannot be locked ({error.strerror})"
        raise StoreError(f"{folder}: {why}, or name another folder for answers") from error
    return file


def prepare(path: Path, design: str) -> None:
    """Create the file of an experiment's answers if it does not exist.

    Raises
    ------
    StoreError
        When the file has answers to another design.
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
                f"{path} has answers to the design {known[0]}, but the experiment now has the design {design}. Move "
                "the file away, or use another folder for answers."
            )


def begin(path: Path, participant: str | None, orders: int) -> dict[str, Any]:
    """Let a participant begin or continue.

    Parameters
    ----------
    path
        The file of answers.
    participant
        The name that an earlier call returned, or None. An unknown name, or the name of a participant who has ended,
        gives a new participant.
    orders
        Number of orders in the design.

    Returns
    -------
    dict
        ``participant``, the name; ``order``, for a new participant the order that the fewest participants have taken,
        not counting inactive participants and those who ended early; ``rows``, the stored rows.

    Raises
    ------
    StoreError
        When there are ``MAX_PARTICIPANTS`` participants already.
    """
    with _opened(path) as connection:
        known = connection.execute(
            "SELECT place FROM participant WHERE name = ? AND NOT ended", (participant,)
        ).fetchone()
        if known:
            connection.execute("UPDATE participant SET heard = ? WHERE name = ?", (time.time(), participant))
            rows = [json.loads(content) for content in _rows(connection, participant)]
            return {"participant": participant, "order": known[0], "rows": rows}
        if connection.execute("SELECT COUNT(*) FROM participant").fetchone()[0] >= MAX_PARTICIPANTS:
            raise StoreError(f"there are {MAX_PARTICIPANTS} participants already")
        taken = dict.fromkeys(range(orders), 0) | dict(connection.execute(TAKEN, (time.time() - INACTIVE_AFTER_S,)))
        place = min(taken, key=lambda order: (taken[order], order))
        name = secrets.token_hex(12)
        connection.execute("INSERT INTO participant (name, place, heard) VALUES (?, ?, ?)", (name, place, time.time()))
    return {"participant": name, "order": place, "rows": []}


def has_begun(path: Path, participant: str | None) -> bool:
    """Whether a participant of this name has begun, and has not ended."""
    with _opened(path) as connection:
        query = "SELECT 1 FROM participant WHERE name = ? AND NOT ended"
        return connection.execute(query, (participant,)).fetchone() is not None


def participant_order(path: Path, participant: str) -> int:
    """Return the order of a participant who has not ended.

    Raises
    ------
    StoreError
        When no such participant exists.
    """
    with _opened(path) as connection:
        known = connection.execute(
            "SELECT place FROM participant WHERE name = ? AND NOT ended", (participant,)
        ).fetchone()
    if known is None:
        raise StoreError(NO_PARTICIPANT)
    return known[0]


def keep(path: Path, participant: str, step: str, row: Mapping[str, Any], after: tuple[str, str] | None = None) -> bool:
    """Store an answer, or the announcement of a stimulus.

    If a step is stored twice, for example after a lost reply, the first row counts.

    Parameters
    ----------
    path
        The file of answers.
    participant, step, row
        The participant's name, the step and the row of jsPsych's data.
    after
        A step that must have been stored before, and its answer.

    Returns
    -------
    bool
        Whether the stored row of this step is the given one. False means that another page of the same participant has
        shown the stimulus, so that it must not be shown again.

    Raises
    ------
    StoreError
        When no such participant has begun, the participant has ended, or ``after`` is not stored.
    """
    with _opened(path) as connection:
        query = "UPDATE participant SET heard = ? WHERE name = ? AND NOT ended"
        if not connection.execute(query, (time.time(), participant)).rowcount:
            raise StoreError(NO_PARTICIPANT)
        kept = "SELECT content FROM answer WHERE participant = ? AND step = ?"
        if after is not None:
            before = connection.execute(kept, (participant, after[0])).fetchone()
            if before is None or json.loads(before[0]).get("answer") != after[1]:
                raise StoreError(f"{step}: wanted the answer {after[1]!r} to {after[0]} first")
        content = json.dumps(row)
        connection.execute("INSERT OR IGNORE INTO answer VALUES (?, ?, ?)", (participant, step, content))
        return connection.execute(kept, (participant, step)).fetchone()[0] == content


def end(path: Path, participant: str, steps: Collection[str], folder: Path) -> None:
    """Mark a participant as ended, and as finished if all given steps are answered; export the answers to ``folder``.

    If the export fails, the participant has not ended, and can continue.
    """
    with _opened(path) as connection:
        kept = connection.execute("SELECT step FROM answer WHERE participant = ?", (participant,))
        finished = {step for (step,) in kept}.issuperset(steps)
        connection.execute("UPDATE participant SET ended = 1, finished = ? WHERE name = ?", (finished, participant))
        _export(connection, participant, folder)


def _rows(connection: sqlite3.Connection, participant: str) -> list[str]:
    """Return the rows of a participant as JSON, in the order of their arrival."""
    query = "SELECT content FROM answer WHERE participant = ? ORDER BY rowid"
    return [content for (content,) in connection.execute(query, (participant,))]


def chosen(path: Path, participant: str) -> dict[str, str]:
    """Return step → exhibit, for the trials of a participant whose exhibit was chosen during the experiment."""
    with _opened(path) as connection:
        rows = connection.execute("SELECT step, exhibit FROM chosen WHERE participant = ?", (participant,))
        return dict(rows.fetchall())


def choose(path: Path, participant: str, step: str, exhibit: str) -> str:
    """Store the exhibit that is chosen for a trial, and return it; an earlier choice for this trial remains."""
    with _opened(path) as connection:
        connection.execute("INSERT OR IGNORE INTO chosen VALUES (?, ?, ?)", (participant, step, exhibit))
        query = "SELECT exhibit FROM chosen WHERE participant = ? AND step = ?"
        return str(connection.execute(query, (participant, step)).fetchone()[0])


def rows_of(path: Path, participant: str) -> list[Any]:
    """Return the stored rows of a participant, in the order of their arrival."""
    with _opened(path) as connection:
        return [json.loads(content) for content in _rows(connection, participant)]


def participants(path: Path) -> list[str]:
    """Return the names of all participants who have answered anything."""
    with _opened(path) as connection:
        return [name for (name,) in connection.execute("SELECT DISTINCT participant FROM answer ORDER BY participant")]


def export(path: Path, folder: Path) -> int:
    """Write the answers of all participants as jsPsych's JSON, ``<participant>.json``; return their number."""
    names = participants(path)
    with _opened(path) as connection:
        for name in names:
            _export(connection, name, folder)
    return len(names)


def _export(connection: sqlite3.Connection, participant: str, folder: Path) -> None:
    """Write the answers of a participant, if any.

    Each row is on its own line, as it was stored, so that an invalid row from an older server leaves the other rows
    readable.
    """
    if rows := _rows(connection, participant):
        write(folder / f"{participant}.json", "[\n" + ",\n".join(rows) + "\n]\n")
