"""Microtubules through the field, new for every frame: the structures on which Abdehkakha and Snoeyink 2023 train.

They speak of three-helix microtubules that span the domain and give no geometry. Two readings: three strands that wind about
one centre-line, and the challenge's microtubules, three tubes whose fluorophores lie on their walls (Sage et al. 2019).
"""

import math
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor
from torch.nn.functional import normalize

from holly_triton.core.types import Array
from holly_triton.frames.config.samplers import (
    BEND_NM,
    BUNDLES,
    CHALLENGE_FIELD_NM,
    JITTER_NM,
    MARGIN_NM,
    STRAND_PITCH_NM,
    STRAND_RADIUS_NM,
    TUBES,
    WALL_NM,
)
from holly_triton.frames.emitters import Emitters

from .crowded import CrowdedSampler
from .sampler import Range, log_uniform, normal, poisson, seen, uniform

Reading = Literal["strands", "walls"]
KNOTS = 5
"""Points through which a centre-line runs."""
SEGMENTS = 120
"""Straight pieces of a centre-line; the longest are 60 nm in a field of 6.4 um."""
WANDER = 0.06
"""Standard deviation of the inner knots along the field, as a share of its length."""
STRANDS = 3


class _Places(NamedTuple):
    """Places on centre-lines."""

    tube: Tensor
    """``[E]`` int64 among the batch's tubes."""
    arc: Tensor
    """``[E]`` nm along it."""
    centre: Tensor
    """``[E, 3]`` nm."""
    tangent: Tensor
    """``[E, 3]`` of length 1."""


