"""Steps to the match of a quality are those that end there, and a match that is not reached is a bound."""

import itertools
import re

import numpy as np
import pytest

from metamers.synthesize.losses import normalized_error
from metamers.synthesize.metamers import synthesize
from metamers.synthesize.qualities import with_number_of_steps
from studies.benchmark.match import EQUAL_MATCH
from studies.benchmark.steps import FEWEST, PLENOPTIC, REFERENCES, Curve, plenoptic_steps, sentences, steps_to_match
from studies.tests.benchmark.results import ALL, QUICK, matched
from tests.networks.entries import load


@pytest.mark.parametrize("exponent", [0.3, 0.5, 1.9])
@pytest.mark.parametrize("wanted", [0.5, 0.07, 0.0123])
def test_the_steps_to_an_error_of_a_power_law_are_found(exponent, wanted):
    curve = Curve(lambda steps: (10 / steps) ** exponent, 10**8)
    exact = 10 / wanted ** (1 / exponent)
    assert curve.steps_to(wanted) == pytest.approx(max(exact, FEWEST if exact <= FEWEST else 0), rel=0.1)


def test_each_number_of_steps_is_computed_once_for_all_matches_and_no_more_than_needed():
    computed = []
    curve = Curve(lambda steps: computed.append(steps) or 1 / steps, 10_000)
    assert curve.steps_to(1 / 100) == pytest.approx(100)
    assert curve.steps_to(1 / 300) == pytest.approx(300)
    assert curve.steps_to(1 / 100) == pytest.approx(100)
    assert computed == [32, 64, 128, 256, 512]


def test_the_smallest_number_of_steps_counts_where_more_steps_end_farther():
    errors = {32: 0.4, 64: 0.2, 128: 0.3, 256: 0.1}
    assert Curve(errors.__getitem__, 256).steps_to(0.2) == 64


def test_a_match_within_two_percent_is_reached_and_another_is_not():
    assert Curve(lambda _steps: (1 + EQUAL_MATCH) * 0.1, 100).steps_to(0.1) == FEWEST
    computed = []
    assert np.isnan(Curve(lambda steps: computed.append(steps) or 0.103, 100).steps_to(0.1))
    assert computed == [32, 64, 100]  # the largest number was tried


@pytest.mark.usefixtures("plenoptic")
@pytest.mark.parametrize("settings", [*itertools.chain(*PLENOPTIC.values())], ids=str)
def test_plenoptic_goes_on_from_where_it_was_and_towards_the_stimulus(entry, stimuli, settings):
    natural, start = stimuli
    model = load(entry)
    go_on = plenoptic_steps(model, "block", natural, start, settings, 60)
    metamers = [go_on(20) for _ in range(3)]
    distance = [float((model(one, "block") - model(natural, "block")).norm()) for one in metamers]
    assert distance[2] < distance[1] < distance[0]
    assert 0 <= metamers[2].min() < metamers[2].max() <= 1


@pytest.mark.usefixtures("plenoptic")
def test_the_steps_of_each_are_those_that_end_at_the_match_of_a_quality(entry, stimuli):
    natural, start = stimuli
    model, qualities = load(entry), ["quick", "converged"]
    found = steps_to_match(model, "block", natural, start, ALL, qualities, 5000)
    assert (found["steps"].sel(quality="quick") == QUICK["steps"]).all()
    assert (found["normalized_error"].sel(quality="converged") <= 0.2).all()
    assert found["steps_to_match"].notnull().all()
    steps = round(float(found["steps_to_match"].sel(quality="converged", reference="published")))
    changed = with_number_of_steps(ALL["published"], steps)
    metamers, _ = synthesize(model, "block", natural, start, "published", changed)
    error = normalized_error(model(natural, "block"), model(metamers, "block")).mean()
    assert float(error) == pytest.approx(float(found["normalized_error"].sel(quality="converged").mean()), rel=0.15)


@pytest.mark.usefixtures("plenoptic")
def test_a_match_that_is_not_reached_says_how_far_it_went(entry, stimuli):
    found = steps_to_match(load(entry), "block", *stimuli, ALL, ["standard"], 10)
    assert found["steps_to_match"].isnull().all()
    assert found["steps_most"] == 10
    assert found["reference"].values.tolist() == list(REFERENCES)


def test_each_quality_has_a_sentence():
    quick, converged = sentences(matched(published=(600.0, np.nan)))
    numbers = [re.findall(r"\d+(?:\.\d+)?", sentence) for sentence in (quick, converged)]
    assert numbers == [["0.21", "100", "600", "6", "120", "1.2"], ["0.07", "300", "2000", "450", "1.5"]]
    assert quick.startswith("quick ")
    assert converged.startswith("converged ")
