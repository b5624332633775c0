"""Baselines of the operations on camera frames: the naive version, the exact answer, the least work.

A PSF comes as its tensor and two numbers, which can be moved and cut as all arguments. The likelihoods of a frame's
emitters are added, so that every result has one row a frame.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from holly_triton import kernels
from holly_triton.kernels.frames import reference
from holly_triton.kernels.frames.table import PsfTable

from ..operation import Answer, Bare, Case, Inputs, Work

DENSE_TENSORS = {"splat_psf": 4, "emitter_nll": 40}
"""Tensors of emitters x height x width in the dense version, with those for autograd."""
ORACLE_VALUES = {"cpu": 2**20, "cuda": 2**26}
"""Emitters x pixels that the oracle holds at a time."""
SAMPLE = 512
"""Emitters of which the least work is timed."""


def with_table(draw: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A drawing function that takes the parts of the table."""

    def drawn(*, coefficients: Tensor, z_first: float, z_step: float, **rest: Any) -> Tensor:
        return draw(psf=PsfTable(coefficients, z_first, z_step), **rest)

    return drawn


def by_frame(score: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The sum of a frame's likelihoods ``[B]``."""

    def summed(*, offsets: Tensor, **rest: Any) -> Tensor:
        each = score(offsets=offsets, **rest)
        frame = torch.repeat_interleave(offsets.diff()).to(each.device)
        return each.new_zeros(len(offsets) - 1).index_add(0, frame, each)

    return summed


def naive_splat_psf(
    xyz: Tensor, offsets: Tensor, psf: PsfTable, shape: tuple[int, int], *, weights: Tensor | None = None
) -> Tensor:
    """One matrix product a frame: B-splines of every emitter along rows and columns, whole."""
    planes, height, width = psf.coefficients.shape
    z = ((xyz[:, 2] - psf.z_first) / psf.z_step).clamp(0, planes - 3) + 1
    along_z = reference.cubic_b_spline(z[:, None] - torch.arange(planes, device=z.device))
    along_z = along_z if weights is None else along_z * weights[:, None]
    bounds, frames = offsets.tolist(), []
    for first, last in zip(bounds[:-1], bounds[1:], strict=True):
        plane = (along_z[first:last] @ psf.coefficients.flatten(1)).view(-1, height, width)
        along_y, along_x = (
            reference.cubic_b_spline(
                reference.centred(length, xyz)[:, None]
                - xyz[first:last, axis, None, None]
                - reference.centred(table, xyz)
            )
            for axis, length, table in ((1, shape[0], height), (0, shape[1], width))
        )
        lines = torch.bmm(along_y, plane)  # [e, H, w]
        frames.append(lines.transpose(0, 1).flatten(1) @ along_x.transpose(1, 2).flatten(0, 1))
    images: Tensor = torch.stack(frames) if frames else xyz.new_zeros(0, *shape)
    return images


def naive_emitter_nll(
    logits: Tensor, mean: Tensor, sigma: Tensor, emitters: Tensor, offsets: Tensor, *, window: int = 5
) -> Tensor:
    """The windows gathered by indexing, and autograd."""
    _, height, width = logits.shape
    frame = torch.repeat_interleave(offsets.diff()).to(logits.device)[:, None, None]
    along = torch.arange(window, device=logits.device) - window // 2
    i = (emitters[:, 1] + height / 2).floor().long()[:, None, None] + along[:, None]
    j = (emitters[:, 0] + width / 2).floor().long()[:, None, None] + along
    inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)  # [E, window, window]
    row, column = i.clamp(0, height - 1), j.clamp(0, width - 1)
    log_total = logsigmoid(logits).flatten(1).logsumexp(1)
    at = torch.stack([column - (width - 1) / 2 + 0 * row, row - (height - 1) / 2 + 0 * column], -1)
    predicted, spread = (part.permute(0, 2, 3, 1)[frame, row, column] for part in (mean, sigma))
    offset = emitters[:, None, None] - predicted - torch.nn.functional.pad(at.to(predicted), (0, 2))
    density = -((offset / spread) ** 2 / 2 + spread.log()).sum(-1) - 2 * math.log(2 * math.pi)
    each = logsigmoid(logits[frame, row, column]) - log_total[frame] + density
    likelihood = torch.where(inside, each, -torch.inf).flatten(1).logsumexp(1)
    return torch.where(inside.flatten(1).any(1), -likelihood, 0.0)


