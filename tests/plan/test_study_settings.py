"""Names, numbers and settings of the study in this repository are those of its public files and of its code.

The numbers of its code lie in ``../shared/data`` beside the repository, or in the folder named by METAMERS_DATA. The
attribute ``how`` of a file there says with which settings the study's code was run.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from metamers.config import read as config_read
from metamers.config.tables import read_table
from metamers.foreign.matlab import read_matlab
from metamers.humans.participants import MAT_VARIABLES
from metamers.match import match
from metamers.modalities import MODALITIES
from metamers.models.cochleagram import ENVELOPE_RATE_HZ
from metamers.models.networks import audio as networks_audio
from metamers.models.networks import vision as networks_vision
from metamers.null import distribution as null
from metamers.plan.steps import merge_defaults
from metamers.run.hashes import sha256_of
from metamers.synthesize.schedules import drawn_parts
from tests.needs import study_file, study_numbers

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = config_read.read_registry(ROOT / "config" / "models.yaml", "models")


def how(name: str) -> str:
    return study_numbers(name).attrs["how"]


# Public files


def test_the_public_files_have_the_hashes_of_the_table(root, public):
    rows = read_table(root / "resources" / "published_files.tsv", ["path", "sha256"])
    assert {row["path"]: sha256_of(public / row["path"]) for row in rows} == {
        row["path"]: row["sha256"] for row in rows
    }
    paths = [row["path"] for row in rows]
    assert sum(path.endswith(".mat") for path in paths) == 59
    assert sum("network_network_evaluations" in path and path.endswith(".pckl") for path in paths) == 689


def test_stages_have_the_names_of_the_participants_files(public, registry):
    """The participants' files have the natural stimuli first; the models of the registry have their input there."""
    compared = set()
    for experiment in registry["experiments"].values():
        for network, model in experiment["models"].items():
            content = read_matlab((public / model["file"]).read_bytes())
            assert content.keys() == MAT_VARIABLES
            stages = list(REGISTRY[network]["stages"].items())[1:]
            names = [place.get("published", stage) if isinstance(place, dict) else stage for stage, place in stages]
            assert [str(name).strip() for name in np.ravel(content["model_layers"])][1:] == names
            compared.add(network)
    assert len(compared) == 48


# Settings of its code


def test_the_207_classes_are_those_of_the_study_s_16_categories(root):
    columns = ["class_index", "category"]
    wanted = read_table(study_file("imagenet_16_categories.tsv"), columns)
    own = read_table(root / "resources" / "datasets" / "imagenet_16_categories.tsv", columns)
    pairs = [{tuple(row[name] for name in columns) for row in rows} for rows in (wanted, own)]
    assert pairs[0] == pairs[1]
    assert len(pairs[0]) == 207
    # The helper of the study's code counts one class more (the README of its numbers).
    more = read_table(root / "resources" / "datasets" / "imagenet_16_categories_study.tsv", columns)
    assert {tuple(row[name] for name in columns) for row in more} == pairs[0] | {("544", "oven")}


def test_the_published_procedure_has_the_study_s_numbers_of_steps_and_step_sizes():
    settings = merge_defaults({})["synthesis"]["published"]
    call = study_numbers("spectemp_schedule").attrs
    for modality, name in (("vision", "published_synthesis_vision"), ("audio", "published_synthesis_audio")):
        first, second = study_numbers(name).attrs["step_sizes"]
        assert settings[modality]["steps"] == call["iterations"] == 3000
        assert settings[modality]["halvings"] + 1 == call["passes"] == 8
        assert (settings[modality]["step_size"], 0.5 * settings[modality]["step_size"]) == (first, second)


def test_synthesis_of_sounds_starts_from_the_study_s_noise():
    start = REGISTRY["spectemp_filters"]["start"]
    audio = study_numbers("published_synthesis_audio")
    assert MODALITIES["audio"].start.standard_deviation == float(audio["cochleagram_quiet_start_scale"]) == 1e-7
    assert start["standard_deviation"] == float(audio["cochleagram_1e5_start_scale"]) == 1e-5
    assert "the start is noise of standard deviation 1e-5" in how("spectemp_schedule")


@pytest.mark.parametrize("name", ["alexnet", "resnet18"])
def test_synthesis_of_images_starts_from_the_study_s_noise(name):
    start = study_numbers("published_synthesis_vision")[f"{name}_start"]
    own = MODALITIES["vision"].start
    error = own.standard_deviation / np.sqrt(start.size)
    assert float(start.mean()) == pytest.approx(own.mean, abs=4 * error)
    assert float(start.std()) == pytest.approx(own.standard_deviation, abs=4 * error)


def test_hmax_s_image_and_start_are_the_study_s():
    assert "on one grey channel of 0 to 255, 250 x 250, start 127.5 + 10 * standard normal noise" in how("hmax_loss")
    entry = REGISTRY["hmax_standard"]
    assert entry["input"]["size"] == 250
    assert len(entry["input"]["mean"]) == 1
    assert entry["start"] == {"mean": 127.5 / 255, "standard_deviation": pytest.approx(10 / 255)}
    assert "step size 255 (halved every pass)" in how("hmax_loss")  # 1 in values 0 to 1


