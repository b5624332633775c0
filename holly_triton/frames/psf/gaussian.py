"""The astigmatic Gaussian: two widths that depend on the depth (Huang et al. 2008, Science 319, 810)."""

import math
from dataclasses import dataclass, field
from typing import Annotated, Self

import torch
from torch import Tensor

from holly_triton.core.config import Bounds, Settings
from holly_triton.core.errors import HollyError
from holly_triton.frames.config.common import PIXEL_NM, Z_RANGE_NM
from holly_triton.frames.config.psf import HUANG, LARGEST_PATCH, LEAST_WIDTH, REACH
from holly_triton.frames.emitters import Emitters
from holly_triton.kernels import splat_emitters

from .model import draw_patches


@dataclass(frozen=True)
class HuangCurve(Settings):
    """Width along one axis: sigma(z) = sigma0 sqrt(1 + u^2 + A u^3 + B u^4) with u = (z - c) / d."""

    sigma0_nm: Annotated[float, Bounds(0, open_least=True)]
    """Width in focus, as a standard deviation."""
    c_nm: float
    """Depth of the focus."""
    d_nm: Annotated[float, Bounds(0, open_least=True)]
    """Depth of field."""
    a: float = 0.0
    """A, the cubic term."""
    b: float = 0.0
    """B, the quartic term."""

    def variance(self, z_nm: Tensor) -> tuple[Tensor, Tensor]:
        """Square of the width, nm^2, and its derivative with respect to z, nm, for any shape of ``z_nm``."""
        u = (z_nm - self.c_nm) / self.d_nm
        square = self.sigma0_nm**2
        variance = square * (1 + u * u * (1 + u * (self.a + self.b * u)))
        slope = square / self.d_nm * u * (2 + u * (3 * self.a + 4 * self.b * u))
        return variance, slope


def _focused_below() -> HuangCurve:
    return HuangCurve(HUANG["sigma0_nm"], -HUANG["c_nm"], HUANG["d_nm"])


def _focused_above() -> HuangCurve:
    return HuangCurve(HUANG["sigma0_nm"], HUANG["c_nm"], HUANG["d_nm"])


@dataclass(frozen=True)
class GaussianPsf(Settings):
    """A Gaussian with two widths along axes that may be turned in the plane; integral 1 at every depth.

    A camera integrates over its pixels; a Gaussian of variance sigma^2 + 1/12 px^2 sampled at their centres differs from
    that by 0.03 % of the peak at sigma = 1.3 px.

    Raises:
        HollyError: A value is out of its bounds, or a width vanishes within the range of depths.
    """

    x: HuangCurve = field(default_factory=_focused_below)
    y: HuangCurve = field(default_factory=_focused_above)
    tilt_deg: float = 0.0
    """Angle from the direction of x, along the columns, towards y, down the rows, to the axis of the first width."""
    pixel_nm: Annotated[float, Bounds(0, open_least=True)] = PIXEL_NM
    z_min_nm: float = Z_RANGE_NM[0]
    z_max_nm: float = Z_RANGE_NM[1]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.z_min_nm < self.z_max_nm:
            raise HollyError(f"z_min_nm is {self.z_min_nm:g}; it must be below z_max_nm, {self.z_max_nm:g}")
        depths = torch.linspace(self.z_min_nm, self.z_max_nm, 201, dtype=torch.float64)
        for axis, curve in (("x", self.x), ("y", self.y)):
            if float(curve.variance(depths)[0].min()) < (LEAST_WIDTH * curve.sigma0_nm) ** 2:
                raise HollyError(
                    f"the width along {axis} vanishes between {self.z_min_nm:g} and {self.z_max_nm:g} nm; take a shorter "
                    "range of depths, or fit the calibration again"
                )

    @property
    def z_range_nm(self) -> tuple[float, float]:
        """Smallest and largest depth that it describes, nm."""
        return self.z_min_nm, self.z_max_nm

    @property
    def size(self) -> int:
        """Odd side, pixels, of a patch that holds the widest Gaussian within ``REACH`` standard deviations."""
        ends = torch.tensor([*self.z_range_nm, self.x.c_nm, self.y.c_nm], dtype=torch.float64)
        widest = max(float(variance.max()) for variance, _ in self._variances(ends))
        reach = math.ceil(REACH * math.sqrt(widest) / self.pixel_nm)
        return 2 * min(reach, LARGEST_PATCH // 2) + 1

    def draw(self, emitters: Emitters, shape: tuple[int, int]) -> Tensor:
        """Expected photons ``[B, H, W]`` of the emitters, without a background and without a gradient."""
        if self.tilt_deg:
            return draw_patches(self, lambda xyz, size: self._light(xyz, size)[0], emitters, shape)
        height, width = shape
        centre = emitters.xyz.new_tensor([width / 2, height / 2])
        variances = torch.stack([variance for variance, _ in self._variances(emitters.xyz[:, 2])], dim=1)
        return splat_emitters(
            emitters.xyz[:, :2] / self.pixel_nm - centre, emitters.offsets, variances.sqrt() / self.pixel_nm, shape,
            weights=emitters.photons,
        )  # fmt: skip

    def patches(self, xyz: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Shares of the photons ``[E, size, size]`` and their derivatives ``[E, 3, size, size]``, 1/nm; see ``Psf``."""
        values, u, v, variances = self._light(xyz, size)
        (vx, vx_slope), (vy, vy_slope) = variances
        cosine, sine = self._direction()
        by_u, by_v = u / vx, v / vy
        by_x, by_y = cosine * by_u - sine * by_v, sine * by_u + cosine * by_v
        by_z = (vx_slope * (by_u * by_u - 1 / vx) + vy_slope * (by_v * by_v - 1 / vy)) / 2
        return values, values[:, None] * torch.stack([by_x, by_y, by_z], dim=1)

    def to(self, device: torch.device | str) -> Self:
        """Itself: it holds numbers only."""
        del device
        return self

    def _direction(self) -> tuple[float, float]:
        angle = math.radians(self.tilt_deg)
        return math.cos(angle), math.sin(angle)

    def _variances(self, z_nm: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Of both axes, the variance with that of a pixel, nm^2, and its derivative with respect to z."""
        z_nm = z_nm.clamp(*self.z_range_nm)
        (vx, vx_slope), (vy, vy_slope) = self.x.variance(z_nm), self.y.variance(z_nm)
        pixel = self.pixel_nm**2 / 12
        return (vx + pixel, vx_slope), (vy + pixel, vy_slope)

    def _light(
        self, xyz: Tensor, size: int
    ) -> tuple[Tensor, Tensor, Tensor, tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
        """Shares ``[E, size, size]``, the pixels' distances along both axes, nm, and the variances ``[E, 1, 1]``."""
        centres = (torch.arange(size, dtype=xyz.dtype, device=xyz.device) + 0.5) * self.pixel_nm
        across, down = (centres - xyz[:, :1])[:, None, :], (centres - xyz[:, 1:2])[:, :, None]
        cosine, sine = self._direction()
        u, v = cosine * across + sine * down, cosine * down - sine * across
        (vx, vx_slope), (vy, vy_slope) = self._variances(xyz[:, 2, None, None])
        peak = self.pixel_nm**2 / (2 * math.pi) / (vx * vy).sqrt()
        return peak * torch.exp(-(u * u / vx + v * v / vy) / 2), u, v, ((vx, vx_slope), (vy, vy_slope))


def default_psf() -> GaussianPsf:
    """The astigmatic Gaussian of the defaults: sigma0 130 nm, foci at -300 and 300 nm, depth of field 400 nm."""
    return GaussianPsf()
