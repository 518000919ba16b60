"""An adaptive experiment in a real browser, driven to its end by scripted participants, and its analysis."""

import json
import re
import shutil

import pytest
import yaml

from metamers.humans.bids import ADAPTIVE as ADAPTIVE_README
from metamers.plan.steps import declared_files
from metamers.run import files
from tests.experiment.participants import BREAK, CONSENT, ENDS, MAIN, REFUSAL, WELCOME_BACK, Participant, words
from tests.experiment.served import running
from tests.made_up_run import RULES, RUN, WORDS, made_up_run
from tests.workflow.runs import check_schema, snakemake

ADAPTIVE = {"question": "difference", "interval": None, "bayes_factor": 8, "participants": 2, "trials": None}
ARGUMENTS = ["--configfile", "adaptive.yaml"]
STEPS = [*RULES, "humans_adaptive", "humans_bids", "report_adaptive"]
PRACTISED = 3

# Keeps the file that the server chose for the present trial.
CHOSEN = """
const before = window.fetch;
window.fetch = async (address, ...rest) => {
  const reply = await before(address, ...rest);
  if (String(address).endsWith("api/next") && reply.ok) window.chosen = (await reply.clone().json()).exhibit;
  return reply;
};
"""


@pytest.fixture(scope="module", params=["vision", pytest.param("audio", marks=pytest.mark.slow)])
def run(request, root, jspsych, tmp_path_factory):
    """A made-up run with an adaptive experiment: folder, modality."""
    folder = made_up_run(root, tmp_path_factory.mktemp(request.param), request.param)
    settings = yaml.safe_load((folder / "shown.yaml").read_text())
    settings["experiment"]["adaptive"] = ADAPTIVE
    (folder / "adaptive.yaml").write_text(yaml.safe_dump(settings))
    shutil.copytree(jspsych, folder / "resources" / "retrieved" / "jspsych")
    snakemake(folder, "experiment", *ARGUMENTS, "--allowed-rules", *STEPS)
    return folder, request.param


def with_breaks(route):
    """Serve the page so that it has breaks, as a long experiment has."""
    text = route.fetch().text()
    assert "LONG = 80" in text
    route.fulfill(body=text.replace("LONG = 80", "LONG = 8"), content_type="text/javascript")


class Adaptive(Participant):
    """A participant of an adaptive experiment."""

    def __init__(self, browser, address, folder, modality, knows=lambda exhibit: True):
        super().__init__(browser, None, folder, modality, knows)
        self.page.add_init_script(CHOSEN)
        self.page.route("**/experiment.js", with_breaks)
        self.shown = []
        self.page.goto(address)

    def answer(self):
        if self.trial < PRACTISED:
            return super().answer()
        self.trial += 1
        name = self.page.evaluate("window.chosen").rsplit(".", 1)[0]
        exhibit = self.design.sel(exhibit=name)
        self.shown.append(exhibit)
        category = str(exhibit["category"].item())
        return category if self.knows(exhibit) else WORDS[(WORDS.index(category) + 1) % len(WORDS)]


def better_at_the_first(exhibit):
    """Recognize metamers of the first model alone, and everything else."""
    return exhibit["generation_model"].item() != "second"


def main_stimuli(one):
    return [str(exhibit["stimulus"].item()) for exhibit in one.shown if exhibit["kind"].item() == "main"]