def _in_pieces(case: Case, inputs: Inputs, dense: Callable[..., Tensor]) -> Answer:
    """The dense answer and its gradients, one frame and a few emitters at a time so that it fits in memory."""
    out = torch.zeros_like(inputs.cotangent)
    gradients = {name: torch.zeros_like(inputs.arguments[name]) for name in inputs.differentiable}
    step = max(1, ORACLE_VALUES[out.device.type] // (case.height * case.width))
    for image in range(len(out)):
        one = inputs.pictures(slice(image, image + 1))
        emitters = int(one.arguments["offsets"][-1])
        for start in range(0, emitters, step):
            some = {name: one.arguments[name][start : start + step] for name in inputs.ragged}
            offsets = torch.tensor([0, min(step, emitters - start)])
            part = dense(**{**one.arguments, **some, "offsets": offsets})
            out[image] += part[0].detach()
            if gradients:
                leaves = [inputs.arguments[name] for name in gradients]
                found = torch.autograd.grad(part, leaves, one.cotangent)
                for total, gradient in zip(gradients.values(), found, strict=True):
                    total += gradient
    return out, gradients


PUBLIC = {"splat_psf": with_table(kernels.splat_psf), "emitter_nll": by_frame(kernels.emitter_nll)}
DENSE = {"splat_psf": with_table(reference.splat_psf), "emitter_nll": by_frame(reference.emitter_nll)}
NAIVE = {"splat_psf": with_table(naive_splat_psf), "emitter_nll": by_frame(naive_emitter_nll)}
ORACLES: dict[str, Callable[[Any, Inputs], Answer]] = {
    op: partial(_in_pieces, dense=dense) for op, dense in DENSE.items()
}


def needed_values(case: Any, images: int) -> dict[str, int]:
    """Floats that the naive and the dense version hold in memory; the naive drawing holds those of one frame."""
    emitters, pixels = images * case.points, case.height * case.width
    dense = DENSE_TENSORS[case.op] * emitters * pixels
    if case.op == "emitter_nll":
        return {"naive": emitters * case.window**2 * 80 + images * pixels * 27, "dense": dense}
    rows, columns = case.table, case.table + 2
    lines = case.points * (case.height * (rows + columns) + case.width * columns + rows * columns)
    return {"naive": lines + images * pixels, "dense": dense}


def work(case: Any) -> tuple[Work, Work | None] | None:
    """The terms of the splines, filtered axis by axis; or the terms of the mixture, twice with a backward pass."""
    emitters, pixels = case.images * case.points, case.images * case.height * case.width
    if not emitters:
        return None
    if case.op == "splat_psf":
        rows, columns = case.table, case.table + 2
        taps = 4 * (rows * columns + (rows + 3) * columns + (rows + 3) * (columns + 3))
        return Work(2 * emitters * taps, 0, 4 * (pixels + 3 * emitters)), None
    terms = emitters * case.window**2
    # Of a term the exponential of the sum, and of every pixel that of the sigmoid and that of the frame's sum.
    once = Work(20 * terms, terms + 2 * pixels, 4 * (pixels + 9 * min(terms, pixels)))
    return once, Work(60 * terms, 2 * terms + 4 * pixels, 4 * (2 * pixels + 9 * min(terms, pixels) + 18 * pixels))


def bare(case: Any) -> Bare | None:
    """The same on a sample of the emitters, in buffers."""
    emitters = case.images * case.points
    if not emitters:
        return None
    sample = min(SAMPLE, emitters)
    if case.op == "splat_psf":
        return Bare((_filters(sample, case.table, case.table + 2),), (), emitters / sample)
    forward, backward = _terms(sample, case.window**2, case.height * case.width * sample // max(1, case.points))
    return Bare((forward,), (backward,), emitters / sample)


def _filters(emitters: int, rows: int, columns: int) -> Callable[[], None]:
    planes, weights = torch.rand(4, rows * columns), torch.rand(emitters, 4)
    plane = torch.empty(emitters, rows * columns)
    tall, patch = torch.rand(emitters, (rows + 3) * columns), torch.rand(emitters, (rows + 3) * (columns + 3))
    tall_weight, weight = torch.rand_like(tall), torch.rand_like(patch)

    def filters() -> None:
        torch.mm(weights, planes, out=plane)
        for out, by in ((tall, tall_weight), (patch, weight)):
            for _ in range(4):
                out.addcmul_(out, by)

    return filters


def _terms(emitters: int, window: int, pixels: int) -> tuple[Callable[[], None], Callable[[], None]]:
    terms, maps = torch.rand(emitters * window), torch.rand(max(1, pixels))
    likelihood, share = torch.empty_like(terms), torch.empty_like(maps)
    gradients = torch.empty(9, max(1, pixels))

    def forward() -> None:
        torch.exp(terms, out=likelihood)
        for _ in range(2):
            torch.exp(maps, out=share)

    def backward() -> None:
        forward()
        gradients.zero_()

    return forward, backward
