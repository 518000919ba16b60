"""The behavioural experiment in a real browser, from the real server to the analysis of variance."""

import json
import re
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import yaml

from metamers.humans.own_participants import read_answers
from metamers.humans.rows import NUMBERS
from metamers.plan.steps import declared_files
from metamers.run import files
from tests.documentation import blocks
from tests.experiment.participants import (
    BREAK,
    CONSENT,
    CORRECT,
    ENDS,
    MAIN,
    NOT_CORRECT,
    REFUSAL,
    WELCOME_BACK,
    Participant,
    words,
)
from tests.experiment.served import running
from tests.made_up_run import ARGUMENTS, RULES, RUN, STAGES, WORDS, made_up_run
from tests.workflow.runs import check_schema, snakemake

MODALITIES = ("vision", "audio")
COMPARED = [f"results/{RUN}/comparison/{name}.nc" for name in ("anova", "own_participants_vs_models", "leaderboard")]


# What does not depend on the kind of stimulus is tested with pictures. Tests with sounds are slow, because the sounds are
# played to their end.
ONLY_PICTURES = pytest.mark.parametrize("run", ["vision"], indirect=True, scope="module")
FAST_IN_BOTH = pytest.mark.parametrize("run", MODALITIES, indirect=True, scope="module")


@pytest.fixture(scope="module", params=["vision", pytest.param("audio", marks=pytest.mark.slow)])
def run(request, root, jspsych, tmp_path_factory):
    """A made-up run with its experiment: folder, modality."""
    folder = made_up_run(root, tmp_path_factory.mktemp(request.param), request.param)
    shutil.copytree(jspsych, folder / "resources" / "retrieved" / "jspsych")
    snakemake(folder, "experiment", *ARGUMENTS, "--allowed-rules", *RULES)
    return folder, request.param


@pytest.fixture
def server(run, tmp_path):
    """The workflow's own server."""
    with running(run[0] / "results" / RUN / "experiment", tmp_path / "answers") as server:
        yield server


@pytest.fixture
def served(server, run):
    """The address of the experiment on the workflow's own server."""
    return f"http://localhost:{server.server_address[1]}/{run[1]}/"


ALREADY = {"vision": words("OF_IMAGES", "already"), "audio": words("OF_SOUNDS", "already")}


def heading(text):
    """Return the selector of a page's heading that contains a text."""
    return f"h1:has-text('{text}')"


def resize(page, width, height):
    """Change the size of the window, and wait until the page knows it: on a busy machine that is after some frames."""
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function(f"innerWidth === {width} && innerHeight === {height}")


def knowing(seed):
    """Recognize natural stimuli always and metamers half the time."""
    rng = np.random.default_rng(seed)
    return lambda exhibit: exhibit["stage"].item() == "natural" or rng.random() < 0.5


def exported(server):
    """Return participant → rows that the server has exported."""
    folder = next(iter(server.experiments.values())).exported
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def with_a_row_that_is_refused(server):
    """Add an invalid row to the file of the participant who did not agree; return the expected message about it."""
    (name,) = (name for name, rows in exported(server).items() if rows[0]["answer"] == "no")
    (refusal,) = exported(server)[name]
    path = next(iter(server.experiments.values())).exported / f"{name}.json"
    path.write_text(json.dumps([refusal, refusal | {"step": "trial-0", "order": 0.0}]))
    return f"{path}: row 2: order: "


