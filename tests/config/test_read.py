"""A key that is unknown, repeated, no text or out of bounds is named, in every configuration file."""

import copy
import re
from pathlib import Path

import pytest

from metamers.config import read as config_read
from metamers.names import ConfigurationError
from metamers.plan import plan as config
from metamers.plan.steps import configuration_schema
from tests.configurations import with_registry


def mappings(data, path=()):
    """Every mapping in some settings, with the keys that lead to it."""
    if isinstance(data, dict):
        yield path, data
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from mappings(value, (*path, key))


@pytest.mark.hostile(
    "Configuration", "a key that does not exist, anywhere", "refused with the nearest one that does and the list"
)
def test_an_unknown_key_anywhere_in_a_configuration_is_answered_with_the_nearest_and_the_list(settings):
    places = [path for path, mapping in mappings(settings) if mapping]
    assert len(places) > 40
    for path in places:
        changed = copy.deepcopy(settings)
        part = changed
        for key in path:
            part = part[key]
        last = list(part)[-1]
        part[f"{last}x"] = part[last]
        where = ": ".join(filter(None, ["configuration", ".".join(map(str, path))]))
        with pytest.raises(ConfigurationError, match=rf"^{re.escape(where)}: [^:]*'{last}x'.*'{last}'.*\b{last}\b.*\Z"):
            config.make_plan(changed)


@pytest.mark.hostile("a key that does not exist …")
@pytest.mark.parametrize(
    ("which", "path", "near", "valid"),
    [
        ("models", "efficientnet_lite0.imput", "input", "modality, source, weights, input"),
        ("models", "efficientnet_lite0.source.tim", "timm", "torchvision, weights, torchaudio, timm"),
        ("models", "cochcnn9_standard.input.cochleagram.filter", "filters", "rate, envelope_rate_hz"),
        ("models", "cochcnn9_adversarial.weights.train.perturbation.stepsize", "step_size", "kind, norm"),
        ("models", "hmax_standard.stages.s1.schedul", "schedule", "module, output, input, pass_through_relu"),
        ("datasets", "spoken_words.speech.splits.tests", "test", "train, validation, test"),
        ("datasets", "wsj_400.categories.archiv", "archive", "archive, classes"),
        ("archives", "assets.sha", "sha256", "url, sha256, bytes"),
        ("experiments", "experiments.visual-1.titel", "title", "title, modality"),
        ("experiments", "recognition_models.vison", "vision", "vision, audio"),
        ("experiments", "brains.fmri.region", "regions", "file, participants, regions"),
    ],
)
def test_an_unknown_key_of_a_registry_is_answered_with_the_nearest_and_the_list(
    settings, tmp_path, which, path, near, valid
):
    def add(entries):
        *folders, key = path.split(".")
        for folder in folders:
            if not isinstance(entries.setdefault(folder, {}), dict):
                entries[folder] = {"module": entries[folder]}
            entries = entries[folder]
        entries[key] = {}

    place, key = path.rsplit(".", 1)
    message = rf"{which}\.yaml: {re.escape(place)}: .*'{key}'.*'{near}'.* {valid}"
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(with_registry(settings, tmp_path, which, add))


