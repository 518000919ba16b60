"""The benchmark compares like with like, and its arithmetic is right."""

import numpy as np
import pytest
import torch

from metamers.models.cost import in_own_process
from metamers.models.model import Model
from metamers.synthesize.losses import normalized_error
from metamers.synthesize.metamers import synthesize
from studies.benchmark.match import (
    EQUAL_MATCH,
    Synthesized,
    _next_steps,
    _pair,
    at_equal_match,
    equally_recognized,
    published_at,
    search_steps,
    synthesis_with_steps,
    synthesize_to_match,
)
from studies.benchmark.measure import MATRIX, WholeModel, operations_of_step, peak_rate, plain_model
from studies.benchmark.page import verdict
from studies.tests.benchmark.results import QUICK, SETTINGS, STAGES, recognition
from tests.networks.entries import load, tiny


def test_what_the_others_are_given_is_the_same_function(entry, stimuli):
    ours = load(entry)
    for kind in (Model, WholeModel):
        plain = plain_model("tiny", entry, None, kind)
        for stage in STAGES:
            for given in (stimuli[0], stimuli[0].clone().requires_grad_()):
                torch.testing.assert_close(plain(given, stage), ours(given, stage), rtol=1e-4, atol=1e-5)


def test_the_whole_model_runs_beyond_the_stage_and_ours_does_not(entry, stimuli):
    for kind, beyond in ((Model, 0), (WholeModel, 1)):
        model, reached = plain_model("tiny", entry, None, kind), []
        model.network.classify.register_forward_hook(lambda *_: reached.append(1))  # noqa: B023
        model(stimuli[0].clone().requires_grad_(), "block")
        assert len(reached) == beyond


def test_operations_of_a_linear_stage_are_two_for_each_weight_forward_and_as_many_backward(root):
    model = load(tiny(root, "linear", {"input": None, "project": "project", "logits": "classify"}))
    assert operations_of_step(model, "project", torch.rand(2, 3, 8, 8)) == 2 * 2 * (3 * 8 * 8 * 20)
    assert operations_of_step(model, "input", torch.rand(2, 3, 8, 8)) == 0


def test_the_peak_rate_is_two_operations_for_each_of_n_cubed_products():
    assert peak_rate(2.0) == MATRIX**3


def test_what_fails_in_its_own_process_gives_nothing():
    def fail():
        raise ValueError("no")

    assert in_own_process(lambda: 3) == 3
    assert in_own_process(fail) is None


@pytest.mark.parametrize("first", [6, 40])
def test_the_published_procedure_ends_with_the_match_that_is_wanted(entry, stimuli, first):
    natural, start = stimuli
    model = load(entry)
    settings = {"steps": 200, "step_size": 0.3, "halvings": 1}
    exact, _ = synthesize(model, "block", natural, start, "published", settings | {"steps": 12})
    wanted = normalized_error(model(natural, "block"), model(exact, "block")).numpy()
    metamers, error, steps = published_at(model, "block", natural, start, wanted, settings, first, max_batch_size=2)
    found = normalized_error(model(natural, "block"), model(metamers, "block")).numpy()
    np.testing.assert_allclose(found, error, rtol=1e-4)
    assert error.mean() == pytest.approx(wanted.mean(), rel=0.03)
    assert set(steps) <= set(range(22, 27))


def test_a_match_that_the_published_procedure_does_not_reach_leaves_the_nearest(entry, stimuli):
    natural, start = stimuli
    settings = {"steps": 6, "step_size": 0.3, "halvings": 1}
    _, error, steps = published_at(load(entry), "block", natural, start, np.full(3, 1e-9), settings, 5)
    assert set(steps) == {12}
    assert error.mean() > 1e-9


