"""Files that runs share: their names, their copies in a run, and folders that will not do."""

import json

import pytest
import xarray as xr

from metamers.report.provenance import page_provenance
from metamers.run import files, manifest, shared
from metamers.run.hashes import sha256_of


def save(folder, run, name, value, inputs=()):
    """Write a small file of a run, as a job of it does."""
    path = folder / f"results/{run}/{name}.nc"
    manifest.use_run_of(f"results/{run}/logs/job.log")
    dataset = xr.Dataset({"pearson_r": ("pair", [value])})
    names = {folder / one: one for one in inputs}
    files.save(dataset, f"results/{run}/{name}.nc", title="T", source="S", step=name, run=run, seed=0, inputs=names)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(manifest, "_run", None)
    (tmp_path / "shared").mkdir()
    return tmp_path


def test_a_copy_names_its_own_run_and_inputs_and_is_in_the_manifest(folder):
    for run in ("first", "second"):
        save(folder, run, "stimuli", 1.0)
    made = save(folder, "first", "nulls", 0.5, ["results/first/stimuli.nc"])
    shared.leave(made, folder / "shared" / "key.nc")
    manifest.use_run_of("results/second/logs/job.log")
    shared.take(folder / "shared" / "key.nc", "results/second/nulls.nc", "second")

    copy = files.load("results/second/nulls.nc")
    assert copy.identical(files.load(made).assign_attrs(copy.attrs))
    assert json.loads(copy.attrs["inputs"]) == {"results/second/stimuli.nc": sha256_of("results/second/stimuli.nc")}
    assert copy.attrs["run"] == copy.attrs["project"] == "second"
    assert copy.attrs["id"] == files.load(made).attrs["id"].replace("first", "second")
    assert copy.attrs["history"].endswith("taken from the run first, which computed it")
    derived = page_provenance(["results/second/nulls.nc"], folder / "results/second")["derived"]
    assert derived == {"results/second/nulls.nc": ("nulls", ["results/second/stimuli.nc"])}
    assert manifest.read("results/second").recorded["second/nulls.nc"] == sha256_of("results/second/nulls.nc")


def test_a_name_follows_from_contents_and_settings_but_not_from_the_run(folder):
    first, second = (save(folder, run, "stimuli", 1.0) for run in ("first", "second"))
    assert first.read_bytes() != second.read_bytes()
    weights = folder / "weights"
    weights.mkdir()
    (weights / "cnn.pt").write_bytes(b"1")

    def key(run, *settings, name="stimuli.nc"):
        return shared.key_of(f"results/{run}", [f"results/{run}/{name}", "weights"], *settings)

    assert key("first", {"steps": 5}) == key("second", {"steps": 5})
    before = key("first", {"steps": 5})
    assert key("first", {"steps": 6}) != before
    (weights / "cnn.pt").write_bytes(b"22")
    assert key("first", {"steps": 5}) != before
    before = key("second", {"steps": 5})
    save(folder, "second", "stimuli", 2.0)
    assert key("second", {"steps": 5}) != before


def test_a_damaged_or_unfinished_file_is_not_taken(folder):
    place = folder / "shared" / "key.safetensors"
    assert not shared.is_whole(place)
    place.write_bytes(b"weights")
    assert not shared.is_whole(place)
    shared.leave(save(folder, "first", "stimuli", 1.0), place)
    assert shared.is_whole(place)
    place.write_bytes(place.read_bytes()[:-1] + b"?")
    assert not shared.is_whole(place)


@pytest.mark.parametrize("location", [None, "", "shared", "/there/is/none"])
def test_a_folder_that_will_not_do_is_named(folder, location):
    with pytest.raises(OSError, match=r"SNAKEMAKE_OUTPUT_CACHE: .* absolute path of a folder that you may write to"):
        shared.check_folder(location)
    assert shared.check_folder(str(folder / "shared")) == folder / "shared"
