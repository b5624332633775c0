"""The kernels stand alone: PyTorch, NumPy and, on a GPU, Triton are all that they need."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEEDED = {"torch", "numpy", "triton"}

PROBE = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError(name + " is not installed here")

sys.meta_path.insert(0, Blocker())
import torch
from holly_triton.kernels import splat
points = torch.zeros(1, 3, requires_grad=True)
splat(points, torch.eye(3)[None], torch.zeros(1, 2), 2.0, (8, 8)).square().sum().backward()
foreign = sorted(name for name in sys.modules if name.startswith("holly_triton.") and "kernels" not in name)
sys.exit(f"imported too: {{foreign}}" if foreign else 0)
"""


def third_parties() -> set[str]:
    """What anything of the project imports, but for what the kernels need and what PyTorch brings."""
    names = set()
    for path in (ROOT / "holly_triton").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - NEEDED - {"holly_triton", "filelock", "jinja2"}


def test_the_kernels_work_where_nothing_but_pytorch_is_installed() -> None:
    blocked = third_parties()
    assert {"scipy", "click", "rich", "matplotlib", "h5py"} <= blocked
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(blocked=blocked)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_kernels_import_nothing_else_of_the_project() -> None:
    for path in (ROOT / "kernels").rglob("*.py"):
        depth = len(path.relative_to(ROOT / "kernels").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith("holly_triton") for alias in node.names), path
            if isinstance(node, ast.ImportFrom):
                assert node.level <= depth and not (node.module or "").startswith("holly_triton"), path