def test_people_take_part_and_their_answers_come_to_the_analysis_of_variance(browser, run, server, served):
    folder, modality = run
    good = [Participant(browser, served, folder, modality, knowing(seed)) for seed in range(3)]
    # The first two take part at the same time.
    going = good[:2]
    while going:
        going = [one for one in going if one.step()]
    assert good[2].go_through().startswith(ENDS[0])
    inattentive = Participant(browser, served, folder, modality, lambda exhibit: exhibit["kind"].item() == "practice")
    inattentive.go_through()
    ignorant = Participant(browser, served, folder, modality, lambda exhibit: False)
    assert words("STOPPED", "practice") in ignorant.go_through()
    unwilling = Participant(browser, served, folder, modality)
    unwilling.page.get_by_role("button", name=REFUSAL).click()
    unwilling.page.wait_for_selector(heading(ENDS[1]))
    gone = Participant(browser, served, folder, modality)
    for _ in range(3):
        gone.step()
    everybody = [*good, inattentive, ignorant, unwilling, gone]
    for one in everybody:
        assert one.visitor.problems == []
        one.context.close()
    assert [one.visitor.order for one in everybody] == [
        0,
        1,
        2,
        3,
        4,
        4,
        4,
    ]  # orders of two participants who ended early are used again
    server.experiments[modality].export()
    complaint = with_a_row_that_is_refused(server)

    settings = (folder / "shown.yaml").read_text()
    people = {
        "own_participants": {"mine": {"modality": modality, "answers": str(server.experiments[modality].exported)}}
    }
    (folder / "people.yaml").write_text(settings + yaml.safe_dump(people))
    said = snakemake(folder, "--configfile", "people.yaml", "--allowed-rules", *RULES, "--", *COMPARED)
    results = folder / "results" / RUN
    mine = files.load(results / "humans" / "mine.nc")
    counted = mine["excluded"].to_series().to_dict()
    assert counted == {"no consent": 1, "headphone check": 0, "practice": 1, "unfinished": 1, "catch trials": 1}, said
    assert (mine["rows_set_aside"], mine["files_set_aside"]) == (1, 0)
    assert complaint in (results / "logs" / "humans_own_participants" / "mine.log").read_text()
    assert mine.drop_dims(["stimulus", "exhibit"]).sizes == {
        "participant": 3, "generation_model": 2, "stage": 3, "observer": 2, "exclusion": 5,
    }  # fmt: skip
    human = mine["proportion_correct"].sel(observer="human")
    assert (human.sel(stage="natural") == 1).all()
    assert 0 < float(human.sel(stage=STAGES[modality][1:]).mean()) < 1
    tested = files.load(results / "comparison" / "anova.nc")
    assert set(tested["test"].values) == {
        "mine: first", "mine: second", "mine: first, over participants", "mine: second, over participants",
        "mine: first, over stimuli", "mine: second, over stimuli",
        "mine: first and second", "mine: first, people", "mine: second, people",
    }  # fmt: skip
    own = tested.sel(test="mine: first, over participants", effect="observer")
    assert (float(own["df_effect"]), float(own["df_error"])) == (1, 2)
    assert 0 < float(own["p_permutation"]) <= 1
    compared = files.load(results / "comparison" / "own_participants_vs_models.nc")
    np.testing.assert_allclose(
        compared["human_mean"].values.ravel(),
        human.sel(stage=STAGES[modality][1:]).mean("participant").values.ravel(),
    )
    board = files.load(results / "comparison" / "leaderboard.nc")
    own = board.isel(entry=board["basis"].values == "own people")
    assert sorted(own["generation_model"].values) == ["first", "second"]
    curves = human.sel(stage=STAGES[modality][1:]).mean(["participant", "stage"])
    np.testing.assert_allclose(own["area"], curves.sel(generation_model=own["generation_model"].values))
    assert board.sizes["own_point"] == 4
    made = [f"comparison/{name}" for name in ("anova", "own_participants_vs_models", "leaderboard")]
    for path in ("experiment/" + modality, "humans/mine", *made):
        check_schema(results / f"{path}.nc", f"{path}.nc", declared_files())


def answers_of(design, name, order, knows):
    """The rows of a participant who agrees, passes the headphone check and completes the experiment."""
    own = {"participant": name, "order": order, "design": design.attrs["design"]}
    checked = [
        {"step": f"headphones-{n}", "answer": "2", "target": "2"} for n in range(design.attrs["headphone_trials"])
    ]
    rows = [{"step": "consent", "answer": "yes"}, *checked]
    for trial, number in enumerate(design["shown"].values[order]):
        exhibit = design.isel(exhibit=int(number))
        category = str(exhibit["category"].item())
        answer = category if knows(exhibit) else WORDS[(WORDS.index(category) + 1) % len(WORDS)]
        rows.append({"step": f"trial-{trial}", "exhibit": str(exhibit["exhibit"].item()), "answer": answer})
    return [row | own for row in rows]


