"""A small web server for the laboratory: serves the experiment's folder and stores each answer before it replies.

It serves only files that were in the folder when it started, and accepts answers only from its own pages. It has no
encryption: on a machine that others can reach, use a web server, JATOS or Pavlovia.

It is built on the standard library. Uvicorn (0.54) has no deadline for receiving a request and no limit of connections
per address; both would need a subclass of its protocol that reads private attributes. Uvicorn handled as many answers
per second, and took longer for pictures (measured: studies/notes/experiment_server.md).
"""

import io
import json
import logging
import mimetypes
import os
import re
import socket
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from metamers.experiment import store
from metamers.experiment.folder import number_of_trials
from metamers.humans.design import CHOSEN
from metamers.humans.rows import (
    CONSENT,
    MAX_TEXT_LETTERS,
    STEP,
    YES,
    Answer,
    Questions,
    RowError,
    agreed,
    check_row,
    check_values,
    parse_json,
)
from metamers.humans.stimulus_selector import StimulusSelector, times_shown
from metamers.modalities import MODALITIES
from metamers.run import files

logger = logging.getLogger("metamers")

MAX_BODY_BYTES = 16_384
MAX_REQUEST_BYTES = 1 << 17  # including headers
REQUEST_S = 30  # from the connection or the last reply to the end of a request; also the limit for sending a reply
MAX_CONNECTIONS = 512
MAX_CONNECTIONS_PER_ADDRESS = 128  # a browser uses six; all browsers behind a proxy share one address
# Headers that a request may have only once, because programs disagree about which of two counts.
SINGLE_HEADERS = (
    "Host",
    "Origin",
    "Content-Type",
    "Content-Length",
    "Transfer-Encoding",
    "Sec-Fetch-Site",
    "Sec-Fetch-Mode",
)
PARTICIPANT = re.compile(r"[0-9a-f]{24}")
ANSWER_FILE = re.compile(r".*\.sqlite(-\w+)?|[0-9a-f]{24}\.json")  # files that this server writes
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; font-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light"><title>Experiments</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/{first}/experiment.css"></head>
<body><main class="experiments"><h1>Experiments</h1><p>Choose the experiment in which you take part.</p>
<ul>{links}</ul></main></body></html>
"""
LINK = '<li><a href="/{name}/">{title}<span>{trials} trials, about {minutes} minutes</span></a></li>'
TYPES = {".js": "text/javascript", ".json": "application/json", ".wav": "audio/wav", ".svg": "image/svg+xml"}


OTHER_DESIGN = "the page belongs to another design; reload it"
# The page shows this text to the participant.
DISK_FAILED = (
    "The server could not read or write a file. All answers before are stored. Please tell the person who invited you."
)


class Refused(Exception):  # noqa: N818 (an answer, not an error of ours)
    """A request is refused with an HTTP status and a reason."""

    def __init__(self, status: HTTPStatus, why: str):
        super().__init__(why)
        self.status = status


class DiskError(Exception):
    """The server could not read or write a file."""


@contextmanager
def _disk_errors_logged(name: str) -> Iterator[None]:
    """Log an error of the disk, such as a full disk, with the name of the request, and raise ``DiskError`` instead."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        logger.error("%s: %s", name, error)
        raise DiskError from error