def test_scripted_participants_take_part_until_the_evidence_suffices(browser, run, tmp_path):
    folder, modality = run
    with running(folder / "results" / RUN / "experiment", tmp_path / "answers") as server:
        address = f"http://localhost:{server.server_address[1]}/{modality}/"
        people = [Adaptive(browser, address, folder, modality, better_at_the_first) for _ in range(3)]
        first, second, unwilling = people
        unwilling.page.wait_for_selector(f"h1:has-text('{CONSENT}')")
        assert re.search(r"\b19\b", unwilling.page.locator("#experiment").inner_text())
        unwilling.page.get_by_role("button", name=REFUSAL).click()
        unwilling.page.wait_for_selector(f"h1:has-text('{ENDS[1]}')")
        while len(first.shown) < 3:
            first.step()
        # A reload in the middle goes on where it stopped, and the next stimulus is a new one.
        first.page.reload()
        assert first.step() == WELCOME_BACK
        assert first.go_through().startswith(ENDS[0])
        practising = Adaptive(browser, address, folder, modality)
        while practising.trial < PRACTISED - 1:
            practising.step()
        assert second.go_through().startswith(ENDS[0])
        # For a participant who is still in the practice when it ends, there is no introduction to main trials.
        assert practising.go_through().startswith(ENDS[0])
        assert practising.trial == PRACTISED
        assert MAIN in second.headings
        assert MAIN not in practising.headings
        late = Adaptive(browser, address, folder, modality)
        late.page.wait_for_selector(f"h1:has-text('{words('END', 'closed')}')")
        for one in [*people, practising, late]:
            assert one.visitor.problems == []
            one.context.close()
    # Each break is before a trial, also where the experiment ends early.
    for one in (first, second):
        after = [one.headings[place + 1] for place, heading in enumerate(one.headings) if heading == BREAK]
        assert not set(after) & {BREAK, *ENDS}
    assert first.headings.count(BREAK) == 3
    met = [main_stimuli(one) for one in (first, second)]
    for own in met:
        assert len(set(own)) == len(own)
    # The first participant alone cannot end the experiment; the second ends it before all stimuli are shown.
    design = first.design
    assert set(met[0]) == set(design["stimulus"].values[design["kind"].values == "main"])
    assert 0 < len(met[1]) < len(met[0])
    experiment = server.experiments[modality]
    experiment.export()
    _check_analysis(folder, modality, experiment, sum(map(len, met)))


def _check_analysis(folder, modality, experiment, answers):
    settings = yaml.safe_load((folder / "adaptive.yaml").read_text())
    settings["own_participants"] = {"mine": {"modality": modality, "answers": str(experiment.exported)}}
    (folder / "people.yaml").write_text(yaml.safe_dump(settings))
    results = folder / "results" / RUN
    made = ["humans/adaptive/mine.nc", "humans/bids/mine", "report/figures/adaptive_mine.svg"]
    targets = [f"results/{RUN}/{path}" for path in made]
    snakemake(folder, "--configfile", "people.yaml", "--allowed-rules", *STEPS, "--", *targets)
    found = files.load(results / made[0])
    check_schema(results / made[0], made[0], declared_files())
    check_schema(results / "experiment" / f"{modality}.nc", f"experiment/{modality}.nc", declared_files())
    estimated = experiment.selector.estimate(experiment.selector.counts(experiment.given))
    assert float(found["estimate"]) == pytest.approx(estimated.mean)
    assert float(found["estimate_bayes_factor"]) == pytest.approx(estimated.bayes_factor)
    assert estimated.bayes_factor >= ADAPTIVE["bayes_factor"]
    assert float(found["estimate_low"]) > 0
    assert int(found["answers_suffice"]) == 1
    assert int(found["participants_included"]) == 2
    assert found["excluded"].sel(exclusion="no consent") == 1
    natural = int(found["answers_given"].sel(generation_model="first", stage="natural"))
    assert int(found["answers_given"].sel(stage=found["stage"] != "natural").sum()) + natural == answers
    second = found.sel(generation_model="second").isel(stage=slice(1, None))
    assert int(second["answers_correct"].sum()) == 0
    tables = sorted((results / "humans" / "bids" / "mine").glob("sub-*/beh/*.tsv"))
    assert len(tables) == 3  # one has the practice alone
    assert ADAPTIVE_README in (results / "humans" / "bids" / "mine" / "README.md").read_text()
    description = json.loads((results / "humans" / "bids" / "mine" / "dataset_description.json").read_text())
    assert description["Name"].endswith("mine")


def test_on_another_server_the_page_says_that_it_needs_its_own(browser, run, tmp_path):
    folder, modality = run
    page = browser.new_context().new_page()
    place = folder / "results" / RUN / "experiment" / modality
    assert not (place / "jatos.html").exists()
    assert not (place / "pavlovia.html").exists()

    def served(route):
        path = place / (route.request.url.rsplit(f"/{modality}/", 1)[1] or "index.html")
        kinds = {".js": "text/javascript", ".html": "text/html", ".json": "application/json", ".css": "text/css"}
        route.fulfill(body=path.read_bytes(), content_type=kinds.get(path.suffix, "application/octet-stream"))

    page.route("**/*", served)
    page.goto(f"http://localhost:1/{modality}/")
    page.wait_for_selector(f"h1:has-text('{ENDS[2]}')")
    assert words("END", "needsServer") in page.locator("#experiment").inner_text()
    page.context.close()
