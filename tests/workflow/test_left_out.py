"""A run in which parts fail: the report is made without them, and the next call makes them."""

import re

import pytest
import yaml

from metamers.run import files
from tests.workflow.runs import copy_of, counts, small, snakemake

pytestmark = pytest.mark.slow

# What failed, and why, as pages say it.
FAILED = (
    r"image_2 of own</strong>: mine/image_2\.png: ",
    r"rounding at logits</strong>: [^<]*\brounding\b",
    r"broken</strong>: [^<]*\bbroken\b",
)


@pytest.fixture
def partly_broken(root, tmp_path):
    """A study with a damaged picture, a stage that no gradient reaches, and a recognition model that gives NaN."""
    folder = copy_of(root, tmp_path)
    arguments = small(root, folder)
    models = yaml.safe_load((folder / "mine" / "models.yaml").read_text())
    base = models["first"]
    models["rounding"] = base | {
        "family": "third",
        "source": {"python": "mine/builders.py:rounding"},
        "stages": {"input": None, "convolve": "convolve", "logits": "classify"},
    }
    models["broken"] = base | {
        "family": "fourth",
        "source": {"python": "mine/builders.py:not_finite"},
        "stages": {"input": None, "logits": "convolve"},
    }
    (folder / "mine" / "models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    settings = yaml.safe_load((folder / "small.yaml").read_text())
    settings |= {
        "generation_models": [
            {"model": "first", "stages": ["block"]},
            {"model": "rounding", "stages": ["convolve", "logits"]},
        ],
        "recognition_models": ["first", "broken", "second"],
    }
    settings["stimuli"]["vision"]["number"] = 4
    settings["synthesis"]["batch_size"] = 2
    (folder / "small.yaml").write_text(yaml.safe_dump(settings))
    picture = folder / "mine" / "image_2.png"
    whole = picture.read_bytes()
    picture.write_bytes(whole[:-60])
    return folder, arguments, picture, whole


def test_what_fails_is_left_out_of_the_report_and_made_by_the_next_call(partly_broken):
    folder, arguments, picture, whole = partly_broken
    said = snakemake(folder, *arguments, fails=True)
    results = folder / "results" / "small"
    recognizability = files.load(results / "comparison" / "recognizability.nc")
    assert recognizability["recognition_model"].values.tolist() == ["first", "second"]
    assert files.load(results / "acceptance" / "rounding.nc")["stage"].values.tolist() == ["convolve"]
    assert files.load(results / "acceptance" / "first.nc")["stimulus"].values.tolist() == [
        "image_0",
        "image_1",
        "image_3",
    ]
    assert not [*results.rglob("*broken*.nc"), *results.glob("metamers/rounding/logits/*.nc")]
    for page in ("index", "leaderboard"):
        text = (results / "report" / f"{page}.html").read_text()
        for row in FAILED:
            assert len(re.findall(row, text)) == 1, row
        assert "<code>snakemake --cores 2 --configfile small.yaml</code>" in text
    assert "recognition by broken" in said.lower()
    planned = counts(snakemake(folder, "-n", *arguments))
    assert planned["synthesize_metamers"] == 2 + 2, "the batch of the picture at two stages, and both at the third"
    assert not {"null_distribution", "stimuli_datasets"} & planned.keys()
    left_out = ("--config", "left_out=results/small/logs/left_out.json")
    assert counts(snakemake(folder, "-n", *arguments, *left_out)) == {}

    picture.write_bytes(whole)
    path = folder / "mine" / "models.yaml"
    models = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(models | {"broken": models["second"]}, sort_keys=False))
    snakemake(folder, *arguments, fails=True)
    for page in ("index", "leaderboard"):
        text = (results / "report" / f"{page}.html").read_text()
        assert [len(re.findall(row, text)) for row in FAILED] == [0, 1, 0], page
    assert files.load(results / "acceptance" / "first.nc").sizes["stimulus"] == 4
