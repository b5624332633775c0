"""Emitters drawn with a tabulated PSF, and the likelihood of emitters: what no case of the harness shows."""

import math
import os
from typing import Any

import pytest
import torch
from scipy.ndimage import map_coordinates, spline_filter1d
from torch import Tensor

from holly_triton.harness.baselines import forward_backward
from holly_triton.harness.cases import make_inputs
from holly_triton.harness.compare import compare, validation_inputs
from holly_triton.harness.ops.frames import FrameCase, astigmatic_table
from holly_triton.kernels import PsfTable, emitter_nll, psf_table, splat_emitters, splat_psf
from holly_triton.kernels.frames import emitters as drawing
from holly_triton.kernels.frames import reference

SEED = int(os.environ.get("HOLLY_SEED", "0"))
"""Of every random input here. Set it to draw others; a failure names it."""


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def single(table: PsfTable) -> PsfTable:
    return table._replace(coefficients=table.coefficients.float())


def test_a_table_takes_its_values_at_its_points() -> None:
    values = torch.rand(7, 6, 9, generator=seeded()).double()
    table = psf_table(values, -300.0, 100.0)
    z = torch.arange(7).double() * 100 - 300
    on_pixels = torch.stack([torch.full_like(z, 0.5), torch.full_like(z, -0.5), z], 1)
    frames = splat_psf(on_pixels, torch.arange(8), table, (15, 18))
    torch.testing.assert_close(frames[:, 4:10, 5:14], values)


def test_a_table_holds_cubics_along_z_exactly() -> None:
    """Also in the first and the last interval, as its ends are "not a knot"."""

    def cubic(z: Tensor) -> Tensor:
        return 2 + z / 100 - (z / 100) ** 2 / 3 + (z / 100) ** 3 / 7

    planes = torch.arange(-200.0, 250, 50).double()
    table = psf_table(cubic(planes)[:, None, None].expand(-1, 3, 3), -200.0, 50.0)
    z = torch.linspace(-200, 200, 33).double()
    frames = splat_psf(torch.stack([0 * z, 0 * z, z], 1), torch.arange(34), table, (5, 5))
    torch.testing.assert_close(frames[:, 2, 2], cubic(z))


def test_between_its_points_a_table_is_scipys_cubic_spline() -> None:
    values = torch.rand(8, 51, 53, generator=seeded()).double()
    coefficients = spline_filter1d(spline_filter1d(values.numpy(), axis=1), axis=2)
    x, y = 0.3, -1.4
    frame = splat_psf(torch.tensor([[x, y, 3.0]]).double(), torch.tensor([0, 1]), psf_table(values, 0.0, 1.0), (11, 13))
    row, column = torch.meshgrid(torch.arange(11.0) - y + 20, torch.arange(13.0) - x + 20, indexing="ij")
    at = torch.stack([row, column]).double().numpy()
    wanted = map_coordinates(coefficients[3], at, order=3, prefilter=False)
    # SciPy mirrors at the edge, whose influence falls by 0.27 a pixel, over 18 pixels. Its row and column are float32.
    torch.testing.assert_close(frame[0], torch.from_numpy(wanted), rtol=0, atol=1e-5)


def test_a_tabulated_gaussian_is_the_gaussian() -> None:
    """Of sigma 1.3 pixels; the error of a cubic spline at one pixel a step."""
    generator = seeded()
    at = torch.arange(-10, 11).double()
    spot = torch.exp(-(at**2) / (2 * 1.3**2)) / ((2 * math.pi) ** 0.5 * 1.3)
    table = psf_table((spot[:, None] * spot).expand(5, -1, -1), -100.0, 50.0)
    xyz = (torch.rand(30, 3, generator=generator).double() - 0.5) * torch.tensor([30, 20, 200])
    offsets, photons = torch.tensor([0, 10, 30]), torch.rand(30, generator=generator).double()
    frames = splat_psf(xyz, offsets, table, (24, 33), weights=photons)
    wanted = splat_emitters(xyz[:, :2], offsets, 1.3, (24, 33), weights=photons)
    assert float((frames - wanted).norm() / wanted.norm()) < 5e-3


def test_photons_are_kept_wherever_an_emitter_lies_between_pixels_and_planes() -> None:
    """B-splines add up to 1, so the sum over the pixels does not depend on x and y."""
    table = astigmatic_table(21, 25, 1.5)
    xyz = torch.rand(40, 3, generator=seeded()).double() - torch.tensor([0.5, 0.5, 0.1])
    frames = splat_psf(xyz, torch.arange(41), table, (40, 41))
    still = splat_psf(xyz * torch.tensor([0.0, 0.0, 1.0]), torch.arange(41), table, (40, 41))
    torch.testing.assert_close(frames.sum((1, 2)), still.sum((1, 2)))
    torch.testing.assert_close(frames.sum((1, 2)), torch.ones(40).double(), rtol=0, atol=2e-3)


