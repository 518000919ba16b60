"""One registry entry describes a modality; what needs a library has one table in its place, and nothing else differs."""

import ast
import re
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from metamers.modalities import MODALITIES, Start, sampling_of
from metamers.models.model import Model, fit_stimuli
from metamers.recognize.recognition import recognize
from metamers.run.code_version import KINDS
from metamers.stimuli.exported import read_exported
from metamers.stimuli.formats import FORMATS, Format
from metamers.synthesize.measure import with_measures
from metamers.synthesize.metamers import make_metamers

ROOT = Path(__file__).resolve().parents[1]
# File → the only table in it that has modalities for keys, and why it is not in MODALITIES.
TABLES = {
    "src/metamers/modalities.py": ("MODALITIES", "the registry"),
    "src/metamers/stimuli/formats.py": ("FORMATS", "readers and writers of files"),
    "src/metamers/stimuli/given.py": ("GIVEN", "users' stimuli in notebooks: readers and PyTorch"),
    "src/metamers/models/preprocessing.py": ("PREPROCESSING", "PyTorch"),
    "src/metamers/config/models.py": ("INPUT_CHECKS", "checks of entries of the registry"),
    "src/metamers/models/sources/transformers.py": ("INPUTS", "configurations of transformers"),
    "src/metamers/report/metamer.py": ("DRAW", "matplotlib"),
    "src/metamers/humans/published.py": ("PUBLISHED", "facts about the published study"),
    "experiment/modalities.js": ("MODALITIES", "JavaScript"),
}
# Modules that only some models need are of one modality, which they may name.
OF_ONE = {f"src/{module.replace('.', '/')}.py" for module, kind in KINDS.items() if kind in MODALITIES}
OF_ONE |= {
    "src/metamers/run/code_version.py",  # the list of these modules
    "src/metamers/config/sources.py",  # the modality of published weights
}
# Modules with the defaults of each modality, which are keys of mappings.
DEFAULTS = re.compile(r"src/metamers/\w+/settings\.py")
NAMES = "|".join(MODALITIES)
QUOTED = re.compile(rf"""(?<!querySelectorAll\()(["'])({NAMES})\1""")
# In JavaScript also keys and members: `vision:`, `get audio()`, `ASKED.vision`.
UNQUOTED = re.compile(rf"(?:^|[{{,\s])(?:{NAMES})\s*:|\bget ({NAMES})\(|\.({NAMES})\b")
FOLDERS = ("src", "scripts", "workflow", "experiment")


def named_in_python(text, table=None, has_defaults=False):
    """Lines of a Python file that name a modality outside of the keys of a table, or of defaults."""
    tree = ast.parse(text)
    allowed = set()
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if table in [getattr(target, "id", None) for target in targets] and table:
            allowed = set(map(id, statement.value.keys))
    if has_defaults:
        allowed = {id(key) for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys}
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in MODALITIES and id(node) not in allowed
    ]


