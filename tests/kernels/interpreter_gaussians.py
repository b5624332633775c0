"""The Triton kernels of Gaussians on the CPU, under TRITON_INTERPRET=1, against the dense float64 oracle.

Triton reads the variable when a kernel is decorated: ``test_interpreter.py`` starts this file with the others in a process
of their own, and ``TRITON_INTERPRET=1 pytest tests/kernels/interpreter_gaussians.py`` runs it alone.
"""

import mmap
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from triton._C.libtriton import ir
from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

from holly_triton.harness.cases import edge_cases
from holly_triton.harness.compare import compare, validation_inputs
from holly_triton.kernels import morton_order, normalised_masked_l1, reconstruction_loss, splat, splat_emitters
from holly_triton.kernels.arguments import Cloud
from holly_triton.kernels.gaussians import reference, triton_emitters, triton_fused, triton_loss, triton_splat
from holly_triton.kernels.launch import INTERPRETED, architecture, pitch

assert INTERPRETED, "run with TRITON_INTERPRET=1"

ROUNDING = 1e-5
"""Relative L2. The interpreter multiplies in float32, but halves as the kernels do: 3e-7 to 2e-6 is seen, 5e-6 in bf16x3."""

CUT = 3e-7
"""Of the brightest peak: what culling may leave out, 1e-7 a point, with room for the few that pile up."""

PARTS = ("points", "rotation", "shift", "sigma", "weights", "point_sigma")


def make_cloud(n: int, b: int, *, sigma: float = 2.0, spread: float = 9.0, seed: int = 0) -> dict[str, Tensor]:
    """A cloud seen through any 3x3 matrices, with weights of either sign and widths of its own."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "points": spread * torch.randn(n, 3, generator=generator),
        "rotation": torch.randn(b, 3, 3, generator=generator) / 3**0.5,
        "shift": torch.randn(b, 2, generator=generator),
        "sigma": sigma * (1 + 0.2 * torch.rand(b, generator=generator)),
        "weights": 1.2 + torch.randn(n, generator=generator),
        "point_sigma": sigma * torch.rand(n, 2, generator=generator),
    }


def both_sides(cloud: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The cloud as float32 and as float64 leaves."""
    single = {name: part.detach().clone().requires_grad_() for name, part in cloud.items()}
    return single, {name: part.detach().double().requires_grad_() for name, part in cloud.items()}


def distance(found: Tensor, wanted: Tensor) -> float:
    """Relative L2; absolute where wanted is 0."""
    found, wanted = found.detach(), wanted.detach()
    scale = wanted.norm()
    return float((found - wanted).norm() / (scale if scale > 0 else 1))


def assert_gradients_agree(single: dict[str, Tensor], double: dict[str, Tensor], tolerance: float = ROUNDING) -> None:
    for name in single:
        found, wanted = single[name].grad, double[name].grad
        assert found is not None and wanted is not None and found.shape == wanted.shape, name
        assert distance(found, wanted) < tolerance, name


SHAPES = [
    pytest.param(1, 1, (8, 8), 2.0, id="one-point"),
    pytest.param(7, 2, (16, 13), 0.3, id="narrow-small-tile"),
    pytest.param(33, 2, (12, 32), 1.4, id="one-over-the-block-medium-tile"),
    pytest.param(70, 2, (70, 40), 2.0, id="two-tiles-high"),
    pytest.param(65, 1, (33, 131), 14.0, id="wide-sigma-three-tiles-wide"),
    pytest.param(40, 3, (1, 5), 1.0, id="one-row"),
]


@pytest.mark.parametrize(("n", "b", "shape", "sigma"), SHAPES)
def test_splat_draws_and_differentiates_as_the_oracle(n: int, b: int, shape: tuple[int, int], sigma: float) -> None:
    single, double = both_sides(make_cloud(n, b, sigma=sigma, seed=n))
    images, wanted = splat(**single, shape=shape, backend="triton"), reference.splat(**double, shape=shape)
    assert distance(images, wanted) < ROUNDING
    pull = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    (images * pull).sum().backward()
    (wanted * pull).sum().backward()
    assert_gradients_agree(single, double)


@pytest.mark.parametrize("precision", ["tf32", "tf32x3", "bf16x3", "ieee"])
def test_every_precision_has_its_blocks(precision: str) -> None:
    single, double = both_sides(make_cloud(40, 2))
    for shape in (16, 16), (30, 32), (33, 66):
        images = splat(**single, shape=shape, backend="triton", precision=precision)
        assert distance(images, reference.splat(**double, shape=shape)) < ROUNDING
        images.square().sum().backward()


