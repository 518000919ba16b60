"""The folder of an experiment with plain pictures, and requests to its server."""

import contextlib
import http.client
import json
import threading

from PIL import Image

from metamers.experiment.folder import write_folder
from metamers.experiment.server import Server, find_experiments
from tests.configurations import practice

STIMULI = {f"s{n}": "ab"[n % 2] for n in range(40)}
SETTINGS = {
    "stages": 1,
    "fixation_ms": 0,
    "image_ms": 0,
    "mask_ms": 0,
    "practice": practice(1),
    "catch": {"trials": 1, "at_least": 1},
}


def write_page(root, tmp_path_factory, folder, known):
    """Write the folder of an experiment, with plain pictures and without jsPsych."""
    jspsych = tmp_path_factory.mktemp("jspsych")
    (jspsych / "jspsych.js").write_text("")
    write_folder(
        folder,
        page=root / "experiment",
        jspsych=jspsych,
        consent=root / "experiment" / "consent.html",
        known=known,
        minutes=7,
        stimuli={name: Image.new("RGB", (8, 8)) for name in known["exhibits"]},
        icons={},
        address=None,
        seed=0,
    )


@contextlib.contextmanager
def running(folder, answers):
    """A server in a thread."""
    server = Server(find_experiments(folder, answers), "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def ask(server, method, path, body=None, **headers):
    """Send a request exactly as given; return status, body and headers."""
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    given = {"Host": f"localhost:{port}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in given.items():
        connection.putheader(name, value)
    if body is not None and "Content-Length" not in given:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    if body is not None:
        connection.send(body)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, content, dict(reply.getheaders())


def post(server, action, content, **headers):
    """Send a request as the page does; return the status and the reply as JSON or text."""
    own = {"Origin": f"http://localhost:{server.server_address[1]}", "Content_Type": "application/json"}
    status, body, _ = ask(server, "POST", f"/vision/api/{action}", json.dumps(content).encode(), **(own | headers))
    return status, json.loads(body) if status == 200 else body.decode()


def begin(server, known, participant=None):
    """Begin, or continue, as a participant; return the reply."""
    return post(server, "begin", {"participant": participant, "design": known["design"]})[1]


def keep(server, row):
    """Send a row as its participant."""
    return post(server, "keep", {"participant": row["participant"], "row": row})
