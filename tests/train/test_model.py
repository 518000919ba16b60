"""Networks learn, perturbations have the size that was asked for, and a training that was stopped goes on as if not."""

import re
import shutil
import tarfile

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml
from torch import nn

from metamers.run.hashes import sha256_of
from metamers.run.progress import NO_CHECKPOINT, Progress
from metamers.train import examples as train_examples
from metamers.train import model as train
from metamers.train import perturbations as train_perturbations
from metamers.train.examples import Examples
from metamers.train.perturbations import Perturbation
from tests.networks import tiny
from tests.train.clouds import SETTINGS, examples, network
from tests.workflow.runs import HEARING, copy_of, counts, small_hearing, snakemake


def trained(progress=NO_CHECKPOINT, perturbation=None, settings=SETTINGS):
    made = network()
    curves = train.train(made, examples(), examples(seed=1), settings, perturbation, None, progress, "test")
    return made, curves


@pytest.mark.parametrize(
    "perturbation",
    [None, Perturbation("random", "l2", 0.5), Perturbation("adversarial", "linf", 0.1, steps=2)],
)
def test_a_network_learns(perturbation):
    made, curves = trained(perturbation=perturbation, settings=SETTINGS | {"epochs": 20})
    assert train.evaluate(made, examples(seed=2))[1] > 0.9
    assert curves["train_loss"][-1] < curves["train_loss"][0] / 2
    assert set(curves) == set(train.CURVES)
    assert all(values.shape == (20,) for values in curves.values())


class Stopping(Progress):
    """Saves after every batch, and stops after so many."""

    def __init__(self, folder, batches):
        super().__init__(folder, "this", 0)
        self.left = batches

    def save(self, part, state):
        super().save(part, state)
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("perturbation", [None, Perturbation("random", "linf", 0.1)])
def test_a_training_that_was_stopped_after_any_batch_ends_with_the_same_network(perturbation, tmp_path):
    whole, curves = trained(perturbation=perturbation)
    for stop in (1, 5, 6, 7, 24):  # of 4 epochs of 6 batches
        folder = tmp_path / str(stop)
        folder.mkdir()
        with pytest.raises(KeyboardInterrupt):
            trained(Stopping(folder, stop), perturbation)
        resumed, resumed_curves = trained(Progress(folder, "this"), perturbation)
        for name, value in whole.state_dict().items():
            torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0)
        for name, values in curves.items():
            np.testing.assert_array_equal(resumed_curves[name], values)


CLASSES = {"low": [0], "middle": [1], "high": [2]}


@pytest.mark.parametrize(
    ("classes", "readout", "message"),
    [
        (CLASSES | {"high": [3]}, None, r"dataset: .*'high' .*\b3\b.*\b3\b"),
        (CLASSES | {"high": [2, 4]}, None, r"dataset: .*'high' .*\b2, 4\b"),
        (CLASSES, "6", r"readout: .*'6'.* 0, 1, 2"),
        (CLASSES, "3", "readout: .*'3'"),
        (CLASSES, "1", r"readout: .*'1' .*\b3\b"),
    ],
)
def test_what_cannot_be_trained_is_said_before(classes, readout, message):
    scores = network().eval()(torch.zeros(1, 6))
    train.check_trainable("net", network(), scores, CLASSES, "5")
    with pytest.raises(ValueError, match=rf"models: net\.weights\.train\.{message}"):
        train.check_trainable("net", network(), scores, classes, readout)


class Seen(nn.Module):
    """Notes the precision of what it is given, in training and in tests."""

    def __init__(self):
        super().__init__()
        self.training_types, self.test_types = set(), set()

    def forward(self, given):
        (self.training_types if self.training else self.test_types).add(given.dtype)
        return given


@pytest.mark.parametrize("native", [True, False])
def test_where_bfloat16_is_native_training_uses_it_and_weights_and_tests_do_not(native, monkeypatch):
    monkeypatch.setattr(train, "native_bfloat16", lambda _device: native)
    made, seen, exact = network(), Seen(), Seen()
    made.insert(2, seen)
    made.insert(0, exact)
    curves = train.train(made, examples(), examples(seed=1), SETTINGS, None, None, exact=[exact])
    assert seen.training_types == {torch.bfloat16 if native else torch.float32}
    assert torch.float32 in seen.test_types
    assert exact.training_types == exact.test_types == {torch.float32}
    assert {weight.dtype for weight in made.state_dict().values() if weight.is_floating_point()} == {torch.float32}
    assert curves["validation_accuracy"][-1] > 0.8


