"""Threads of a CPU: how they wait is said before PyTorch is loaded, unless the user has said it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TELL = "import sys, {module}; import os; print(os.environ['OMP_WAIT_POLICY'], os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"


@pytest.mark.parametrize("module", ["holly_triton.cli", "holly_triton.harness"])
@pytest.mark.parametrize(("own", "told"), [({}, "PASSIVE 1000 False"), ({"GOMP_SPINCOUNT": "7"}, "PASSIVE 7 False")])
def test_threads_spin_for_a_moment_then_sleep(module: str, own: dict[str, str], told: str) -> None:
    known = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    command = [sys.executable, "-c", TELL.format(module=module)]
    done = subprocess.run(command, env={**known, **own, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.stdout.strip() == told, done.stderr
