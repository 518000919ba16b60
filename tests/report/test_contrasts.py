"""Contrasts in the report: the words say what the intervals say, and no more."""

import re
from xml.etree import ElementTree

import pytest
import xarray as xr

from metamers.report.charts import contrasts_figure
from metamers.report.contrasts import LATE, contrast_sentence, contrast_stages, contrasts_context
from metamers.report.points import contrast_points
from metamers.report.tables import NO_INTERVAL, percentage_points
from metamers.report.verdicts import contrast_claim
from tests.report.results import NAN, three_contrasts


@pytest.fixture
def compared() -> xr.Dataset:
    return three_contrasts()


def test_differences_are_in_percentage_points():
    assert percentage_points(0.125, -0.5, 0.25) == "+12.5 (−50.0 to +25.0)"
    assert percentage_points(NAN, NAN, NAN) == "–"
    assert percentage_points(0.5, NAN, NAN) == f"+50.0{NO_INTERVAL}"


def test_only_shared_stages_are_shown_in_their_order(compared):
    assert [contrast_stages(compared.isel(contrast=i)) for i in range(2)] == [["input", "late"], ["input", "other"]]


def test_a_direction_is_said_only_where_the_interval_leaves_0_out(compared):
    sentences = [contrast_sentence(compared.isel(contrast=i)) for i in range(3)]
    verdicts = [sentence["verdict"] for sentence in sentences]
    assert [(found.degree, found.side) for found in verdicts] == [("suggested", 1), *[("undecided", 0)] * 2]
    for sentence, model in zip(sentences, "bcd", strict=True):
        assert sentence["claim"] == contrast_claim(sentence["verdict"], model, "a")
    assert "6 of the 20" in sentences[0]["missing"]
    assert (sentences[0]["above"], sentences[0]["below"]) == (["input"], ["late"])
    assert not sentences[1]["above"] + sentences[1]["below"]
    one = compared.isel(contrast=0)
    turned = one.assign(late_low=-one["late_high"], late_high=-one["late_low"])
    assert contrast_sentence(turned)["claim"] == sentences[0]["claim"].replace("more", "less")
    shown = contrast_sentence(turned.assign(late_n=20))
    assert shown["claim"] != contrast_sentence(turned)["claim"]
    assert shown["missing"] == ""


def test_the_table_ends_each_contrast_with_the_later_half(compared):
    rows = contrasts_context(compared)["table"]["rows"]
    stages = [["input", "late"], ["input", "other"], ["input", "late"]]
    assert [row[2] for row in rows] == [stage for own in stages for stage in [*own, LATE]]
    assert rows[0] == ["b", "a", "input", "5", "+10.0 (+5.0 to +20.0)"]
    assert rows[4] == ["c", "a", "other", "1", f"+25.0{NO_INTERVAL}"]
    assert rows[-1] == ["d", "a", LATE, "0", "–"]


def marks(figure):
    """Points of a vector file as (label, filled), in the order in which they are drawn."""
    every = ElementTree.fromstring(figure).iter()
    found = [one for one in every if one.get("aria-roledescription") == "point"]
    return [(one.get("aria-label"), one.get("fill") not in ("white", "none", None)) for one in found]


def test_the_figure_has_a_panel_for_each_contrast_and_fills_what_leaves_0_out(compared):
    figure = contrasts_figure(contrast_points(compared))
    words = [text.text for text in ElementTree.fromstring(figure).iter("{http://www.w3.org/2000/svg}text")]
    assert [word for word in words if " minus " in word] == ["b minus a", "c minus a", "d minus a"]
    assert [filled for _, filled in marks(figure)] == [True] * 3 + [False] * 3
    assert words.count("no metamers") == 3
    assert f"{LATE}, n = 6" in words
    assert figure == contrasts_figure(contrast_points(compared))


def test_a_point_is_clear_where_its_interval_leaves_0_out_and_without_a_number_where_there_is_no_metamer(compared):
    found = contrast_points(compared)
    assert [point["clear"] for point in found] == [True] * 3 + [False] * 6
    assert [point["value"] is None for point in found] == [False] * 6 + [True] * 3
    assert [point["stage"] for point in found if point["link"] is None] == [LATE] * 3
    assert found[-1]["words"].startswith(f"d minus a, {LATE}: ")


def test_several_networks_of_a_side_are_said_where_the_side_is_named(compared):
    for name, number in (("networks", 5), ("reference_networks", 4)):
        compared[name][0] = compared[f"late_{name}"][0] = number
    said = contrast_sentence(compared.isel(contrast=0))
    assert said["networks"]
    assert not said["too_few_networks"]
    compared["late_networks"][0] = 2
    assert contrast_sentence(compared.isel(contrast=0))["too_few_networks"]
    assert re.search(r"b \(5 networks\).*a \(4 networks\)", said["claim"])
    assert contrasts_context(compared)["table"]["rows"][0][:2] == ["b (5 networks)", "a (4 networks)"]
    assert contrast_points(compared)[0]["contrast"] == "b (5 networks) minus a (4 networks)"
    assert not contrast_sentence(compared.isel(contrast=1))["networks"]
