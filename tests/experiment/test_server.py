"""The server of the experiment serves only its folder, and loses no answer that it has acknowledged."""

import concurrent.futures
import contextlib
import errno
import http.client
import json
import logging
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metamers.experiment import store
from metamers.experiment.folder import page_settings
from metamers.experiment.server import (
    DISK_FAILED,
    MAX_BODY_BYTES,
    MAX_CONNECTIONS_PER_ADDRESS,
    SINGLE_HEADERS,
    Experiment,
    Refused,
    RequestReader,
    Server,
    find_experiments,
)
from metamers.humans.design import experiment_design
from metamers.humans.own_participants import read_answers
from metamers.humans.rows import parse_json
from tests.experiment.participants import ENDS, words
from tests.experiment.served import SETTINGS, STIMULI, ask, begin, keep, post, running, write_page
from tests.humans.hostile_rows import CASES, with_value


@pytest.fixture(scope="module")
def made(root, tmp_path_factory):
    """A run's folder ``experiment/``, the settings of its page, and the design as the analysis reads it."""
    folder = tmp_path_factory.mktemp("run") / "experiment"
    conditions = {("m", "one"): 0, ("m", "two"): 0}
    metamers = dict.fromkeys(STIMULI, conditions)
    design = experiment_design(STIMULI, metamers, list(conditions), SETTINGS["practice"], ["a"], 4, 0)
    known = page_settings(design, "vision", ["a", "b"], "category", SETTINGS, {}, [])
    write_page(root, tmp_path_factory, folder / "vision", known)
    (folder / "vision.nc").write_text("what is shown: not for participants")
    return folder, known, design.assign_attrs(design=known["design"], headphone_trials=0)


@pytest.fixture
def served(made, tmp_path):
    with running(made[0], tmp_path / "answers") as server:
        yield server


def row_of(begun, known, step, **more):
    row = {key: begun[key] for key in ("participant", "order")} | {
        "design": known["design"],
        "step": step,
        "answer": "yes" if step == "consent" else "a",
    }
    if step.startswith("trial-"):
        row["exhibit"] = known["exhibits"][known["orders"][begun["order"]][int(step.removeprefix("trial-"))]]
    return row | more


def test_the_page_of_choices_has_the_pages_style_and_says_how_long_each_takes(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "experiment")
    shutil.copytree(made[0] / "vision", tmp_path / "experiment" / "second")
    with running(tmp_path / "experiment", tmp_path / "answers") as server:
        status, content, _ = ask(server, "GET", "/")
    trials = len(made[1]["orders"][0])
    assert status == 200
    for name in ("vision", "second"):
        assert re.search(rf'<a href="/{name}/">\w+<span>{trials}\D+7\D+</span>', content.decode())
    assert b'<link rel="stylesheet" href="/second/experiment.css">' in content


def test_the_page_and_its_files_are_given_out(served, made):
    known = made[1]
    status, body, headers = ask(served, "GET", "/vision/")
    assert (status, headers["Content-Type"]) == (200, "text/html")
    assert b"experiment.js" in body
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert ask(served, "GET", "/vision/experiment.js")[2]["Content-Type"] == "text/javascript"
    assert ask(served, "GET", f"/vision/stimuli/{known['exhibits'][0]}?x=1")[0] == 200
    assert json.loads(ask(served, "GET", "/vision/answers.json")[1]) == {"to": "server"}
    assert ask(served, "HEAD", "/vision/design.json")[:2] == (200, b"")
    for path, to in {"/": "/vision/", "/vision": "/vision/"}.items():
        status, _, headers = ask(served, "GET", path)
        assert (status, headers["Location"]) == (302, to)


@pytest.mark.hostile(
    "The experiment's server", "paths with `..`, in any writing; links in the folder; the files beside it", "not found"
)
def test_no_path_but_the_folder_s_own(served):
    for path in (
        "/vision.nc",
        "/vision/../vision.nc",
        "/vision/%2e%2e/vision.nc",
        "/vision/..%2fvision.nc",
        "/vision/stimuli/../../vision.nc",
        "/vision//etc/passwd",
        "//etc/passwd",
        "/vision/stimuli",
        "/vision/stimuli/",
        "/../../../../etc/passwd",
        "/vision/\\..\\vision.nc",
        "/answers/vision.sqlite",
        "/vision/design.json%00.png",
        "/elsewhere/",
        "http://example.org/vision/",
    ):
        status, body, _ = ask(served, "GET", path)
        assert status == 404, path
        assert b"not for participants" not in body, path