@pytest.mark.parametrize("procedure", ["published", "one_cycle"])
def test_steps_that_are_found_on_a_few_stimuli_lead_to_the_match_of_all(entry, stimuli, procedure):
    natural, start = stimuli
    settings = SETTINGS["published"] if procedure == "published" else QUICK | {"low_precision": 0}
    with_steps = synthesis_with_steps(load(entry), "block", natural, start, procedure, settings, 2, procedure)
    wanted = with_steps(30).error
    found, steps = synthesize_to_match(with_steps, wanted, 12, 200, 2, procedure)
    assert set(steps) <= set(range(25, 36))
    assert found.error.mean() == pytest.approx(wanted.mean(), rel=0.1)
    assert len(found.metamers) == len(natural)
    torch.testing.assert_close(with_steps(int(steps[0]), 1).metamers, found.metamers[:1], rtol=0, atol=0)


def synthesis_of_errors(error):
    """A function like those of ``synthesis_with_steps``, whose errors (stimulus,) are a function of steps."""

    def with_steps(steps, stimuli=None):
        errors = error(steps)[:stimuli]
        return Synthesized(torch.full((len(errors), 1), steps), errors)

    return with_steps


@pytest.mark.parametrize("first", [8, 64, 700])
@pytest.mark.parametrize("exponent", [0.3, 1.0, 1.9])
@pytest.mark.parametrize("of_first", [0.8, 1.0, 1.3])
def test_the_match_of_all_is_found_where_the_first_stimuli_have_another_error(first, exponent, of_first):
    """Errors are powers of the number of steps, with ripples of 3%; those of the first four are all larger or less."""

    def error(steps):
        ripples = 1 + 0.03 * np.sin(steps * np.arange(1, 13))
        return np.r_[np.full(4, of_first), np.ones(8)] * (200 / steps) ** exponent * ripples

    wanted = np.ones(12)
    found, steps = synthesize_to_match(synthesis_of_errors(error), wanted, first, 24_000, 4, "made up")
    assert found.error.mean() == pytest.approx(1, rel=EQUAL_MATCH)
    each = [error(one)[place] for place, one in enumerate(steps)]
    np.testing.assert_array_equal(found.error, each)


def drop_at(steps_of_drop, above, below):
    """Errors of 20 stimuli that fall slowly with steps, from ``above`` to ``below`` the wanted one at a certain step."""

    def error(steps):
        return (steps_of_drop / steps) ** 0.1 * (above if steps < steps_of_drop else below) * np.tile([0.7, 1.3], 10)

    return error


@pytest.mark.parametrize(("above", "below"), [(1.045, 0.965), (1.025, 0.94), (1.07, 0.978)])
def test_two_numbers_of_steps_share_the_stimuli_where_none_leads_to_the_match(above, below):
    error = drop_at(90, above, below)
    found, steps = synthesize_to_match(synthesis_of_errors(error), np.ones(20), 70, 1000, 4, "made up")
    few, many = np.unique(steps)
    assert 70 <= few < 90 <= many < 113
    np.testing.assert_array_equal(found.error, [error(one)[place] for place, one in enumerate(steps)])
    np.testing.assert_array_equal(found.metamers[:, 0], steps)
    # As near as numbers of stimuli allow: half of the share of the largest error.
    assert abs(found.error.mean() - 1) <= 0.5 * (error(few) - error(many)).max() / 20
    # Which stimuli these are does not follow from their order, and is the same in a rerun.
    assert np.count_nonzero(np.diff(steps)) > 1
    _, again = synthesize_to_match(synthesis_of_errors(error), np.ones(20), 70, 1000, 4, "made up")
    np.testing.assert_array_equal(again, steps)


@pytest.mark.parametrize(
    ("error", "best"),
    [
        (drop_at(90, 1.3, 1.2), 1.1),  # all errors are larger
        (drop_at(90, 1.04, 0.9), 1.04),  # the two errors are too different
        (lambda steps: np.full(20, 1.04 if steps < 24 else 0.95 if steps > 100 else 0.9), 1.04),  # the numbers are
    ],
)
def test_one_number_of_steps_stays_where_no_two_may_share_the_stimuli(error, best):
    found, steps = synthesize_to_match(synthesis_of_errors(error), np.ones(20), 16, 200, 4, "made up")
    assert len(set(steps)) == 1
    assert found.error.mean() == pytest.approx(best, abs=0.05)
    np.testing.assert_array_equal(found.error, error(steps[0]))


