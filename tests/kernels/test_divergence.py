"""``reconstruction_divergence``: against its dense definition, in value and in every gradient, whatever the chunks."""

import pytest
import torch
from torch import Tensor

from holly_triton.geometry import random_rotations
from holly_triton.kernels import normalised_masked_l1, reconstruction_divergence
from holly_triton.kernels.gaussians import reference, separable, separable_fused
from holly_triton.kernels.gaussians.divergence import _Divergence


def scene(dtype: torch.dtype = torch.float64, weighted: bool = True) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    found = {
        "points": 4 * torch.randn(9, 3, generator=generator),
        "rotation": random_rotations(5, generator),
        "shift": torch.randn(5, 2, generator=generator),
        "sigma": 1 + torch.rand(5, generator=generator),
        "background": torch.tensor(-2.0),
    }
    if weighted:
        found["weights"] = 0.5 + torch.rand(9, generator=generator)
    return {name: part.to(dtype).requires_grad_() for name, part in found.items()}


def target(dtype: torch.dtype = torch.float64) -> Tensor:
    found = torch.rand(5, 24, 17, generator=torch.Generator().manual_seed(1), dtype=dtype)
    return found.masked_fill(found < 0.5, 0)  # a good part of real pictures is dark


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(("chunk_bytes", "held_bytes"), [(2**23, 2**26), (1, 2**26), (20_000, 2**26), (2**23, 0)])
def test_it_agrees_with_its_definition(
    chunk_bytes: int, held_bytes: int, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(separable, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(separable_fused, "HELD_BYTES", held_bytes)
    ours, theirs = scene(weighted=weighted), scene(weighted=weighted)
    found, _ = reconstruction_divergence(**ours, target=target())
    expected = reference.reconstruction_divergence(**theirs, target=target())
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    pull = torch.linspace(0.5, 2, 5, dtype=torch.float64)
    gradients, wanted = (
        torch.autograd.grad(out, list(parts.values()), pull) for out, parts in ((found, ours), (expected, theirs))
    )
    for name, one, other in zip(ours, gradients, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-10, msg=lambda text, name=name: f"{name}: {text}")


def test_the_loss_beside_it_is_the_masked_l1_and_has_no_gradient() -> None:
    parts = scene(torch.float32)
    _, loss = reconstruction_divergence(**parts, target=target(torch.float32), mask_threshold=0.3)
    pose = parts["points"], parts["rotation"], parts["shift"], parts["sigma"]
    images = reference.splat(*pose, (24, 17), weights=parts["weights"])
    expected = normalised_masked_l1(images.detach(), target(torch.float32), mask_threshold=0.3)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-4)
    assert not loss.requires_grad


def test_what_a_gpu_composes_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {name: part.detach() for name, part in scene().items()}
    wanted = reconstruction_divergence(**parts, target=target())
    module = "holly_triton.kernels.gaussians.divergence"
    monkeypatch.setattr(f"{module}.choose_backend", lambda *_: "triton")
    for one, other in zip(reconstruction_divergence(**parts, target=target()), wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_the_gradients_in_closed_form_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(2)
    drawn, wanted = torch.rand(2, 3, 5, 4, generator=generator, dtype=torch.float64)
    drawn[1] *= 7
    for logit in (-5.0, 0.0, 3.0):
        background = torch.tensor(logit, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(_Divergence.apply, (drawn.clone().requires_grad_(), background, wanted))


def test_no_pictures_and_no_points_give_what_they_must() -> None:
    parts = scene(torch.float32, weighted=False)
    none = {name: part[:0] if name in ("rotation", "shift", "sigma") else part for name, part in parts.items()}
    divergence, loss = reconstruction_divergence(**none, target=torch.zeros(0, 24, 17))
    assert divergence.shape == loss.shape == (0,)
    parts["points"] = torch.zeros(0, 3, requires_grad=True)
    divergence, _ = reconstruction_divergence(**parts, target=target(torch.float32))
    torch.autograd.backward(divergence.sum())
    assert divergence.isfinite().all() and parts["points"].grad is not None


def test_an_empty_picture_has_no_gradient_in_the_cloud_on_a_gpu_either() -> None:
    drawn, background = torch.zeros(5, 24, 17, requires_grad=True), torch.tensor(-2.0)
    (gradient,) = torch.autograd.grad(_Divergence.apply(drawn, background, target(torch.float32)).sum(), drawn)
    assert not gradient.any()


def test_of_no_pictures_every_gradient_is_zero() -> None:
    """As on a process whose share of a batch is empty."""
    parts = scene()
    some = {name: part[:0] if name in ("rotation", "shift", "sigma") else part for name, part in parts.items()}
    found, _ = reconstruction_divergence(**some, target=target()[:0])
    for name, gradient in zip(parts, torch.autograd.grad(found.sum(), list(parts.values())), strict=True):
        assert torch.equal(gradient, torch.zeros_like(parts[name])), name
