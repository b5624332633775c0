"""The Triton kernel of poses on the CPU, under TRITON_INTERPRET=1, against the dense float64 oracle.

``test_interpreter.py`` starts it with the others in a process of their own, and ``TRITON_INTERPRET=1 pytest
tests/kernels/interpreter_poses.py`` runs it alone.
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from holly_triton.harness.cases import make_inputs
from holly_triton.harness.compare import compare
from holly_triton.harness.ops.poses import OPERATIONS, PoseCase
from holly_triton.kernels import pose_scores
from holly_triton.kernels.gaussians import triton_poses
from holly_triton.kernels.launch import INTERPRETED

assert INTERPRETED, "run with TRITON_INTERPRET=1"

BLOCKS = PoseCase("pose_scores", 70, 2, 6, 6, localisations=35, label="more than a block of poses and of localisations")
CASES = [*OPERATIONS["pose_scores"].edges("ieee"), BLOCKS]
FULL = PoseCase("pose_scores", 7, 4, 6, 5, rotations="own", shift="small", weights="signed", localisations=5)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_kernel_agrees_with_the_oracle(case: PoseCase) -> None:
    comparison = compare(case, "triton", make_inputs(case))
    assert not comparison.wrong, comparison


@pytest.mark.parametrize("name", ["xyz", "rotation", "shift"])
def test_a_nan_is_seen_in_its_own_scores_alone(name: str) -> None:
    given: dict[str, Any] = make_inputs(FULL, 1).to(torch.float32).arguments
    given[name] = given[name].clone()
    given[name][1].view(-1)[0] = torch.nan
    with np.errstate(all="ignore"):
        scores = pose_scores(**given, backend="triton")
    assert bool(scores.isnan().any()) and not bool(scores.isnan().all())
    torch.testing.assert_close(scores, pose_scores(**given), equal_nan=True, rtol=1e-4, atol=1e-5)


def test_offsets_that_lie_read_nothing_outside() -> None:
    """On a GPU they aren't read back to be checked, so the kernel clamps them; here, past a CPU's check."""
    one = torch.eye(3)[None]
    scores = triton_poses.pose_scores_triton(
        torch.zeros(4, 3), torch.tensor([-9, 99, 2, 4]), one, None, torch.ones(2, 2, 2), 1.0, None
    )
    torch.testing.assert_close(scores, torch.tensor([[4.0], [0.0], [2.0]]))


def test_the_kernel_is_given_what_it_was_inspected_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices start anywhere; a kernel on them would be a variant of its own, unseen by the ahead-of-time gate."""

    def launch(kernel: Any, programs: int, *arguments: Any, **constants: Any) -> None:
        assert all(part.data_ptr() % 16 == 0 for part in arguments if isinstance(part, Tensor))
        right(kernel, programs, *arguments, **constants)

    right = triton_poses.launch
    monkeypatch.setattr(triton_poses, "launch", launch)
    given: dict[str, Any] = make_inputs(FULL, 1).to(torch.float32).arguments
    for name in ("xyz", "rotation", "shift", "log_density", "weights", "offsets"):
        flat = given[name].flatten()
        given[name] = torch.cat([flat[:1], flat])[1:].view_as(given[name])
    scores, again = (pose_scores(**given, backend="triton") for _ in range(2))
    assert torch.equal(scores, again)