def test_neighbouring_numbers_may_share_the_stimuli_however_few_steps_they_are():
    error = drop_at(3, 1.0, 0.95)
    found, steps = synthesize_to_match(synthesis_of_errors(error), np.ones(20), 2, 8, 4, "made up")
    assert set(steps) == {2, 3}
    assert found.error.mean() == pytest.approx(1, rel=0.01)


def test_of_several_pairs_of_numbers_that_which_is_nearest_in_error_shares_the_stimuli():
    assert _pair({64: -0.028, 62: -0.029, 63: -0.052, 51: 0.07, 58: 0.06, 40: 0.03}) == (58, 64)
    assert _pair({64: -0.028, 40: 0.03}) is None
    assert _pair({64: -0.06, 62: 0.05}) is None
    assert _pair({64: 0.03, 66: 0.05}) is None


def test_the_next_number_of_steps_is_extrapolated_or_within_a_bracket():
    def following(distances, most=10_000):
        return _next_steps(distances, distances, most)

    assert following({100: np.log(1.5)}) == 225  # the error is taken to fall with the root of the steps
    assert following({100: np.log(1.5)}, 200) == 200
    assert following({100: np.log(100)}) == 400  # by a factor of 4 at most
    assert following({100: np.log(1 / 100)}) == 25
    assert following({64: np.log(2), 128: np.log(1.5)}) == 340  # slope of -0.415
    assert following({64: 0.1, 128: -0.3}) == 76
    assert following({50: 0.3, 60: -0.03, 65: -0.031}) == 59  # the extrapolation is outside, the interpolation is not
    assert following({10: 0.03, 11: 0.07, 14: -0.06}) == 12  # 11 was tried
    assert following({10: 0.03, 11: -0.03}) in (10, 11)  # nothing is between
    assert following({10: 0.001}) == 11
    assert following({1: -0.5}) == 1
    # A distance that is estimated only is no reason to leave a number out.
    assert _next_steps({10: 0.05, 11: -0.015}, {10: 0.05}, 100) == 11


@pytest.fixture
def batches(entry, stimuli, monkeypatch):
    """A function that synthesizes with steps for numbers of stimuli, and gives the sizes and names of the batches."""

    def sizes(max_batch_size, numbers):
        made = []

        def counted(*arguments):
            made.append((len(arguments[2]), arguments[-1]))
            return synthesize(*arguments)

        monkeypatch.setattr("studies.benchmark.match.synthesize", counted)
        settings = SETTINGS["published"]
        with_steps = synthesis_with_steps(
            load(entry), "block", *stimuli, "published", settings, max_batch_size, "published"
        )
        found = [with_steps(5, number) for number in numbers]
        assert [len(one.error) for one in found] == [min(number, len(stimuli[0])) for number in numbers]
        return made

    return sizes


def test_each_batch_is_synthesized_once_for_a_number_of_steps(batches):
    """On a CPU, fewer stimuli than the minimum batch are repeated, so that metamers do not depend on the batch."""
    assert batches(2, [2, 3, 1]) == [(4, "published_5_0_3")]


def test_a_search_on_a_card_has_no_more_stimuli_than_it_needs(batches, monkeypatch):
    monkeypatch.setattr("studies.benchmark.match.min_batch_size", lambda device: 1)
    assert batches(64, [2, 3]) == [(2, "published_5_0_2"), (3, "published_5_0_3")]
    assert batches(2, [2, 3]) == [(2, "published_5_0_2"), (1, "published_5_2_3")]


def test_a_card_whose_memory_does_not_suffice_has_smaller_batches(entry, stimuli, monkeypatch):
    sizes = []

    def short_of_memory(*arguments):
        sizes.append(len(arguments[2]))
        if sizes[-1] > 1:
            raise torch.OutOfMemoryError("no")
        return synthesize(*arguments)

    monkeypatch.setattr("studies.benchmark.match.min_batch_size", lambda device: 1)
    monkeypatch.setattr("studies.benchmark.match.synthesize", short_of_memory)
    with_steps = synthesis_with_steps(
        load(entry), "block", *stimuli, "published", SETTINGS["published"], 64, "published"
    )
    assert len(with_steps(5).metamers) == len(with_steps(5).error) == 3
    assert sizes == [3, 1, 1, 1]  # a second call has the results of the first
    with_steps(6)
    assert sizes[4:] == [1, 1, 1]


