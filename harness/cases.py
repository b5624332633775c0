"""The cases that tests and benchmarks share, and their inputs, which a seed settles."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

OPS = ("splat", "reconstruction_loss", "normalised_masked_l1", "splat_emitters")
TIMED_POINTS = {"cpu": (350, 1000, 10_000), "cuda": (350, 1000, 10_000, 100_000, 1_000_000)}
TIMED_SIGMAS = (1.41, 4.0, 10.0)


@dataclass(frozen=True)
class Case:
    """One operation on one size of input.

    Attributes:
        op: A public function of ``holly_triton.kernels``.
        points: Points of the cloud; of ``splat_emitters``, emitters in an average picture.
        images: Pictures.
        height: Of a picture, pixels.
        width: Of a picture, pixels.
        sigma_px: Width of the Gaussians.
        precision: Class of the products: tf32, tf32x3 or ieee.
        weights: none, positive, signed or zero.
        point_sigma: Widths a point has of its own: 0, 1 or 2 (of emitters, 2 is x and y apart).
        sigma_each: Whether every picture has another sigma.
        shift_px: How far off the centre the cloud lies.
        blank: What holds nothing: "", "target" or "images".
        label: What is special about it; empty for a timed case.
    """

    op: str
    points: int
    images: int = 32
    height: int = 128
    width: int = 128
    sigma_px: float = 1.41
    precision: str = "ieee"
    weights: str = "none"
    point_sigma: int = 0
    sigma_each: bool = False
    shift_px: float = 0.0
    blank: str = ""
    label: str = ""

    def __str__(self) -> str:
        """As test ids and messages name it."""
        size = f"{self.images}x{self.points}pt-{self.height}x{self.width}px-sigma{self.sigma_px:g}"
        return "-".join(part for part in (self.op, self.label.replace(" ", "_"), size, self.precision) if part)

    @property
    def mask_threshold(self) -> float:
        """1e-4 at 128 x 128; normalised intensity falls with the number of pixels."""
        return 1e-4 * 128**2 / (self.height * self.width)


@dataclass(frozen=True)
class Inputs:
    """Keyword arguments of an operation, those with a gradient, and dLoss/d(what it returns)."""

    arguments: dict[str, Any]
    differentiable: tuple[str, ...]
    cotangent: Tensor

    def to(self, dtype: torch.dtype, device: torch.device | str = "cpu") -> "Inputs":
        """The same numbers elsewhere; differentiable ones become leaves."""

        def moved(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            return value.detach().to(device, dtype if value.is_floating_point() else value.dtype)

        arguments = {name: moved(value) for name, value in self.arguments.items()}
        for name in self.differentiable:
            arguments[name] = arguments[name].clone().requires_grad_()
        return Inputs(arguments, self.differentiable, moved(self.cotangent))

    def pictures(self, chosen: slice) -> "Inputs":
        """Only some of the pictures."""
        arguments = dict(self.arguments)
        for name in ("rotation", "shift", "target", "images"):
            if name in arguments:
                arguments[name] = arguments[name][chosen]
        sigma = arguments.get("sigma")
        if "rotation" in arguments and isinstance(sigma, Tensor) and sigma.ndim == 1:
            arguments["sigma"] = sigma[chosen]
        if "offsets" in arguments:
            start, stop, _ = chosen.indices(len(self.cotangent))
            offsets = arguments["offsets"][start : stop + 1]
            block = slice(int(offsets[0]), int(offsets[-1]))
            arguments["offsets"] = offsets - offsets[0]
            for name in ("xy", "weights", "sigma"):
                value = arguments.get(name)
                if isinstance(value, Tensor) and value.ndim > 0:
                    arguments[name] = value[block]
        return Inputs(arguments, self.differentiable, self.cotangent[chosen])


def timed_cases(
    points: tuple[int, ...],
    images: int,
    size: int,
    sigma_px: float,
    precision: str,
    ops: tuple[str, ...] = OPS,
) -> list[Case]:
    """What a benchmark measures: every operation at every number of points; pictures alone have none."""
    return [
        Case(op, count, images, size, size, sigma_px, precision)
        for op in ops
        for count in ((0,) if op == "normalised_masked_l1" else points)
    ]


def edge_cases(precision: str = "ieee") -> list[Case]:
    """Small inputs at the edges of what an operation takes; every backend must agree with the oracle."""
    return list(_edge_cases(precision))


def _edge_cases(precision: str) -> Iterator[Case]:
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
    for op in ("splat", "reconstruction_loss"):
        for label, changed in variants.items():
            yield Case(op, **{**small, **changed}, label=label)
    yield Case("reconstruction_loss", **small, blank="target", label="empty mask")
    for label in ("plain", "no pictures", "wide", "one row"):
        yield Case("normalised_masked_l1", **{**small, **variants[label]}, label=label)
    yield Case("normalised_masked_l1", **small, blank="images", label="zero-sum picture")
    yield Case("normalised_masked_l1", **small, blank="target", label="empty mask")
    for label in ("sigma of each picture", "all at once"):
        del variants[label]
    for label, changed in variants.items():
        yield Case("splat_emitters", **{**small, **changed}, label=label)


def make_inputs(case: Case, seed: int = 0) -> Inputs:
    """Float64 inputs on the CPU whose values float32 holds exactly: every backend sees the same numbers."""
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
        return _rounded(Inputs(arguments, ("images",), 0.5 + uniform(images)))
    if case.op == "splat_emitters":
        return _rounded(_emitter_inputs(case, normal, uniform, generator))

    spread = torch.tensor([width, height, max(width, height)]) / 6
    arguments = {
        "points": normal(case.points, 3) * spread,
        "rotation": torch.linalg.qr(normal(images, 3, 3))[0],
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
    if case.op == "splat":
        arguments["shape"] = (height, width)
        return _rounded(Inputs(arguments, tuple(differentiable), normal(*pictures)))
    # No cloud's picture: the mask shall hold pixels that the cloud doesn't reach, and leave out some it does.
    arguments["target"] = uniform(*pictures) ** 4 * (case.blank != "target")
    arguments["mask_threshold"] = case.mask_threshold
    return _rounded(Inputs(arguments, tuple(differentiable), 0.5 + uniform(images)))


def _emitter_inputs(case: Case, normal: Any, uniform: Any, generator: torch.Generator) -> Inputs:
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
    return Inputs(arguments, (), torch.ones(case.images, case.height, case.width))


def _weights(kind: str, uniform: Tensor) -> Tensor:
    # Signed ones keep a sum well above 0: near 0 a normalised picture means nothing.
    return {"positive": uniform + 0.1, "signed": uniform - 0.1, "zero": torch.zeros_like(uniform)}[kind]


def _rounded(inputs: Inputs) -> Inputs:
    return inputs.to(torch.float32).to(torch.float64)
