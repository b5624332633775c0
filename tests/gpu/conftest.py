"""Every test here needs a CUDA device and Triton, and is skipped with a reason where either is missing."""

import os
from pathlib import Path

import pytest
import torch


def missing() -> str | None:
    """Why these tests can't run here, or None."""
    if os.environ.get("HOLLY_TRITON_GPU") != "1":
        return "set HOLLY_TRITON_GPU=1 to run the tests that need a GPU"
    if not torch.cuda.is_available() or torch.version.hip:
        return "PyTorch sees no CUDA device"
    try:
        import triton  # noqa: F401
    except ImportError:
        return "triton is not installed"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = missing()
    for item in items:
        if reason and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))