@pytest.mark.hostile(
    "Results, and a bad disk",
    "participants of a run without a contrast that applies to them, as in the example of `docs/experiment.md`",
    "tested against the models, and by stage; a table of no tests is written and read",
)
@pytest.mark.slow
def test_the_documented_participants_are_tested_in_a_run_without_a_contrast_that_applies(root, run):
    """The example of docs/experiment.md, with the modality changed for sounds; its answers are not from a browser."""
    folder, modality = run
    examples = [
        text for _, text in blocks((root / "docs" / "experiment.md").read_text()) if text.startswith("# people.yaml")
    ]
    (documented,) = examples
    documented = documented.replace("vision", modality)
    (folder / "documented.yaml").write_text(documented)
    (folder / "no_contrast.yaml").write_text("comparison: {contrasts: []}")
    answers = folder / yaml.safe_load(documented)["own_participants"]["mine"]["answers"]
    answers.mkdir(parents=True)
    design = files.load(folder / "results" / RUN / "experiment" / f"{modality}.nc")
    for order in range(3):
        rows = answers_of(design, f"p{order}", order, knowing(order))
        (answers / f"p{order}.json").write_text(json.dumps(rows))
    configured = ["--configfile", "shown.yaml", "no_contrast.yaml", "documented.yaml"]
    said = snakemake(folder, "humans", *configured, "--allowed-rules", "humans", *RULES)
    tested = files.load(folder / "results" / RUN / "comparison" / "anova.nc")
    tests = [
        f"mine: {model}{over}"
        for over in ("", ", over stimuli", ", over participants", ", people")
        for model in ("first", "second")
    ]
    assert tested["test"].values.tolist() == tests, said
    assert np.isfinite(tested["p_permutation"].sel(test=tests[-2:], effect="stage")).all()


@pytest.mark.slow
def test_a_reload_goes_on_where_it_stopped(browser, run, server, served):
    folder, modality = run
    one = Participant(browser, served, folder, modality)
    while one.trial < 4:  # an example, two practice trials, one main trial
        one.step()
    one.page.reload()
    assert one.step() == WELCOME_BACK
    one.go_through()
    assert one.visitor.problems == []
    sections = [words("PAGES", "feedback"), words("PAGES", "practice"), MAIN]
    assert [text for text in one.headings if text in sections] == sections
    assert not any(text.startswith(ALREADY[modality]) for text in one.headings)
    (rows,) = exported(server).values()
    shown = one.design["exhibit"].values[one.design["shown"].values[one.visitor.order]]
    answered = [row for row in rows if row["step"].startswith("trial-")]
    assert [row["exhibit"].split(".")[0] for row in answered] == shown.tolist()
    one.page.reload()
    one.page.wait_for_selector(heading(words("END", "before")))
    one.page.get_by_role("button", name=words("BUTTONS", "next")).click()
    one.page.wait_for_selector(heading(CONSENT))


@pytest.mark.slow
@ONLY_PICTURES
def test_who_failed_the_practice_does_not_begin_again_after_a_reload(browser, run, server, served):
    folder, modality = run
    one = Participant(browser, served, folder, modality, lambda exhibit: False)
    one.go_through()
    first = one.visitor.order
    for _ in range(2):
        one.page.reload()
        one.page.wait_for_selector(heading(words("END", "before")))
    assert len(exported(server)) == 1
    one.page.get_by_role("button", name=words("BUTTONS", "next")).click()
    one.page.wait_for_selector(heading(CONSENT))
    assert one.visitor.order == first  # free again, because nobody finished it
    assert one.visitor.problems == []


@ONLY_PICTURES
def test_who_did_not_agree_may_think_again(browser, run, served):
    folder, modality = run
    one = Participant(browser, served, folder, modality)
    one.page.get_by_role("button", name=REFUSAL).click()
    one.page.wait_for_selector(heading(ENDS[1]))
    one.page.reload()
    one.page.wait_for_selector(heading(CONSENT))


