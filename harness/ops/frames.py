"""The operations on camera frames: their cases, and their inputs, which a seed determines."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from holly_triton.kernels.frames.table import PsfTable, psf_table

from ..operation import Case, Inputs, Operation, edge_cases
from . import frames_baselines as baselines

MOST_EMITTERS = 1000
"""Emitters in a frame beyond which nothing is timed: in 128 x 128 pixels of 100 nm these are six per square micrometre."""

Z_RANGE = 700.0
"""Of the table, to both sides of the focus, nm."""


@dataclass(frozen=True)
class FrameCase(Case):
    """A case of emitters in camera frames; its ``points`` are emitters in an average frame.

    Attributes:
        weights: none, positive or signed.
        shift_px: Distance of the emitters from the centre.
        depth: Range of the emitters' z, as a multiple of the table's.
        table: Rows and columns of the PSF, pixels; two more columns than rows.
        window: Side of the mixture's window, pixels.
    """

    weights: str = "none"
    shift_px: float = 0.0
    depth: float = 1.0
    table: int = 25
    window: int = 5


def _timed(op: str, points: Sequence[int], images: int, size: int, sigma_px: float, precision: str) -> list[Case]:
    """Every number of emitters that a frame may hold. There is no matrix product, so the precision is float32's."""
    return [FrameCase(op, count, images, size, size, sigma_px, "ieee") for count in points if count <= MOST_EMITTERS]


def _edges(op: str, precision: str) -> list[Case]:
    variants: dict[str, dict[str, Any]] = {
        "plain": {},
        "one emitter": {"points": 1},
        "no emitters": {"points": 0},
        "one frame": {"images": 1},
        "no frames": {"images": 0},
        "wide": {"height": 9, "width": 40},
        "one row": {"height": 1},
        "off the frame": {"shift_px": 1000.0},
        "partly off the frame": {"shift_px": 11.0},
    }
    of_op: dict[str, dict[str, dict[str, Any]]] = {
        "splat_psf": {
            "beyond the table in z": {"depth": 3.0},
            "positive weights": {"weights": "positive"},
            "signed weights": {"weights": "signed"},
            "table larger than the frame": {"table": 40},
            "table of one row": {"table": 1},
        },
        "emitter_nll": {"window of one pixel": {"window": 1}, "window of seven": {"window": 7}},
    }
    small: dict[str, Any] = {"points": 37, "images": 3, "height": 24, "width": 17, "sigma_px": 1.7, "table": 11}
    return edge_cases(FrameCase, op, precision, small, variants | of_op[op])


def astigmatic_table(rows: int, columns: int, sigma_px: float, planes: int = 15) -> PsfTable:
    """A PSF that is narrow along x at one end of the z range and along y at the other, float64."""
    z = torch.linspace(-1, 1, planes).double()[:, None]
    spots = []
    for length, focus in ((rows, 0.5), (columns, -0.5)):
        at = torch.arange(length).double() - (length - 1) / 2
        width = sigma_px * (1 + (z - focus) ** 2).sqrt()
        spots.append(torch.exp(-((at / width) ** 2) / 2) / ((2 * torch.pi) ** 0.5 * width))
    values = spots[0][:, :, None] * spots[1][:, None, :]
    table = psf_table(values, -Z_RANGE, 2 * Z_RANGE / (planes - 1))
    return table._replace(coefficients=table.coefficients.float().double())


def _counts(case: FrameCase) -> Tensor:
    """Emitters of each frame: ragged, but points x images in all; the first, which may stand for the rest, is average."""
    counts = torch.full((case.images,), case.points)
    if case.images > 2:
        counts[-2], counts[-1] = 2 * case.points, 0
    return counts


def _make_inputs(case: FrameCase, seed: int) -> Inputs:
    generator = torch.Generator().manual_seed(seed)
    counts = _counts(case)
    offsets = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
    total = int(offsets[-1])
    # Halves of 1/256 of a pixel: which pixel holds an emitter is never a matter of rounding.
    place = (256 * torch.rand(total, 2, generator=generator) * torch.tensor([case.width, case.height])).floor() + 0.5
    xy = place / 256 - torch.tensor([case.width, case.height]) / 2 + case.shift_px
    make = _drawn if case.op == "splat_psf" else _scored
    return make(case, xy, offsets, generator).to(torch.float32).to(torch.float64)


def _drawn(case: FrameCase, xy: Tensor, offsets: Tensor, generator: torch.Generator) -> Inputs:
    z = case.depth * Z_RANGE * (2 * torch.rand(len(xy), 1, generator=generator) - 1)
    psf = astigmatic_table(case.table, case.table + 2, case.sigma_px)
    arguments: dict[str, Any] = {
        "xyz": torch.cat([xy, z], 1),
        "offsets": offsets,
        "coefficients": psf.coefficients,
        "z_first": psf.z_first,
        "z_step": psf.z_step,
        "shape": (case.height, case.width),
    }
    if case.weights != "none":
        uniform = torch.rand(len(xy), generator=generator)
        arguments["weights"] = uniform + 0.1 if case.weights == "positive" else uniform - 0.1
    cotangent = torch.ones(case.images, case.height, case.width)
    return Inputs(arguments, (), cotangent, ragged=tuple(name for name in ("xyz", "weights") if name in arguments))


def _scored(case: FrameCase, xy: Tensor, offsets: Tensor, generator: torch.Generator) -> Inputs:
    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    pixels = case.height, case.width
    arguments = {
        "logits": normal(case.images, *pixels),
        "mean": normal(case.images, 4, *pixels),
        "sigma": 0.5 + torch.rand(case.images, 4, *pixels, generator=generator),
        "emitters": torch.cat([xy, normal(len(xy), 2)], 1),
        "offsets": offsets,
        "window": case.window,
    }
    parts = ("logits", "mean", "sigma")
    cotangent = 0.5 + torch.rand(case.images, generator=generator)
    return Inputs(arguments, parts, cotangent, per_picture=parts, ragged=("emitters",))


def _operation(op: str) -> Operation:
    return Operation(
        public=baselines.PUBLIC[op],
        dense=baselines.DENSE[op],
        naive=baselines.NAIVE[op],
        timed=partial(_timed, op),
        edges=partial(_edges, op),
        make_inputs=_make_inputs,
        oracle=baselines.ORACLES[op],
        needed_values=baselines.needed_values,
        work=baselines.work,
        bare=baselines.bare,
    )


OPERATIONS = {op: _operation(op) for op in ("splat_psf", "emitter_nll")}