def test_a_network_that_bfloat16_cannot_compute_is_trained_in_float32(monkeypatch, caplog):
    class Complex(nn.Module):
        def forward(self, given):
            return torch.complex(given, given).abs()

    monkeypatch.setattr(train, "native_bfloat16", lambda _device: True)
    caplog.set_level("INFO", "metamers")
    made = network()
    made.insert(2, Complex())
    curves = train.train(made, examples(), examples(seed=1), SETTINGS, None, None)
    assert np.isfinite(curves["train_loss"]).all()
    assert re.search("float32.*bfloat16", caplog.text)


def test_a_last_example_is_not_left_alone():
    sizes = [len(labels) for _, labels in examples(9).batches(torch.arange(9), 4)]
    assert sizes == [4, 5]


def test_examples_for_an_attack_are_drawn_from_all_alike():
    drawn = examples(30).some(12, seed=0)
    assert len(drawn) == 12
    assert len(examples(30).some(100, seed=0)) == 30
    assert len(set(drawn.labels.tolist())) == 3


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_random_perturbation_has_exactly_the_size(norm):
    made = train_perturbations.random_perturbation(torch.zeros(5, 3, 40), norm, 0.7, torch.Generator().manual_seed(0))
    order = 2 if norm == "l2" else np.inf
    np.testing.assert_allclose(torch.linalg.vector_norm(made.flatten(1), ord=order, dim=1), 0.7, rtol=1e-5)
    assert abs(made.mean()) < 0.1


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_projection_gives_the_nearest_perturbation_within_the_size(norm):
    far, near = torch.randn(4, 10, generator=torch.Generator().manual_seed(0)), 1e-3 * torch.ones(1, 10)
    projected = train_perturbations.project(far, norm, 0.5)
    if norm == "linf":
        torch.testing.assert_close(projected, far.clamp(-0.5, 0.5))
    else:
        torch.testing.assert_close(projected, 0.5 * far / far.norm(dim=1, keepdim=True))
    torch.testing.assert_close(train_perturbations.project(near, norm, 0.5), near)


@pytest.mark.parametrize(("norm", "dual"), [("l2", 2), ("linf", 1)])
def test_against_a_linear_network_the_attack_is_the_best_there_is(norm, dual):
    """Of two classes the loss grows with −(w₀ − w₁)·x, so the best perturbation lowers that by size × the dual norm."""
    linear = nn.Linear(6, 2, bias=False)
    inputs, labels = torch.randn(7, 6, generator=torch.Generator().manual_seed(0)), torch.zeros(7, dtype=torch.long)
    added = train_perturbations.adversarial_perturbation(
        linear, inputs, labels, Perturbation("adversarial", norm, 0.3, steps=20)
    )
    weights = (linear.weight[0] - linear.weight[1]).detach()
    lowered = -(added @ weights)
    np.testing.assert_allclose(lowered, 0.3 * float(torch.linalg.vector_norm(weights, ord=dual)), rtol=1e-3)


def test_what_is_attacked_stays_within_its_limits():
    inputs = torch.rand(5, 6, generator=torch.Generator().manual_seed(0))
    added = train_perturbations.adversarial_perturbation(
        network().eval(), inputs, torch.zeros(5, dtype=torch.long), Perturbation("adversarial", "linf", 0.9, 3), (0, 1)
    )
    assert ((inputs + added) >= -1e-6).all()
    assert ((inputs + added) <= 1 + 1e-6).all()