class Experiment:
    """An experiment's folder and the file of its answers.

    Attributes
    ----------
    folder
        The folder whose files are served.
    files
        Path in an address → file; links are left out.
    design
        The content of ``design.json``.
    questions
        The questions of the design.
    steps
        All steps that a complete participant has answered.
    answers
        The SQLite file of answers.
    exported
        Folder for jsPsych's JSON files.
    selector
        Selects the stimuli of an adaptive experiment; None for the fixed design.

    Raises
    ------
    FileNotFoundError
        When the experiment is adaptive and its design, ``<modality>.nc`` beside the folder, is missing.
    ValueError
        When this is the design of another experiment.
    """

    def __init__(self, folder: Path, answers: Path):
        self.folder = folder
        self.files = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(folder.resolve())
        }
        self.design = json.loads((folder / "design.json").read_text(encoding="utf-8"))
        self.selector = _load_selector(folder, self.design["design"]) if self.design.get("adaptive") else None
        if self.selector is None:
            self.questions = Questions(
                design=self.design["design"],
                exhibits=[name.rsplit(".", 1)[0] for name in self.design["exhibits"]],
                orders=self.design["orders"],
                categories=frozenset(self.design["categories"]),
                headphone_trials=self.design["headphones"]["trials"],
                main={},
            )
        else:
            self.questions = Questions.of_design(self.selector.design, self.design["categories"])
        # An adaptive experiment may stop before any trial after the practice.
        trials = [number for number in self.questions.numbers("trial") if self.design["orders"][0][number] != CHOSEN]
        checked = [f"headphones-{number}" for number in self.questions.numbers("headphones")]
        self.steps = {CONSENT, *checked, *(f"trial-{number}" for number in trials)}
        self.answers = answers / f"{folder.name}.sqlite"
        self.exported = answers / folder.name
        self.given: dict[str, dict[str, Answer]] = {}  # participant → step → answer; only of an adaptive experiment
        self.choosing = threading.Lock()

    def prepare(self) -> None:
        """Create the file of answers; raises ``StoreError`` if it has answers to another design."""
        store.prepare(self.answers, self.design["design"])
        if self.selector is not None:
            for participant in store.participants(self.answers):
                for row in store.rows_of(self.answers, participant):
                    with suppress(RowError):  # a row of an older server
                        self._note(check_row(row, self.questions))

    def _note(self, answer: Answer | None) -> None:
        """Keep an answer in memory, for the selection of the next stimuli."""
        if self.selector is not None and answer is not None and not answer.step.startswith("shown-"):
            self.given.setdefault(answer.participant, {}).setdefault(answer.step, answer)

    def begin(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Handle ``api/begin``: let a participant begin or continue."""
        participant = None if asked.get("participant") is None else _participant(asked)
        if asked.get("design") != self.design["design"]:
            raise Refused(HTTPStatus.CONFLICT, OTHER_DESIGN)
        if self.selector is not None and not store.has_begun(self.answers, participant):
            with self.choosing:
                if self.selector.enough(self.selector.estimate(self.selector.counts(self.given))):
                    return {"closed": True}
        return store.begin(self.answers, participant, len(self.design["orders"]))

    def next(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Handle ``api/next``: tell the file that a trial shows; null at the end of an adaptive experiment."""
        if self.selector is None:
            raise Refused(HTTPStatus.NOT_FOUND, "this experiment is not adaptive; its design has all trials")
        participant, number = _participant(asked), asked.get("trial")
        order = self.questions.orders[store.participant_order(self.answers, participant)]
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(order):
            raise Refused(HTTPStatus.BAD_REQUEST, f"trial: wanted a whole number from 0 to {len(order) - 1}")
        with self.choosing:
            exhibit = self._exhibit_of(self.selector, participant, number, order)
        return {"exhibit": None if exhibit is None else self._file_of[exhibit]}

    @cached_property
    def _file_of(self) -> dict[str, str]:
        """Name of an exhibit → its file."""
        return {name.rsplit(".", 1)[0]: name for name in self.design["exhibits"]}

    def _exhibit_of(
        self, selector: StimulusSelector, participant: str, number: int, order: Sequence[int]
    ) -> str | None:
        """Return the exhibit of a trial, chosen now unless it was chosen before; None if the experiment stops here."""
        step, answers = f"trial-{number}", self.given.get(participant, {})
        if not agreed(answers):
            raise Refused(HTTPStatus.CONFLICT, f"trial: found {number}, but {CONSENT} has no answer {YES!r}")
        missing = next((name for name in map("trial-{}".format, range(number)) if name not in answers), None)
        if missing is not None:
            raise Refused(HTTPStatus.CONFLICT, f"trial: found {number}, but {missing} has no answer yet")
        chosen = store.chosen(self.answers, participant)
        if step in chosen:
            return chosen[step]
        counts = selector.counts(self.given)
        estimate = selector.estimate(counts)
        if selector.enough(estimate):
            logger.info(
                "%s: %s; this suffices, and the experiment ends", self.exported.name, selector.describe(estimate)
            )
            return None
        if order[number] == CHOSEN:
            met = {self.questions.main[exhibit] for exhibit in chosen.values() if exhibit in self.questions.main}
            exhibit = selector.next_exhibit(counts, participant, met, times_shown(self.given))
        else:
            exhibit = str(self.questions.exhibits[order[number]])
        return None if exhibit is None else store.choose(self.answers, participant, step, exhibit)

    def keep(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Handle ``api/keep``: store a row of jsPsych's data, and reply whether it was the first of its step."""
        participant, row = _participant(asked), asked.get("row")
        if isinstance(row, dict) and row.get("design") != self.design["design"]:
            raise Refused(HTTPStatus.CONFLICT, OTHER_DESIGN)
        try:
            self._check_chosen(participant, row)
            answer = check_row(row, self.questions)
        except RowError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"row: {error}") from error
        if answer is None:
            raise Refused(HTTPStatus.BAD_REQUEST, "row: step: found nothing; wanted a step of this experiment")
        if answer.participant != participant:
            raise Refused(HTTPStatus.BAD_REQUEST, "row: participant: wanted the participant's own name")
        if answer.order != (order := store.participant_order(self.answers, participant)):
            raise Refused(HTTPStatus.BAD_REQUEST, f"row: order: found {answer.order}; this participant has {order}")
        after = None if answer.step == CONSENT else (CONSENT, YES)
        kept = store.keep(self.answers, participant, answer.step, row, after)
        if kept:
            with self.choosing:
                self._note(answer)
        return {"kept": kept}

    def _check_chosen(self, participant: str, row: Any) -> None:
        """Check that the exhibit of a trial after the practice is the one that was chosen for it.

        It precedes all other checks, so that no error message reveals a catch trial.
        """
        step = row.get("step") if isinstance(row, dict) else None
        parts = STEP.fullmatch(step) if isinstance(step, str) else None
        if self.selector is None or parts is None or parts[1] == "headphones" or f"trial-{parts[2]}" in self.steps:
            return
        expected = store.chosen(self.answers, participant).get(f"trial-{parts[2]}")
        exhibit = row.get("exhibit")
        if expected is None or not isinstance(exhibit, str) or exhibit.rsplit(".", 1)[0] != expected:
            raise RowError(f"exhibit: found {str(exhibit)[:MAX_TEXT_LETTERS]!r}; wanted the chosen one")

    def end(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Handle ``api/end``: mark the participant as ended and export their answers."""
        participant = _participant(asked)
        store.end(self.answers, participant, self.steps, self.exported)
        if self.selector is not None:
            with self.choosing:
                estimate = self.selector.estimate(self.selector.counts(self.given))
            logger.info("%s: %s", self.exported.name, self.selector.describe(estimate))
        return {}

    def export(self) -> int:
        """Write all answers as jsPsych's JSON files and return the number of participants."""
        return store.export(self.answers, self.exported)


def _load_selector(folder: Path, design: str) -> StimulusSelector:
    """Load the design beside an adaptive experiment's folder."""
    path = folder.with_name(f"{folder.name}.nc")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; an adaptive experiment needs its design there")
    loaded = files.load(path)
    if loaded.attrs.get("design") != design:
        raise ValueError(f"{path}: the design of another experiment than {folder}; run `snakemake experiment` again")
    return StimulusSelector(loaded)


def _participant(asked: Mapping[str, Any]) -> str:
    name = asked.get("participant")
    if not isinstance(name, str) or not PARTICIPANT.fullmatch(name):
        raise Refused(HTTPStatus.BAD_REQUEST, "participant: wanted a name that this server has assigned")
    return name


def _origins(host: str) -> tuple[str, str]:
    return f"http://{host}", f"https://{host}"


class RequestReader(io.RawIOBase):
    """Reads a client's requests, with a deadline and a size limit for each request as a whole.

    The timeout of a socket restarts with each byte, so a client that sends a byte now and then could keep its
    connection forever.
    """

    def __init__(self, connection: socket.socket):
        self.connection = connection

    def allow(self, seconds: float, size: int) -> None:
        """Set the deadline, in seconds from now, and the size limit of the next request."""
        self.deadline, self.left = time.monotonic() + seconds, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the request took too long")
        if self.left <= 0:
            raise ConnectionAbortedError("more bytes than a request has")
        self.connection.settimeout(remaining)
        received = self.connection.recv_into(buffer)
        self.left -= received
        return received


class Handler(BaseHTTPRequestHandler):
    """Handles the requests of one connection to a ``Server``."""

    server: "Server"
    protocol_version = "HTTP/1.1"
    server_version = "metamers"
    sys_version = ""
    disable_nagle_algorithm = True  # otherwise the body of a reply waits 40 ms until the client confirms the headers

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.reader = RequestReader(self.connection)
        self.rfile = io.BufferedReader(self.reader)

    def handle_one_request(self) -> None:
        self.reader.allow(REQUEST_S, MAX_REQUEST_BYTES)
        super().handle_one_request()

    def do_GET(self) -> None:
        self._answered(self._get)

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        self._answered(self._post)

    def _answered(self, serve: Any) -> None:
        try:
            self._check_headers()
            serve()
        except Refused as refused:
            self.close_connection = True  # the rest of the request is not read
            self._reply(refused.status, f"{refused}\n".encode(), "text/plain; charset=utf-8")
        except store.StoreError as error:
            self._reply(HTTPStatus.BAD_REQUEST, f"{error}\n".encode(), "text/plain; charset=utf-8")
        except DiskError:  # the page sends the request again
            self._json({"message": DISK_FAILED}, HTTPStatus.SERVICE_UNAVAILABLE)

    def _check_headers(self) -> None:
        """Check that each line is a header, that none appears twice, and that ``Host`` is a name of this server."""
        # Python's parser stops at a line that is not a header and treats the rest as a body.
        if self.headers.defects or self.headers.get_payload() or self.headers.get_unixfrom():
            raise Refused(HTTPStatus.BAD_REQUEST, "found a line that is not a header; wanted NAME: VALUE in each line")
        for name in SINGLE_HEADERS:
            if len(self.headers.get_all(name, [])) > 1:
                raise Refused(HTTPStatus.BAD_REQUEST, f"{name} appears twice; wanted once")
        if self.headers.get("Host") not in self.server.hosts:
            hosts = ", ".join(sorted(self.server.hosts))
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, f"Host: wanted one of {hosts}")

    def _get(self) -> None:
        # A body would be read as the next request.
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            raise Refused(HTTPStatus.BAD_REQUEST, f"found a body; wanted {self.command} without one")
        site, mode = self.headers.get("Sec-Fetch-Site"), self.headers.get("Sec-Fetch-Mode")
        if site not in (None, "none", "same-origin") and mode != "navigate":
            raise Refused(HTTPStatus.FORBIDDEN, "requested by a page of another site")
        path = self.path.split("?")[0]
        name, slash, file = path[1:].partition("/")
        experiments = self.server.experiments
        if path == "/":
            return self._index()
        if name not in experiments:
            raise Refused(HTTPStatus.NOT_FOUND, "no such page")
        if not slash:
            return self._moved(f"/{name}/")
        if file == "answers.json":
            return self._json({"to": "server"})
        path_of_file = experiments[name].files.get(file or "index.html")
        if path_of_file is None:
            raise Refused(HTTPStatus.NOT_FOUND, "no such file")
        kind = (
            TYPES.get(path_of_file.suffix) or mimetypes.guess_type(path_of_file.name)[0] or "application/octet-stream"
        )
        with _disk_errors_logged(f"{name}/{path_of_file.relative_to(experiments[name].folder)}"):
            content = path_of_file.read_bytes()
        self._reply(HTTPStatus.OK, content, kind)
        return None

    def _index(self) -> None:
        names = list(self.server.experiments)
        if len(names) == 1:
            return self._moved(f"/{names[0]}/")
        links = [
            LINK.format(
                name=name,
                title=MODALITIES[experiment.design["modality"]].stimuli.capitalize(),
                trials=number_of_trials(experiment.design),
                minutes=experiment.design.get("minutes", "?"),
            )
            for name, experiment in self.server.experiments.items()
        ]
        page = INDEX.format(first=names[0], links="".join(links))
        self._reply(HTTPStatus.OK, page.encode(), "text/html; charset=utf-8")
        return None

    def _post(self) -> None:
        own_page = self.headers.get("Origin") in _origins(self.headers["Host"])
        if not own_page or self.headers.get("Sec-Fetch-Site") not in (None, "same-origin"):
            raise Refused(HTTPStatus.FORBIDDEN, "answers are accepted only from this server's own pages")
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "wanted application/json")
        matched = re.fullmatch(r"/([^/]+)/api/(begin|next|keep|end)", self.path)
        if not matched or matched[1] not in self.server.experiments:
            raise Refused(HTTPStatus.NOT_FOUND, "no such address; wanted api/begin, api/next, api/keep or api/end")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,9}", length) or "Transfer-Encoding" in self.headers:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "wanted Content-Length")
        if int(length) > MAX_BODY_BYTES:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"wanted at most {MAX_BODY_BYTES} bytes")
        try:
            asked = parse_json(self.rfile.read(int(length)))
            check_values(asked)
        except RowError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"{error}") from error
        except (ValueError, RecursionError) as error:
            raise Refused(HTTPStatus.BAD_REQUEST, "wanted JSON") from error
        if not isinstance(asked, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "wanted a JSON object")
        with _disk_errors_logged(self.path[1:]):
            content = getattr(self.server.experiments[matched[1]], matched[2])(asked)
        self._json(content)

    def _json(self, content: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        self._reply(status, json.dumps(content).encode(), "application/json")

    def _moved(self, address: str) -> None:
        self._reply(HTTPStatus.FOUND, b"", "text/plain", {"Location": address})

    def _reply(self, status: HTTPStatus, body: bytes, kind: str, more: Mapping[str, str] | None = None) -> None:
        self.connection.settimeout(REQUEST_S)  # limits the whole reply: a slow reader is disconnected, too
        self.send_response(status)
        for name, value in {**HEADERS, **(more or {}), "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        logger.debug(format, *arguments)


class Server(ThreadingHTTPServer):
    """Serves experiments, each under the name of its folder.

    Parameters
    ----------
    experiments
        The experiments.
    address, port
        Address and port to listen on; port 0 chooses a free one.
    names
        Further host names of the machine, without port, beside ``localhost`` and ``address``.

    Raises
    ------
    StoreError
        When another server stores answers in the same folder.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, experiments: Iterable[Experiment], address: str, port: int, names: Iterable[str] = ()):
        self.experiments = {experiment.exported.name: experiment for experiment in experiments}
        if ":" in address:
            self.address_family = socket.AF_INET6
        self.connections: Counter[str] = Counter()  # address → number of connections
        self.counting = threading.Lock()
        folders = {experiment.answers.parent for experiment in self.experiments.values()}
        self.locks = [store.lock(folder) for folder in folders]
        for experiment in self.experiments.values():
            experiment.prepare()  # again: a server that has stopped since may have stored answers
        super().__init__((address, port), Handler)
        own_port = self.server_address[1]
        own = {"localhost", "127.0.0.1", f"[{address}]" if ":" in address else address, *names}
        self.hosts = {f"{name}:{own_port}" for name in own} | {name for name in own if own_port == 80}

    def server_close(self) -> None:
        super().server_close()
        for file in self.locks:
            file.close()

    def _admitted(self, address: str) -> bool:
        """Count a connection and return True, or False if there are too many; the page then tries again."""
        with self.counting:
            number, own = self.connections.total() + 1, self.connections[address] + 1
            if number > MAX_CONNECTIONS or own > MAX_CONNECTIONS_PER_ADDRESS:
                return False
            self.connections[address] = own
        if number == MAX_CONNECTIONS or own == MAX_CONNECTIONS_PER_ADDRESS:
            logger.warning("%d connections, %d of them from %s: more are refused", number, own, address)
        return True

    def _released(self, address: str) -> None:
        with self.counting:
            self.connections[address] -= 1
            self.connections += Counter()  # removes addresses without connections

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle an accepted connection in its own thread."""
        if not self._admitted(client_address[0]):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread was started that would release it
            self._released(client_address[0])
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._released(client_address[0])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log an error of the server; a client that disconnects during a request is not one."""
        level = logging.DEBUG if isinstance(sys.exception(), ConnectionError | TimeoutError) else logging.ERROR
        logger.log(level, "request from %s", client_address, exc_info=True)


def _resolved(path: Path) -> Path:
    """Resolve links; a cycle of links is left as it is, while ``Path.resolve`` would raise."""
    return Path(os.path.realpath(path))


def _check_apart(experiments: Sequence[Experiment], folder: Path) -> None:
    """Check that no file of answers is, or would be written, in a served folder, also not through links.

    Raises
    ------
    ValueError
        When one is.
    """
    served = {_resolved(folder), *(_resolved(experiment.folder) for experiment in experiments)}
    for experiment in experiments:
        for path in (experiment.answers, experiment.exported):
            inside = [place for place in served if _resolved(path).is_relative_to(place)]
            if inside:
                raise ValueError(
                    f"{path}: the answers would be in {inside[0]}, whose files everybody can download; use a folder "
                    "for answers outside it"
                )
        for name, file in experiment.files.items():
            if ANSWER_FILE.fullmatch(Path(name).name):
                raise ValueError(
                    f"{file}: a file of answers is in a folder whose files everybody can download; move it away"
                )


def find_experiments(folder: Path, answers: Path) -> list[Experiment]:
    """Find the experiments of a run: the folders in its ``experiment/`` with a ``design.json``.

    Raises
    ------
    FileNotFoundError
        When no experiment is found.
    ValueError
        When answers are, or would be written, in a served folder, or belong to another design.
    """
    places = sorted(path.parent for path in folder.glob("*/design.json"))
    if not places:
        raise FileNotFoundError(f"{folder} contains no experiment; `snakemake experiment` makes one")
    experiments = [Experiment(place, answers) for place in places]
    _check_apart(experiments, folder)
    for experiment in experiments:
        experiment.prepare()
    return experiments
