"""The operations on Gaussians: their cases, and their inputs, which a seed determines."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from holly_triton import kernels
from holly_triton.kernels.gaussians import reference

from ..operation import Case, Inputs, Operation
from . import gaussians_baselines as baselines


@dataclass(frozen=True)
class GaussianCase(Case):
    """A case of Gaussians.

    Attributes:
        weights: none, positive, signed or zero.
        point_sigma: Number of a point's own widths: 0, 1 or 2 (for emitters, 2 means separate widths along x and y).
        sigma_each: Whether every picture has a different sigma.
        shift_px: Distance of the cloud from the centre.
        blank: Which input is empty: "", "target" or "images".
    """

    weights: str = "none"
    point_sigma: int = 0
    sigma_each: bool = False
    shift_px: float = 0.0
    blank: str = ""

    @property
    def mask_threshold(self) -> float:
        """The mask's threshold: 1e-4 at 128 x 128, as normalised intensity decreases with the number of pixels."""
        return 1e-4 * 128**2 / (self.height * self.width)


def _timed(op: str, points: Sequence[int], images: int, size: int, sigma_px: float, precision: str) -> list[Case]:
    """Every number of points; pictures alone have none."""
    counts = (0,) if op == "normalised_masked_l1" else points
    return [GaussianCase(op, count, images, size, size, sigma_px, precision) for count in counts]


def _edges(op: str, precision: str) -> list[Case]:
    variants: dict[str, dict[str, Any]] = {
        "plain": {},
        "one point": {"points": 1},
        "no points": {"points": 0},
        "one picture": {"images": 1},
        "no pictures": {"images": 0},
        "wide": {"height": 9, "width": 40},
        "one row": {"height": 1},
        "off the frame": {"shift_px": 1000.0},
        "partly off the frame": {"shift_px": 11.0},
        "narrow": {"sigma_px": 0.3},
        "broad": {"sigma_px": 14.0},
        "sigma of each picture": {"sigma_each": True},
        "positive weights": {"weights": "positive"},
        "signed weights": {"weights": "signed"},
        "zero weights": {"weights": "zero"},
        "own sigma": {"point_sigma": 1},
        "own sigma in x and y": {"point_sigma": 2},
        "all at once": {"weights": "signed", "point_sigma": 2, "sigma_each": True, "shift_px": 3.0},
    }
    small: dict[str, Any] = {
        "points": 37,
        "images": 3,
        "height": 24,
        "width": 17,
        "sigma_px": 1.7,
        "precision": precision,
    }
    if op == "splat_emitters":
        del variants["sigma of each picture"], variants["all at once"]
    if op == "normalised_masked_l1":
        variants = {label: variants[label] for label in ("plain", "no pictures", "wide", "one row")}
        variants["zero-sum picture"] = {"blank": "images"}
    if op == "reconstruction_divergence":  # its density is of weights above 0, and points have no widths of their own
        for label in ("signed weights", "own sigma", "own sigma in x and y"):
            del variants[label]
        variants["all at once"] = {"weights": "positive", "sigma_each": True, "shift_px": 3.0}
    if op in ("normalised_masked_l1", "reconstruction_loss"):
        variants["empty mask"] = {"blank": "target"}
    return [GaussianCase(op, **{**small, **changed}, label=label) for label, changed in variants.items()]


def _make_inputs(case: GaussianCase, seed: int) -> Inputs:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).double()

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator).double()

    images, height, width = case.images, case.height, case.width
    pictures = (images, height, width)
    if case.op == "normalised_masked_l1":
        # A fourth power leaves most pixels dark and some under the mask's threshold.
        pair = {name: uniform(*pictures) ** 4 * (case.blank != name) for name in ("images", "target")}
        arguments = {**pair, "mask_threshold": case.mask_threshold}
        return _rounded(Inputs(arguments, ("images",), 0.5 + uniform(images), ("images", "target")))
    if case.op == "splat_emitters":
        return _rounded(_emitter_inputs(case, normal, uniform, generator))

    spread = torch.tensor([width, height, max(width, height)]) / 6
    arguments = {
        "points": normal(case.points, 3) * spread,
        "rotation": torch.linalg.qr(normal(images, 3, 3))[0].contiguous(),
        "shift": normal(images, 2) + case.shift_px,
        "sigma": case.sigma_px * (0.5 + uniform(images)) if case.sigma_each else torch.tensor(case.sigma_px).double(),
    }
    differentiable = ["points", "rotation", "shift", "sigma"]
    if case.weights != "none":
        arguments["weights"] = _weights(case.weights, uniform(case.points))
        differentiable.append("weights")
    if case.point_sigma:
        own = 0.3 + uniform(case.points, 2)
        arguments["point_sigma"] = own if case.point_sigma == 2 else own[:, 0]
        differentiable.append("point_sigma")
    by_picture = ("rotation", "shift", "sigma") if case.sigma_each else ("rotation", "shift")
    if case.op == "splat":
        arguments["shape"] = (height, width)
        return _rounded(Inputs(arguments, tuple(differentiable), normal(*pictures), by_picture))
    if case.op == "reconstruction_divergence":
        arguments |= {"background": torch.tensor(-2.0).double(), "target": uniform(*pictures) ** 4}
        differentiable.append("background")
        return _rounded(Inputs(arguments, tuple(differentiable), 0.5 + uniform(images), (*by_picture, "target")))
    # Not a picture of the cloud: the mask must include pixels that the cloud does not reach, and exclude some that it does.
    arguments["target"] = uniform(*pictures) ** 4 * (case.blank != "target")
    arguments["mask_threshold"] = case.mask_threshold
    return _rounded(Inputs(arguments, tuple(differentiable), 0.5 + uniform(images), (*by_picture, "target")))


