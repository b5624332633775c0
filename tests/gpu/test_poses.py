"""The kernel of poses on a GPU: right at every edge, the same bits twice, and without a wait for the host."""

import pytest
import torch

from holly_triton.harness.baselines import forward
from holly_triton.harness.cases import make_inputs
from holly_triton.harness.compare import compare, validation_inputs
from holly_triton.harness.ops.poses import OPERATIONS, PoseCase
from holly_triton.kernels import pose_scores

OP = "pose_scores"
SIZED = [
    PoseCase(OP, 2000, 40, 56, 56),
    PoseCase(OP, 150, 40, 56, 56, rotations="own", shift="small", weights="positive"),
    PoseCase(OP, 33, 3, 128, 128, localisations=5000),
]


@pytest.mark.parametrize("case", [*OPERATIONS[OP].edges("ieee"), *SIZED], ids=str)
def test_triton_agrees_with_the_oracle(case: PoseCase) -> None:
    comparison = compare(case, "triton", validation_inputs(case, 0, device="cuda"), "cuda")
    assert not comparison.wrong, comparison


@pytest.mark.parametrize("case", SIZED, ids=str)
def test_separable_agrees_with_the_oracle_on_a_gpu_too(case: PoseCase) -> None:
    comparison = compare(case, "separable", validation_inputs(case, 0, device="cuda"), "cuda")
    assert not comparison.wrong, comparison


@pytest.mark.parametrize("backend", ["triton", "separable"])
def test_the_same_input_gives_the_same_bits(backend: str) -> None:
    inputs = make_inputs(SIZED[1]).to(torch.float32, "cuda")
    first, *others = (forward(SIZED[1], backend, inputs) for _ in range(5))
    assert all(torch.equal(first, again) for again in others)


def test_nothing_waits_for_the_host() -> None:
    given = make_inputs(SIZED[1]).to(torch.float32, "cuda").arguments
    for mode in "default", "error":  # the first call compiles
        torch.cuda.set_sync_debug_mode(mode)
        try:
            scores = pose_scores(**given)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert bool(scores.any())
