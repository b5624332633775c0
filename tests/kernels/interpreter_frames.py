"""The Triton kernels of camera frames on the CPU, under TRITON_INTERPRET=1, against the dense float64 oracle.

``test_interpreter.py`` starts it with the others in a process of their own, and ``TRITON_INTERPRET=1 pytest
tests/kernels/interpreter_frames.py`` runs it alone. A pixel of a PSF takes 64 loads, so the cases are small.
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from holly_triton.harness.cases import make_inputs
from holly_triton.harness.ops.frames import FrameCase, astigmatic_table
from holly_triton.kernels import emitter_nll, splat_psf
from holly_triton.kernels.frames import reference, triton_emitters, triton_mixture
from holly_triton.kernels.frames.triton_emitters import splat_psf_triton
from holly_triton.kernels.launch import INTERPRETED

assert INTERPRETED, "run with TRITON_INTERPRET=1"

ROUNDING = 1e-5
"""Relative L2 in float32: 1e-7 to 3e-6 is seen."""

TABLE = astigmatic_table(5, 6, 1.2)
SINGLE = TABLE._replace(coefficients=TABLE.coefficients.float())
PARTS = ("logits", "mean", "sigma")


def distance(found: Tensor, wanted: Tensor) -> float:
    """Relative L2; absolute where wanted is 0."""
    found, wanted = found.detach().double(), wanted.detach().double()
    scale = wanted.norm()
    return float((found - wanted).norm() / (scale if scale > 0 else 1))


def emitters(count: int, width: float, depth: float = 800.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Positions around a frame of a width, and photons of either sign."""
    generator = torch.Generator().manual_seed(seed)
    xyz = torch.rand(count, 3, generator=generator) - 0.5
    return xyz * torch.tensor([width, width, 2 * depth]), 1.2 + torch.randn(count, generator=generator)


DRAWN = [
    pytest.param([0, 0, 3, 3, 5], (8, 9), 8.0, id="empty-frames"),
    pytest.param([0, 4], (3, 21), 24.0, id="two-tiles-wide-and-off-the-frame"),
    pytest.param([0, 19], (1, 4), 5.0, id="more-than-a-block"),
    pytest.param([0, 0], (5, 20), 8.0, id="no-emitters"),
    pytest.param([0], (8, 8), 8.0, id="no-frames"),
]


@pytest.mark.parametrize(("offsets", "shape", "width"), DRAWN)
def test_splat_psf_as_the_oracle(offsets: list[int], shape: tuple[int, int], width: float) -> None:
    (xyz, photons), bounds = emitters(offsets[-1], width), torch.tensor(offsets)
    frames = splat_psf(xyz, bounds, SINGLE, shape, weights=photons, backend="triton")
    assert frames.shape == (len(offsets) - 1, *shape)
    assert (
        distance(frames, reference.splat_psf(xyz.double(), bounds, TABLE, shape, weights=photons.double())) < ROUNDING
    )


def test_without_weights_an_emitter_has_one_photon_and_the_same_input_gives_the_same_bits() -> None:
    xyz, offsets = emitters(3, 7.0)[0], torch.tensor([0, 1, 3])
    frames, again = (splat_psf(xyz, offsets, SINGLE, (6, 6), backend="triton") for _ in range(2))
    assert torch.equal(frames, again)
    assert distance(frames, reference.splat_psf(xyz.double(), offsets, TABLE, (6, 6))) < ROUNDING


def test_an_emitter_keeps_its_precision_far_from_the_centre_of_a_camera_frame() -> None:
    xyz, offsets = torch.tensor([[-492.3, 0.4, 120.0]]), torch.tensor([0, 1])
    frame = splat_psf(xyz, offsets, SINGLE, (1, 1024), backend="triton")
    assert distance(frame, reference.splat_psf(xyz.double(), offsets, TABLE, (1, 1024))) < 1e-6


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_shows_as_it_does_in_pytorch(bad: float) -> None:
    xyz, photons = emitters(6, 6.0)
    for part in range(4):  # of the one emitter of a frame; the last has two good ones
        (photons if part == 3 else xyz[:, part])[part] = bad
    given = xyz, torch.tensor([0, 1, 2, 3, 4, 6]), SINGLE, (6, 6)
    with np.errstate(all="ignore"):
        frames = splat_psf(*given, weights=photons, backend="triton")
    wanted = splat_psf(*given, weights=photons, backend="separable")
    assert wanted[4].isfinite().all() and (wanted[:4].isnan().any() or not wanted[:2].any())
    torch.testing.assert_close(frames, wanted, equal_nan=True, rtol=1e-4, atol=1e-6)


def test_offsets_that_lie_read_nothing_outside() -> None:
    """On a GPU they aren't read back to be checked, so the kernel clamps them; here, past a CPU's check."""
    frames = splat_psf_triton(torch.zeros(4, 3), torch.tensor([-9, 99, 2, 4]), SINGLE, None, (5, 6))
    one = splat_psf(torch.zeros(1, 3), torch.tensor([0, 1]), SINGLE, (5, 6))[0]
    torch.testing.assert_close(frames, torch.stack([4 * one, 0 * one, 2 * one]))


