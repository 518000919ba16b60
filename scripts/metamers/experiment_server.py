"""A small web server for one room: serves the experiment's folder and keeps each answer before it replies.

It gives out the files that lay in the folder when it started and nothing else, and takes answers from its own pages
only. For a machine that others can reach, a web server, JATOS or Pavlovia is the place: this one knows no encryption.
"""

import json
import logging
import mimetypes
import re
import socket
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from metamers import experiment_store as store
from metamers.experiment_store import parsed_json

logger = logging.getLogger("metamers")

MOST_BYTES = 16_384  # of a request's body
PATIENCE_S = 30  # with a client that says nothing
MOST_AT_ONCE = 512  # connections; a browser has six
CONSENT = "consent"
PARTICIPANT = re.compile(r"[0-9a-f]{24}")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; font-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Experiments</title><link rel="icon" href="data:,"></head>
<body><main><h1>Experiments</h1><ul>{links}</ul></main></body></html>
"""
TYPES = {".js": "text/javascript", ".json": "application/json", ".wav": "audio/wav", ".svg": "image/svg+xml"}


class Refused(Exception):  # noqa: N818 (an answer, not an error of ours)
    """A request that is not served: the status, and why."""

    def __init__(self, status: HTTPStatus, why: str):
        super().__init__(why)
        self.status = status


class Experiment:
    """One folder that is served, and the file that its answers go to.

    Attributes
    ----------
    files
        Path in an address → file. Links are left out, wherever they lead.
    design
        What the page knows.
    steps
        Every step that is answered.
    shown
        Steps that say that a stimulus is about to be shown, which is never shown again.
    answers
        The SQLite file.
    exported
        Folder of jsPsych's JSON files.
    """

    def __init__(self, folder: Path, answers: Path):
        self.files = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(folder.resolve())
        }
        self.design = json.loads((folder / "design.json").read_text(encoding="utf-8"))
        trials = range(len(self.design["orders"][0]))
        checks = range(self.design["headphones"]["trials"])
        self.steps = {CONSENT, *(f"trial-{n}" for n in trials), *(f"headphones-{n}" for n in checks)}
        self.shown = {f"shown-{n}" for n in trials}
        self.answers = answers / f"{folder.name}.sqlite"
        self.exported = answers / folder.name
        store.prepare(self.answers, self.design["design"])

    def begin(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Let a participant begin or go on, as the page asks."""
        participant = None if asked.get("participant") is None else _participant(asked)
        if asked.get("design") != self.design["design"]:
            raise Refused(HTTPStatus.CONFLICT, "the page is of another design; reload it")
        return store.begin(self.answers, participant, len(self.design["orders"]))

    def keep(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a row of jsPsych's data; whether it was the first of its step."""
        participant, row = _participant(asked), asked.get("row")
        if not isinstance(row, dict) or row.get("participant") != participant:
            raise Refused(HTTPStatus.BAD_REQUEST, "row: wanted an object that has the participant's own name")
        if not isinstance(row.get("step"), str) or row["step"] not in self.steps | self.shown:
            raise Refused(HTTPStatus.BAD_REQUEST, "row: wanted a step of this experiment")
        if row.get("design") != self.design["design"]:
            raise Refused(HTTPStatus.CONFLICT, "the page is of another design; reload it")
        self._check(row, store.order_of(self.answers, participant))
        after = None if row["step"] == CONSENT else CONSENT
        return {"kept": store.keep(self.answers, participant, row["step"], row, after)}

    def _check(self, row: Mapping[str, Any], order: int) -> None:
        """A row is of the participant's order; of a trial it has what is shown there, and an answer that there is."""
        wanted: dict[str, Any] = {"order": order}
        kind, _, number = row["step"].partition("-")
        if kind in ("trial", "shown"):
            wanted["exhibit"] = self.design["exhibits"][self.design["orders"][order][int(number)]]
            if row.get("answer") not in (self.design["categories"] if kind == "trial" else [""]):
                what = "that is one of the categories" if kind == "trial" else "of no letters"
                raise Refused(HTTPStatus.BAD_REQUEST, f"row: wanted an answer {what}")
        elif not isinstance(row.get("answer"), str):
            raise Refused(HTTPStatus.BAD_REQUEST, "row: wanted an answer")
        for name, value in wanted.items():
            if row.get(name) != value:
                raise Refused(HTTPStatus.BAD_REQUEST, f"row: {name}: wanted what this participant was shown")

    def end(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A participant has finished: from now on their answers lie in the folder, too."""
        participant = _participant(asked)
        store.end(self.answers, participant, self.steps)
        store.export(self.answers, [participant], self.exported)
        return {}

    def export(self) -> int:
        """Write all answers as jsPsych's JSON files; how many participants there are."""
        names = store.participants(self.answers)
        store.export(self.answers, names, self.exported)
        return len(names)


def _participant(asked: Mapping[str, Any]) -> str:
    name = asked.get("participant")
    if not isinstance(name, str) or not PARTICIPANT.fullmatch(name):
        raise Refused(HTTPStatus.BAD_REQUEST, "participant: wanted a name that this server gave")
    return name


def _origins(host: str) -> tuple[str, str]:
    return f"http://{host}", f"https://{host}"


class Handler(BaseHTTPRequestHandler):
    """Requests to a ``Server``."""

    server: "Server"
    protocol_version = "HTTP/1.1"
    server_version = "metamers"
    sys_version = ""
    timeout = PATIENCE_S

    def do_GET(self) -> None:
        self._answered(self._get)

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        self._answered(self._post)

    def _answered(self, serve: Any) -> None:
        try:
            self._check_host()
            serve()
        except Refused as refused:
            self.close_connection = True  # what was sent with it is not read
            self._reply(refused.status, f"{refused}\n".encode(), "text/plain; charset=utf-8")
        except store.StoreError as error:
            self._reply(HTTPStatus.BAD_REQUEST, f"{error}\n".encode(), "text/plain; charset=utf-8")
        except sqlite3.Error as error:  # such as a full disk: the page asks again
            logger.error("an answer could not be kept: %s", error)
            self._reply(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}\n".encode(), "text/plain; charset=utf-8")

    def _check_host(self) -> None:
        """The address that was asked is one of ours: no name that somebody else's domain points here."""
        if self.headers.get("Host") not in self.server.hosts:
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, f"wanted one of {', '.join(sorted(self.server.hosts))}")

    def _get(self) -> None:
        site, mode = self.headers.get("Sec-Fetch-Site"), self.headers.get("Sec-Fetch-Mode")
        if site not in (None, "none", "same-origin") and mode != "navigate":
            raise Refused(HTTPStatus.FORBIDDEN, "asked by a page of another site")
        path = self.path.split("?")[0]
        name, slash, file = path[1:].partition("/")
        experiments = self.server.experiments
        if path == "/":
            return self._index()
        if name not in experiments:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        if not slash:
            return self._moved(f"/{name}/")
        if file == "answers.json":
            return self._json({"to": "server"})
        found = experiments[name].files.get(file or "index.html")
        if found is None:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such file")
        kind = TYPES.get(found.suffix) or mimetypes.guess_type(found.name)[0] or "application/octet-stream"
        self._reply(HTTPStatus.OK, found.read_bytes(), kind)
        return None

    def _index(self) -> None:
        names = list(self.server.experiments)
        if len(names) == 1:
            return self._moved(f"/{names[0]}/")
        links = "".join(f'<li><a href="/{name}/">{name}</a></li>' for name in names)
        page = INDEX.format(links=links)
        self._reply(HTTPStatus.OK, page.encode(), "text/html; charset=utf-8")
        return None

    def _post(self) -> None:
        if self.headers.get("Origin") not in _origins(self.headers["Host"]):
            raise Refused(HTTPStatus.FORBIDDEN, "answers are taken from this server's own pages only")
        if self.headers.get("Sec-Fetch-Site") not in (None, "same-origin"):
            raise Refused(HTTPStatus.FORBIDDEN, "answers are taken from this server's own pages only")
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "wanted application/json")
        found = re.fullmatch(r"/([^/]+)/api/(begin|keep|end)", self.path)
        if not found or found[1] not in self.server.experiments:
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing that takes this")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,9}", length) or self.headers.get("Transfer-Encoding"):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "wanted Content-Length")
        if int(length) > MOST_BYTES:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MOST_BYTES} bytes")
        try:
            asked = parsed_json(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise Refused(HTTPStatus.BAD_REQUEST, "wanted JSON") from error
        if not isinstance(asked, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "wanted a JSON object")
        self._json(getattr(self.server.experiments[found[1]], found[2])(asked))

    def _json(self, content: Mapping[str, Any]) -> None:
        self._reply(HTTPStatus.OK, json.dumps(content).encode(), "application/json")

    def _moved(self, address: str) -> None:
        self._reply(HTTPStatus.FOUND, b"", "text/plain", {"Location": address})

    def _reply(self, status: HTTPStatus, body: bytes, kind: str, more: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, **(more or {}), "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        logger.debug(format, *arguments)


class Server(ThreadingHTTPServer):
    """Serves some experiments, each under the name of its folder.

    Parameters
    ----------
    experiments
        What is served.
    address, port
        Where; port 0: any that is free.
    names
        Host names, without port, under which the machine is reached beside ``localhost`` and ``address``.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, experiments: Iterable[Experiment], address: str, port: int, names: Iterable[str] = ()):
        self.experiments = {experiment.exported.name: experiment for experiment in experiments}
        if ":" in address:
            self.address_family = socket.AF_INET6
        self.free = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__((address, port), Handler)
        given = self.server_address[1]
        own = {"localhost", "127.0.0.1", f"[{address}]" if ":" in address else address, *names}
        self.hosts = {f"{name}:{given}" for name in own} | {name for name in own if given == 80}

    def process_request(self, request: Any, client_address: Any) -> None:
        """Each connection has its thread, up to ``MOST_AT_ONCE``; who is turned away keeps on trying, or reloads."""
        if not self.free.acquire(blocking=False):
            logger.warning("more than %d connections at once: one is turned away", MOST_AT_ONCE)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # there is no thread that would
            self.free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away amid a request is no error of ours; what is, is said."""
        logger.debug("request from %s", client_address, exc_info=True)


def found_in(folder: Path, answers: Path) -> list[Experiment]:
    """The experiments of a run: the folders in its ``experiment/`` that have a design.

    Raises
    ------
    FileNotFoundError
        When there is none.
    """
    places = sorted(path.parent for path in folder.glob("*/design.json"))
    if not places:
        raise FileNotFoundError(f"{folder}: no experiment is here; `snakemake experiment` makes it")
    return [Experiment(place, answers) for place in places]
