"""The kernels of camera frames on a GPU: right at every edge, the same bits twice, and without a wait for the host."""

import pytest
import torch
from torch import Tensor

from holly_triton.harness.baselines import forward_backward
from holly_triton.harness.cases import make_inputs, timed_cases
from holly_triton.harness.compare import compare, validation_inputs
from holly_triton.harness.ops.frames import FrameCase, astigmatic_table
from holly_triton.kernels import emitter_nll, splat_psf

OPS = ("splat_psf", "emitter_nll")
SIZED = [
    FrameCase(op, *sized, 1.5) for op in OPS for sized in ((22, 64, 64, 64), (300, 3, 128, 97), (1000, 2, 40, 200))
]


@pytest.mark.parametrize("case", SIZED, ids=str)
def test_triton_agrees_with_the_oracle_at_the_sizes_of_a_training(case: FrameCase) -> None:
    comparison = compare(case, "triton", validation_inputs(case, 0, 3, device="cuda"), "cuda")
    assert not comparison.wrong, comparison


@pytest.mark.parametrize("case", timed_cases((350,), 2, 128, 1.41, "ieee", OPS), ids=str)
def test_separable_agrees_with_the_oracle_on_a_gpu_too(case: FrameCase) -> None:
    comparison = compare(case, "separable", validation_inputs(case, 0, device="cuda"), "cuda")
    assert not comparison.wrong, comparison


@pytest.mark.parametrize("backend", ["triton", "separable"])
@pytest.mark.parametrize("op", OPS)
def test_the_same_input_gives_the_same_bits(op: str, backend: str) -> None:
    case = FrameCase(op, 300, 5, 96, 128, 1.5)
    inputs = make_inputs(case).to(torch.float32, "cuda")
    if op == "emitter_nll":  # the harness adds the emitters of a frame by atomics
        arguments = inputs.arguments
        leaves = [arguments[name] for name in inputs.differentiable]
        runs = []
        for _ in range(5):
            nll = emitter_nll(**arguments, backend=backend)
            runs.append([nll, *torch.autograd.grad(nll.square().sum(), leaves)])
    else:
        runs = [[forward_backward(case, backend, inputs)[0]] for _ in range(5)]
    for again in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(runs[0], again, strict=True))


def test_an_emitter_keeps_its_precision_far_from_the_centre_of_a_camera_frame() -> None:
    table, offsets = astigmatic_table(15, 16, 1.0), torch.tensor([0, 1], device="cuda")
    table = table._replace(coefficients=table.coefficients.cuda())
    xyz = torch.tensor([[1003.7, 0.4, 120.0]], device="cuda")
    single = table._replace(coefficients=table.coefficients.float())
    drawn = splat_psf(xyz, offsets, single, (8, 2048), backend="triton").double()
    wanted = splat_psf(xyz.double(), offsets, table, (8, 2048), backend="separable")
    assert float((drawn - wanted).norm() / wanted.norm()) < 1e-6


def test_nothing_waits_for_the_host() -> None:
    drawing, scoring = (make_inputs(FrameCase(op, 22, 8, 64, 64)).to(torch.float32, "cuda") for op in OPS)
    table = astigmatic_table(25, 25, 1.3)
    table = table._replace(coefficients=table.coefficients.float().cuda())
    given = {n: v.cuda() if isinstance(v, Tensor) else v for n, v in scoring.arguments.items()}
    emitters = drawing.arguments["xyz"], drawing.arguments["offsets"].cuda()
    leaves = [given[name] for name in scoring.differentiable]
    for mode in "default", "error":  # the first call compiles
        torch.cuda.set_sync_debug_mode(mode)
        try:
            frames = splat_psf(*emitters, table, (64, 64))
            gradients = torch.autograd.grad(emitter_nll(**given).sum(), leaves)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert bool(frames.any()) and all(bool(gradient.isfinite().all()) for gradient in gradients)