@pytest.mark.slow
@ONLY_PICTURES
def test_the_window_is_recorded_with_each_answer(browser, run, server, served):
    folder, modality = run
    one = Participant(browser, None, folder, modality)
    one.page.set_viewport_size({"width": 820, "height": 700})
    one.page.goto(served)
    while one.trial < 2:
        one.step()
    resize(one.page, 1300, 650)
    one.step()
    one.step()
    one.page.wait_for_selector("h1")  # the next page is shown as soon as the answer is kept
    (experiment,) = server.experiments.values()
    experiment.export()
    (rows,) = exported(server).values()
    answered = {row["step"]: row for row in rows if not row["step"].startswith("shown-")}
    assert {(row["window_width"], row["window_height"]) for row in answered.values()} == {(820, 700), (1300, 650)}
    assert answered["consent"]["window_width"] == 820
    assert answered[f"trial-{one.trial - 1}"]["window_width"] == 1300
    assert all(row["pixel_ratio"] == row["pinch_zoom"] == 1 for row in answered.values())
    assert all(0.5 < row["zoom"] < 2 for row in answered.values())
    answers = read_answers(experiment.exported.glob("*.json"), one.design, set(WORDS))
    (steps,) = answers.given.values()
    assert steps["consent"].numbers[NUMBERS.index("window_width")] == 820


def until_a_stimulus(one):
    """Go through the experiment until the page offers the first picture or sound."""
    one.page.wait_for_selector("h1")
    while not one.page.locator(f"{heading(words('OF_IMAGES', 'ready'))}, .play").count():
        one.step()
        one.page.wait_for_selector("h1")


@ONLY_PICTURES
def test_a_window_that_is_too_small_for_the_picture_is_told(browser, run, served):
    folder, modality = run
    one = Participant(browser, served, folder, modality)
    until_a_stimulus(one)
    warning = one.page.locator(".warning")
    assert not warning.is_visible()
    for size, small in (((390, 200), True), ((390, 640), False), ((200, 640), True), ((820, 400), False)):
        one.page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
        warning.wait_for(state="visible" if small else "hidden")
    assert one.visitor.problems == []


@FAST_IN_BOTH
def test_the_keyboard_alone_is_enough(browser, run, served):
    """Space on a button that has the focus; letters and Enter for an answer."""
    folder, modality = run
    one = Participant(browser, served, folder, modality)
    until_a_stimulus(one)
    one.page.wait_for_selector("button:focus")
    one.page.keyboard.press("Space")
    answer = one.answer()
    if modality == "vision":
        one.page.wait_for_selector(".choices")
        one.page.keyboard.type("zq")  # no category begins so
        assert one.page.locator(".match").count() == 0
        one.page.keyboard.type(answer[:1])
        one.page.keyboard.press("Backspace")
        assert one.page.locator(".match").count() == 0
        one.page.keyboard.type("cafe" if answer == "café" else answer[:6].upper())  # with the space of "high <b>"
        assert one.page.evaluate("document.activeElement.dataset.answer") == answer
        assert one.page.locator(".match").count() == 1
    else:
        one.page.wait_for_selector("#word:enabled")
        one.page.keyboard.type(answer[:1])
    one.page.keyboard.press("Enter")
    one.page.wait_for_selector(heading(CORRECT))
    assert f"“{answer}”" in one.page.locator("#experiment").inner_text()
    assert one.visitor.problems == []


@ONLY_PICTURES
def test_no_category_is_broken_within_a_word(browser, run, served):
    folder, modality = run
    one = Participant(browser, None, folder, modality)
    names = {WORDS[0]: "bull mastiff", WORDS[1]: "hippopotamus", WORDS[2]: "American chameleon"}

    def longer(route):
        design = route.fetch().json()
        design["categories"] = [names.get(word, word) for word in design["categories"]]
        route.fulfill(json=design)

    one.page.route("**/design.json", longer)
    one.page.goto(served)
    until_a_stimulus(one)
    one.page.get_by_role("button", name=words("BUTTONS", "show")).click()
    one.page.wait_for_selector(".choices")
    for width in (320, 390, 820, 1300):
        resize(one.page, width, 800)
        broken = one.page.evaluate(
            """() => [...document.querySelectorAll(".choices button")].flatMap((button) => {
                const text = button.lastChild;
                return [...text.data.matchAll(/\\S+/g)].filter((word) => {
                  const range = document.createRange();
                  range.setStart(text, word.index);
                  range.setEnd(text, word.index + word[0].length);
                  return range.getClientRects().length !== 1 || button.scrollWidth > button.clientWidth;
                }).map((word) => word[0]);
            })"""
        )
        assert broken == [], width
        assert one.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width


