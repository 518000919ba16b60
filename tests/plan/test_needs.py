"""What a job requests follows from measured jobs and from its work; a dry run sums up what jobs are expected to cost."""

import re
from dataclasses import replace

import pytest
import yaml

from metamers.plan.needs import MAX_MINUTES, MEMORY_HEAD_ROOM, TIME_HEAD_ROOM, Needs, Work, Workload
from metamers.plan.plan import make_plan
from metamers.plan.steps import merge_defaults
from metamers.run.durations import UNMEASURED, Cost, Measured, measured_jobs

# Peak megabytes of a pass with gradient of four stimuli at the last stage, on a CPU (docs/more_clusters.md).
PEAKS = {
    "alexnet": 1195,
    "cornet_s": 1353,
    "resnet50": 1417,
    "SWSL_resnext101_32x8d": 1802,
    "vgg_19": 1936,
    "kell2018": 2863,
    "cochresnet50": 2907,
    "spectemp_filters": 3023,
    "hmax_standard": 3136,
    "vision_transformer_vit_large_patch16_224": 3152,
}


def workload(root, monkeypatch, **settings):
    monkeypatch.chdir(root)
    return Workload(make_plan(merge_defaults(settings)))


@pytest.fixture
def study(root, monkeypatch):
    return workload(root, monkeypatch, **yaml.safe_load((root / "config" / "paper.yaml").read_text()))


@pytest.fixture
def default(root, monkeypatch):
    return workload(root, monkeypatch)


def test_each_attempt_requests_twice_as_much():
    job = Needs(Measured(seconds=600, memory_mb=1100), Work())
    assert [job.runtime(attempt) for attempt in (1, 2, 3)] == [600 * TIME_HEAD_ROOM / 60 * n for n in (1, 2, 4)]
    assert [job.mem_mb(attempt) for attempt in (1, 2, 3)] == [2000, 4000, 8000]


def test_a_job_of_more_items_than_the_measured_one_takes_longer():
    measured = Measured(seconds=10, memory_mb=100, items=20)
    assert [Needs(measured, Work(items=items)).expected_s for items in (1, 20, 200)] == [10, 10, 100]


def test_the_measured_jobs_fit_into_what_their_rules_request():
    for rule, measured in measured_jobs().items():
        job = Needs(measured)
        assert job.mem_mb() >= MEMORY_HEAD_ROOM * measured.memory_mb, rule
        assert 60 * job.runtime() >= TIME_HEAD_ROOM * measured.seconds, rule


def test_every_known_network_fits_into_the_first_request(study):
    synthesis = measured_jobs()["synthesize_metamers"]
    for model, peak in PEAKS.items():
        requested = Needs(synthesis, study.forward_passes([model], 1)).mem_mb()
        assert 1.3 * peak < requested < 4 * peak + 1000, model


def test_small_networks_request_less_than_large_ones(default, study):
    null = measured_jobs()["null_distribution"]
    small = Needs(null, default.null("efficientnet_lite0")).mem_mb()
    assert 977 < small <= 2500  # 8,000 before, of which a job took 977
    assert Needs(null, study.null("resnet50")).mem_mb() > small


def test_synthesis_takes_longer_with_operations_stimuli_and_later_stages(study):
    def seconds(model, stage, stimuli=100):
        return Needs(UNMEASURED, study.synthesis({model: [stage]}, stimuli), on_card=True).expected_s

    assert seconds("alexnet", "relu0") < seconds("alexnet", "final") < seconds("resnet50", "final")
    assert seconds("resnet50", "final", 50) == pytest.approx(seconds("resnet50", "final") / 2, rel=0.02)


def test_synthesis_to_a_target_may_take_all_its_steps(default):
    work = default.synthesis({"efficientnet_lite0": ["logits"]}, 6)
    assert work.most_operations == pytest.approx(work.operations / 0.15)
    job = Needs(measured_jobs()["synthesize_metamers"], work)
    assert 40 < job.expected_s < 200  # 80 s were measured
    assert 60 * job.runtime() > 5 * job.expected_s


def test_a_tag_of_timm_says_nothing_about_the_cost(study):
    """``metamers add timm:NAME.TAG`` writes such sources."""
    name = "vision_transformer_vit_large_patch16_224"
    tagged = replace(study.plan.models[name], source={"timm": "vit_large_patch16_224.augreg_in21k_ft_in1k"})
    assert study._of_network(name, tagged) == pytest.approx(study.networks[name])


def test_no_attempt_requests_more_than_a_day(study):
    work = study.synthesis({"vision_transformer_vit_large_patch16_224": ["final"]}, 12)
    assert [Needs(UNMEASURED, work).runtime(attempt) for attempt in (1, 2)] == [MAX_MINUTES, MAX_MINUTES]


def test_the_host_of_a_card_needs_more_memory_and_less_time(study):
    work = study.synthesis({"resnet50": ["final"]}, 100)
    core, card = (Needs(UNMEASURED, work, on_card) for on_card in (False, True))
    assert card.mem_mb() > core.mem_mb()
    assert card.expected_s < core.expected_s / 100


def test_the_cost_counts_a_job_with_a_gpu_by_its_gpu_and_another_by_its_threads():
    cost = Cost()
    cost.add({"expected_s": 7200, "gpu": 1, "output_mb": 1500}, threads=1)
    cost.add({"expected_s": 1800, "gpu": 0, "output_mb": 500}, threads=4)
    cost.add({"mem_mb": 2000}, threads=1)  # a target
    assert re.findall(r"\d+ \w+(?: hours)?", str(cost)) == ["2 core hours", "2 GPU hours", "2 GB"]


def test_every_rule_states_time_and_memory(root):
    stated = r"\*\*needs\(|runtime=.*\n +mem_mb="
    for path in (root / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"^ *rule\b", path.read_text(), flags=re.MULTILINE)[1:]:
            if "message:" not in rule:  # it only names what to make
                continue
            assert re.search(rf"^ +resources:\n +({stated})", rule, re.MULTILINE), (path.name, rule[:40])
            name = re.search(r'\*\*needs\("(\w+)"', rule)
            assert name is None or name[1] in rule[:80], rule[:80]  # its own name, not that of another