@pytest.mark.hostile(
    "Configuration",
    r'half of a character (`"\ud800"`) in any text, such as `creator.name`',
    "refused with the file and line",
)
@pytest.mark.parametrize("text", ['run: mine\ncreator:\n  name: "A \\ud800"\n', 'a: b\n\n"\\udfff": 1\n'])
def test_half_a_character_is_named_with_its_line(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    message = r"x\.yaml: .*\bline 3 .*'\\ud[8f][0f]{2}'"
    with pytest.raises(ConfigurationError, match=message):
        config_read.check_configuration_files([path])
    with pytest.raises(ConfigurationError, match=r"^--config creator: .*\bline 1 .*'\\ud800'"):
        config_read.check_command_line_value(r'{name: "\ud800"}', "--config creator")


def test_a_key_that_is_no_text_is_named(settings):
    settings["synthesis"][True] = 1
    with pytest.raises(ConfigurationError, match=r"configuration: synthesis: .*\bkey True\b"):
        config.make_plan(settings)


@pytest.mark.hostile(
    "Configuration",
    "a repeated key in a mapping, in any file of the configuration, a registry, or a file that `--configfile` or a profile names",
    "refused with the file and both lines",
)
@pytest.mark.parametrize(
    ("text", "key", "first", "second"),
    [
        ("run: a\nseed: 1\nrun: b\n", "run", 1, 3),
        ("synthesis:\n  seeds: 1\n  batch_size: 2\n  'seeds': 1\n", "seeds", 2, 4),
        ("models: [{a: 1}, {b: 1, c: 2,\n b: 1}]\n", "b", 1, 2),
        ("{a: 1, a: 2}\n", "a", 1, 1),
        ('{"a": 1,\n"a": 1}', "a", 1, 2),
    ],
)
def test_a_repeated_key_is_named_with_both_lines(tmp_path, text, key, first, second):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    message = rf"x\.yaml: .*'{key}' .*\bline {first} .*\bline {second}\b"
    for read in (config_read.read_yaml, lambda path: config_read.check_configuration_files([path])):
        with pytest.raises(ConfigurationError, match=message):
            read(path)


def test_a_key_may_be_another_than_in_what_is_merged(tmp_path):
    """``<<`` is what YAML has for that, also where a merged mapping merges another."""
    path = tmp_path / "x.yaml"
    path.write_text(
        "base: &base {a: 1, b: 1}\nx: &x {<<: *base, a: 2}\ny: {z: &z {<<: *x, b: 3}}\nlast: {<<: *z, c: 4}\n"
    )
    found = config_read.read_yaml(path)
    assert found["x"] == {"a": 2, "b": 1}
    assert found["y"]["z"]["b"] == 3


@pytest.mark.hostile("a repeated key in a mapping …")
@pytest.mark.parametrize("which", ["models", "datasets", "archives", "experiments"])
def test_a_repeated_key_in_a_registry_is_named(settings, tmp_path, which):
    text = Path(settings["registry"][which]).read_text()
    first = next(line for line in text.splitlines() if re.match(r"[A-Za-z0-9_.-]+:", line))
    path = tmp_path / f"{which}.yaml"
    path.write_text(f"{text}\n{first}\n")
    settings["registry"][which] = str(path)
    with pytest.raises(ConfigurationError, match=rf"{which}\.yaml: .*\bline \d+ .*\bline \d+"):
        config.make_plan(settings)


def test_the_workflow_s_own_files_have_no_key_twice(root):
    files = [path for folder in ("config", "workflow", "src", "studies") for path in root.glob(f"{folder}/**/*.yaml")]
    assert len(files) > 12
    for path in files:
        config_read.read_yaml(path)


@pytest.mark.hostile("a number of more than 32 characters …")
def test_a_large_integer_of_any_other_origin_is_refused(settings):
    settings["seed"] = 16**5000
    with pytest.raises(ConfigurationError, match=r": seed: .*\b1000 digits"):
        config.make_plan(settings)


@pytest.mark.hostile(
    "Configuration", 'text that is not of the type that its tag names (`!!int ""`)', "refused with the file and line"
)
@pytest.mark.parametrize(
    "value",
    ['!!int ""', "!!int x", '!!int "-"', '!!float ""', "!!bool x", "!!timestamp x", "2020-99-99", "!!int [1]"],
)
def test_a_value_that_is_not_of_its_type_is_named_with_its_line(tmp_path, value):
    path = tmp_path / "x.yaml"
    path.write_text(f"run: mine\nseed: {value}\n")
    with pytest.raises(ConfigurationError, match=r"x\.yaml: .*\bline 2: "):
        config_read.read_yaml(path)


def integers(schema, path=""):
    """Every schema of whole numbers in a schema, with its place."""
    if isinstance(schema, dict):
        if "integer" in str(schema.get("type", "")):
            yield path, schema
        for key, value in schema.items():
            yield from integers(value, f"{path}.{key}")
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from integers(value, f"{path}.{number}")


@pytest.mark.hostile(
    "Configuration",
    "steps, seeds, pairs, sizes of batches and every other whole number that is too large to be meant",
    "refused: each has an upper bound, which its description names",
)
def test_every_whole_number_has_bounds_that_its_description_names(root):
    found = 0
    registries = {path.name: config_read.read_yaml(path) for path in (root / "workflow/schemas").glob("*.schema.yaml")}
    for name, whole in (registries | {"config": configuration_schema()}).items():
        for place, schema in integers(whole):
            assert {"minimum", "maximum"} <= schema.keys(), (name, place)
            assert f"{schema['minimum']} to {schema['maximum']}" in schema["description"], (name, place)
            found += 1
    assert found > 60
