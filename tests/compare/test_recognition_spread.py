"""Spread of recognition models: closed forms, recovery of known components, and the published answers."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from metamers.compare.recognition_spread import (
    ModelAnswers,
    Spread,
    answers_of,
    fit_spread,
    log_odds,
    read_recognition,
    recognition_table,
)
from metamers.humans.summary import COLUMNS, pooled_points, read_results, write_results

COMPONENTS = np.array([0.8, -1.0, np.log(0.5), np.log(0.7), -0.5])
RATES = np.array([0.05, 0.5, 0.9])


@pytest.fixture(scope="module")
def table(root):
    return read_recognition(root / "resources" / "published" / "recognition_models.csv")


def spread(families, related=0.5):
    return Spread(COMPONENTS, families, related)


def test_with_all_published_recognition_models_nothing_is_added():
    """Two families of equal size, where the mean over families is the mean over all models."""
    published = spread({"a": 8, "b": 8})
    sampling = published.sampling({"a": 8, "b": 8}, "a")
    np.testing.assert_allclose(sampling, (0, 0, 0), atol=1e-12)
    np.testing.assert_allclose(published.published_rate(RATES, sampling, RATES, 2.0), RATES)


def test_factors_of_the_variance_are_those_of_the_weights():
    published = spread({"a": 3, "b": 1})
    between, within, related = published.sampling({"a": 1, "c": 2}, "c")
    assert between == pytest.approx((1 / 2 - 3 / 4) ** 2 + (1 / 4) ** 2 + (1 / 2) ** 2)
    assert within == pytest.approx(1 / 4 + 2 / 16 - 1 / 4)
    assert related == pytest.approx(1 / 2 - 1 / 2)


def test_fewer_recognition_models_and_fewer_families_spread_more():
    published = spread({"a": 8, "b": 8})
    single, two, families = (published.sampling(asked, "n") for asked in ({"a": 1}, {"a": 2}, {"a": 1, "b": 1}))
    assert single.within > two.within == families.within
    assert single.between == two.between > families.between == 0


def test_related_recognition_models_recognize_more_than_all_of_them():
    """So the same rate by siblings means a lower rate by all, and by unrelated models a higher one."""
    published = spread({"a": 8, "b": 8})
    siblings, others = (published.sampling({family: 4}, "a") for family in "ab")
    lower, higher = (published.published_rate(RATES, one, RATES, 0.0) for one in (siblings, others))
    assert (lower < RATES).all()
    assert (RATES[1:] < higher[1:]).all()


def made(components, points, rng):
    """Answers of three families of recognition models to the metamers of two of the families."""
    families = np.repeat(["a", "b", "c"], [6, 5, 4])
    model_family = np.array(["a", "b"])[np.arange(points) % 2]
    rate = rng.uniform(0.1, 0.9, points)
    related, change, family, model, model_change = components
    effects = np.exp(family) * rng.standard_normal((points, 3))[:, [0] * 6 + [1] * 5 + [2] * 4]
    own = np.exp(model + model_change * (rate - 0.5))[:, None] * rng.standard_normal((points, 15))
    shift = (related + change * (rate - 0.5))[:, None] * (model_family[:, None] == families)
    rates = expit(log_odds(rate)[:, None] + effects + own + shift)
    rates[np.arange(points), np.arange(points) % 2 * 6] = np.nan  # the generation model itself
    return ModelAnswers(rates, model_family, families)


def test_known_components_are_recovered():
    found = fit_spread(made(COMPONENTS, 3000, np.random.default_rng(0)))
    # The mean rate of a point is nearer to 0.5 than the rate in the middle of its models, so changes over it are larger.
    assert (np.abs(found.components - COMPONENTS) < [0.15, 0.3, 0.1, 0.1, 0.15]).all()
    assert found.families == {"a": 6, "b": 5, "c": 4}
    assert found.related == pytest.approx((5 + 4) / 2 / 14)


def test_the_committed_answers_are_those_of_the_published_points(root, table):
    """The mean over all recognition models is that of the relation."""
    groups = read_results(root / "resources" / "published" / "group_results.csv", COLUMNS)
    points = pooled_points(groups).set_index(["generation_model", "stage"])["model_mean"]
    own = table.set_index(["generation_model", "stage"])
    rates = own.drop(columns=["modality", "family"])
    for column in rates:
        rates.loc[rates.index.get_level_values(0) == column, column] = np.nan
    np.testing.assert_allclose(rates.mean(axis=1)[points.index], points, atol=1e-6)
    assert len(points) == len(table) == 148 + 144


def test_the_committed_answers_are_made_from_the_public_files(published_judgements, table, tmp_path):
    families = dict(zip(table["generation_model"], table["family"], strict=True))
    write_results(recognition_table(published_judgements, families), tmp_path / "again.csv")
    pd.testing.assert_frame_equal(read_recognition(tmp_path / "again.csv"), table)


def test_published_siblings_recognize_more_and_single_models_differ(table):
    for modality, related in (("vision", 0.33), ("audio", 1.68)):
        found = fit_spread(answers_of(table, modality))
        assert found.components[0] == pytest.approx(related, abs=0.02)
        assert (np.exp(found.components[2:4]) > 0.4).all()
        assert sum(found.families.values()) == {"vision": 20, "audio": 17}[modality]


def test_a_table_with_other_columns_is_refused(table, tmp_path):
    table.drop(columns="VGG-19").to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ValueError, match=r"t\.csv: columns: "):
        read_recognition(tmp_path / "t.csv")


def test_the_documentation_has_the_estimated_components(root, table):
    text = (root / "docs" / "explanation" / "predicted_human.md").read_text(encoding="utf-8")
    for name, modality in (("images", "vision"), ("sounds", "audio")):
        related, related_change, family, model, model_change = fit_spread(answers_of(table, modality)).components
        place = np.array([-0.4, 0, 0.4])  # of rates of 0.1, 0.5 and 0.9
        shifts, models = related + related_change * place, np.exp(model + model_change * place)
        cells = [", ".join(f"{value:.2f}" for value in values) for values in (shifts, [np.exp(family)], models)]
        assert f"| {name} | {' | '.join(cells)} |" in text