def _emitter_inputs(case: GaussianCase, normal: Any, uniform: Any, generator: torch.Generator) -> Inputs:
    # Ragged, but points x images in all. The first two, which may stand for the rest, are average.
    counts = torch.full((case.images,), case.points)
    if case.images > 2:
        counts[-2], counts[-1] = 2 * case.points, 0
        pairs = max(0, (case.images - 4) // 2)
        moved = torch.randint(0, case.points + 1, (pairs,), generator=generator)
        counts[2 : 2 + pairs] += moved
        counts[2 + pairs : 2 + 2 * pairs] -= moved
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    total = int(offsets[-1])
    sigma = torch.tensor(case.sigma_px).double()
    if case.point_sigma:
        each = case.sigma_px * (0.5 + uniform(total, 2))
        sigma = each if case.point_sigma == 2 else each[:, 0]
    arguments = {
        "xy": normal(total, 2) * torch.tensor([case.width, case.height]) / 6 + case.shift_px,
        "offsets": offsets,
        "sigma": sigma,
        "shape": (case.height, case.width),
    }
    if case.weights != "none":
        arguments["weights"] = _weights(case.weights, uniform(total))
    ragged = tuple(name for name in ("xy", "sigma", "weights") if name in arguments and arguments[name].ndim)
    return Inputs(arguments, (), torch.ones(case.images, case.height, case.width), ragged=ragged)


def _weights(kind: str, uniform: Tensor) -> Tensor:
    # Signed weights keep a sum well above 0, since normalisation is ill-conditioned near 0.
    return {"positive": uniform + 0.1, "signed": uniform - 0.1, "zero": torch.zeros_like(uniform)}[kind]


def _rounded(inputs: Inputs) -> Inputs:
    return inputs.to(torch.float32).to(torch.float64)


def _divergence_alone(*arguments: Any, **options: Any) -> Tensor:
    """Without the masked L1 beside it, which has no gradient."""
    return kernels.reconstruction_divergence(*arguments, **options)[0]


def _operation(op: str, has_precision: bool, summed: dict[str, str]) -> Operation:
    return Operation(
        public=_divergence_alone if op == "reconstruction_divergence" else getattr(kernels, op),
        dense=getattr(reference, op),
        naive=baselines.NAIVE[op],
        timed=partial(_timed, op),
        edges=partial(_edges, op),
        make_inputs=_make_inputs,
        oracle=baselines.ORACLES[op],
        settled=baselines.settled,
        needed_values=baselines.needed_values,
        work=baselines.work,
        bare=baselines.bare,
        has_precision=has_precision,
        summed=summed,
    )


# Sums over all points can cancel by chance. Their terms are as large as the gradients of the points.
BY_POINTS = {"shift": "points", "sigma": "points"}

DRAWING = ("splat", "reconstruction_loss", "reconstruction_divergence", "splat_emitters")
"""The operations that draw Gaussians, whose culling depends on their sigma."""

OPERATIONS = {
    "splat": _operation("splat", True, BY_POINTS),
    "reconstruction_loss": _operation("reconstruction_loss", True, BY_POINTS),
    "reconstruction_divergence": _operation("reconstruction_divergence", True, BY_POINTS),
    "normalised_masked_l1": _operation("normalised_masked_l1", False, {}),
    "splat_emitters": _operation("splat_emitters", False, {}),
}