def named_in_text(text, suffix):
    """Lines of another file that name a modality."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        code = re.sub(r"^\s*(//|\*|#).*|\s//.*", "", line)
        if QUOTED.search(code) or (suffix == ".js" and UNQUOTED.search(code)):
            found.append(number)
    return found


def places(root=ROOT):
    """Places that tell modalities apart, and are not in a table."""
    found = []
    for path in sorted(path for folder in FOLDERS for path in (root / folder).rglob("*")):
        name = path.relative_to(root).as_posix()
        if name in OF_ONE or "node_modules" in name:
            continue
        table = TABLES.get(name, (None, None))[0]
        if path.suffix == ".py":
            found += [
                f"{name}:{line}"
                for line in named_in_python(path.read_text(encoding="utf-8"), table, DEFAULTS.fullmatch(name))
            ]
        elif path.suffix in (".smk", ".j2", ".js") and not table:
            found += [f"{name}:{line}" for line in named_in_text(path.read_text(encoding="utf-8"), path.suffix)]
    return found


def test_no_code_tells_modalities_apart_outside_of_the_tables():
    assert places() == [], "make it a field of Modality (src/metamers/modalities.py)"


@pytest.mark.parametrize(
    ("suffix", "code"),
    [
        (".py", 'if modality == "vision":\n    pass\n'),
        (".py", 'if "audio" != modality:\n    pass\n'),
        (".py", 'heard = model.modality in ("vision", "audio")\n'),
        (".py", 'BYTES = {"vision": 1, "audio": 2}\n'),
        (".py", 'SOUNDS = "audio"\n'),
        (".py", 'match modality:\n    case "audio":\n        pass\n'),
        (".smk", 'rule one:\n    params: 1 if modality_of(model) == "vision" else 2\n'),
        (".j2", "{% if r.modality == 'audio' %}{% endif %}"),
        (".j2", '{{ results | selectattr("modality", "equalto", "audio") | list }}'),
        (".js", 'if (design.modality === "audio") play();'),
        (".js", "const hint = { vision: 1, audio: 2 }[design.modality];"),
        (".js", "const words = ASKED.vision;"),
    ],
)
def test_a_new_place_is_found(tmp_path, suffix, code):
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    (tmp_path / "src" / f"new{suffix}").write_text(code, encoding="utf-8")
    assert places(tmp_path)


def test_every_table_has_all_modalities():
    for file, (table, _) in TABLES.items():
        if file.endswith(".py"):
            module = file.removeprefix("src/").removesuffix(".py").replace("/", ".")
            assert getattr(import_module(module), table).keys() == MODALITIES.keys(), file
        else:
            assert re.findall(r"^  (\w+): \{$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE) == [
                *MODALITIES
            ]


def test_schemas_have_the_modalities_of_the_table():
    def check(schema):
        if isinstance(schema, list):
            for one in schema:
                check(one)
        if isinstance(schema, dict):
            if MODALITIES.keys() & {str(value) for value in schema.get("enum", ())}:
                assert schema["enum"] == [*MODALITIES]
            for key in schema:
                assert "vision|audio" not in str(key) or key == f"^({NAMES})$"
            check(list(schema.values()))

    for path in (ROOT / "workflow" / "schemas").glob("*.schema.yaml"):
        check(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_the_configuration_imports_neither_torch_nor_readers_of_sounds():
    code = (
        "import sys, metamers.plan.plan, metamers.config.registry, metamers.modalities\n"
        "print(sorted({'torch', 'soundfile', 'PIL'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_stimuli_start_within_their_limits_and_have_a_task():
    for modality in MODALITIES.values():
        low, high = modality.limits
        assert low <= modality.start.mean <= high
        assert "16 objects" in modality.task.format("16 objects")
        assert "Object" in modality.confusion_axis.format("Object")


def test_sampling_is_what_the_attributes_say():
    assert sampling_of({"sampling_rate_hz": 8000, "title": "sounds"}) == {"sampling_rate_hz": 8000}
    assert sampling_of({"size": 224, "sampling_rate_hz": None}) == {}


class Touch(nn.Module):
    """Preprocessing of signals of two electrodes, as the models of a third modality would have it."""

    signal_shape = (2, 30)
    sampling_rate_hz = 500
    memory_format = torch.contiguous_format

    def fit(self, signals, sampling_rate_hz):
        assert sampling_rate_hz == self.sampling_rate_hz
        return signals

    def limit(self, signals):
        return signals.clamp(0, 5)

    def forward(self, signals):
        return self.limit(signals)


def test_a_third_modality_has_metamers_by_entries_of_the_tables_alone(monkeypatch, tmp_path):
    touch = replace(
        MODALITIES["audio"], dims=("electrode", "sample"), limits=(0, 5), start=Start(2.5, 0.1), suffix=".npy"
    )
    form = Format(
        read_files=None,
        write=lambda values, path, sampling_rate_hz: np.save(path, np.rint(values * 100).astype(np.int16)),
        read=lambda path: np.load(path).astype(np.float32) / 100,
        integers=lambda values: np.rint(values * 100).astype(np.int16),
        scale=100,
    )
    monkeypatch.setitem(MODALITIES, "touch", touch)
    monkeypatch.setitem(FORMATS, "touch", form)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(60, 8), nn.Linear(8, 2))
    model = Model("tiny", "touch", Touch(), network, {"input": None, "project": "1", "classes": "2"})
    stimuli = np.random.default_rng(0).uniform(0, 5, (3, 2, 30)).astype(np.float32)
    natural = fit_stimuli(model, stimuli, model.sampling)
    settings = {"steps": 120, "learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.95, "optimizer": "adam"}
    made = make_metamers(model, "project", natural, list("abc"), [0, 1], 0, "one_cycle", settings)
    assert made["metamer"].dims == ("stimulus", "seed", "electrode", "sample")
    assert made.attrs == {"sampling_rate_hz": 500}
    assert made["loss"].isel(step=-1).max() < 0.1
    classes = {"smooth": [0], "rough": [1]}
    called = recognize(model, form.as_exported(stimuli), model.sampling, classes)
    measured = with_measures(made, model, "project", natural, called, classes)
    assert measured["pearson_r"].min() > 0.9
    one = made["metamer"].values[0, 0]
    form.write(one, tmp_path / f"a{touch.suffix}", **sampling_of(made.attrs))
    np.testing.assert_array_equal(read_exported(tmp_path, ["a"], "touch")[0], form.as_exported(one))