@pytest.mark.hostile("paths with `..`, in any writing …")
def test_links_are_not_followed_wherever_they_lead(made, tmp_path):
    folder = tmp_path / "experiment"
    shutil.copytree(made[0], folder)
    (folder / "vision" / "secret.png").symlink_to(folder / "vision.nc")
    (folder / "vision" / "outside").symlink_to(folder, target_is_directory=True)
    experiment = Experiment(folder / "vision", tmp_path / "answers")
    assert "index.html" in experiment.files
    assert not any(name.startswith(("secret", "outside")) for name in experiment.files)


@pytest.mark.hostile(
    "The experiment's server",
    "pages of other sites that ask for files or send answers; a name that was made to point here",
    "refused",
)
@pytest.mark.hostile(
    "The experiment's server", "too much, no length, no JSON, steps and names that it did not give", "refused"
)
def test_files_are_for_this_site_s_pages(served):
    for headers, status in (
        ({"Host": "evil.example"}, 421),  # a host name that an attacker points to this machine
        ({"Host": "localhost:1"}, 421),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, 403),
        ({"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, 200),  # a link in a mail
        ({"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate"}, 200),
        ({}, 200),
    ):
        assert ask(served, "GET", "/vision/design.json", **headers)[0] == status, headers


@pytest.mark.hostile("pages of other sites that …")
@pytest.mark.hostile("too much, no length, no JSON …")
def test_answers_are_taken_from_this_server_s_pages_only(served, made):
    for headers, status in (
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
        ({"Content_Type": "text/plain"}, 415),  # a form of another site can send this
        ({"Content_Length": "1e3"}, 411),
        ({"Content_Length": "-1"}, 411),
        ({"Content_Length": str(MAX_BODY_BYTES + 1)}, 413),
    ):
        asked = {"participant": None, "design": made[1]["design"]}
        assert post(served, "begin", asked, **headers)[0] == status, headers
    with sqlite3.connect(next(iter(served.experiments.values())).answers) as answers:
        assert answers.execute("SELECT COUNT(*) FROM participant").fetchone() == (0,)


@pytest.mark.hostile("too much, no length, no JSON …")
def test_what_is_no_json_object_is_refused(served):
    own = {"Origin": f"http://localhost:{served.server_address[1]}", "Content_Type": "application/json"}
    for body in (b"", b"{", b"[]", b'{"participant": NaN}', b"[" * 9000, b"\xff\xfe", b'"x"'):
        for action in ("begin", "keep", "end"):
            assert ask(served, "POST", f"/vision/api/{action}", body, **own)[0] == 400, (action, body[:20])
        assert ask(served, "POST", "/vision/api/other", body, **own)[0] == 404, body[:20]


@pytest.mark.hostile("too much, no length, no JSON …")
def test_names_that_the_server_did_not_give_are_refused(served, made):
    design = made[1]["design"]
    for name in (1, True, [], {}, "", "x" * 24, "A" * 24, "0" * 25, "\ud800" * 24, "'; DROP TABLE answer"):
        row = {"participant": name, "design": design, "step": "consent"}
        for action in ("begin", "keep", "end"):
            asked = {"participant": name, "design": design, "row": row}
            assert post(served, action, asked)[0] == 400, (action, name)


@pytest.mark.hostile("too much, no length, no JSON …")
def test_rows_of_other_steps_participants_and_designs_are_refused(served, made):
    known = made[1]
    begun = begin(served, made[1])
    other = begin(served, made[1])
    name = begun["participant"]
    good = row_of(begun, known, "trial-0")
    for changed, status in [
        ({"step": "trial-99"}, 400),
        ({"step": ["trial-0"]}, 400),
        ({"step": "headphones-0"}, 400),  # experiments with pictures have no headphone check
        ({"participant": other["participant"]}, 400),
        ({"design": "another"}, 409),
        ({"order": good["order"] + 1}, 400),
        ({"exhibit": "another.png"}, 400),
        ({"answer": "none"}, 400),
        ({"answer": None}, 400),
    ]:
        assert post(served, "keep", {"participant": name, "row": good | changed})[0] == status
    assert post(served, "keep", {"participant": name, "row": None})[0] == 400
    assert post(served, "keep", {"participant": "0" * 24, "row": good | {"participant": "0" * 24}})[0] == 400
    assert post(served, "begin", {"participant": None, "design": "another"})[0] == 409
    assert begin(served, made[1], name)["rows"] == []


def post_text(server, participant, row):
    """Send a row given as JSON text; return status and text."""
    own = {"Origin": f"http://localhost:{server.server_address[1]}", "Content_Type": "application/json"}
    body = f'{{"participant": {json.dumps(participant)}, "row": {row}}}'
    status, content, _ = ask(server, "POST", "/vision/api/keep", body.encode(), **own)
    return status, content.decode()


@pytest.mark.hostile(
    "The experiment's server",
    "a row that the analysis would not accept",
    "refused at once, with the field and what was wanted",
)
@pytest.mark.hostile(
    "Answers of participants",
    "a row with any value in any field: NaN, 1e400, a negative response time, `0.0` as order, integers above 2^53, booleans, nested lists, long text, lone surrogates, a repeated key",
    "refused by the server at once; in a file set aside and counted, and the analysis continues",
)
def test_a_row_that_the_analysis_would_set_aside_is_refused_at_once(served, made):
    begun = begin(served, made[1])
    consent = row_of(begun, made[1], "consent")
    assert keep(served, consent)[0] == 200
    row = row_of(begun, made[1], "trial-0", rt=1.5, shown_ms=300.0, already=False, kind="main")
    for field, text in CASES:
        status, said = post_text(served, begun["participant"], with_value(row, field, text))
        assert status in (400, 409, 413), (field, text[:20])
        assert field in said or said.startswith(("row: ", "wanted ")), said  # the whole row, or all that was sent
    rows = begin(served, made[1], begun["participant"])["rows"]
    assert [kept["step"] for kept in rows] == ["consent"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
KEYS = ["participant", "order", "design", "step", "answer", "exhibit", "target", "kind", "rt", "already", "other"]


@pytest.mark.hostile("a row with any value in any field …")
@given(st.integers(0, 5), st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3))
@settings(deadline=None, max_examples=50, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_analysis_reads_every_row_that_the_server_has_acknowledged(made, tmp_path_factory, trial, changed):
    folder, known, design = made
    (experiment,) = find_experiments(folder, tmp_path_factory.mktemp("answers"))
    begun = experiment.begin({"participant": None, "design": known["design"]})
    experiment.keep({"participant": begun["participant"], "row": row_of(begun, known, "consent")})
    row = row_of(begun, known, f"trial-{trial}") | changed
    try:
        experiment.keep({"participant": begun["participant"], "row": parse_json(json.dumps(row))})
        kept = 2
    except Refused:
        kept = 1
    experiment.export()
    answers = read_answers(experiment.exported.glob("*.json"), design, known["categories"])
    assert answers.rows_set_aside == 0
    assert len(answers.given[begun["participant"]]) == kept or row["step"].startswith("shown-")


@pytest.mark.hostile("a row with any value in any field …")
def test_rows_from_an_older_server_are_exported_and_set_aside(made, tmp_path):
    """A database with rows that the current server would refuse."""
    folder, known, design = made
    (experiment,) = find_experiments(folder, tmp_path / "answers")
    begun = experiment.begin({"participant": None, "design": known["design"]})
    name = begun["participant"]
    for step in ("consent", "trial-0", "trial-1", "trial-2"):
        experiment.keep({"participant": name, "row": row_of(begun, known, step)})
    with sqlite3.connect(experiment.answers) as answers:
        for step, field, text in (("trial-0", "rt", "1e400"), ("trial-1", "x", "[" * 5000 + "]" * 5000)):
            old = with_value(row_of(begun, known, step), field, text)
            answers.execute("UPDATE answer SET content = ? WHERE step = ?", (old, step))
    (experiment,) = find_experiments(folder, tmp_path / "answers")
    assert experiment.export() == 1
    answers = read_answers(experiment.exported.glob("*.json"), design, known["categories"])
    assert answers.rows_set_aside == 2
    assert answers.given[name].keys() == {"consent", "trial-2"}


def test_who_comes_back_goes_on_with_the_same_order_and_what_they_answered(served, made):
    known = made[1]
    begun = begin(served, made[1])
    rows = [row_of(begun, known, step, answer=answer) for step, answer in (("consent", "yes"), ("trial-0", "b"))]
    for row in rows:
        assert keep(served, row)[0] == 200
    # After a lost reply, the page sends the same answer again, or another answer to the same step.
    assert keep(served, rows[1] | {"answer": "a"})[0] == 200
    again = begin(served, made[1], begun["participant"])
    assert again == begun | {"rows": rows}
    post(served, "end", {"participant": begun["participant"]})
    next_one = begin(served, made[1], begun["participant"])
    assert next_one["participant"] != begun["participant"]
    assert next_one["rows"] == []


def test_participants_who_come_at_once_have_different_orders_all_equally_often(served, made):
    known = made[1]
    orders = len(known["orders"])
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asked = [{"participant": None, "design": known["design"]}] * (2 * orders)
        begun = [reply for _, reply in pool.map(lambda one: post(served, "begin", one), asked)]
    assert sorted(one["order"] for one in begun) == sorted(2 * list(range(orders)))
    assert len({one["participant"] for one in begun}) == 2 * orders


@pytest.mark.hostile("answers, or requests for stimuli …")
def test_nothing_is_shown_or_answered_before_consent(served, made):
    known = made[1]
    begun = begin(served, made[1])
    exhibit = known["exhibits"][known["orders"][begun["order"]][0]]
    row = {"participant": begun["participant"], "order": begun["order"], "design": known["design"]}
    told = row | {"step": "shown-0", "exhibit": exhibit, "answer": ""}
    asked = {"participant": begun["participant"], "row": told}
    assert post(served, "keep", asked)[0] == 400
    consent = row | {"step": "consent", "answer": "yes"}
    assert keep(served, consent) == (200, {"kept": True})
    assert post(served, "keep", asked) == (200, {"kept": True})
    assert post(served, "keep", asked) == (200, {"kept": True})  # sent again because the reply was lost
    other = {"participant": begun["participant"], "row": told | {"page": "another"}}
    assert post(served, "keep", other) == (200, {"kept": False})


@pytest.mark.hostile(
    "The experiment's server", 'answers, or requests for stimuli, after "no" to consent or without consent', "refused"
)
def test_after_a_no_to_consent_nothing_is_stored(served, made):
    known = made[1]
    begun = begin(served, made[1])
    refusal = row_of(begun, known, "consent", answer="no")
    assert keep(served, refusal) == (200, {"kept": True})
    later = [row_of(begun, known, "trial-0"), row_of(begun, known, "shown-0"), row_of(begun, known, "trial-0")]
    later[1] |= {"exhibit": later[0]["exhibit"], "answer": ""}
    changed_mind = {"participant": begun["participant"], "row": row_of(begun, known, "consent")}
    assert post(served, "keep", changed_mind) == (200, {"kept": False})
    for row in later:
        status, why = keep(served, row)
        assert status == 400
        assert re.match(f"{row['step']}: .*'yes'.*consent", why)
    rows = begin(served, made[1], begun["participant"])["rows"]
    assert rows == [refusal]


@pytest.mark.hostile(
    "The experiment's server",
    "a second server that stores answers in the same folder",
    "it does not start, and names the folder",
)
def test_a_second_server_of_the_same_answers_says_which_folder_is_in_use(served, made):
    answers = next(iter(served.experiments.values())).answers.parent
    with pytest.raises(store.StoreError, match=f"{answers}: "):
        Server(find_experiments(made[0], answers), "127.0.0.1", 0)
    # The answers can be exported at any time, and the folder is free once its server has ended.
    assert [experiment.export() for experiment in find_experiments(made[0], answers)] == [0]
    served.server_close()
    Server(find_experiments(made[0], answers), "127.0.0.1", 0).server_close()


@contextlib.contextmanager
def idle(server, number, address="127.0.0.1"):
    """Open connections from an address without sending anything."""
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            connection = socket.create_connection(server.server_address, 10, (address, 0))
            stack.enter_context(connection)
        yield


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def page_from(server, address, seconds=10):
    """Request the page from an address of this machine; return the status."""
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds, source_address=(address, 0))
    try:
        connection.request("GET", "/vision/", headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.hostile("512 connections from one address …")
def test_too_many_connections_at_once_are_turned_away_and_later_ones_served(made, tmp_path, monkeypatch):
    monkeypatch.setattr("metamers.experiment.server.MAX_CONNECTIONS", 3)
    with running(made[0], tmp_path / "answers") as server:
        with idle(server, 3):
            wait_for(lambda: server.connections.total() == 3)
            with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
                page_from(server, "127.0.0.2")
        wait_for(lambda: not server.connections)
        assert page_from(server, "127.0.0.2") == 200


@pytest.mark.hostile(
    "The experiment's server",
    "512 connections from one address that say nothing",
    "128 of them are held, others are served",
)
def test_512_idle_connections_from_one_address_do_not_lock_others_out(made, tmp_path):
    with running(made[0], tmp_path / "answers") as server, idle(server, 512):
        for _ in range(20):
            assert page_from(server, "127.0.0.2", seconds=5) == 200
        with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
            page_from(server, "127.0.0.1")
        assert server.connections["127.0.0.1"] == MAX_CONNECTIONS_PER_ADDRESS


@pytest.mark.hostile(
    "The experiment's server",
    "a request that comes byte by byte, or without end; a client that does not read",
    "cut after 30 s, or 128 KiB",
)
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /vi",
        b"GET /vision/ HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /vision/api/begin HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n"
        b"Content-Type: application/json\r\nContent-Length: 16000\r\n\r\n",
    ],
    ids=["nothing", "request line", "headers", "body"],
)
def test_a_client_that_sends_a_byte_now_and_then_is_cut_at_the_deadline(made, tmp_path, monkeypatch, sent):
    monkeypatch.setattr("metamers.experiment.server.REQUEST_S", 0.5)
    with running(made[0], tmp_path / "answers") as server:
        port = server.server_address[1]
        with socket.create_connection(server.server_address, 10) as connection:
            began = time.monotonic()
            connection.sendall(sent.replace(b"{port}", str(port).encode()))
            connection.settimeout(0.05)
            with contextlib.suppress(ConnectionError):
                while time.monotonic() - began < 20:
                    with contextlib.suppress(TimeoutError):
                        if connection.recv(1000) == b"":
                            break
                    if sent:
                        connection.sendall(b"x")
            assert 0.4 < time.monotonic() - began < 10
        wait_for(lambda: not server.connections)
        assert page_from(server, "127.0.0.1") == 200