def test_the_consent_form_has_the_numbers_of_the_configuration(browser, run, served):
    folder, modality = run
    one = Participant(browser, served, folder, modality)
    one.page.wait_for_selector("h1")
    minutes = one.page.evaluate("fetch('design.json').then((reply) => reply.json())")["minutes"]
    said = one.page.locator(".words").inner_text()
    assert re.findall(r"\d+", said)[:2] == [str(one.design.sizes["trial"]), str(minutes)]
    assert not re.search("[{}]", said)


def test_nobody_meets_a_stimulus_again_after_a_reload(browser, run, server, served):
    folder, modality = run
    one = Participant(browser, served, folder, modality)
    while one.trial < 5:
        one.step()
    if modality == "vision":
        assert one.step() == words("OF_IMAGES", "ready")
        one.page.wait_for_selector(".choices")
    else:
        one.page.locator(".play").click()
        one.page.wait_for_selector("#word:enabled")
    one.page.reload()
    assert one.step() == WELCOME_BACK
    assert one.step().startswith(ALREADY[modality])
    assert one.trial == 6
    one.go_through()
    assert one.visitor.problems == []
    (rows,) = exported(server).values()
    shown = [row["exhibit"] for row in rows if row["step"].startswith("shown-")]
    assert len(shown) == len(set(shown)) == one.design.sizes["trial"]
    if modality == "vision":
        times = [row["shown_ms"] for row in rows if row["step"].startswith("trial-")]
        assert [place for place, time in enumerate(times) if time == -1] == [5]
    else:
        # The first page's sounds up to this one; the second page counts from the beginning.
        assert one.page.evaluate("lengths.filter((seconds) => Math.abs(seconds - 0.1) < 0.01).length") == len(shown) - 6


@pytest.mark.slow
def test_another_page_of_the_same_participant_does_not_show_a_stimulus_again(browser, run, server, served):
    folder, modality = run
    one = Participant(browser, served, folder, modality)
    while one.trial < 4:
        one.step()
    other = one.context.new_page()
    other.goto(served)
    other.get_by_role("button", name=words("BUTTONS", "goOn")).click()
    other.get_by_role("button", name=words("BUTTONS", "show" if modality == "vision" else "play")).click()
    asked = ".choices" if modality == "vision" else "#word:enabled"
    other.wait_for_selector(asked)
    other.close()  # a page behind another one draws once in a second
    # The other page has shown the stimulus, so this page only asks about it.
    one.page.get_by_role("button", name=words("BUTTONS", "show" if modality == "vision" else "play")).click()
    one.page.wait_for_selector(heading(ALREADY[modality]))
    one.go_through()
    assert one.visitor.problems == []
    (rows,) = exported(server).values()
    again = [row["step"] for row in rows if row.get("already")]
    assert again == ["trial-4"]


@pytest.mark.slow
@ONLY_PICTURES
def test_a_long_experiment_has_pauses(browser, run, served):
    folder, modality = run
    one = Participant(browser, None, folder, modality)

    def shorter(route):
        text = route.fetch().text().replace("LONG = 80", "LONG = 8")
        route.fulfill(body=text, content_type="text/javascript")

    one.page.route("**/experiment.js", shorter)
    one.page.goto(served)
    judged = []
    while text := one.step():
        if text == BREAK:
            judged.append(one.trial - 3)
    main = one.design.sizes["trial"] - 3
    assert judged == [round(part * main / 4 + 1e-9) for part in (1, 2, 3)]
    assert one.visitor.problems == []


