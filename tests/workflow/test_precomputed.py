"""A run takes the precomputed results of the published data, which the committed tables reproduce, and computes others."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from metamers.power.participants import fewest_participants
from metamers.run import files
from metamers.run.hashes import sha256_of
from studies.precomputed import CONFIGURATION, FIGURES, MADE, RESULTS, compute
from tests.workflow.runs import counts, snakemake

COMMITTED = "resources/published/precomputed"
ABOUT_THE_RUN = {
    "run",
    "id",
    "history",
    "project",
    "inputs",
    "date_created",
    "software",
    "product_version",
    "processor",
}
IDENTIFIER = re.compile(
    r"\b[A-Za-z]\w*?[0-9a-f]{10}\b|Matplotlib v[\d.]+"
)  # of a drawing by matplotlib, and its version
NEEDED = "participants_needed"
NUMBER = re.compile(r"#[0-9a-f]{6}|(-?\d+\.?\d*(?:e-?\d+)?)")  # not of a colour


def from_package(log: Path) -> bool:
    return COMMITTED in log.read_text(encoding="utf-8")


def test_a_run_with_the_default_settings_takes_them(root, tmp_path):
    (tmp_path / "published.yaml").write_text(yaml.safe_dump(CONFIGURATION))
    arguments = ["--snakefile", str(root / "Snakefile"), "--configfile", "published.yaml"]
    snakemake(tmp_path, *arguments, "--", *MADE)
    logs = tmp_path / "results/published/logs"
    assert all(
        map(from_package, (logs / f"{name}.log" for name in ("compare_humans_vs_models", "compare_passes", "power")))
    )
    assert all(map(from_package, (logs / "report_humans_vs_models").iterdir()))
    for path in map(Path, MADE):
        carried = root / COMMITTED / path.name
        if path.suffix == ".svg":
            assert (tmp_path / path).read_bytes() == carried.read_bytes()
            continue
        taken = files.load(tmp_path / path)
        assert taken.attrs["content_sha256"] == files.load(carried).attrs["content_sha256"]
        # What the result was taken from is in its record of inputs, with the tables.
        assert f'{COMMITTED}/{path.name}": "{sha256_of(carried)}"' in taken.attrs["inputs"]
        assert ".csv" in taken.attrs["inputs"]
    snakemake(tmp_path, "verify", *arguments)


@pytest.mark.slow
def test_other_settings_are_computed(finished):
    """The small run has fewer simulations of power than the default; the other results do not depend on its settings."""
    logs = finished[0] / "results/small/logs"
    assert all(map(from_package, (logs / "compare_passes.log", logs / "compare_humans_vs_models.log")))
    assert not from_package(logs / "power.log")
    assert "precomputed" not in files.load(finished[0] / "results/small/comparison/power.nc").attrs["inputs"]


@pytest.mark.slow
def test_an_edited_file_is_not_taken(rerun):
    folder, arguments = rerun
    with (folder / COMMITTED / "passes.nc").open("ab") as stream:
        stream.write(b" ")
    after = {"leaderboard_ranking", "report_leaderboard", "report_pages", "all", "total"}
    assert counts(snakemake(folder, "-n", *arguments)).keys() == {"compare_passes"} | after


def drawing(path: Path) -> tuple[str, np.ndarray]:
    """The text of a drawing without identifiers, and its numbers."""
    text = IDENTIFIER.sub("", path.read_text(encoding="utf-8"))
    return NUMBER.sub(lambda match: "" if match[1] else match[0], text), np.array(
        [*filter(None, NUMBER.findall(text))], float
    )


def tolerance(variable: str) -> float:
    """On another processor, a probability may be rounded differently; then few of 2000 or of 100 experiments differ."""
    if variable.startswith(("power_over_stimuli", "false_alarms")):
        return 1.1 / 100
    return 2.1 / 2000 if variable == "power" else 1e-9


def check_same(computed: Path, carried: Path) -> bool:
    """The values, texts and attributes of two files are the same, except for what is about the run; whether to the bit."""
    one, other = files.load(computed), files.load(carried)
    for key in one.attrs.keys() - ABOUT_THE_RUN - {"content_sha256"}:
        assert str(one.attrs[key]) == str(other.attrs[key]), key
    assert set(one.variables) == set(other.variables)
    for key, variable in one.variables.items():
        values, expected = variable.values, other[key].values
        assert variable.dims == other[key].dims, key
        if values.dtype.kind != "f":
            assert (values == expected).all(), key
        elif "power" in other and str(key).startswith(NEEDED):  # follows from the power, by a threshold
            power = other["power" + str(key).removeprefix(NEEDED)].values
            needed = fewest_participants(power, other["participants"].values, other.attrs["wanted"])
            np.testing.assert_array_equal(expected, needed, err_msg=key)
        else:
            np.testing.assert_allclose(values, expected, rtol=1e-9, atol=tolerance(str(key)), err_msg=key)
    return one.attrs["content_sha256"] == other.attrs["content_sha256"]


def check_same_drawing(computed: Path, carried: Path, atol: float) -> None:
    """Two drawings have the same text, and the same numbers within a tolerance."""
    (text, numbers), (expected, positions) = drawing(computed), drawing(carried)
    assert text == expected
    np.testing.assert_allclose(numbers, positions, rtol=0, atol=atol)


@pytest.mark.slow
def test_the_committed_tables_give_the_precomputed_results(root, tmp_path):
    """If the code has changed results on purpose: python -m studies.precomputed."""
    folder = compute(tmp_path)
    to_the_bit = all([check_same(folder / Path(name).name, root / COMMITTED / Path(name).name) for name in RESULTS])
    for name in FIGURES:  # one simulated experiment of 100 moves a point by 1.3
        check_same_drawing(folder / name, root / COMMITTED / name, 0 if to_the_bit else 2)