def test_a_search_on_more_stimuli_than_there_are_is_on_all(entry, stimuli):
    with_steps = synthesis_with_steps(
        load(entry), "block", *stimuli, "published", SETTINGS["published"], 4, "published"
    )
    assert len(with_steps(5, 9).metamers) == len(with_steps(5, 9).error) == len(stimuli[0])
    found, steps = synthesize_to_match(with_steps, with_steps(5).error, 5, 20, 9, "published")
    np.testing.assert_array_equal(steps, np.full(len(stimuli[0]), 5))
    assert len(found.error) == len(stimuli[0])


def test_the_same_answers_are_equivalent_and_others_are_not():
    same = equally_recognized(recognition([1, 1, 1, 1, 0, 0, 0, 0])["correct"].sel(stage="block"))
    assert same["difference"] == 0
    assert same["difference_low"] == pytest.approx(-same["difference_high"])
    assert 0.2 < same["difference_high"] < 0.5  # eight stimuli do not show that there is none
    more = equally_recognized(recognition([1] * 8)["correct"].sel(stage="block"))
    assert more["recognized_published"] == 0.5
    assert more["difference"] == 0.5
    assert more["difference_high"] > 0.5
    assert verdict(0, -0.02, 0.02) == "equivalent"
    assert verdict(0.5, 0.1, 0.9) == "not equivalent"
    assert verdict(0.02, -0.3, 0.3) == "within 3 points, not settled"
    assert verdict(0.1, np.nan, np.nan) == "too few stimuli for an interval"


def made_up_procedures(published_error):
    """Two procedures whose errors follow from a target and from a number of steps."""
    asked = []

    def to_target(target):
        asked.append(target)
        return Synthesized(torch.zeros(4, 1), np.full(4, 0.99 * target)), np.full(4, 50)

    def with_steps(steps, stimuli=4):
        return Synthesized(torch.ones(4, 1)[:stimuli], np.full(4, published_error(steps))[:stimuli])

    return to_target, with_steps, asked


def test_the_published_procedure_takes_the_steps_that_lead_to_the_target():
    to_target, with_steps, asked = made_up_procedures(lambda steps: 2 / np.sqrt(steps))
    made, target = at_equal_match(to_target, with_steps, 0.1, 24_000, 2, "published")
    assert (target, asked) == (0.1, [0.1])
    assert list(made) == ["default", "published"]
    assert made["published"][0].error.mean() == pytest.approx(0.099, rel=EQUAL_MATCH)
    assert made["published"][1] == pytest.approx(408, rel=0.05)
    assert (made["default"][1] == 50).all()


def test_where_the_published_procedure_does_not_come_as_close_all_are_compared_at_its_match():
    to_target, with_steps, asked = made_up_procedures(lambda steps: 0.2 + 2 / np.sqrt(steps))
    made, target = at_equal_match(to_target, with_steps, 0.1, 1000, 2, "published")
    reached = 0.2 + 2 / np.sqrt(1000)
    assert target == pytest.approx(reached)
    assert asked == [0.1, pytest.approx(reached)]
    assert (made["published"][1] == 1000).all()
    assert made["default"][0].error.mean() == pytest.approx(reached, rel=EQUAL_MATCH)


def test_the_search_goes_on_where_the_error_does_not_depend_on_many_numbers_of_steps():
    """After 30 steps the error is at its floor, far below the wanted one."""
    distances = search_steps(lambda steps: max(1 / steps, 0.0004), 0.1, 666, 24_000, "made up")
    assert list(distances)[:2] == [666, 166]
    assert min(abs(distance) for distance in distances.values()) <= np.log1p(EQUAL_MATCH)
