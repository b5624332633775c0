"""The PyTorch backend against the dense float64 oracle, on the cases of the harness and around its seams."""

import copy
import os
from typing import Any

import pytest
import torch
from torch import Tensor

from holly_triton.harness.baselines import forward_backward
from holly_triton.harness.cases import Case, edge_cases, make_inputs, timed_cases
from holly_triton.harness.compare import compare, validation_inputs
from holly_triton.harness.ops.gaussians import GaussianCase
from holly_triton.harness.step_worker import READS
from holly_triton.kernels import normalised_masked_l1, reconstruction_loss, splat, splat_emitters
from holly_triton.kernels.gaussians import reference, separable, separable_fused

SEED = int(os.environ.get("HOLLY_SEED", "0"))
"""Of every random input here. Set it to draw others; a failure names it."""

CASES = edge_cases()
DIFFERENTIABLE = ("splat", "reconstruction_loss", "reconstruction_divergence")
ATTACHED = [case for case in CASES if case.op in DIFFERENTIABLE and case.images]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_separable_agrees_with_the_oracle(case: Case, dtype: torch.dtype) -> None:
    comparison = compare(case, "separable", validation_inputs(case, SEED), dtype=dtype)
    assert not comparison.wrong, f"{comparison} (HOLLY_SEED={SEED})"


@pytest.mark.parametrize("case", timed_cases((350,), images=2, size=128, sigma_px=1.41, precision="ieee"), ids=str)
def test_separable_agrees_with_the_oracle_at_the_size_of_a_benchmark(case: Case) -> None:
    comparison = compare(case, "separable", validation_inputs(case, SEED))
    assert not comparison.wrong, f"{comparison} (HOLLY_SEED={SEED})"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_naive_baseline_computes_the_same(case: Case) -> None:
    comparison = compare(case, "naive", validation_inputs(case, SEED))
    assert not comparison.wrong, f"{comparison} (HOLLY_SEED={SEED})"


