"""The kernel of volumes on a GPU: right at every edge, the same bits twice, and without a wait for the host."""

import pytest
import torch

from holly_triton.harness.baselines import forward
from holly_triton.harness.cases import make_inputs, timed_cases
from holly_triton.harness.compare import compare, validation_inputs
from holly_triton.harness.ops.volumes import OPERATIONS, VolumeCase
from holly_triton.kernels import FourierReference, fourier_correlation

OP = "fourier_correlation"
SIZED = [VolumeCase(OP, *sized) for sized in ((500, 70, 24, 24), (33, 3, 48, 48), (2000, 1, 20, 20))]


@pytest.mark.parametrize("case", [*OPERATIONS[OP].edges("ieee"), *SIZED], ids=str)
def test_triton_agrees_with_the_oracle(case: VolumeCase) -> None:
    comparison = compare(case, "triton", validation_inputs(case, 0, 3, device="cuda"), "cuda")
    assert not comparison.wrong, comparison


@pytest.mark.parametrize("case", timed_cases((350,), 2, 96, 1.41, "ieee", (OP,)), ids=str)
def test_separable_agrees_with_the_oracle_on_a_gpu_too(case: VolumeCase) -> None:
    comparison = compare(case, "separable", validation_inputs(case, 0, device="cuda"), "cuda")
    assert not comparison.wrong, comparison


@pytest.mark.parametrize("backend", ["triton", "separable"])
def test_the_same_input_gives_the_same_bits(backend: str) -> None:
    case = VolumeCase(OP, 500, 70, 24, 24)
    inputs = make_inputs(case).to(torch.float32, "cuda")
    first, *others = (forward(case, backend, inputs) for _ in range(5))
    assert all(torch.equal(first, again) for again in others)


def test_nothing_waits_for_the_host() -> None:
    parts = make_inputs(VolumeCase(OP, 70, 5, 16, 16)).to(torch.float32, "cuda").arguments
    values, step = (parts.pop(name) for name in ("values", "step"))
    reference = FourierReference(torch.view_as_complex(values), step)
    parts["spectra"] = torch.view_as_complex(parts["spectra"])
    for mode in "default", "error":  # the first call compiles
        torch.cuda.set_sync_debug_mode(mode)
        try:
            scores = fourier_correlation(reference=reference, **parts)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert bool(scores.any())