def test_only_the_gradients_asked_for_are_given() -> None:
    cloud = make_cloud(20, 2)
    cloud["points"].requires_grad_()
    splat(**cloud, shape=(16, 16), backend="triton").square().sum().backward()
    wanted = make_cloud(20, 2)["points"].double().requires_grad_()
    others = {name: part.detach().double() for name, part in cloud.items() if name != "points"}
    reference.splat(wanted, **others, shape=(16, 16)).square().sum().backward()
    assert distance(cloud["points"].grad, wanted.grad) < ROUNDING
    assert all(cloud[name].grad is None for name in PARTS[1:])


def test_shared_sigma_without_weights_or_widths() -> None:
    single, double = both_sides({name: part for name, part in make_cloud(20, 3).items() if name in PARTS[:3]})
    for leaves in single, double:
        leaves["sigma"] = torch.tensor(1.7, dtype=leaves["points"].dtype, requires_grad=True)
    images, wanted = (
        splat(**single, shape=(20, 24), backend="triton"),
        reference.splat(**double, shape=(20, 24)),
    )
    assert distance(images, wanted) < ROUNDING
    images.square().sum().backward()
    wanted.square().sum().backward()
    assert_gradients_agree(single, double)


def test_point_sigma_shared_by_both_axes() -> None:
    cloud = make_cloud(10, 2)
    cloud["point_sigma"] = cloud["point_sigma"][:, 0]
    single, double = both_sides(cloud)
    splat(**single, shape=(16, 16), backend="triton").square().sum().backward()
    reference.splat(**double, shape=(16, 16)).square().sum().backward()
    assert_gradients_agree(single, double)


@pytest.mark.parametrize(("n", "b"), [(0, 2), (3, 0), (0, 0)])
def test_nothing_to_draw(n: int, b: int) -> None:
    single, _ = both_sides(make_cloud(n, b))
    images = splat(**single, shape=(8, 9), backend="triton")
    assert images.shape == (b, 8, 9) and not images.any()
    loss = reconstruction_loss(**single, target=torch.ones(b, 8, 9), backend="triton")
    (images.sum() + loss.sum()).backward()
    assert all(part.grad is not None and not part.grad.any() for part in single.values())


def test_points_off_the_frame_leave_it_dark_and_still() -> None:
    cloud = make_cloud(40, 2)
    cloud["shift"] += torch.tensor([900.0, -400.0])
    single, _ = both_sides(cloud)
    images = splat(**single, shape=(20, 70), backend="triton")
    assert not images.any()
    loss = reconstruction_loss(**single, target=torch.ones(2, 20, 70), backend="triton")
    (images.sum() + loss.sum()).backward()
    assert all(not part.grad.any() for part in single.values())


