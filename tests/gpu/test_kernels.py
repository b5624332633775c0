"""The Triton kernels on a GPU: right at every edge, the same bits twice, and usable as PyTorch's own operations are."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from holly_triton.harness.baselines import forward_backward
from holly_triton.harness.cases import Case, edge_cases, make_inputs, timed_cases
from holly_triton.harness.compare import compare, validation_inputs
from holly_triton.harness.ops.gaussians import GaussianCase
from holly_triton.kernels import normalised_masked_l1, reconstruction_loss, splat, splat_emitters

PRECISIONS = ("tf32", "tf32x3", "bf16x3", "ieee")
EDGES = ("tf32", "tf32x3", "ieee")
"""Precisions at the edges of the domain, where bf16x3 goes the way of tf32x3."""
SIZED = [
    GaussianCase(op, points, 2, size, size, 1.7, precision, label=f"{size} px")
    for precision in PRECISIONS
    for op in ("splat", "reconstruction_loss")
    for points, size in ((350, 16), (350, 32), (350, 128), (5000, 128))  # the last is culled
]


@pytest.mark.parametrize("case", [*(case for precision in EDGES for case in edge_cases(precision)), *SIZED], ids=str)
def test_triton_agrees_with_the_oracle(case: Case) -> None:
    comparison = compare(case, "triton", validation_inputs(case, 0, device="cuda"), "cuda")
    assert not comparison.wrong, comparison


@pytest.mark.parametrize("case", timed_cases((1000,), 2, 128, 4.0, "tf32x3"), ids=str)
def test_separable_agrees_with_the_oracle_on_a_gpu_too(case: Case) -> None:
    comparison = compare(case, "separable", validation_inputs(case, 0, device="cuda"), "cuda")
    assert not comparison.wrong, comparison


@pytest.mark.parametrize("points", [37, 5000])
def test_the_same_input_gives_the_same_bits(points: int) -> None:
    case = GaussianCase("reconstruction_loss", points, 5, 128, 96, 1.7, "tf32x3", weights="signed", point_sigma=2)
    inputs = make_inputs(case).to(torch.float32, "cuda")
    (out, gradients), *others = (forward_backward(case, "triton", inputs) for _ in range(5))
    for again, gradients_again in others:
        assert torch.equal(out, again)
        assert all(torch.equal(gradient, gradients_again[name]) for name, gradient in gradients.items())


@pytest.mark.parametrize(("width", "sigma"), [(1024, 1.0), (2048, 0.5)])
def test_a_gaussian_keeps_its_precision_far_from_the_centre_of_a_camera_frame(width: int, sigma: float) -> None:
    xy, offsets = torch.tensor([[width / 2 - 20.3, 0.4]], device="cuda"), torch.tensor([0, 1])
    drawn = splat_emitters(xy, offsets, sigma, (8, width), backend="triton").double()
    wanted = splat_emitters(xy.double(), offsets, sigma, (8, width), backend="separable")
    assert float((drawn - wanted).norm() / wanted.norm()) < 1e-6


def test_an_infinite_shift_lies_outside_and_leaves_every_gradient_finite() -> None:
    inputs = make_inputs(GaussianCase("splat", 37, 3, 40, 100, 1.7)).to(torch.float32, "cuda")
    with torch.no_grad():
        inputs.arguments["shift"][1, 0] = torch.inf
    images = splat(**inputs.arguments, backend="triton")
    images.square().sum().backward()
    assert not images[1].any()
    assert all(bool(inputs.arguments[name].grad.isfinite().all()) for name in inputs.differentiable)


def arguments(points: int = 350, images: int = 4, size: int = 64) -> dict[str, Tensor]:
    """Of ``reconstruction_loss``, on the GPU; points and shift are leaves."""
    case = GaussianCase("reconstruction_loss", points, images, size, size, 2.0)
    found = {name: value for name, value in make_inputs(case).to(torch.float32, "cuda").arguments.items()}
    return {name: value.detach() if isinstance(value, Tensor) else value for name, value in found.items()}


def loss_and_gradient(given: dict[str, Tensor], loss: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
    points = given["points"].clone().requires_grad_()
    out = loss(**{**given, "points": points})
    return out.detach(), torch.autograd.grad(out.sum(), points)[0]


def test_another_stream_computes_the_same() -> None:
    given = arguments()
    wanted = loss_and_gradient(given, reconstruction_loss)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        found = loss_and_gradient(given, reconstruction_loss)
    torch.cuda.current_stream().wait_stream(stream)
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_a_step_can_be_captured_as_a_cuda_graph() -> None:
    """Nothing in the loss or its gradient waits for the host, so a graph replays it on new values in place."""
    given = arguments()
    points = given["points"].clone().requires_grad_()
    static = {**given, "points": points}
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            points.grad = None
            reconstruction_loss(**static).sum().backward()
    torch.cuda.current_stream().wait_stream(stream)
    points.grad = None
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = reconstruction_loss(**static)
        loss.sum().backward()
    moved = given["points"] + 0.5
    with torch.no_grad():
        points.copy_(moved)
    graph.replay()
    wanted, gradient = loss_and_gradient({**given, "points": moved}, reconstruction_loss)
    assert torch.equal(loss, wanted) and torch.equal(points.grad, gradient)


def test_torch_compile_takes_it_with_graph_breaks() -> None:
    """Dynamo does not trace the launches: it breaks the graph around them, and the result is the same."""
    given = arguments()

    def loss(**parts: Tensor) -> Tensor:
        return 2.0 * reconstruction_loss(**parts) + 1.0

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Dynamo has to say differs from release to release
        found = loss_and_gradient(given, torch.compile(loss, backend="aot_eager"))
    wanted = loss_and_gradient(given, loss)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b)


def test_under_autocast_an_operation_keeps_its_precision() -> None:
    given = arguments()
    half = {**given, "points": given["points"].bfloat16()}
    wanted = loss_and_gradient({**given, "points": half["points"].float()}, reconstruction_loss)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        found = loss_and_gradient(half, reconstruction_loss)
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1].bfloat16())


def test_second_derivatives_are_refused_not_zero() -> None:
    images = torch.rand(1, 9, 7, device="cuda", requires_grad=True)
    given = arguments(points=5)
    given["points"].requires_grad_()
    for out in (reconstruction_loss(**given), normalised_masked_l1(images, torch.ones_like(images))):
        with pytest.raises(NotImplementedError, match="second derivatives"):
            out.square().sum().backward(create_graph=True)


def test_tensors_on_the_last_device_are_drawn_there() -> None:
    device = torch.device("cuda", torch.cuda.device_count() - 1)
    given = {name: part.to(device) if isinstance(part, Tensor) else part for name, part in arguments().items()}
    found = loss_and_gradient(given, reconstruction_loss)
    assert all(part.device == device for part in found)
    assert torch.equal(found[0].cpu(), loss_and_gradient(arguments(), reconstruction_loss)[0].cpu())