@pytest.mark.parametrize("z", [1e4, math.inf])
def test_beyond_the_table_an_emitter_is_drawn_with_the_outermost_plane(z: float) -> None:
    table = single(astigmatic_table(11, 13, 1.5))
    beyond, ends = (torch.tensor([[0.3, 0.1, -at], [0.3, 0.1, at]]) for at in (z, 700.0))
    frames = splat_psf(beyond, torch.arange(3), table, (20, 21))
    torch.testing.assert_close(frames, splat_psf(ends, torch.arange(3), table, (20, 21)))
    assert frames.sum() > 1.9


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("far", [math.inf, -math.inf, 3e38, 5e5])
def test_an_emitter_infinitely_far_off_lights_nothing(axis: int, far: float) -> None:
    xyz = torch.zeros(2, 3)
    xyz[0, axis] = far
    frames = splat_psf(xyz, torch.tensor([0, 1, 2]), single(astigmatic_table(11, 13, 1.5)), (20, 21))
    assert not frames[0].any() and frames[1].any()


@pytest.mark.parametrize("part", ["x", "y", "z", "photons"])
def test_a_nan_shows_in_its_whole_frame_and_in_no_other(part: str) -> None:
    xyz, photons = torch.rand(9, 3, generator=seeded()), torch.ones(9)
    into = photons if part == "photons" else xyz[:, "xyz".index(part)]
    into[4] = torch.nan
    table = single(astigmatic_table(11, 13, 1.5))
    frames = splat_psf(xyz, torch.tensor([0, 3, 6, 9]), table, (8, 30), weights=photons)
    assert frames[1].isnan().all() and frames[[0, 2]].isfinite().all()


@pytest.mark.parametrize("width", [1024, 2048])
def test_an_emitter_keeps_its_precision_far_from_the_centre_of_a_camera_frame(width: int) -> None:
    xyz, table = torch.tensor([[width / 2 - 20.3, 0.4, 120.0]]), astigmatic_table(15, 16, 1.0)
    frame = splat_psf(xyz, torch.tensor([0, 1]), single(table), (8, width)).double()
    wanted = reference.splat_psf(xyz.double(), torch.tensor([0, 1]), table, (8, width))
    assert float((frame - wanted).norm() / wanted.norm()) < 1e-6


@pytest.mark.parametrize("chunk_bytes", [1, 60_000])
def test_chunks_change_nothing_but_rounding(chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "CHUNK_BYTES", chunk_bytes)
    case = FrameCase("splat_psf", 11, 5, 24, 17, 1.7, weights="signed", table=9)
    assert not compare(case, "separable", validation_inputs(case, SEED), dtype=torch.float64).wrong


@pytest.mark.parametrize("op", ["splat_psf", "emitter_nll"])
def test_the_same_input_gives_the_same_bits_on_several_threads(op: str) -> None:
    inputs = make_inputs(FrameCase(op, 300, 4, 40, 40, 1.5), SEED).to(torch.float32)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        (out, gradients), *others = (forward_backward(inputs_case(op), "separable", inputs) for _ in range(3))
    finally:
        torch.set_num_threads(before)
    for again, gradients_again in others:
        assert torch.equal(out, again)
        assert all(torch.equal(gradient, gradients_again[name]) for name, gradient in gradients.items())


def inputs_case(op: str) -> FrameCase:
    return FrameCase(op, 300, 4, 40, 40, 1.5)


def scored(emitters: int = 9, **changed: Any) -> dict[str, Any]:
    """Arguments of ``emitter_nll`` in float64, two frames of 6 x 7 pixels."""
    case = FrameCase("emitter_nll", emitters, 2, **{"height": 6, "width": 7, "window": 3, **changed})
    arguments = make_inputs(case, SEED).to(torch.float64).arguments
    return {n: v.detach() if isinstance(v, Tensor) else v for n, v in arguments.items()}


@pytest.mark.parametrize("backend", ["oracle", "separable"])
def test_gradients_of_the_likelihood_are_those_of_finite_differences(backend: str) -> None:
    given = scored(emitters=5, height=4, width=5)
    function = reference.emitter_nll if backend == "oracle" else emitter_nll
    parts = ("logits", "mean", "sigma")
    fixed = {name: value for name, value in given.items() if name not in parts}

    def nll(*values: Tensor) -> Tensor:
        return function(**dict(zip(parts, values, strict=True)), **fixed)

    assert torch.autograd.gradcheck(nll, [given[name].requires_grad_() for name in parts])