def test_schedules_take_as_many_steps_as_the_study_s():
    call = study_numbers("hmax_loss").attrs
    wanted = {"random_unit": {"steps": call["all_units_count"], "every": call["optimization_step"]}}
    stages = REGISTRY["hmax_standard"]["stages"]
    assert [stages[stage]["schedule"] for stage in ("s1", "c1", "s2", "c2")] == [wanted] * 4
    assert "i = min(count // 400, 6)" in how("spectemp_schedule")
    stages = REGISTRY["spectemp_filters"]["stages"]
    for stage in ("filtered_signal", "spectempfilter_power"):
        assert stages[stage]["schedule"] == {"coarse_to_fine": {"every": 400}}
    cutoffs = study_numbers("spectemp_schedule")
    wanted = list(zip(cutoffs["cutoff_rate"].values, cutoffs["cutoff_scale"].values, strict=True))
    assert wanted == [tuple(pair) for pair in networks_audio.COARSE_TO_FINE]


def test_hmax_has_the_study_s_8_parts_to_draw_from():
    for wanted in ("c1_out_no_reshape (list of 8 bands", "s2_out_reshape_to_list (list of 8 patch sizes)"):
        assert wanted in how("hmax_loss")
    assert "c2_out (1 x 8 x 400" in how("hmax_loss")
    network = networks_vision.hmax(3).eval()
    outputs = {}
    for name in ("c1", "s2", "c2"):
        getattr(network, name).register_forward_hook(lambda *given, name=name: outputs.update({name: given[-1]}))
    with torch.no_grad():
        network(torch.rand(1, 1, 250, 250, generator=torch.Generator().manual_seed(0)))
    for name, values in outputs.items():
        parts = drawn_parts(getattr(network, name), values)
        assert len(parts) == 8, name
        assert parts[-1].stop == values.shape[1]


def test_spectrotemporal_filters_are_made_for_the_study_s_cochleagrams():
    """Channels, times, rate in Hz and channels per ERB are arguments of the study's function."""
    channels, times = networks_audio.FULL_SHAPE
    arguments = f"{channels}, {times}, {ENVELOPE_RATE_HZ}, {networks_audio.CHANNELS_PER_ERB:g}"
    assert f"make_Hts_filterbank({arguments}, rates 0 to 64 Hz, scales 0 to 2)" in how("spectemp_schedule")
    assert (max(networks_audio.RATES_HZ), max(networks_audio.SCALES)) == (64, 2)
    reference = study_numbers("cochleagram_reference")["cochleagram"]
    assert reference.shape == networks_audio.FULL_SHAPE
    assert reference.attrs["envelope_sampling_rate_hz"] == ENVELOPE_RATE_HZ


def test_acceptance_tests_the_measures_in_the_study_s_order():
    assert "one measure after the other (rho, r, SNR)" in how("acceptance_rule")
    studied = ("spearman_rho", "pearson_r", "snr_db")
    assert tuple(name for name in null.NULL_MEASURES if name in studied) == studied


def test_silent_activations_have_the_study_s_match_of_0():
    assert "All-zero activations of either" in how("acceptance_rule")
    assert "give rho = r = dB SNR = 0 in the null" in how("acceptance_rule")
    values = np.random.default_rng(0).standard_normal((2, 40)).astype(np.float32)
    values[0] = 0
    for pair in ([0, 1], [1, 0]):
        found = null.null_distribution(lambda chosen: values[list(chosen)], np.array([pair]), 10)
        assert {name: found[name].tolist() for name in null.NULL_MEASURES} == {name: [0] for name in null.NULL_MEASURES}


def test_the_signal_of_a_pair_is_the_study_s_only_with_the_quality_published():
    """That is the first stimulus of the pair; the default takes the larger ratio of both orders."""
    example = study_numbers("acceptance_rule")
    assert "signal is the natural stimulus's activations for metamers, the first of the two for null pairs" in how(
        "acceptance_rule"
    )
    signal, other = (example[name].values.astype(np.float32) for name in ("snr_signal", "snr_other"))
    values = np.stack([signal, 3 * other])  # in the other order, the ratio is larger
    pair = np.array([[0, 1]])
    published, default = (
        measure(lambda chosen: values[list(chosen)], pair, 2)["snr_db"].item()
        for measure in (null.null_distribution, null.null_of_both_orders)
    )
    norms = [float(np.linalg.norm(one.astype(np.float64))) for one in (signal, 3 * other, signal - 3 * other)]
    assert published == pytest.approx(20 * np.log10(norms[0] / norms[2]), rel=1e-5)
    assert default == pytest.approx(20 * np.log10(norms[1] / norms[2]), rel=1e-5)
    in_order = null.null_distribution(lambda chosen: np.stack([signal, other])[list(chosen)], pair, 2)
    assert in_order["snr_db"].item() == pytest.approx(2 * float(example["snr_value"]), rel=1e-5)


def test_the_signal_to_noise_ratio_is_twice_the_study_s_and_the_correlations_are_equal():
    example = study_numbers("acceptance_rule")
    found = match(example["snr_signal"].values, example["snr_other"].values)
    assert found["snr_db"] == pytest.approx(2 * float(example["snr_value"]), rel=1e-6)
    for name in ("spearman_rho", "pearson_r"):
        assert found[name] == pytest.approx(float(example[f"snr_{name}"]), rel=1e-6)
