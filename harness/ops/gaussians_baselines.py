"""Baselines of the operations on Gaussians: the naive version, the exact answer, the least work.

L1 has no gradient where output equals target, nor where the target crosses the mask's threshold: rounding
there flips a sign, and one flipped sign dominates the error. So targets are moved away from ties first.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from holly_triton.kernels.gaussians import reference
from holly_triton.kernels.gaussians.separable import CHUNK_BYTES

from ..operation import Answer, Bare, Case, Inputs, Work, differentiate

NAIVE_TENSORS = 8
"""Tensors of images x points x (height + width) that the naive version holds, including those for autograd."""
DENSE_TENSORS = 8
"""Tensors of images x points x height x width in the dense version."""
ORACLE_VALUES = 2**20
"""Gaussian values that the oracle holds at a time on a CPU, 8 MiB, which fit its cache."""
PICTURES_MOVED = 3
"""Pictures read or written by the forward and backward pass together."""


def naive_splat(
    points: Tensor,
    rotation: Tensor,
    shift: Tensor,
    sigma: Tensor,
    shape: tuple[int, int],
    *,
    weights: Tensor | None = None,
    point_sigma: Tensor | None = None,
) -> Tensor:
    """One batched matrix product of Gaussians along rows and columns, the straightforward version."""
    xy = points @ rotation[:, :2].transpose(1, 2) + shift[:, None]  # [B, N, 2]
    width = sigma.reshape(-1, 1, 1)  # [B or 1, 1, 1]
    if point_sigma is not None:
        width = (width**2 + point_sigma.reshape(len(points), -1) ** 2).sqrt()  # [B or 1, N, 1 or 2]
    gx = _axis(xy[..., 0], width[..., 0], shape[1])  # [B, N, W]
    gy = _axis(xy[..., 1], width[..., -1], shape[0])  # [B, N, H]
    if weights is not None:
        gx = gx * weights[:, None]
    return torch.bmm(gy.transpose(1, 2), gx)


def _axis(position: Tensor, sigma: Tensor, length: int) -> Tensor:
    """Gaussians of integral 1 along one axis."""
    centres = torch.arange(length, dtype=position.dtype, device=position.device) - (length - 1) / 2
    offset = (centres - position[..., None]) / sigma[..., None]
    gaussians: Tensor = torch.exp(-(offset**2) / 2) / ((2 * torch.pi) ** 0.5 * sigma[..., None])
    return gaussians


def naive_reconstruction_loss(
    points: Tensor,
    rotation: Tensor,
    shift: Tensor,
    sigma: Tensor,
    target: Tensor,
    *,
    mask_threshold: float,
    weights: Tensor | None = None,
    point_sigma: Tensor | None = None,
) -> Tensor:
    """The naive picture and the loss written with plain operations."""
    shape = (target.shape[1], target.shape[2])
    images = naive_splat(points, rotation, shift, sigma, shape, weights=weights, point_sigma=point_sigma)
    return reference.normalised_masked_l1(images, target, mask_threshold=mask_threshold)


def naive_reconstruction_divergence(
    points: Tensor,
    rotation: Tensor,
    shift: Tensor,
    sigma: Tensor,
    background: Tensor,
    target: Tensor,
    *,
    weights: Tensor | None = None,
) -> Tensor:
    """The naive picture and the divergence written with plain operations."""
    images = naive_splat(points, rotation, shift, sigma, (target.shape[1], target.shape[2]), weights=weights)
    return reference.divergence(images, background, target)


def naive_splat_emitters(
    xy: Tensor, offsets: Tensor, sigma: Tensor, shape: tuple[int, int], *, weights: Tensor | None = None
) -> Tensor:
    """One matrix product per picture."""
    width = (sigma.reshape(-1, 1) if sigma.ndim < 2 else sigma).expand(len(xy), 2)
    gx, gy = _axis(xy[:, 0], width[:, 0], shape[1]), _axis(xy[:, 1], width[:, 1], shape[0])
    if weights is not None:
        gx = gx * weights[:, None]
    bounds = offsets.tolist()
    pictures = [gy[a:b].T @ gx[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    images: Tensor = torch.stack(pictures) if pictures else xy.new_zeros(0, *shape)
    return images


NAIVE: dict[str, Callable[..., Tensor]] = {
    "splat": naive_splat,
    "reconstruction_loss": naive_reconstruction_loss,
    "reconstruction_divergence": naive_reconstruction_divergence,
    "normalised_masked_l1": reference.normalised_masked_l1,
    "splat_emitters": naive_splat_emitters,
}


def _drawn(case: Case, inputs: Inputs) -> Answer:
    """The dense answer and its gradients, drawn a few points at a time so that it fits in memory."""
    arguments = dict(inputs.arguments)
    compared = {name: arguments.pop(name) for name in ("target", "mask_threshold", "background") if name in arguments}
    arguments["shape"] = (case.height, case.width)
    per_point = {name: arguments.pop(name) for name in ("points", "weights", "point_sigma") if name in arguments}
    step = _points_at_once(case, len(inputs.cotangent), inputs.cotangent.device)
    blocks = [slice(start, start + step) for start in range(0, case.points, step)]
    with torch.no_grad():
        images = torch.zeros_like(compared.get("target", inputs.cotangent))
        for block in blocks:
            images += reference.splat(**arguments, **{name: value[block] for name, value in per_point.items()})
    out, grad_images = images, inputs.cotangent
    leaves = {name: inputs.arguments[name] for name in inputs.differentiable}
    gradients = {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    if compared:
        images.requires_grad_()
        of_pictures = {name: leaves.pop(name) for name in ("background",) if name in leaves}
        out = (reference.divergence if "background" in compared else reference.normalised_masked_l1)(images, **compared)
        grad_images, *of_background = torch.autograd.grad(out, [images, *of_pictures.values()], inputs.cotangent)
        gradients |= dict(zip(of_pictures, of_background, strict=True))
    for block in blocks if leaves else []:
        part = reference.splat(**arguments, **{name: value[block] for name, value in per_point.items()})
        found = torch.autograd.grad(part, list(leaves.values()), grad_images)
        for name, gradient in zip(leaves, found, strict=True):
            gradients[name] += gradient
    return out.detach(), gradients


def _emitters(case: Case, inputs: Inputs) -> Answer:
    """One picture at a time, a few emitters at a time."""
    images = torch.zeros_like(inputs.cotangent)
    step = _points_at_once(case, 1, images.device)
    for image in range(len(images)):
        one = inputs.pictures(slice(image, image + 1)).arguments
        for start in range(0, len(one["xy"]), step):
            arguments: dict[str, Any] = {**one, **{name: one[name][start : start + step] for name in inputs.ragged}}
            arguments["offsets"] = torch.tensor([0, len(arguments["xy"])])
            images[image] += reference.splat_emitters(**arguments)[0]
    return images, {}


def _points_at_once(case: Case, images: int, device: torch.device) -> int:
    values = ORACLE_VALUES * (64 if device.type == "cuda" else 1)
    return max(1, values // max(1, images * case.height * case.width))


def _compared(case: Case, inputs: Inputs) -> Answer:
    """Pictures alone fit in memory."""
    return differentiate(reference.normalised_masked_l1, inputs)


ORACLES: dict[str, Callable[[Any, Inputs], Answer]] = {
    "splat": _drawn,
    "reconstruction_loss": _drawn,
    "reconstruction_divergence": _drawn,
    "normalised_masked_l1": _compared,
    "splat_emitters": _emitters,
}


def settled(case: Any, inputs: Inputs, device: str) -> Inputs:
    """The inputs with targets moved away from ties with the values compared with them."""
    if "mask_threshold" not in inputs.arguments:
        return inputs
    drawn = inputs.arguments.get("images")
    if drawn is None:
        arguments = {**inputs.arguments, "shape": (case.height, case.width)}
        del arguments["target"], arguments["mask_threshold"]
        splat = Inputs(arguments, (), inputs.arguments["target"])
        drawn = _drawn(case, splat.to(torch.float64, device))[0].cpu()
    target = away_from_ties(drawn.detach(), inputs.arguments["target"].detach(), case.mask_threshold)
    return dataclasses.replace(inputs, arguments={**inputs.arguments, "target": target})


def away_from_ties(images: Tensor, target: Tensor, mask_threshold: float) -> Tensor:
    """The target with pixels brightened that nearly equal the output, or nearly the mask's threshold.

    The margin, 1e-4 of the brightest pixel, is a hundred times the float32 error of a picture.
    """
    output = reference.normalise(images, 1.0)
    for _ in range(50):
        wanted = reference.normalise(target, 1.0)
        margin = 1e-4 * torch.maximum(output, wanted).amax((1, 2), keepdim=True)
        threshold = mask_threshold / 100
        tied = ((output - wanted).abs() < margin) & (wanted > threshold / 2) | (
            (wanted - threshold).abs() < 1e-3 * threshold
        )
        if not bool(tied.any()):
            return target
        brighter = target + 3 * margin * target.sum((1, 2), keepdim=True)
        target = torch.where(tied, brighter, target).float().double()
    raise RuntimeError("a target could not be moved away from ties with the output")


def needed_values(case: Case, images: int) -> dict[str, int]:
    """Floats that the naive and the dense version hold in memory."""
    points = 1 if case.op == "normalised_masked_l1" else case.points
    return {
        "naive": NAIVE_TENSORS * images * points * (case.height + case.width),
        "dense": DENSE_TENSORS * images * points * case.height * case.width,
    }


def work(case: Case) -> tuple[Work, Work | None] | None:
    """One product and N (H + W) exponentials forward; two products more, and the exponentials again, backward."""
    if case.op == "normalised_masked_l1" or case.images * case.points == 0:
        return None
    pairs, pixels = case.images * case.points, case.height * case.width
    cloud_bytes = 4 * (3 * case.points + 12 * case.images)

    def least(products: int, passes: int, pictures: int) -> Work:
        moved = pictures * 4 * case.images * pixels + passes * cloud_bytes
        return Work(2 * products * pairs * pixels, passes * pairs * (case.height + case.width), moved)

    return least(1, 1, 1), None if case.op == "splat_emitters" else least(3, 2, PICTURES_MOVED)


def bare(case: Case) -> Bare | None:
    """Products and exponentials alone, of as many points and pictures as fit a CPU's cache."""
    if case.op == "normalised_masked_l1" or case.images * case.points == 0:
        return None
    height, width = case.height, case.width
    points = min(case.points, max(1, CHUNK_BYTES // (4 * (height + width))))
    images = min(case.images, max(1, CHUNK_BYTES // (4 * (height + width) * points)))
    gx, gy = torch.rand(images, points, width), torch.rand(images, points, height)
    picture = torch.rand(images, height, width)
    product_x, product_y = torch.empty_like(gx), torch.empty_like(gy)

    def exponentials() -> None:
        torch.exp(gx, out=product_x)
        torch.exp(gy, out=product_y)

    def draw() -> None:
        torch.bmm(gy.transpose(1, 2), gx, out=picture)

    def back() -> None:
        torch.bmm(gy, picture, out=product_x)
        torch.bmm(gx, picture.transpose(1, 2), out=product_y)

    # Exponentials count once: a small cloud's need not be computed again for the backward pass.
    backward = () if case.op == "splat_emitters" else (back,)
    return Bare((exponentials, draw), backward, case.images * case.points / (images * points))