@pytest.mark.parametrize("chunk_bytes", [1, 9_000, 40_000], ids=["one-point", "some-points", "one-picture"])
@pytest.mark.parametrize("op", ["splat", "reconstruction_loss", "splat_emitters"])
def test_chunks_change_nothing_but_rounding(op: str, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separable, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr("holly_triton.kernels.gaussians.emitters.CHUNK_BYTES", chunk_bytes)
    case = GaussianCase(op, 37, 5, 24, 17, 1.7, weights="signed", point_sigma=2, sigma_each=True)
    comparison = compare(case, "separable", validation_inputs(case, SEED), dtype=torch.float64)
    assert not comparison.wrong, f"{comparison} (HOLLY_SEED={SEED})"


def test_a_loss_that_holds_no_gradients_draws_again_and_gets_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(separable_fused, "HELD_BYTES", 0)
    case = GaussianCase("reconstruction_loss", 37, 5, 24, 17, 1.7, weights="signed", sigma_each=True)
    assert not compare(case, "separable", validation_inputs(case, SEED), dtype=torch.float64).wrong


@pytest.mark.parametrize("case", ATTACHED, ids=str)
def test_the_same_input_gives_the_same_bits(case: Case) -> None:
    inputs = make_inputs(case, SEED).to(torch.float32)
    (out, gradients), (again, gradients_again) = (forward_backward(case, "separable", inputs) for _ in range(2))
    assert torch.equal(out, again)
    for name, gradient in gradients.items():
        assert torch.equal(gradient, gradients_again[name]), name


def test_inputs_need_not_be_contiguous() -> None:
    case = GaussianCase("reconstruction_loss", 37, 3, 24, 17, 1.7, weights="positive", point_sigma=2, sigma_each=True)
    inputs = make_inputs(case, SEED).to(torch.float32)
    strided = copy.copy(inputs.arguments)
    for name, value in inputs.arguments.items():
        if isinstance(value, Tensor):
            wide = torch.stack([value.detach(), value.detach()], dim=-1).transpose(0, -1).contiguous().transpose(0, -1)
            strided[name] = wide[..., 0].requires_grad_(value.requires_grad)
            assert strided[name].ndim == 1 or not strided[name].is_contiguous(), name
    torch.testing.assert_close(reconstruction_loss(**strided), reconstruction_loss(**inputs.arguments))


@pytest.mark.parametrize("needed", ["points", "rotation", "shift", "sigma", "weights", "point_sigma"])
def test_a_gradient_comes_alone_too(needed: str) -> None:
    case = GaussianCase("reconstruction_loss", 37, 3, 24, 17, 1.7, weights="positive", point_sigma=2, sigma_each=True)
    inputs = make_inputs(case, SEED).to(torch.float64)
    _, gradients = forward_backward(case, "separable", inputs)
    alone = {n: v.detach() if isinstance(v, Tensor) else v for n, v in inputs.arguments.items()}
    alone[needed].requires_grad_()
    (gradient,) = torch.autograd.grad(reconstruction_loss(**alone), alone[needed], inputs.cotangent)
    torch.testing.assert_close(gradient, gradients[needed])


def test_without_gradients_none_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = make_inputs(GaussianCase("reconstruction_loss", 37, 3, 24, 17, 1.7), SEED).to(torch.float32).arguments
    loss = reconstruction_loss(**arguments)
    monkeypatch.setattr(separable._Axes, "gradients", lambda *_: pytest.fail("computed a gradient"))
    with torch.no_grad():
        assert torch.equal(reconstruction_loss(**arguments), loss)


@pytest.mark.parametrize("backend", ["oracle", "separable"])
@pytest.mark.parametrize("own", [None, 1, 2], ids=["no-own-sigma", "own-sigma", "own-sigma-x-y"])
def test_splat_gradients_are_those_of_finite_differences(backend: str, own: int | None) -> None:
    case = GaussianCase("splat", 5, 2, 7, 6, 1.3, weights="signed", point_sigma=own or 0, sigma_each=True)
    inputs = make_inputs(case, SEED).to(torch.float64)
    function = reference.splat if backend == "oracle" else splat

    def draw(*values: Tensor) -> Tensor:
        return function(**dict(zip(inputs.differentiable, values, strict=True)), shape=(7, 6))

    assert torch.autograd.gradcheck(draw, [inputs.arguments[name] for name in inputs.differentiable])


@pytest.mark.parametrize("backend", ["oracle", "separable"])
def test_loss_gradients_are_those_of_finite_differences(backend: str) -> None:
    case = GaussianCase("reconstruction_loss", 5, 2, 7, 6, 1.3, weights="signed", point_sigma=2, sigma_each=True)
    inputs = validation_inputs(case, SEED).to(torch.float64)
    function = reference.reconstruction_loss if backend == "oracle" else reconstruction_loss
    fixed = {name: inputs.arguments[name] for name in ("target", "mask_threshold")}

    def loss(*values: Tensor) -> Tensor:
        return function(**dict(zip(inputs.differentiable, values, strict=True)), **fixed)

    assert torch.autograd.gradcheck(loss, [inputs.arguments[name] for name in inputs.differentiable])


@pytest.mark.parametrize("backend", ["oracle", "separable"])
def test_gradients_of_the_loss_alone_are_those_of_finite_differences(backend: str) -> None:
    inputs = validation_inputs(GaussianCase("normalised_masked_l1", 0, 2, 7, 6), SEED).to(torch.float64)
    function = reference.normalised_masked_l1 if backend == "oracle" else normalised_masked_l1
    target, images = inputs.arguments["target"], inputs.arguments["images"]
    assert torch.autograd.gradcheck(lambda images: function(images, target, mask_threshold=1e-2), images)


def test_at_ties_the_gradient_is_that_of_frozen_signs() -> None:
    """Where output equals target, or nearly, any sign will do, if the gradient belongs to that sign."""
    scale = 100.0
    target = make_inputs(GaussianCase("normalised_masked_l1", 0, 3, 24, 17), SEED).arguments["target"].detach()
    noise = make_inputs(GaussianCase("normalised_masked_l1", 0, 3, 24, 17), SEED + 1).arguments["images"].detach()
    tied = torch.zeros_like(target, dtype=torch.bool)
    tied[:, ::2] = True
    images = torch.where(tied, target, target.roll(1, 1) * (1 + 1e-7 * noise))
    images = images * (target.sum((1, 2)) / images.sum((1, 2)))[:, None, None]  # ties stay: brightness doesn't count
    leaf = images.float().requires_grad_()
    normalised_masked_l1(leaf, target.float(), mask_threshold=1e-4).sum().backward()
    assert leaf.grad is not None

    output, wanted = reference.normalise(images, scale), reference.normalise(target, scale)
    factor = scale / images.sum((1, 2), keepdim=True)
    masked_out = wanted <= 1e-4
    slope = leaf.grad.double() / factor  # sign - pull, with the same pull everywhere in a picture
    pull = torch.stack([-slope[b][masked_out[b]].mean() for b in range(3)])[:, None, None]
    signs = (slope + pull).round()
    assert bool(masked_out.any((1, 2)).all()), "each picture needs a pixel that shows the pull alone"
    torch.testing.assert_close(slope + pull, signs, rtol=0, atol=1e-4)
    assert set(signs.unique().tolist()) <= {-1.0, 0.0, 1.0}
    torch.testing.assert_close(pull, (signs * output).sum((1, 2), keepdim=True) / scale, rtol=0, atol=1e-5)
    clear = (output - wanted).abs() > 1e-4 * wanted.max()
    assert torch.equal(signs[clear & ~masked_out], (output - wanted).sign()[clear & ~masked_out])


def test_pictures_too_dark_for_float32_to_normalise_are_0() -> None:
    """Their sum is not 0, but 100 over it is infinite."""
    bright = torch.rand(3, 9, 9, generator=torch.Generator().manual_seed(SEED)) + 0.1
    images = (bright * torch.tensor([1e-42, -1e-42, 1.0])[:, None, None]).requires_grad_()
    loss = normalised_masked_l1(images, bright)
    loss.sum().backward()
    torch.testing.assert_close(loss, torch.tensor([100.0, 100.0, 0.0]))
    assert images.grad is not None and not bool(images.grad[:2].any()) and bool(images.grad.isfinite().all())


def test_the_oracle_draws_no_pictures_of_emitters_too() -> None:
    xy = torch.zeros(0, 2).double()
    assert reference.splat_emitters(xy, torch.tensor([0]), 1.0, (8, 9)).shape == (0, 8, 9)
    assert not bool(reference.splat_emitters(xy, torch.tensor([0, 0]), 1.0, (8, 9)).any())


@pytest.mark.parametrize("bad", [torch.nan, torch.inf], ids=["nan", "inf"])
def test_a_bad_pose_spoils_its_own_picture_only(bad: float) -> None:
    inputs = make_inputs(GaussianCase("splat", 37, 3, 24, 17, 1.7), SEED).to(torch.float32)
    shift = inputs.arguments["shift"].detach().clone()
    clean = splat(**inputs.arguments)
    shift[1] = bad
    images = splat(**{**inputs.arguments, "shift": shift})
    torch.testing.assert_close(images[[0, 2]], clean[[0, 2]])
    assert bool(torch.isnan(images[1]).all() if bad != bad else (images[1] == 0).all())


@pytest.mark.parametrize("argument", ["xy", "sigma", "weights"])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf], ids=["nan", "inf"])
@pytest.mark.parametrize("place", range(9))
def test_a_bad_emitter_spoils_its_own_picture_only(place: int, bad: float, argument: str) -> None:
    generator = torch.Generator().manual_seed(SEED)
    given = {
        "xy": torch.randn(9, 2, generator=generator),
        "sigma": 1 + torch.rand(9, generator=generator),
        "weights": 1 + torch.rand(9, generator=generator),
    }
    given[argument][place] = bad
    offsets, other = torch.tensor([0, 4, 9]), int(place < 4)
    images = splat_emitters(given["xy"], offsets, given["sigma"], (8, 9), weights=given["weights"])
    oracle = reference.splat_emitters(given["xy"], offsets, given["sigma"], (8, 9), weights=given["weights"])
    torch.testing.assert_close(images[other], oracle[other])
    assert bool(images[other].isfinite().all())
    assert torch.equal(images[1 - other].isfinite().all(), oracle[1 - other].isfinite().all())