def test_the_deadline_holds_although_bytes_are_waiting():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"x" * 100)
        reader = RequestReader(ours)
        reader.allow(0.05, 1000)
        assert reader.read(1) == b"x"
        time.sleep(0.1)
        with pytest.raises(TimeoutError):
            reader.read(1)


@pytest.mark.hostile("a request that comes byte …")
def test_a_client_that_does_not_read_is_cut_at_the_deadline(made, tmp_path, monkeypatch):
    monkeypatch.setattr("metamers.experiment.server.REQUEST_S", 0.5)
    with running(made[0], tmp_path / "answers") as server:
        large = next(iter(server.experiments.values())).files["index.html"]
        monkeypatch.setattr(type(large), "read_bytes", lambda _: b" " * (1 << 25))
        with socket.create_connection(server.server_address, 10) as connection:
            connection.sendall(f"GET /vision/ HTTP/1.1\r\nHost: localhost:{server.server_address[1]}\r\n\r\n".encode())
            wait_for(lambda: server.connections)
            wait_for(lambda: not server.connections, 10)


@pytest.mark.hostile("a request that comes byte …")
def test_endless_headers_are_cut_off(made, tmp_path):
    with running(made[0], tmp_path / "answers") as server:
        with socket.create_connection(server.server_address, 10) as connection:
            connection.sendall(b"GET /vision/ HTTP/1.1\r\n")
            sent = 0
            with contextlib.suppress(ConnectionError):
                for sent in range(1000):
                    connection.sendall(b"X-%d: " % sent + b"x" * 60_000 + b"\r\n")
                    time.sleep(0.001)
            assert sent < 999
        assert page_from(server, "127.0.0.1") == 200