def brittle(number, seed):
    """One feature that is mostly right and large, and five that are always right and small (Tsipras et al. 2019)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(number) % 2
    signs = 2.0 * labels - 1
    flipped = torch.where(torch.rand(number, generator=generator) < 0.9, signs, -signs)
    small = 0.2 * signs[:, None] + 0.05 * torch.randn(number, 5, generator=generator)
    return Examples(torch.cat([flipped[:, None], small], dim=1), labels)


def test_training_against_adversaries_makes_a_network_hold_out():
    """Plain training relies on the small features, which an attack turns round; adversarial training does not."""
    attack = Perturbation("adversarial", "linf", 0.4, steps=5)
    accuracy = {}
    for kind, perturbation in {"plain": None, "robust": attack}.items():
        linear = nn.Linear(6, 2)
        nn.init.zeros_(linear.weight)
        settings = SETTINGS | {"epochs": 20, "learning_rate": 0.05}
        train.train(linear, brittle(200, 0), brittle(50, 1), settings, perturbation, None)
        clean = train.evaluate(linear, brittle(200, 2))[1]
        accuracy[kind] = clean, train.adversarial_accuracy(linear, brittle(200, 2), attack)
    assert accuracy["plain"][0] > 0.95
    assert accuracy["plain"][1] < 0.5
    assert accuracy["robust"][1] > 0.75


def test_the_rate_rises_to_its_peak_and_falls_to_nearly_nothing():
    rates = [train.learning_rate(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1 / 25)
    assert max(rates) == pytest.approx(0.1)
    assert np.argmax(rates) == 30
    assert rates[-1] < 1e-3


def test_a_loss_that_becomes_infinite_is_said():
    with pytest.raises(ValueError, match=r"test: .*\b(nan|inf) .*\b1\b.*\blearning_rate\b"):
        trained(settings=SETTINGS | {"learning_rate": 1e30, "epochs": 1})


def test_inputs_of_a_module_are_what_it_is_given():
    made = network().eval()
    stimuli = torch.randn(4, 6)
    given = train.inputs_of(made, "5", nn.Identity())(stimuli)
    torch.testing.assert_close(made[5](given), made(stimuli))


def test_examples_are_transformed_once_where_that_fits(monkeypatch):
    counted = []

    def double(stimuli):
        counted.append(len(stimuli))
        return 2 * stimuli

    one = Examples(torch.ones(20, 3), torch.zeros(20, dtype=torch.long), double)
    assert one.transformed().transform is None
    torch.testing.assert_close(one.transformed().stimuli, torch.full((20, 3), 2.0))
    monkeypatch.setattr(train_examples, "CACHE_BYTES", 100)
    assert one.transformed() is one
    ((inputs, _),) = one.batches(torch.arange(2), 2)
    torch.testing.assert_close(inputs, torch.full((2, 3), 2.0))


def self_supervised(path, head):
    """A checkpoint of the same network with another head, as one that learned without labels leaves it."""
    checkpoint = network()
    torch.nn.init.normal_(checkpoint[1].weight, generator=torch.Generator().manual_seed(5))
    checkpoint[2].running_mean += 0.5
    state = {f"encoder.{key}": value for key, value in checkpoint.state_dict().items() if not key.startswith("5.")}
    torch.save({"model": state | {f"encoder.5.{key}": value for key, value in head.items()}}, path)
    return {key.removeprefix("encoder."): value for key, value in state.items()}


HEADS = [{}, {"0.weight": torch.ones(9, 16), "2.bias": torch.ones(4)}, {"weight": torch.ones(7, 16)}]


@pytest.mark.parametrize("head", HEADS)
def test_a_readout_is_trained_on_frozen_weights_of_a_checkpoint_and_nothing_else_changes(head, tmp_path):
    wanted = self_supervised(tmp_path / "checkpoint.pt", head)
    source = {"entry": "model", "prefix": "encoder."}
    made = network()
    frozen = train.frozen_weights("net", source, tmp_path / "checkpoint.pt", made, "5")
    made.load_state_dict(frozen, strict=False)
    learner = made.requires_grad_(False).get_submodule("5").requires_grad_(True)
    transform = train.inputs_of(made, "5", nn.Identity())
    before = train.evaluate(made, examples(seed=2))[1]
    given = [Examples(one.stimuli, one.labels, transform).transformed() for one in (examples(), examples(seed=1))]
    settings = SETTINGS | {"epochs": 30, "learning_rate": 0.05}
    train.train(learner, *given, settings, None, None)
    after = made.state_dict()
    assert {key for key in after if not key.startswith("5.")} == wanted.keys()
    for key, value in wanted.items():
        torch.testing.assert_close(after[key], value, rtol=0, atol=0)
    assert not made[2].training
    accuracy = train.evaluate(made, examples(seed=2))[1]
    assert accuracy > max(0.9, before)


def test_frozen_weights_that_do_not_fit_or_are_another_file_are_refused(tmp_path):
    self_supervised(tmp_path / "checkpoint.pt", {})
    path, how = tmp_path / "checkpoint.pt", {"entry": "model", "prefix": "encoder."}
    with pytest.raises(ValueError, match=r"Missing \d+: 1\.bias"):
        train.frozen_weights("net", {"entry": "model"}, path, network(), "5")
    with pytest.raises(ValueError, match=r"net\.weights\.train\.from\.sha256: "):
        train.frozen_weights("net", how | {"sha256": "0" * 64}, path, network(), "5")


@pytest.fixture(scope="module")
def readouts(root, tmp_path_factory):
    """A folder whose models get a readout on one checkpoint, had from a path, an address and an archive; a mirror."""
    folder = copy_of(root, tmp_path_factory.mktemp("readouts"))
    small_hearing(root, folder)
    learned = tiny.hearing()
    torch.nn.init.normal_(learned.convolve.weight, generator=torch.Generator().manual_seed(5))
    state = {f"encoder.{key}": value for key, value in learned.state_dict().items() if not key.startswith("classify")}
    torch.save({"model": state}, folder / "mine/checkpoint.pt")
    there = folder / "mirror/x.org"
    there.mkdir(parents=True)
    shutil.copy(folder / "mine/checkpoint.pt", there / "checkpoint.pt")
    with tarfile.open(there / "checkpoints.tar", "w") as tar:
        tar.add(folder / "mine/checkpoint.pt", "models/checkpoint.pt")
    archives = {"kept": {"url": "https://x.org/checkpoints.tar", "sha256": sha256_of(there / "checkpoints.tar")}}
    (folder / "mine/archives.yaml").write_text(yaml.safe_dump(archives))
    places = {
        "path": {"path": "mine/checkpoint.pt"},
        "url": {"url": "https://x.org/checkpoint.pt", "sha256": sha256_of(folder / "mine/checkpoint.pt")},
        "archive": {"archive": "kept", "file": "models/checkpoint.pt"},
    }
    models = yaml.safe_load((folder / "mine/models.yaml").read_text())
    how = models["readout"]["weights"]["train"] | {"epochs": 2}
    made = {
        name: models["readout"]
        | {"weights": {"train": how | {"from": place | {"entry": "model", "prefix": "encoder."}}}}
        for name, place in places.items()
    }
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(made, sort_keys=False))
    settings = yaml.safe_load((folder / "hearing.yaml").read_text())
    settings |= {"generation_models": list(places), "recognition_models": list(places), "mirror": "mirror"}
    settings["registry"]["archives"] = "mine/archives.yaml"
    settings["comparison"]["contrasts"] = []
    (folder / "hearing.yaml").write_text(yaml.safe_dump(settings))
    return folder, learned.state_dict()


@pytest.mark.slow
def test_wherever_a_checkpoint_comes_from_the_readout_is_trained_on_it(readouts):
    folder, learned = readouts
    files = {name: f"results/hearing/training/{name}.safetensors" for name in ("path", "url", "archive")}
    snakemake(folder, *files.values(), *HEARING)
    made = {name: safetensors.torch.load_file(folder / file) for name, file in files.items()}
    for key, value in made["path"].items():
        torch.testing.assert_close(made["url"][key], value, rtol=0, atol=0)
        torch.testing.assert_close(made["archive"][key], value, rtol=0, atol=0)
        assert torch.equal(value, learned[key]) != key.startswith("classify")


@pytest.mark.slow
def test_another_checkpoint_trains_its_readout_anew(readouts):
    folder, _ = readouts
    snakemake(folder, "results/hearing/training/path.safetensors", *HEARING)
    state = torch.load(folder / "mine/checkpoint.pt", weights_only=True)
    state["model"]["encoder.convolve.bias"] += 1
    torch.save(state, folder / "mine/checkpoint.pt")
    assert counts(snakemake(folder, "-n", "results/hearing/training/path.safetensors", *HEARING))["train_model"] == 1


@pytest.mark.slow
def test_a_model_that_only_a_card_is_asked_of_is_trained_for_its_card_alone(readouts):
    folder, _ = readouts
    settings = yaml.safe_load((folder / "hearing.yaml").read_text())
    settings |= {"run": "carded", "generation_models": ["path"], "recognition_models": ["path"]}
    (folder / "carded.yaml").write_text(yaml.safe_dump(settings))
    asked = ("--configfile", "carded.yaml", "--config", "model=url")
    assert counts(snakemake(folder, "-n", *asked)) == counts(snakemake(folder, "-n", *asked[:2]))
    assert counts(snakemake(folder, "-n", "model_card", *asked))["train_model"] == 1


def test_the_confusion_matrix_counts_answers_by_true_category():
    curves = train.curves_dataset({"train_loss": np.array([2.0, 1.0], dtype=np.float32)})
    assert curves["epoch"].values.tolist() == [1, 2]
    natural, answers = np.array(["cat", "cat", "dog", "cat"]), np.array(["cat", "dog", "dog", "dog"])
    found = train.tested_dataset(curves, answers, natural, ["cat", "dog"], [0.5], [0.25])
    assert found["answers"].values.tolist() == [[1, 2], [0, 1]]
    assert found["test_accuracy"] == 0.5
    assert found["adversarial_accuracy"].sel(perturbation_size=0.5) == 0.25
