"""Particles correlated with a turned and shifted reference: what no case of the harness shows."""

import os
from typing import Any

import pytest
import torch
from torch import Tensor

from holly_triton.geometry import random_rotations
from holly_triton.harness.cases import make_inputs
from holly_triton.harness.ops.volumes import VolumeCase
from holly_triton.kernels import FourierReference, fourier_correlation, fourier_reference
from holly_triton.kernels.volumes import correlation

SEED = int(os.environ.get("HOLLY_SEED", "0"))
"""Of every random input here. Set it to draw others; a failure names it."""
SIZE = 16


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def half_sphere(size: int, highest: float) -> Tensor:
    """Frequencies of a box up to a length, of each conjugate pair one, without 0."""
    along = torch.fft.fftfreq(size).double()
    k = torch.stack(torch.meshgrid(along, along, along, indexing="ij"), -1).view(-1, 3)
    half = (k[:, 0] > 0) | ((k[:, 0] == 0) & ((k[:, 1] > 0) | ((k[:, 1] == 0) & (k[:, 2] > 0))))
    return k[half & (k.norm(dim=1) <= highest)]


def blobs(rotation: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Centres ``[5, 3]`` and weights of a cloud of Gaussians without symmetry, turned and shifted."""
    points = torch.tensor([[3.0, 0, 0], [0, 2, 0], [0, 0, -2.5], [-1, -2, 1], [1.5, 1, 2]]).double()
    return points @ rotation.T + shift, torch.tensor([1.0, 0.7, 1.3, 0.5, 0.9]).double()


def drawn(rotation: Tensor, shift: Tensor) -> Tensor:
    """The cloud as a volume, sigma 1.2 voxels."""
    at = torch.arange(SIZE).double() - SIZE // 2
    points, weights = blobs(rotation, shift)
    gx, gy, gz = (torch.exp(-((at - points[:, axis, None]) ** 2) / 2.88) for axis in range(3))
    return torch.einsum("n,nz,ny,nx->zyx", weights, gz, gy, gx)


def spectrum(rotation: Tensor, shift: Tensor, k: Tensor) -> Tensor:
    """Its spectrum by the formula."""
    points, weights = blobs(rotation, shift)
    phase = torch.exp(-2j * torch.pi * (k @ points.T))
    return (
        (phase @ weights.to(phase)) * torch.exp(-2 * torch.pi**2 * 1.44 * k.square().sum(1)) * (2.88 * torch.pi) ** 1.5
    )


def scene() -> dict[str, Any]:
    k = half_sphere(SIZE, 0.35)
    rotation = random_rotations(4, seeded()).double()
    shift = torch.randn(3, 3, generator=seeded()).double()
    spectra = torch.stack([spectrum(rotation[r], shift[s], k) for r, s in ((0, 0), (1, 1), (3, 2))])
    reference = fourier_reference(drawn(torch.eye(3).double(), torch.zeros(3).double()))
    return {"spectra": spectra, "reference": reference, "rotation": rotation, "shift": shift, "frequencies": k}


def test_a_turned_and_shifted_particle_agrees_with_its_own_rotation_and_shift() -> None:
    given = scene()
    scores = fourier_correlation(**given, weight=torch.ones(1, len(given["frequencies"])).double())
    best = scores.flatten(1).max(1)
    assert best.indices.tolist() == [0, 1 * 3 + 1, 3 * 3 + 2]
    assert bool((best.values > 0.999).all()) and float(scores.max()) <= 1 + 1e-12


def test_the_spectrum_of_a_reference_is_that_of_its_volume() -> None:
    """Against the formula of Gaussians, between the samples: linear interpolation at twice the size has an error of 1 %."""
    k = half_sphere(SIZE, 0.4)
    turned = random_rotations(1, seeded())[0].double()
    reference = fourier_reference(drawn(turned, torch.zeros(3).double()))
    position = k @ turned.T / reference.step + reference.side // 2  # turned back, off the grid
    found = correlation.sample_reference(correlation.corner_table(reference), reference.side, position)
    wanted = torch.view_as_real(spectrum(turned, torch.zeros(3).double(), k @ turned.T))
    assert float((found - wanted).norm() / wanted.norm()) < 0.015


def test_what_was_not_measured_does_not_count() -> None:
    given = scene()
    k = given["frequencies"]
    weight = (k[:, 2].abs() < 1.7 * k[:, 0].abs()).double()[None].expand(3, -1).clone()
    wanted = fourier_correlation(**given, weight=weight)
    given["spectra"] = torch.where(weight > 0, given["spectra"], 1e3 * torch.randn_like(weight))
    assert torch.allclose(fourier_correlation(**given, weight=weight), wanted)
    assert bool((wanted.flatten(1).amax(1) > 0.999).all())


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {**scene(), "weight": torch.rand(3, len(half_sphere(SIZE, 0.35)), generator=seeded()).double()}
    whole = fourier_correlation(**given)
    monkeypatch.setattr(correlation, "CHUNK_BYTES", 1)
    torch.testing.assert_close(fourier_correlation(**given), whole)


@pytest.mark.parametrize("name", ["spectra", "rotation", "shift"])
def test_a_nan_is_seen_in_its_own_scores_alone(name: str) -> None:
    parts = make_inputs(VolumeCase("fourier_correlation", 5, 4, 6, 6, shifts=3), SEED).to(torch.float32).arguments
    values, step = (parts.pop(part) for part in ("values", "step"))
    parts["spectra"] = torch.view_as_complex(parts["spectra"])
    parts[name] = parts[name].clone()
    parts[name][1].view(-1)[0] = torch.nan
    scores = fourier_correlation(reference=FourierReference(torch.view_as_complex(values), step), **parts)
    bad = torch.zeros_like(scores, dtype=torch.bool)
    bad.select({"spectra": 0, "rotation": 1, "shift": 2}[name], 1)[:] = True
    assert torch.equal(scores.isnan(), bad)