class MicrotubuleSampler(CrowdedSampler):
    """Emitters on microtubules, at places uniform along them.

    Args:
        reading: ``"strands"``: bundles of three strands, or ``"walls"``: tubes with labelled walls.
        z_range_nm: Depths that the centre-lines run through; emitters beyond are dropped.
    """

    def __init__(self, reading: Reading, z_range_nm: Range) -> None:
        self.reading, self.z_range_nm = reading, z_range_nm

    def draw_at(self, rate: Tensor, field_nm: tuple[float, float], generator: torch.Generator) -> Emitters:
        """Positions for ``rate`` emitters in each field of the challenge's size; a smaller field lies on a microtubule."""
        scene = (max(field_nm[0], CHALLENGE_FIELD_NM[0]), max(field_nm[1], CHALLENGE_FIELD_NM[1]))
        most, tubes = self._tubes(len(rate), scene, generator)
        radius, pitch = self._shape(len(rate) * most, generator)
        line = self._lines(len(rate), most, scene, radius, generator)
        lines = _Lines(line, tubes)
        counts = poisson(rate * (scene[0] * scene[1] / (CHALLENGE_FIELD_NM[0] * CHALLENGE_FIELD_NM[1])), generator)
        frame = torch.repeat_interleave(counts)
        places = lines.at(frame, generator)
        anchors = lines.at(torch.arange(len(rate), device=rate.device), generator).centre
        xyz = self._about(places, radius[places.tube], pitch[places.tube], generator)
        jitter = uniform((len(rate),), JITTER_NM, generator)
        xyz = xyz + normal((len(frame), 3), generator) * jitter[frame, None]
        xyz[:, :2] -= _corners(anchors, field_nm, scene, generator)[frame]
        return seen(xyz, frame, len(rate), field_nm, self.z_range_nm)

    def _tubes(self, batch: int, scene: tuple[float, float], generator: torch.Generator) -> tuple[int, Tensor]:
        """Largest number of tubes of a frame, and their numbers ``[B]``; as long per area in fields of every size."""
        fewest, most = BUNDLES if self.reading == "strands" else TUBES
        scale = math.sqrt(scene[0] * scene[1] / (CHALLENGE_FIELD_NM[0] * CHALLENGE_FIELD_NM[1]))
        fewest, most = round(fewest * scale), round(most * scale)
        return most, torch.randint(fewest, most + 1, (batch,), generator=generator, device=generator.device)

    def _shape(self, tubes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Radius and pitch ``[T]`` of each tube; walls have no pitch, and the radius that reaches farthest."""
        if self.reading == "strands":
            return log_uniform((tubes,), STRAND_RADIUS_NM, generator), log_uniform((tubes,), STRAND_PITCH_NM, generator)
        return torch.full((tubes,), WALL_NM[1], device=generator.device), torch.ones(tubes, device=generator.device)

    def _lines(
        self, batch: int, tubes: int, scene: tuple[float, float], radius: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Centre-lines ``[B, T, S + 1, 3]`` that enter and leave the scene through opposite margins, along x or along y."""
        size = (batch, tubes)
        inner = torch.ones(KNOTS, device=generator.device)
        inner[[0, -1]] = 0
        step = torch.linspace(0, 1, KNOTS, device=generator.device)
        long_x = torch.rand((*size, 1), generator=generator, device=generator.device) < 0.5
        width, height = (torch.full((*size, 1), side, device=generator.device) for side in scene)
        length, breadth = torch.where(long_x, width, height), torch.where(long_x, height, width)
        along = (step + normal((*size, KNOTS), generator) * WANDER * inner) * (length + 2 * MARGIN_NM) - MARGIN_NM
        ends = uniform((2, *size, 1), (0, 1), generator) * breadth
        across = (
            ends[0]
            + (ends[1] - ends[0]) * step
            + normal((*size, KNOTS), generator) * inner * BEND_NM * breadth / CHALLENGE_FIELD_NM[0]
        )
        z = uniform((*size, KNOTS), (-1, 1), generator)
        x, y = torch.where(long_x, along, across), torch.where(long_x, across, along)
        knots = torch.stack([x, y, z], dim=-1)
        line = torch.matmul(_spline(generator.device), knots)
        # The spline overshoots its knots: it is kept in the range of depths as a whole, so that no tube is cut off.
        least, most = self.z_range_nm
        room = ((most - least) / 2 - radius.view(*size, 1)).clamp_min(0)
        depth = line[..., 2]
        line[..., 2] = (least + most) / 2 + room * depth / depth.abs().amax(dim=2, keepdim=True).clamp_min(1)
        return line

    def _about(self, places: _Places, radius: Tensor, pitch: Tensor, generator: torch.Generator) -> Tensor:
        """Emitters ``[E, 3]`` about their places on the centre-lines."""
        emitters = len(places.arc)
        if self.reading == "strands":
            strand = torch.randint(STRANDS, (emitters,), generator=generator, device=generator.device)
            angle = 2 * math.pi * (places.arc / pitch + strand / STRANDS)
        else:
            angle = uniform((emitters,), (0, 2 * math.pi), generator)
            inner, outer = WALL_NM
            # Uniform over the section of the wall.
            radius = uniform((emitters,), (inner**2, outer**2), generator).sqrt()
        # A centre-line never runs along z, so that the horizontal across it is a direction from which angles can be counted.
        x, y, _ = places.tangent.unbind(1)
        level = normalize(torch.stack([y, -x, torch.zeros_like(x)], dim=1), dim=1)
        other = torch.linalg.cross(places.tangent, level)
        xyz: Tensor = places.centre + radius[:, None] * (level * angle.cos()[:, None] + other * angle.sin()[:, None])
        return xyz


class _Lines:
    """The centre-lines of a batch, end to end, so that one search finds a place on any of them."""

    def __init__(self, line: Tensor, tubes: Tensor) -> None:
        """Of lines ``[B, T, S + 1, 3]`` those of frame b are the first ``tubes[b]``."""
        self.per_frame = line.shape[1]
        self.first = line[:, :, :-1].reshape(-1, 3)  # [B T S, 3], where each segment begins
        self.step = line.diff(dim=2).reshape(-1, 3)
        used = torch.arange(self.per_frame, device=line.device) < tubes[:, None]  # [B, T]
        self.length = self.step.norm(dim=1)
        # In double precision: the sum is millions of nm long.
        counted = self.length.double() * used.repeat_interleave(SEGMENTS, dim=1).flatten()
        self.end = counted.cumsum(0)
        self.start = self.end - counted

    def at(self, frame: Tensor, generator: torch.Generator) -> _Places:
        """Random places, uniform in length, on the lines of these frames ``[E]``."""
        segments = self.per_frame * SEGMENTS
        begin, finish = self.start[frame * segments], self.end[(frame + 1) * segments - 1]
        share = torch.rand(len(frame), generator=generator, device=generator.device, dtype=torch.float64)
        place = begin + share * (finish - begin)
        segment = torch.searchsorted(self.end, place, right=True)
        segment = torch.minimum(segment, (frame + 1) * segments - 1)
        tube = segment // SEGMENTS
        along = (place - self.start[segment]).float()
        tangent = self.step[segment] / self.length[segment, None]
        arc = (place - self.start[tube * SEGMENTS]).float()
        return _Places(tube, arc, self.first[segment] + tangent * along[:, None], tangent)


def _corners(
    anchor: Tensor, field_nm: tuple[float, float], scene: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """Corners ``[B, 2]`` of fields within the scene which hold an anchor ``[B, 3]`` unless that lies in the scene's margin."""
    field = torch.tensor(field_nm, device=generator.device)
    spare = torch.tensor(scene, device=generator.device) - field
    corner = anchor[:, :2] - torch.rand((len(anchor), 2), generator=generator, device=generator.device) * field
    return torch.minimum(corner.clamp_min(0), spare)


@lru_cache(maxsize=4)
def _spline(device: torch.device) -> Tensor:
    """Matrix ``[S + 1, K]`` from knots to points on the cubic spline through them."""
    spline = CubicSpline(np.linspace(0, 1, KNOTS), np.eye(KNOTS))
    points: Array = spline(np.linspace(0, 1, SEGMENTS + 1))
    return torch.from_numpy(points.astype(np.float32)).to(device)