@pytest.mark.parametrize("ordered", [True, False])
def test_culling_leaves_out_no_more_than_it_says(ordered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # Clusters of half a block, side by side across three tiles: some miss a tile, and some just reach it.
    cloud = make_cloud(520, 1, spread=0.5)
    cloud["points"][:, 0] += torch.linspace(-60, 60, 17).repeat_interleave(32)[:520]
    cloud["rotation"] = torch.eye(3)[None]
    if ordered:
        order = morton_order(cloud["points"])
        cloud |= {name: cloud[name][order] for name in ("points", "weights", "point_sigma")}
    double = {name: part.double() for name, part in cloud.items()}
    wanted = reference.splat(**double, shape=(30, 130))
    plain = splat(**cloud, shape=(30, 130), backend="triton")
    monkeypatch.setattr(triton_splat, "CULL_FROM", 0)
    images = splat(**cloud, shape=(30, 130), backend="triton")
    peak = float(wanted.abs().max())
    assert distance(plain, wanted) < ROUNDING
    assert distance(images, wanted) < ROUNDING
    assert float((images - plain).abs().max()) < CUT * peak + 1e-6 * peak


def test_boxes_hold_every_disc_of_their_block() -> None:
    """For matrices that stretch as well as turn, and widths of the points' own."""
    cloud = make_cloud(1100, 2)
    cloud["rotation"] *= torch.tensor([0.2, 5.0])[:, None, None]
    row = triton_splat.blocks_for(architecture(cloud["points"]), "tf32x3", 128, 128)
    arguments, blocks = Cloud(**cloud), -(-1100 // row.points)
    boxes = torch.full((2, 4, blocks), torch.nan)
    constants = triton_splat.box_constants(row)
    triton_splat.launch(
        triton_splat.cloud_boxes, 2 * -(-blocks // constants["GROUP"]), *triton_splat.pointers(arguments), boxes, 1100, 2,
        *triton_splat.flags(arguments), **constants,
    )  # fmt: skip
    xy = cloud["points"] @ cloud["rotation"][:, :2].transpose(1, 2) + cloud["shift"][:, None]
    reach = 5.677 * torch.hypot(cloud["sigma"][:, None, None], cloud["point_sigma"])
    for block in range(blocks):
        inside = slice(row.points * block, row.points * (block + 1))
        low, high = (xy - reach)[:, inside].amin(1), (xy + reach)[:, inside].amax(1)  # [2, 2]
        assert (boxes[:, 0::2, block] <= low + 1e-3).all() and (boxes[:, 0::2, block] > low - 0.1).all()
        assert (boxes[:, 1::2, block] >= high - 1e-3).all() and (boxes[:, 1::2, block] < high + 0.1).all()


def test_the_same_input_gives_the_same_bits() -> None:
    found = []
    for _ in range(2):
        single, _ = both_sides(make_cloud(130, 2))
        target = torch.rand(2, 40, 66, generator=torch.Generator().manual_seed(3))
        loss = reconstruction_loss(**single, target=target, backend="triton")
        loss.sum().backward()
        found.append([loss, *(part.grad for part in single.values())])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_inputs_need_not_be_contiguous() -> None:
    cloud = make_cloud(20, 2)
    strided = {name: part.repeat_interleave(2, 0)[::2] for name, part in cloud.items()}
    strided["points"] = cloud["points"].T.contiguous().T
    assert not strided["points"].is_contiguous()
    images = splat(**cloud, shape=(16, 18), backend="triton")
    assert torch.equal(images, splat(**strided, shape=(16, 18), backend="triton"))
    target = torch.rand(2, 18, 16).transpose(1, 2)
    close = normalised_masked_l1(images.transpose(1, 2), target.transpose(1, 2), backend="triton")
    wanted = reference.normalised_masked_l1(images.transpose(1, 2).double(), target.transpose(1, 2).double())
    assert distance(close, wanted) < ROUNDING


def test_kernels_are_given_what_they_were_inspected_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices start anywhere; a kernel on them would be a variant of its own, unseen by the ahead-of-time gate."""
    cloud = {name: torch.cat([part[:1], part])[1:] for name, part in make_cloud(21, 3).items()}
    target = torch.rand(3 * 15 * 17 + 1, generator=torch.Generator().manual_seed(3))[1:].view(3, 15, 17)
    assert all(part.is_contiguous() and part.data_ptr() % 16 for part in (target, cloud["weights"], cloud["points"]))
    for name in "points", "sigma":
        cloud[name].requires_grad_()
    wanted = splat(**make_cloud(21, 3), shape=(15, 17), backend="triton")

    def launch(kernel: Any, programs: int, *arguments: Any, **constants: Any) -> None:
        assert all(part.data_ptr() % 16 == 0 for part in arguments if isinstance(part, Tensor)), kernel
        right(kernel, programs, *arguments, **constants)

    right = triton_splat.launch
    for module in triton_splat, triton_loss, triton_emitters:
        monkeypatch.setattr(module, "launch", launch)
    images = splat(**cloud, shape=(15, 17), backend="triton")
    assert torch.equal(images, wanted)
    loss = reconstruction_loss(**cloud, target=target, backend="triton")
    (loss * torch.rand(4)[1:] + normalised_masked_l1(images, target, backend="triton")).sum().backward()
    emitters = torch.rand(41, 2)[1:], torch.tensor([7, 0, 40])[1:], torch.rand(41)[1:] + 1, (15, 17)
    splat_emitters(*emitters, weights=torch.rand(41)[1:], backend="triton")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["rotation", "shift", "sigma"])
def test_a_bad_pose_spoils_its_own_picture_only(part: str, value: float) -> None:
    clean, _ = both_sides(make_cloud(40, 3))
    bad, _ = both_sides(make_cloud(40, 3))
    with torch.no_grad():
        bad[part][1] = value
    losses = []
    for leaves in clean, bad:
        with np.errstate(all="ignore"):
            loss = reconstruction_loss(**leaves, target=torch.ones(3, 20, 70), backend="triton")
            loss.sum().backward()
        losses.append(loss)
    others = [0, 2]
    assert torch.equal(losses[0][others], losses[1][others])
    for name in "rotation", "shift", "sigma":
        assert torch.equal(clean[name].grad[others], bad[name].grad[others])
    if value != value:
        assert losses[1][1].isnan()


def test_second_derivatives_are_refused_not_zero() -> None:
    single, _ = both_sides(make_cloud(5, 1))
    target = torch.rand(1, 9, 7, generator=torch.Generator().manual_seed(3))
    for out in (
        splat(**single, shape=(9, 7), backend="triton"),
        reconstruction_loss(**single, target=target, backend="triton"),
        normalised_masked_l1(target.clone().requires_grad_(), target, backend="triton"),
    ):
        with pytest.raises(NotImplementedError, match="second derivatives"):
            out.square().sum().backward(create_graph=True)


@pytest.mark.parametrize("width", [64, 100], ids=["whole-tiles", "cut-tile"])
@pytest.mark.parametrize("far", [torch.inf, -torch.inf, 3e38])
def test_an_infinite_shift_lies_outside_and_leaves_every_gradient_finite(width: int, far: float) -> None:
    cloud = make_cloud(40, 2)
    cloud["shift"][1] = far
    single, _ = both_sides(cloud)
    alone, _ = both_sides({name: part[:1] if name in PARTS[1:4] else part for name, part in cloud.items()})
    with np.errstate(all="ignore"):
        images = splat(**single, shape=(40, width), backend="triton")
        images.square().sum().backward()
        splat(**alone, shape=(40, width), backend="triton").square().sum().backward()
    assert not images[1].any()
    assert all(part.grad is not None and bool(part.grad.isfinite().all()) for part in single.values())
    assert torch.equal(single["points"].grad, alone["points"].grad)


@pytest.mark.parametrize(("width", "sigma"), [(1024, 1.0), (2048, 0.5)])
@pytest.mark.parametrize("op", ["splat", "splat_emitters"])
def test_a_gaussian_keeps_its_precision_far_from_the_centre_of_a_camera_frame(
    op: str, width: int, sigma: float, error_at_the_edge: Any
) -> None:
    assert error_at_the_edge(op, width, sigma, "triton") < 1e-6


def reserved(count: int) -> Tensor:
    """Floats of which only the pages that are written take memory: more than any test could fill."""
    if sys.platform != "linux":
        pytest.skip("this system reserves memory when it is asked for")
    no_reserve = getattr(mmap, "MAP_NORESERVE", 0x4000)  # Python names it from 3.12
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | no_reserve
    return torch.from_numpy(np.frombuffer(mmap.mmap(-1, 4 * count, flags), np.float32))


def test_gradients_of_half_a_billion_points_lie_where_they_belong() -> None:
    """Five times as many is beyond int32: one program of the launch, told of all of them."""
    constants = triton_splat.gradient_constants(triton_splat.blocks_for(90, "ieee", 16, 16), True, "ieee")
    block = constants["POINTS"]
    cloud = Cloud(**make_cloud(block, 1))
    found = []
    for count in block, 2**29 - 7:
        grad_points, grad_poses = reserved(6 * count).view(6, count), torch.zeros(1, 1, 4, 4)
        triton_splat.launch(
            triton_splat.cloud_gradients, 1, *triton_splat.pointers(cloud), torch.ones(1, 16, 16), cloud.points,
            grad_points, grad_poses, count, 1, 16, 16, 4, 1, 1, *triton_splat.flags(cloud), 0, **constants,
        )  # fmt: skip
        found.append(grad_points[:, :block].clone())
    assert found[0].any(1).all()
    assert torch.equal(*found)


def test_widths_of_emitters_may_lie_gigabytes_apart() -> None:
    """A slice of a larger tensor may have any stride; lanes of a block times 2^23 is beyond int32."""
    count, stride = 300, 2**23
    sigma = reserved(count * stride).view(count, stride)[:, :2]
    sigma[:] = 0.5 + torch.rand(count, 2, generator=torch.Generator().manual_seed(9))
    xy = 9 * torch.randn(count, 2, generator=torch.Generator().manual_seed(8))
    emitters = xy, torch.tensor([0, count])
    images = splat_emitters(*emitters, sigma, (20, 24), backend="triton")
    assert torch.equal(images, splat_emitters(*emitters, sigma.contiguous(), (20, 24), backend="triton"))


@pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning")
def test_a_bad_point_shows() -> None:
    cloud = make_cloud(40, 1)
    cloud["points"][3, 0] = torch.nan
    with np.errstate(all="ignore"):
        assert splat(**cloud, shape=(20, 70), backend="triton").isnan().all()


LOSS_SHAPES = [(1, 1), (16, 16), (33, 65)]


@pytest.mark.parametrize("shape", LOSS_SHAPES)
def test_normalised_masked_l1_as_the_oracle(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(5)
    # Brightness and mask well away from the kinks: the oracle and the kernel must take the same sides.
    images, target = (0.1 + torch.rand(3, *shape, generator=generator) for _ in range(2))
    target[:, ::2, ::3] = 0
    single, double = images.clone().requires_grad_(), images.double().requires_grad_()
    pull = torch.tensor([1.0, -2.0, 0.5])
    loss = normalised_masked_l1(single, target, scale=50.0, backend="triton")
    wanted = reference.normalised_masked_l1(double, target.double(), scale=50.0)
    assert distance(loss, wanted) < ROUNDING
    (loss * pull).sum().backward()
    (wanted * pull).sum().backward()
    assert distance(single.grad, double.grad) < ROUNDING


def test_dark_pictures_and_empty_masks_cost_and_pull_nothing() -> None:
    bright = torch.rand(1, 9, 9)
    images = torch.cat([0 * bright, bright, bright, 1e-42 * bright]).requires_grad_()
    target = torch.cat([bright, 0 * bright, bright, bright])
    with np.errstate(all="ignore"):
        loss = normalised_masked_l1(images, target, backend="triton")
    loss.sum().backward()
    assert loss.isfinite().all() and loss[1] == 0 and loss[2] == 0
    assert torch.allclose(loss[[0, 3]], torch.tensor(100.0))
    assert not images.grad[[0, 1, 3]].any()
    masked = normalised_masked_l1(bright, bright, mask_threshold=1e9, backend="triton")
    assert masked.item() == 0
    assert normalised_masked_l1(bright[:0], bright[:0], backend="triton").shape == (0,)


@pytest.mark.parametrize(("n", "b", "shape", "sigma"), SHAPES[1:5])
def test_reconstruction_loss_as_the_oracle(n: int, b: int, shape: tuple[int, int], sigma: float) -> None:
    cloud = make_cloud(n, b, sigma=sigma, seed=n)
    cloud["weights"] = cloud["weights"].abs() + 0.1
    single, double = both_sides(cloud)
    # The same cloud moved by half a sigma: no pixel ties, and some differ either way, or no gradient is left.
    target = reference.splat(**(cloud | {"shift": cloud["shift"] + 0.5 * sigma}), shape=shape) + 1e-4
    pull = torch.arange(1.0, b + 1)
    loss = reconstruction_loss(**single, target=target, backend="triton", mask_threshold=1e-3)
    wanted = reference.reconstruction_loss(**double, target=target.double(), mask_threshold=1e-3)
    assert distance(loss, wanted) < ROUNDING
    (loss * pull).sum().backward()
    (wanted * pull).sum().backward()
    assert_gradients_agree(single, double, 1e-4)


def test_without_gradients_none_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    single, _ = both_sides(make_cloud(20, 2))
    target = torch.rand(2, 16, 18, generator=torch.Generator().manual_seed(3)).requires_grad_()
    loss = reconstruction_loss(**single, target=target, backend="triton")
    alone = normalised_masked_l1(target, 1 - target, backend="triton")

    def compare(*arguments: Any) -> tuple[Tensor, Tensor | None]:
        found, gradient = right(*arguments)
        assert gradient is None
        return found, gradient

    right = triton_loss.compare
    for module in triton_fused, triton_loss:
        monkeypatch.setattr(module, "compare", compare)
    with torch.no_grad():
        assert torch.equal(reconstruction_loss(**single, target=target, backend="triton"), loss)
        assert torch.equal(normalised_masked_l1(target, 1 - target, backend="triton"), alone)


EMITTERS = [
    pytest.param([0, 0, 1, 34, 34, 60], (16, 16), id="small-tile-empty-pictures"),
    pytest.param([0, 40, 41], (31, 20), id="medium-tile"),
    pytest.param([0, 300, 560], (66, 70), id="large-tile-several-groups"),
    pytest.param([0, 0], (9, 70), id="no-emitters"),
    pytest.param([0], (8, 8), id="no-pictures"),
]


@pytest.mark.parametrize(("offsets", "shape"), EMITTERS)
def test_splat_emitters_as_the_oracle(offsets: list[int], shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(7)
    count, bounds = offsets[-1], torch.tensor(offsets)
    xy = 14 * torch.randn(count, 2, generator=generator)
    photons = 1 + torch.rand(count, generator=generator)
    for sigma in (
        0.3 + torch.rand(count, 2, generator=generator),
        1 + torch.rand(count, generator=generator),
        14.0,
    ):
        images = splat_emitters(xy, bounds, sigma, shape, weights=photons, backend="triton")
        assert images.shape == (len(offsets) - 1, *shape)
        double = sigma.double() if isinstance(sigma, Tensor) else sigma
        wanted = reference.splat_emitters(xy.double(), bounds, double, shape, weights=photons.double())
        assert distance(images, wanted) < ROUNDING


def test_emitters_need_not_be_contiguous() -> None:
    xy, sigma, photons = (part + 1 for part in torch.rand(3, 2, 40, generator=torch.Generator().manual_seed(8)))
    offsets = torch.tensor([0, 0, 25, 0, 40, 0])[::2]
    given = xy.T, offsets, sigma.T, (20, 24)
    assert not any(part.is_contiguous() for part in given[:3])
    images = splat_emitters(*given, weights=photons.T[:, 1], backend="triton")
    same = xy.T.contiguous(), offsets.contiguous(), sigma.T.contiguous(), (20, 24)
    assert torch.equal(images, splat_emitters(*same, weights=photons[1].clone(), backend="triton"))


def test_emitters_off_the_frame_leave_it_dark() -> None:
    xy = torch.rand(40, 2, generator=torch.Generator().manual_seed(8)) + torch.tensor([300.0, -200.0])
    assert not splat_emitters(xy, torch.tensor([0, 25, 40]), 2.0, (20, 70), backend="triton").any()


def test_offsets_that_lie_read_nothing_outside() -> None:
    """On a GPU they aren't read back to be checked, so the kernel clamps them; here, past a CPU's check."""
    from holly_triton.kernels.gaussians.triton_emitters import splat_emitters_triton

    xy = torch.zeros(4, 2)
    images = splat_emitters_triton(xy, torch.tensor([-9, 99, 2, 4]), torch.ones(1, 2), None, (8, 8))
    assert torch.allclose(images.sum((1, 2)), torch.tensor([4.0, 0.0, 2.0]), rtol=1e-2)


def test_rows_are_padded_to_sixteen_bytes_and_cut_again() -> None:
    assert [pitch(width) for width in (1, 4, 5, 128)] == [4, 4, 8, 128]
    images = splat(**make_cloud(5, 2), shape=(9, 13), backend="triton")
    assert images.shape == (2, 9, 13) and images.is_contiguous()


def test_float64_is_refused() -> None:
    cloud = {name: part.double() for name, part in make_cloud(3, 1).items()}
    with pytest.raises(TypeError, match="triton.*float32"):
        splat(**cloud, shape=(8, 8), backend="triton")


@pytest.fixture
def tensor_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products in tf32 as a GPU makes them: of each factor it takes the first 19 bits, and cuts the others."""
    multiplied = InterpreterBuilder.create_dot

    def cut(factor: TensorHandle) -> TensorHandle:
        bits = np.ascontiguousarray(factor.data, np.float32).view(np.int32) & np.int32(-0x2000)
        return TensorHandle(bits.view(np.float32), factor.dtype)

    def create_dot(builder: Any, a: Any, b: Any, total: Any, precision: Any, *others: Any) -> Any:
        if precision == ir.INPUT_PRECISION.TF32:
            a, b = cut(a), cut(b)
        return multiplied(builder, a, b, total, precision, *others)

    monkeypatch.setattr(InterpreterBuilder, "create_dot", create_dot)


@pytest.mark.parametrize(("precision", "wrong"), [("tf32x3", False), ("tf32", True)])
def test_gradients_that_cancel_survive_the_bits_that_tensor_cores_cut(
    precision: str, wrong: bool, tensor_cores: None
) -> None:
    """The gradient of a wide sigma is a small difference of large sums: upper halves that are cut, not rounded, give 4e-5."""
    (case,) = (case for case in edge_cases(precision) if (case.op, case.label) == ("reconstruction_loss", "broad"))
    compared = compare(case, "triton", validation_inputs(case, 0, device="cpu"), "cpu")
    assert (compared.error_gradient > 3e-5) is wrong