def test_gradients_of_single_emitters_are_those_of_the_oracle() -> None:
    """The harness gives all emitters of a frame the same incoming gradient; here each has its own."""
    pull, found = torch.randn(18, generator=seeded()).double(), []
    for function in emitter_nll, reference.emitter_nll:
        given = scored()
        leaves = [given[name].requires_grad_() for name in ("logits", "mean", "sigma")]
        found.append(torch.autograd.grad((function(**given) * pull).sum(), leaves))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


def test_a_window_over_the_whole_frame_is_the_mixture_of_speiser_et_al() -> None:
    given = scored(window=13)
    p = torch.sigmoid(given["logits"])
    j, i = torch.arange(7).double() - 3, torch.arange(6).double()[:, None] - 2.5
    centres = torch.stack([j.expand(6, 7), i.expand(6, 7), torch.zeros(6, 7), torch.zeros(6, 7)])
    normal: Any = torch.distributions.Normal(given["mean"] + centres, given["sigma"])
    for e, nll in enumerate(emitter_nll(**given)):
        b = int(e >= int(given["offsets"][1]))
        density = normal.log_prob(given["emitters"][e, :, None, None].expand(2, 4, 6, 7)).sum(1)[b].exp()
        torch.testing.assert_close(nll, -(density * p[b] / p[b].sum()).sum().log())


def test_emitters_with_no_pixel_in_their_window_have_a_value_and_a_pull_of_0() -> None:
    given = scored(emitters=2)
    given["emitters"][:, 0] = torch.tensor([4.51, -4.51, torch.inf, -1e30]).double()  # the frame ends at 3.5
    given["logits"].requires_grad_()
    given["mean"].requires_grad_()
    nll = emitter_nll(**given)
    nll.sum().backward()
    assert not nll.any() and not given["logits"].grad.any() and not given["mean"].grad.any()
    given["emitters"][0, 0] = 4.49
    assert emitter_nll(**given)[0] > 0


def test_a_nan_gives_nan_to_its_emitter_alone() -> None:
    for component in range(4):
        given = scored()
        given["emitters"][3, component] = torch.nan
        assert emitter_nll(**given).isnan().nonzero().flatten().tolist() == [3]


def test_extreme_logits_leave_the_likelihood_and_its_gradient_finite() -> None:
    """Where exp(-200) has underflowed in float32, and where p rounds to 1."""
    for logit in -200.0, 200.0:
        given = {
            n: v.float() if isinstance(v, Tensor) and v.dtype.is_floating_point else v for n, v in scored().items()
        }
        given["logits"] = torch.full_like(given["logits"], logit).requires_grad_()
        nll = emitter_nll(**given)
        nll.sum().backward()
        assert nll.isfinite().all() and given["logits"].grad.isfinite().all()
        assert torch.allclose(
            nll, emitter_nll(**{**given, "logits": torch.zeros_like(nll.new_empty(2, 6, 7))}), rtol=1e-4
        )


def test_the_output_of_a_network_may_have_any_layout() -> None:
    given = scored()
    output = torch.cat([given["logits"][:, None], given["mean"], given["sigma"]], 1)
    output = output.contiguous(memory_format=torch.channels_last).requires_grad_()
    parts = {"logits": output[:, 0], "mean": output[:, 1:5], "sigma": output[:, 5:]}
    assert not parts["mean"].is_contiguous()
    nll = emitter_nll(**{**given, **parts})
    torch.testing.assert_close(nll, emitter_nll(**given))
    nll.sum().backward()
    assert output.grad is not None and bool(output.grad.any())


def test_second_derivatives_are_refused_not_zero() -> None:
    given = scored()
    given["mean"].requires_grad_()
    with pytest.raises(NotImplementedError, match="second derivatives"):
        emitter_nll(**given).square().sum().backward(create_graph=True)


def test_under_autocast_the_likelihood_keeps_its_precision() -> None:
    given = {n: v.float() if isinstance(v, Tensor) and v.dtype.is_floating_point else v for n, v in scored().items()}
    half = given["logits"].bfloat16().requires_grad_()
    wanted = emitter_nll(**{**given, "logits": half.float()})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        nll = emitter_nll(**{**given, "logits": half})
    assert torch.equal(nll, wanted)
    nll.sum().backward()
    assert half.grad is not None and half.grad.dtype == torch.bfloat16