@pytest.mark.parametrize("op", DIFFERENTIABLE)
def test_a_call_and_its_gradients_read_nothing_back(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU without Triton the second step is captured in a CUDA graph, in which nothing may wait for the device."""
    case = GaussianCase(op, 37, 5, 24, 17, 1.7, weights="signed", sigma_each=True)
    inputs = make_inputs(case, SEED).to(torch.float32)
    with monkeypatch.context() as patched:
        for name in READS:
            patched.setattr(Tensor, name, lambda *_, name=name: pytest.fail(f"Tensor.{name} waits for the device"))
        forward_backward(case, "separable", inputs)


@pytest.mark.parametrize("backend", ["oracle", "separable"])
@pytest.mark.parametrize("far", [torch.inf, -torch.inf])
def test_an_infinite_shift_lies_outside_and_leaves_every_gradient_finite(backend: str, far: float) -> None:
    inputs = make_inputs(GaussianCase("splat", 37, 3, 24, 17, 1.7), SEED).to(torch.float32)
    alone = inputs.pictures(slice(0, 1)).to(torch.float32)
    function = reference.splat if backend == "oracle" else splat
    with torch.no_grad():
        inputs.arguments["shift"][1, 0] = far
    function(**inputs.arguments)[:2].square().sum().backward()
    function(**alone.arguments).square().sum().backward()
    assert all(bool(inputs.arguments[name].grad.isfinite().all()) for name in inputs.differentiable)
    torch.testing.assert_close(inputs.arguments["points"].grad, alone.arguments["points"].grad)


@pytest.mark.parametrize(("width", "sigma"), [(1024, 1.0), (2048, 0.5)])
@pytest.mark.parametrize("op", ["splat", "splat_emitters"])
def test_a_gaussian_keeps_its_precision_far_from_the_centre_of_a_camera_frame(
    op: str, width: int, sigma: float, error_at_the_edge: Any
) -> None:
    assert error_at_the_edge(op, width, sigma, "separable") < 1e-6


def test_second_derivatives_are_refused_not_zero() -> None:
    arguments = make_inputs(GaussianCase("reconstruction_loss", 5, 2, 9, 7, 1.7), SEED).to(torch.float64).arguments
    points, fixed = arguments["points"], {n: v for n, v in arguments.items() if n != "points"}
    images = torch.rand(2, 9, 7).double().requires_grad_()
    draw = {n: v for n, v in fixed.items() if n not in ("target", "mask_threshold")}
    for function, leaf in (
        (lambda p: reconstruction_loss(p, **fixed).square().sum(), points),
        (lambda p: splat(p, **draw, shape=(9, 7)).square().sum(), points),
        (lambda i: normalised_masked_l1(i, fixed["target"]).square().sum(), images),
    ):
        with pytest.raises(NotImplementedError, match="second derivatives"):
            torch.autograd.functional.hessian(function, leaf)
        assert torch.autograd.grad(function(leaf), leaf)[0].any()


def test_under_autocast_an_operation_keeps_its_precision() -> None:
    """What a network gives is half precision then; products of the operation's own must not be."""
    inputs = make_inputs(GaussianCase("reconstruction_loss", 37, 3, 24, 17, 1.7), SEED).to(torch.float32)
    leaf = inputs.arguments["points"].detach().bfloat16().requires_grad_()
    wanted = reconstruction_loss(**{**inputs.arguments, "points": leaf.float()})
    (grad_wanted,) = torch.autograd.grad(wanted.sum(), leaf)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = reconstruction_loss(**{**inputs.arguments, "points": leaf})
        (grad,) = torch.autograd.grad(loss.sum(), leaf)
    assert torch.equal(loss, wanted) and torch.equal(grad, grad_wanted) and grad.dtype == torch.bfloat16
    with pytest.raises(TypeError, match="bfloat16"):
        reconstruction_loss(**{**inputs.arguments, "points": leaf})


def test_a_picture_far_off_the_frame_is_0_and_pulls_on_nothing() -> None:
    case = GaussianCase("reconstruction_loss", 37, 3, 24, 17, 1.7, shift_px=1e4)
    loss, gradients = forward_backward(case, "separable", make_inputs(case, SEED).to(torch.float32))
    assert bool(torch.isfinite(loss).all() and (loss > 0).all())
    assert not any(bool(gradient.any()) for gradient in gradients.values())