def scored(case: FrameCase, dtype: torch.dtype) -> dict[str, Any]:
    arguments = make_inputs(case, 3).to(dtype).arguments
    return {n: v.detach().requires_grad_(n in PARTS) if isinstance(v, Tensor) else v for n, v in arguments.items()}


SCORED = [
    pytest.param(FrameCase("emitter_nll", 4, 3, 6, 7, window=3), id="ragged"),
    pytest.param(FrameCase("emitter_nll", 20, 2, 5, 19, window=5), id="two-tiles-and-two-blocks"),
    pytest.param(FrameCase("emitter_nll", 3, 2, 1, 4, window=7), id="window-larger-than-the-frame"),
    pytest.param(FrameCase("emitter_nll", 70, 1, 4, 5, window=1), id="more-than-a-program"),
    pytest.param(FrameCase("emitter_nll", 5, 2, 6, 7, shift_px=4.0), id="partly-off-the-frame"),
    pytest.param(FrameCase("emitter_nll", 0, 2, 6, 7), id="no-emitters"),
    pytest.param(FrameCase("emitter_nll", 3, 0, 6, 7), id="no-frames"),
]


@pytest.mark.parametrize("case", SCORED)
def test_emitter_nll_scores_and_differentiates_as_the_oracle(case: FrameCase) -> None:
    single, double = (scored(case, dtype) for dtype in (torch.float32, torch.float64))
    nll, wanted = emitter_nll(**single, backend="triton"), reference.emitter_nll(**double)
    assert distance(nll, wanted) < ROUNDING
    pull = torch.randn(len(nll), generator=torch.Generator().manual_seed(1))
    (nll * pull).sum().backward()
    (wanted * pull).sum().backward()
    for name in PARTS:
        assert distance(single[name].grad, double[name].grad) < ROUNDING, name


def test_the_likelihood_gives_the_same_bits_for_any_layout_and_twice() -> None:
    case, found = FrameCase("emitter_nll", 6, 2, 6, 7, window=3), []
    for memory_format in torch.contiguous_format, torch.channels_last, torch.channels_last:
        given = scored(case, torch.float32)
        output = torch.cat([given["logits"][:, None], given["mean"], given["sigma"]], 1).detach()
        output = output.contiguous(memory_format=memory_format).requires_grad_()
        parts = {"logits": output[:, 0], "mean": output[:, 1:5], "sigma": output[:, 5:]}
        nll = emitter_nll(**{**given, **parts}, backend="triton")
        nll.square().sum().backward()
        found.append((nll.detach(), output.grad.clone()))
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


def test_a_nan_gives_nan_to_its_emitter_alone_and_extreme_logits_stay_finite() -> None:
    for component in range(4):
        given = scored(FrameCase("emitter_nll", 4, 1, 6, 7, window=3), torch.float32)
        given["emitters"][2, component] = torch.nan
        nll = emitter_nll(**given, backend="triton")
        assert nll.isnan().nonzero().flatten().tolist() == [2]
    for logit in -200.0, 200.0:
        given = scored(FrameCase("emitter_nll", 4, 1, 6, 7, window=3), torch.float32)
        given["logits"] = torch.full_like(given["logits"], logit).requires_grad_()
        nll = emitter_nll(**given, backend="triton")
        nll.sum().backward()
        assert given["logits"].grad.isfinite().all()
        torch.testing.assert_close(nll, emitter_nll(**given), rtol=1e-5, atol=1e-5)


def test_second_derivatives_are_refused_not_zero() -> None:
    given = scored(FrameCase("emitter_nll", 2, 1, 3, 3, window=1), torch.float32)
    with pytest.raises(NotImplementedError, match="second derivatives"):
        emitter_nll(**given, backend="triton").square().sum().backward(create_graph=True)


def test_kernels_are_given_what_they_were_inspected_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices start anywhere; a kernel on them would be a variant of its own, unseen by the ahead-of-time gate."""

    def launch(kernel: Any, programs: int, *arguments: Any, **constants: Any) -> None:
        assert all(part.data_ptr() % 16 == 0 for part in arguments if isinstance(part, Tensor)), kernel
        right(kernel, programs, *arguments, **constants)

    right = triton_emitters.launch
    for module in triton_emitters, triton_mixture:
        monkeypatch.setattr(module, "launch", launch)
    coefficients = torch.cat([SINGLE.coefficients.flatten()[:1], SINGLE.coefficients.flatten()])[1:]
    table = SINGLE._replace(coefficients=coefficients.view_as(SINGLE.coefficients))
    splat_psf(
        torch.rand(4, 3)[1:], torch.tensor([7, 0, 3])[1:], table, (3, 3), weights=torch.rand(4)[1:], backend="triton"
    )
    given = scored(FrameCase("emitter_nll", 2, 1, 3, 3, window=1), torch.float32)
    for name in (*PARTS, "emitters"):
        flat = given[name].detach().flatten()
        given[name] = torch.cat([flat[:1], flat])[1:].view_as(given[name]).requires_grad_(name in PARTS)
    (emitter_nll(**given, backend="triton") * torch.rand(3)[1:]).sum().backward()