def raw_request(server, made, method, lines=(), without=(), body=None):
    """A request as bytes: a page's headers, without some of them, and with further lines at the end."""
    port = server.server_address[1]
    path = "/vision/api/begin" if method == "POST" else "/vision/"
    if body is None:
        begin = json.dumps({"participant": None, "design": made[1]["design"]}).encode()
        body = begin if method == "POST" else b""
    headers = {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}", "Content-Type": "application/json"}
    headers |= {"Content-Length": str(len(body)), "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    own = [f"{name}: {value}" for name, value in headers.items() if name not in without]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *own, *lines, "", ""]).encode("latin-1") + body


def replies(server, request):
    """Return everything that the server sends until it closes the connection, and the statuses in it."""
    with socket.create_connection(server.server_address, 10) as connection:
        connection.sendall(request)
        reply = connection.makefile("rb").read()
    return reply, [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", reply)]


@pytest.mark.hostile(
    "The experiment's server", "a doubled `Host`, `Origin`, `Content-Length` or another header that decides", "refused"
)
def test_a_header_that_is_there_twice_is_refused(served, made):
    """Also with the same value twice: programs disagree about which of two headers counts."""
    closing = ["Connection: close"]
    for method in ("GET", "POST"):
        assert replies(served, raw_request(served, made, method, closing))[1] == [200]
        for name in SINGLE_HEADERS:
            sent = re.search(rf"{name}: (.*)\r", raw_request(served, made, method).decode())
            twice = [f"{name}: {sent[1] if sent else 'identity'}"] * 2
            reply, statuses = replies(served, raw_request(served, made, method, twice + closing, without=[name]))
            assert statuses == [400], (method, name)
            assert f"\r\n\r\n{name} ".encode() in reply, (method, name)


@pytest.mark.hostile(
    "The experiment's server",
    "a line among the headers that is not a header, such as `Host : name`, which Python's parser takes for the start of the body",
    "refused",
)
def test_a_line_that_is_not_a_header_is_refused(served, made):
    """Python's parser treats it and all lines after it as a body, so headers there would not be checked."""
    hidden = ["Host: evil.example", "Connection: close"]
    for line in (
        "Host : evil.example",
        "Origin : http://evil.example",
        "Content-Length : 3",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "no header",
        ": without a name",
        "\0: x",
        "Not text\xff: x",
        "From somebody",
    ):
        for method in ("GET", "POST"):
            last = raw_request(served, made, method, [line, *hidden])
            first = f" HTTP/1.1\r\n{line}\r\nConnection: close\r\n".encode("latin-1")
            for request in (last, raw_request(served, made, method).replace(b" HTTP/1.1\r\n", first)):
                reply, statuses = replies(served, request)
                assert statuses == [400], request
                assert b"NAME: VALUE" in reply, request


@pytest.mark.hostile(
    "The experiment's server",
    "a `GET` with a body, which would be read as the next request",
    "refused, and the connection is closed",
)
def test_a_body_of_a_get_is_not_read_as_another_request(served, made):
    hidden = raw_request(served, made, "GET", ["Connection: close"])
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
    for method in ("GET", "HEAD"):
        for lines, without, body in (([], [], hidden), (["Transfer-Encoding: chunked"], ["Content-Length"], chunks)):
            assert replies(served, raw_request(served, made, method, lines, without, body=body))[1] == [400]


@pytest.mark.hostile(
    "The experiment's server",
    "answers in the folder that is given out, also by links; answers that an older server left there",
    "the server does not start, and makes no file",
)
def test_answers_in_the_folder_that_is_given_out_are_refused_at_the_start(made, tmp_path):
    for number, (answers, link, target) in enumerate(
        (
            ("experiment/answers", None, None),
            ("experiment", None, None),
            ("experiment/vision", None, None),
            ("experiment/vision/stimuli/a/b", None, None),
            ("outside/../experiment/answers", None, None),
            ("outside/link/answers", "outside/link", "experiment"),
            ("outside", "outside/vision", "experiment/vision"),
            ("outside", "outside/vision.sqlite", "experiment/vision/stimuli/vision.sqlite"),
            ("outside", "experiment/vision", "outside/vision"),
        )
    ):
        folder = tmp_path / str(number)
        shutil.copytree(made[0], folder / "experiment")
        (folder / "outside").mkdir()
        if link:
            if (folder / link).exists():
                (folder / link).rename(folder / target)
            (folder / link).symlink_to(folder / target)
        with pytest.raises(ValueError, match=rf"{folder / answers}/vision\S*: .*{folder}/"):
            find_experiments(folder / "experiment", folder / answers)
        assert not [path for path in folder.rglob("*.sqlite*") if path.exists()]


@pytest.mark.hostile("answers in the folder that …")
def test_answers_that_an_older_server_left_in_the_folder_are_refused(made, tmp_path):
    folder = tmp_path / "experiment"
    shutil.copytree(made[0], folder)
    for name in ("vision.sqlite", "stimuli/vision.sqlite-wal", "0123456789abcdef01234567.json"):
        (folder / "vision" / name).write_text("answers")
        with pytest.raises(ValueError, match=rf"/vision/{name}: "):
            find_experiments(folder, tmp_path / "answers")
        (folder / "vision" / name).unlink()


def test_the_program_ends_with_the_reason_and_no_traceback(root, made, tmp_path):
    """For a file of answers that is no database, answers in the folder that is given out, and no experiment."""
    answers = tmp_path / "answers"
    answers.mkdir()
    (answers / "vision.sqlite").write_text("not a database, but long enough to look like one" * 20)
    cases = [(made[0], answers, f"{answers}: .*not a database"), (made[0], made[0], f"{made[0]}/.*: .* {made[0]}")]
    for folder, kept, reason in [*cases, (tmp_path, answers, f"{tmp_path} .*`snakemake experiment`")]:
        command = [sys.executable, str(root / "scripts/experiment/serve.py"), str(folder), str(kept), "--port", "0"]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 1
        assert re.search(reason, ran.stderr)
        assert "Traceback" not in ran.stderr


def test_answers_beside_or_above_the_folder_are_kept(made, tmp_path):
    for number, place in enumerate((".", "answers", "run/answers")):
        folder = tmp_path / str(number) / "run" / "experiment"
        shutil.copytree(made[0], folder)
        (experiment,) = find_experiments(folder, tmp_path / str(number) / place)
        assert experiment.answers.is_file()
        assert set(Experiment(folder / "vision", tmp_path).files) == set(experiment.files)


def test_an_order_of_somebody_who_went_away_is_given_again(tmp_path, monkeypatch):
    path = tmp_path / "answers.sqlite"
    store.prepare(path, "d")
    now = time.time()
    monkeypatch.setattr(store.time, "time", lambda: now)
    assert [store.begin(path, None, 3)["order"] for _ in range(2)] == [0, 1]
    finished = store.begin(path, None, 3)
    store.keep(path, finished["participant"], "trial-0", {})
    store.end(path, finished["participant"], {"trial-0"}, tmp_path)
    with pytest.raises(store.StoreError, match=store.NO_PARTICIPANT):
        store.keep(path, finished["participant"], "trial-1", {})
    monkeypatch.setattr(store.time, "time", lambda: now + store.INACTIVE_AFTER_S + 1)
    assert [store.begin(path, None, 3)["order"] for _ in range(3)] == [0, 1, 0]


def test_who_is_not_asked_to_the_end_leaves_their_order_to_another(tmp_path):
    path = tmp_path / "answers.sqlite"
    store.prepare(path, "d")
    for failed in range(6):
        begun = store.begin(path, None, 2)
        store.keep(path, begun["participant"], "shown-1", {})  # no answer
        store.keep(path, begun["participant"], "trial-0", {})
        if failed % 2 == 0:
            assert begun["order"] == failed // 2 % 2
        store.end(path, begun["participant"], {"trial-0"} if failed % 2 else {"trial-0", "trial-1"}, tmp_path)


def test_answers_to_another_design_are_not_mixed_in(tmp_path):
    store.prepare(tmp_path / "answers.sqlite", "one")
    store.prepare(tmp_path / "answers.sqlite", "one")
    with pytest.raises(store.StoreError, match=r"answers\.sqlite .*\bone\b.*\btwo\b"):
        store.prepare(tmp_path / "answers.sqlite", "two")


def started(root, made, answers, *arguments):
    """Start the server as a program; return its process and port."""
    return program([str(root / "scripts/experiment/serve.py"), str(made[0]), str(answers), *arguments])


def program(arguments, folder=None):
    """Start a program that serves an experiment at any free port; return its process and port."""
    command = [sys.executable, *arguments, "--port", "0"]
    # A shell's job in the background ignores SIGINT, and so would its child.
    heeded = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, heeded)
    for line in process.stderr:
        if "http://localhost:" in line:
            return process, int(line.split("http://localhost:")[1].split("/")[0])
    raise AssertionError("the server did not start")


class At:
    """A server in another process, for ``ask``."""

    def __init__(self, port):
        self.server_address = ("127.0.0.1", port)


def test_the_documented_command_serves_under_another_name(root, made, tmp_path):
    (tmp_path / "scripts").symlink_to(root / "scripts")
    shutil.copytree(made[0], tmp_path / "results/demo/experiment")
    line = (
        "python scripts/experiment/serve.py results/demo/experiment answers/demo --address 0.0.0.0 --name lab.example"
    )
    process, port = program(shlex.split(line)[1:], tmp_path)
    for host, wanted in (("lab.example", 200), ("other.example", 421)):
        assert ask(At(port), "GET", "/vision/", Host=f"{host}:{port}")[0] == wanted
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    assert (tmp_path / "answers/demo").is_dir()


@pytest.mark.hostile(
    "The experiment's server",
    "a killed server, a full disk",
    "acknowledged answers are on the disk; other questions are asked again",
)
def test_no_answer_that_was_acknowledged_is_lost_when_the_server_is_killed(root, made, tmp_path):
    """The server is killed while several participants answer as fast as they can, restarted, and killed again."""
    known = made[1]
    steps = ["consent", *(f"trial-{n}" for n in range(len(known["orders"][0])))]
    acknowledged = {}

    def answer(begun, kept, server):
        for step in steps[len(kept) :]:
            row = row_of(begun, known, step, rt=1.5)
            try:
                if keep(server, row)[0] == 200:
                    kept.append(row)
            except (OSError, http.client.HTTPException):  # the server was killed
                return

    for wanted in (10, 50):
        process, port = started(root, made, tmp_path / "answers")
        threads = []
        for participant in list(acknowledged) or [None] * 3:
            begun = begin(At(port), made[1], participant)
            kept = acknowledged.setdefault(begun["participant"], [])
            # All acknowledged answers, and perhaps one whose reply was lost.
            assert begun["rows"][: len(kept)] == kept
            assert len(begun["rows"]) <= len(kept) + 1
            kept[:] = begun["rows"]
            threads.append(threading.Thread(target=answer, args=(begun, kept, At(port))))
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 30
        while sum(map(len, acknowledged.values())) < wanted and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for thread in threads:
            thread.join()
        assert wanted <= sum(map(len, acknowledged.values())) < 3 * len(steps)  # between their answers
    process, _ = started(root, made, tmp_path / "answers")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    for name, rows in acknowledged.items():
        exported = json.loads((tmp_path / "answers" / "vision" / f"{name}.json").read_text())
        assert exported[: len(rows)] == rows
        assert len(exported) <= len(rows) + 1


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def full_database(*_):
    raise sqlite3.OperationalError("database or disk is full")


@pytest.mark.hostile("a killed server, a full disk")
@pytest.mark.parametrize(
    ("action", "function", "failure"),
    [
        ("begin", "begin", full_database),
        ("begin", "begin", full_disk),
        ("keep", "keep", full_database),
        ("keep", "participant_order", full_disk),
        ("end", "end", full_database),
        ("end", "write", full_disk),
    ],
)
def test_a_full_disk_is_an_error_in_the_log_and_the_page_may_ask_again(
    served, made, monkeypatch, caplog, action, function, failure
):
    known = made[1]
    begun = begin(served, made[1])
    asked = {"participant": begun["participant"], "row": row_of(begun, known, "consent"), "design": known["design"]}
    assert post(served, "keep", asked)[0] == 200
    with monkeypatch.context() as patched:
        patched.setattr(store, function, failure)
        status, body = post(served, action, asked)
    assert status == 503
    assert json.loads(body)["message"] == DISK_FAILED
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage().startswith(f"vision/api/{action}: ")
    assert re.search("No space left on device|database or disk is full", record.getMessage())
    # A participant whose end was not stored continues, and does not begin again.
    assert post(served, "begin", asked)[1]["rows"] == [asked["row"]]
    assert post(served, action, asked)[0] == 200


# In place of jsPsych: an experiment in which nobody answers anything.
NO_TRIALS = """
window.jsPsychModule = { ParameterType: {} };
window.initJsPsych = () => ({ data: { addProperties() {} }, run: async () => {} });
"""
# The page waits between its attempts to send a request.
WITHOUT_WAITING = "const later = setTimeout; window.setTimeout = (call) => later(call, 0);"


def test_the_page_tells_of_a_full_disk_and_continues_after_a_reload(browser, made, tmp_path, monkeypatch):
    shutil.copytree(made[0], tmp_path / "experiment")
    (tmp_path / "experiment/vision/jspsych/jspsych.js").write_text(NO_TRIALS)
    page = browser.new_page()
    page.add_init_script(WITHOUT_WAITING)
    with running(tmp_path / "experiment", tmp_path / "answers") as server:
        for function in ("begin", "end"):
            with monkeypatch.context() as patched:
                patched.setattr(store, function, full_disk)
                page.goto(f"http://localhost:{server.server_address[1]}/vision/")
                page.wait_for_selector(f"h1:has-text('{ENDS[2]}')")
            message = page.locator("#experiment p").inner_text()
            assert DISK_FAILED in message
            assert message.endswith(words("END", "reload"))
        page.reload()
        page.wait_for_selector(f"h1:has-text('{ENDS[1]}')")
    page.close()


def test_a_file_that_cannot_be_read_is_an_error_in_the_log(served, made, monkeypatch, caplog):
    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fail)
    status, body, _ = ask(served, "GET", "/vision/experiment.js")
    assert status == 503
    assert "message" in json.loads(body)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage() == "vision/experiment.js: [Errno 5] Input/output error"