@pytest.mark.slow
@ONLY_PICTURES
def test_people_without_answers_yet_stop_what_needs_them_only(run):
    folder, modality = run
    settings = yaml.safe_load((folder / "shown.yaml").read_text())
    (folder / "none.yaml").write_text(
        yaml.safe_dump(settings | {"own_participants": {"mine": {"modality": modality, "answers": "no"}}})
    )
    snakemake(folder, "-n", "experiment", "--configfile", "none.yaml", "--allowed-rules", *RULES)
    said = snakemake(folder, "-n", "humans", "--configfile", "none.yaml", fails=True)
    assert re.search(r"own_participants\.mine\.answers: .*\bno;", said)


@pytest.mark.slow
def test_in_the_examples_it_is_said_what_was_right(browser, run, served):
    folder, modality = run
    one = Participant(browser, served, folder, modality, lambda exhibit: exhibit["kind"].item() == "practice")
    while not one.trial:
        one.step()
    one.page.wait_for_selector(heading(NOT_CORRECT))
    exhibit = one.design.isel(exhibit=int(one.design["shown"].values[one.visitor.order, 0]))
    said = one.page.locator("#experiment").inner_text()
    assert f"“{exhibit['category'].item()}”" in said
    assert one.page.locator("img").count() == (modality == "vision")
    one.go_through()
    assert one.headings.count(NOT_CORRECT) == 1
    assert one.visitor.problems == []


@ONLY_PICTURES
def test_somebody_else_may_begin_where_one_has_gone_away(browser, run, served):
    folder, modality = run
    one = Participant(browser, served, folder, modality)
    one.step()
    first = one.visitor.order
    one.page.reload()
    one.page.get_by_role("button", name=words("BUTTONS", "somebodyElse")).click()
    one.page.wait_for_selector(heading(CONSENT))
    assert one.visitor.order != first


@pytest.mark.slow
def test_loudspeakers_are_found_out(browser, run, server, served):
    folder, modality = run
    if modality == "vision":
        assert "headphones-0" not in next(iter(server.experiments.values())).steps
        return
    one = Participant(browser, served, folder, modality, loudspeakers=True)
    assert words("STOPPED", "headphones") in one.go_through()
    assert one.trial == 0


def test_every_page_is_accessible(browser, run, served):
    from axe_playwright_python.sync_playwright import Axe

    folder, modality = run
    one, seen = Participant(browser, served, folder, modality), set()
    while True:
        one.page.wait_for_selector("h1")
        text = one.page.locator("h1").inner_text()
        if text not in seen:
            found = Axe().run(one.page, options={"resultTypes": ["violations"]})
            assert found.violations_count == 0, found.generate_report()
            seen.add(text)
        if not one.step():
            break
    sections = {words("PAGES", "feedback"), words("PAGES", "practice"), MAIN}
    assert {CONSENT, CORRECT, ENDS[0], *sections} < seen
    assert one.visitor.problems == []


@pytest.mark.slow
def test_pictures_are_shown_for_as_long_as_configured(browser, run, server, served):
    folder, modality = run
    one = Participant(browser, served, folder, modality)
    one.go_through()
    (rows,) = exported(server).values()
    answered = [row for row in rows if row["step"].startswith("trial-")]
    assert all(0 < row["rt"] < 20_000 for row in answered)
    if modality == "vision":
        assert answered[0]["shown_ms"] > 180  # 200 ms in the first half of the examples
        assert all(180 > row["shown_ms"] > 30 for row in answered[1:])  # 40 ms, in whole frames
    else:
        assert one.page.evaluate("lengths.filter((seconds) => Math.abs(seconds - 0.1) < 0.01).length") == len(answered)


# On other servers than the workflow's own. JATOS and Pavlovia are simulated, because neither is available offline.

JATOS = """
const kept = JSON.parse(sessionStorage.getItem("jatos") ?? '{"session": {}, "submitted": [], "ended": 0}');
const keep = () => sessionStorage.setItem("jatos", JSON.stringify(kept));
window.jatos = {
  studyResultId: "7",
  onLoad: (callback) => setTimeout(callback, 50),
  get studySessionData() { return kept.session; },
  async setStudySessionData(data) { kept.session = data; keep(); },
  async submitResultData(data) { kept.submitted.push(data); keep(); },
  endStudy() { kept.ended += 1; keep(); },
};
"""
PAVLOVIA = """
window.jsPsychPavlovia = class {
  static info = {
    name: "pavlovia", version: "0", data: {}, parameters: { command: { type: jsPsychModule.ParameterType.STRING } },
  };
  constructor(jsPsych) { this.jsPsych = jsPsych; }
  trial(display, trial) {
    window.commands = [...(window.commands ?? []), trial.command];
    if (trial.command === "finish") window.uploaded = this.jsPsych.data.get().csv();
    this.jsPsych.finishTrial({});
  }
};
"""


