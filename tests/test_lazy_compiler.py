"""Libraries that are imported without PyTorch's compiler work, and the compiler does afterwards."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "scripts"
BEGIN = "import sys, torch\nfrom metamers.lazy_compiler import import_without_compiler\n"


def run(code):
    """What a new process prints, in which nothing has imported the compiler."""
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_networks_are_built_and_run_without_the_compiler():
    code = """
timm = import_without_compiler("timm")
network = timm.create_model("tf_efficientnet_lite0").eval()
print(network(torch.zeros(1, 3, 32, 32)).shape[1], "torch._dynamo" in sys.modules, "torchvision" in sys.modules)
"""
    assert run(code) == ["1000", "False", "True"]


def test_what_is_asked_of_the_compiler_it_answers():
    code = """
torchvision = import_without_compiler("torchvision")
timm = import_without_compiler("timm")
boxes = torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]])
print(torchvision.ops.roi_align(torch.ones(1, 1, 8, 8), boxes, 2).sum().item())
torch.use_deterministic_algorithms(True)  # with which it asks whether it can be compiled
import torch._dynamo
from torch._dynamo.utils import is_compile_supported
from torchvision.ops import roi_align
print(sys.modules["torchvision.ops.roi_align"].is_compile_supported("cpu") == is_compile_supported("cpu"))
tower = timm.create_model("naflexvit_base_patch16_gap", num_classes=3, depth=1, embed_dim=12, num_heads=1).eval()
print(tower(torch.zeros(1, 3, 32, 32)).shape[1])
print(hasattr(torch._dynamo, "optimize"))
"""
    assert run(code) == ["4.0", "True", "3", "True"]


def test_a_library_that_wants_more_gets_the_compiler(tmp_path):
    (tmp_path / "wants_more.py").write_text("from torch._dynamo import optimize\n", encoding="utf-8")
    code = f"""
sys.path.append({str(tmp_path)!r})
print(import_without_compiler("wants_more").optimize.__module__.startswith("torch._dynamo"))
try:
    import_without_compiler("is_not_there")
except ModuleNotFoundError as error:
    print(error.name)
"""
    assert run(code) == ["True", "is_not_there"]
