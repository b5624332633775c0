"""Starts the files ``interpreter_*.py`` in one process where Triton interprets kernels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from holly_triton.kernels import arguments, splat

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def test_every_kernel_agrees_with_the_oracle_under_the_interpreter() -> None:
    triton = pytest.importorskip("triton")
    if tuple(map(int, triton.__version__.split(".")[:2])) < (3, 7):
        pytest.skip("before 3.7 the interpreter makes numbers of arrays in a way that NumPy now refuses")
    files = map(str, sorted(HERE.glob("interpreter_*.py")))
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *files]
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    if run.returncode:
        pytest.fail(f"{' '.join(command)} under TRITON_INTERPRET=1:\n{run.stdout}\n{run.stderr}", pytrace=False)


def test_triton_refuses_cpu_tensors_and_says_what_would_do() -> None:
    pytest.importorskip("triton")
    if os.environ.get("TRITON_INTERPRET"):
        pytest.skip("interpreting: CPU tensors are welcome")
    with pytest.raises(ValueError, match="CUDA tensors, got cpu; with TRITON_INTERPRET=1"):
        splat(torch.zeros(1, 3), torch.eye(3)[None], torch.zeros(1, 2), 1.0, (8, 8), backend="triton")


def test_importing_the_kernels_leaves_triton_alone() -> None:
    """It may not be installed, and costs a quarter of a second."""
    probe = "import sys, holly_triton.kernels; sys.exit('triton' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT).returncode == 0


def test_without_triton_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "_has_triton", lambda: False)
    one = torch.zeros(1, 3), torch.eye(3)[None], torch.zeros(1, 2), 1.0, (8, 8)
    with pytest.raises(ValueError, match="not installed"):
        splat(*one, backend="triton")
    assert splat(*one).shape == (1, 8, 8)
