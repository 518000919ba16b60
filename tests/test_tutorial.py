"""docs/your_own_model.md does what it says: its files are written and its commands run as they stand there."""

import os
import re
import shlex
import subprocess
import sys

import pandas as pd
import pytest
from test_workflow import copy_of

from metamers import files
from metamers.names import INPUT_STAGE

ADD = "add to "


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of every fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def followed(root, tmp_path_factory):
    """The folder of somebody who followed the tutorial."""
    folder = copy_of(root, tmp_path_factory.mktemp("tutorial"))
    text = (root / "docs" / "your_own_model.md").read_text(encoding="utf-8")
    tutorial, _ = text.split("# As a module of your workflow")
    for language, content in blocks(tutorial):
        first = content.splitlines()[0].removeprefix("# ")
        if language in ("yaml", "python"):
            path = folder / first.removeprefix(ADD)
            path.parent.mkdir(exist_ok=True)
            old = path.read_text() if first.startswith(ADD) else ""
            path.write_text(f"{old}\n{content}")
        elif language == "bash":
            for line in content.splitlines():
                command = [sys.executable, "-m", *shlex.split(line)]
                environment = os.environ | {"OMP_NUM_THREADS": "1"}
                ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
                assert ran.returncode == 0, (line, (ran.stdout + ran.stderr)[-5000:])
    return folder


def test_both_models_pass_their_check(followed):
    for model in ("my_timm_model", "my_python_model"):
        card = files.load(followed / f"results/demo/model_cards/{model}.nc")
        assert card.attrs["findings"] == ""
        assert (card["problem"] == "").all()
        assert float(card["top_1"]) > 0.5


def test_both_models_have_a_place_among_the_published_ones(followed):
    entries = pd.read_csv(followed / "results/mine/report/leaderboard.csv").set_index("generation_model")
    own = entries[entries["basis"] == "prediction"]
    assert set(own.index) == {"my_timm_model", "my_python_model"}
    assert own["rank"].between(1, 31).all()
    assert (own["area_low"] <= own["area"]).all()
    assert (own["area"] <= own["area_high"]).all()
    published = entries[(entries["basis"] == "people") & (entries["entry_modality"] == "vision")]
    for _, entry in own.iterrows():
        assert entry["rank"] == 1 + (published["area"] > entry["area"]).sum()
    predicted = files.load(followed / "results/mine/comparison/predicted_human.nc")
    assert INPUT_STAGE in predicted["stage"].values
    assert (own["stages"] == own.index.map({"my_timm_model": 4, "my_python_model": 5})).all()
