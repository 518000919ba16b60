"""One registry entry describes a modality; readers, preprocessing and the configuration's checks have one entry each."""

import subprocess
import sys

from metamers.config.models import INPUT_CHECKS
from metamers.modalities import MODALITIES
from metamers.models.preprocessing import PREPROCESSING
from metamers.stimuli.formats import FORMATS


def test_every_modality_has_readers_preprocessing_and_checks_of_its_input():
    assert MODALITIES.keys() == FORMATS.keys() == PREPROCESSING.keys() == INPUT_CHECKS.keys()


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