@pytest.fixture(scope="module")
def elsewhere(run):
    """The folder on a plain web server."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    folder, modality = run
    place = folder / "results" / RUN / "experiment" / modality
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(place)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def read(path, run):
    """Read a file of answers as the workflow does: participant → step → answer."""
    folder, modality = run
    design = files.load(folder / "results" / RUN / "experiment" / f"{modality}.nc")
    answers = read_answers([path], design, set(WORDS))
    assert answers.rows_set_aside == 0
    return answers.given


def whole(answered, one):
    """Check that all trials of a participant are there and answered correctly."""
    ((_, steps),) = answered.items()
    rows = [one.design.sel(exhibit=answer.exhibit) for answer in steps.values() if answer.exhibit]
    assert len(rows) == one.design.sizes["trial"]
    given = [answer.answer for answer in steps.values() if answer.exhibit]
    assert given == [row["category"].item() for row in rows]


@pytest.mark.slow
def test_on_any_web_server_a_reload_goes_on_and_answers_are_saved_as_a_file(browser, run, elsewhere, tmp_path):
    one = Participant(browser, f"{elsewhere}/?order=2", *run, order=2)
    while one.trial < 4:
        one.step()
    one.page.goto(f"{elsewhere}/?order=3")  # with another link, the order stays the same
    assert one.step() == WELCOME_BACK
    assert words("END", "send") in one.go_through()
    with one.page.expect_download() as download:
        one.page.get_by_role("link", name=words("BUTTONS", "save")).click()
    download.value.save_as(tmp_path / "saved.json")
    whole(read(tmp_path / "saved.json", run), one)
    assert one.visitor.problems == []


@pytest.mark.slow
@ONLY_PICTURES
def test_in_jatos_each_answer_is_submitted_and_a_reload_goes_on(browser, run, elsewhere, tmp_path):
    one = Participant(browser, None, *run, order=7 % 5)
    one.page.route("**/jatos.js", lambda route: route.fulfill(body=JATOS, content_type="text/javascript"))
    one.page.goto(f"{elsewhere}/jatos.html")
    while one.trial < 4:
        one.step()
    one.page.reload()
    assert one.step() == WELCOME_BACK
    one.go_through()
    kept = json.loads(one.page.evaluate("sessionStorage.getItem('jatos')"))
    assert kept["ended"] == 1
    answers = [
        [row["step"] for row in json.loads(submitted) if not row["step"].startswith("shown-")]
        for submitted in kept["submitted"]
    ]
    numbers = list(map(len, answers))
    assert numbers == [*range(1, max(numbers) + 1), max(numbers)]  # submitted with each answer and at the end
    (tmp_path / "results.txt").write_text("\n".join(kept["submitted"][-2:]) + "\n")
    answered = read(tmp_path / "results.txt", run)
    assert list(answered) == ["jatos-7"]
    whole(answered, one)
    assert one.visitor.problems == []


@pytest.mark.slow
@ONLY_PICTURES
def test_in_pavlovia_the_plugin_has_the_first_and_the_last_trial(browser, run, elsewhere, tmp_path):
    one = Participant(browser, None, *run, order=4)
    one.page.route("**/lib/vendors/**", lambda route: route.fulfill(body="", content_type="text/javascript"))
    one.page.route("**/lib/jspsych-7*", lambda route: route.fulfill(body=PAVLOVIA, content_type="text/javascript"))
    one.page.goto(f"{elsewhere}/pavlovia.html?order=4")
    one.go_through()
    assert one.page.evaluate("commands") == ["init", "finish"]
    (tmp_path / "data.csv").write_text(one.page.evaluate("uploaded"))
    whole(read(tmp_path / "data.csv", run), one)
    assert one.visitor.problems == []