def test_a_fault_of_the_server_is_an_error_in_the_log_and_a_client_that_goes_away_is_not(
    served, made, monkeypatch, caplog
):
    caplog.set_level(logging.DEBUG, "metamers")
    with socket.create_connection(served.server_address, 10) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(b"POST")
    wait_for(lambda: any("request from" in record.getMessage() for record in caplog.records))
    assert all(record.levelno == logging.DEBUG for record in caplog.records)
    monkeypatch.setattr(store, "begin", lambda *_: {}["a fault"])
    with pytest.raises(http.client.RemoteDisconnected):
        post(served, "begin", {"participant": None, "design": made[1]["design"]})
    wait_for(lambda: any(record.levelno == logging.ERROR for record in caplog.records))
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info[0] is KeyError


def test_twenty_simultaneous_ends_of_a_participant_are_all_answered_and_the_file_is_whole(served, made):
    known = made[1]
    begun = begin(served, made[1])
    row = row_of(begun, known, "consent")
    asked = {"participant": begun["participant"], "row": row}
    assert post(served, "keep", asked)[0] == 200
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: post(served, "end", asked), range(100)))
    assert replies == [(200, {})] * 100
    exported = served.experiments["vision"].exported
    assert [path.name for path in exported.iterdir()] == [f"{begun['participant']}.json"]
    assert json.loads((exported / f"{begun['participant']}.json").read_text()) == [row]
