"""The ring, torus or cylinder that a cloud lies nearest to, or none of them: a heuristic choice of model.

Four surfaces about an axis are fitted by least squares with a loss that limits the pull of outliers (soft L1): one ring,
two equal rings above each other, a torus, a cylinder. They are ranked by a pseudo-BIC: a log likelihood less what the
free parameters of each would gain by chance (after Schwarz 1978). In it a surface of area A holds a point with density
1 / A along it; across it, and at its ends, points scatter by a logistic distribution, like a Gaussian with heavier tails,
and a small share lies anywhere. A full ellipsoid and a hollow sphere compete too: a surface that does not clearly win
over these is refused.

It is no BIC in the strict sense: parameters come from the soft-L1 fit and only the scatter maximises the likelihood, and
the points of a cloud are neither independent nor data. The thresholds below were set on the structures that ship
with this package, on real nuclear pores, and on filled bodies; they are rules of thumb, not levels of significance.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from scipy.optimize import least_squares, minimize, minimize_scalar
from scipy.spatial.transform import Rotation
from scipy.special import expit

from holly_triton.core.types import Array
from holly_triton.geometry.plane import plane_frame
from holly_triton.geometry.pointset import gyration

LEFT_OUT = 4.0
"""Distance from the centre, as a multiple of the median, beyond which points are outliers. The ends of a long rod lie at 2."""
MOST_POINTS = 1000
"""Largest number of points, chosen at random, that are fitted, which takes a second."""
FEWEST = 20
"""Points that a surface of up to 9 free parameters is fitted to; the nuclear pore has 32 sites."""
SOFT = 0.1
"""Residual beyond which the loss is linear, as a fraction of the radius of gyration."""
FINEST = 0.02
"""Least scatter in the likelihood, as a fraction of the radius of gyration: a few points lie exactly on some torus by chance."""
OUTLIERS = 0.02
"""Share of the points that may lie anywhere within six radii of gyration."""
THICKEST = 0.3
"""Largest scatter across a surface, of its radius. Real nuclear pores have 0.2 to 0.27, a full cube or the paper's
bunny 0.32 and more."""
SECTOR_DEG, EMPTIEST = 75.0, 0.2
"""A surface is closed if even its emptiest sector of this width, which spans a gap of a fivefold ring, holds this share of
what an even one would. Reconstructed pores come to 0.3 to 0.5 in sectors of 60 degrees; two blobs and the corners of a
tetrahedron to less than 0.1."""
CLEARLY = 5.0
"""Difference of half pseudo-BICs by which a surface must win over a filled body."""
SOFTEST_END = 0.15
"""Largest width of a cylinder's ends, as a fraction of its height: softer ends would leave no uniform part between them."""
REFINED = 4
"""Start directions that are followed, of 13."""
WIDEST = 2.0
"""Largest radius of a circle, as a multiple of the radius of gyration: most of a larger circle would be without points."""

Name = Literal["ring", "torus", "cylinder"]


class _Surface(NamedTuple):
    """A surface about z: where its points lie, from the distance to the axis and the height, both ``[N]``."""

    name: Name
    residuals: Callable[[Array, Array, Array], list[Array]]
    """Distances from the surface along each direction across it ``[N]``, from (distance, height, sizes)."""
    guess: Callable[[Array, Array], list[float]]
    layers: int
    """Rings above each other; 0 for an even surface."""
    parameters: int


def _median(values: Array) -> float:
    return float(np.median(values))


RING = _Surface("ring", lambda rho, z, sizes: [rho - sizes[0], z], lambda rho, z: [_median(rho)], 1, 8)
RINGS = _Surface(
    "ring",
    lambda rho, z, sizes: [rho - sizes[0], np.abs(z) - sizes[1] / 2],
    lambda rho, z: [_median(rho), 2 * _median(np.abs(z))],
    2,
    9,
)
TORUS = _Surface(
    "torus",
    lambda rho, z, sizes: [np.hypot(rho - sizes[0], z) - sizes[1]],
    lambda rho, z: [_median(rho), _median(np.hypot(rho - _median(rho), z))],
    0,
    8,
)
CYLINDER = _Surface("cylinder", lambda rho, z, sizes: [rho - sizes[0]], lambda rho, z: [_median(rho)], 0, 9)


class Fit(NamedTuple):
    """A surface in its place: ``frame [3, 3]`` has the axis as its last column; centre ``[3]`` and sizes in nm."""

    surface: _Surface
    frame: Array
    centre: Array
    sizes: Array
    cost: float

    def cylindrical(self, points: Array) -> tuple[Array, Array, Array]:
        """Distance to the axis, height and angle about the axis of points ``[N, 3]``, each ``[N]``."""
        x, y, z = ((points - self.centre) @ self.frame).T
        return np.hypot(x, y), z, np.arctan2(y, x)

    def residuals(self, points: Array) -> list[Array]:
        """Distances of points ``[N, 3]`` from the surface, along each direction across it ``[N]``."""
        rho, z, _ = self.cylindrical(points)
        return self.surface.residuals(rho, z, self.sizes)


@dataclass(frozen=True)
class Shape:
    """A surface fitted to a cloud, lengths in nm.

    Attributes:
        fit: the surface in its place.
        radius: of the circle; of the middle line of a torus.
        height: between the two rings, or the ends of the cylinder; None for one ring and for a torus.
        tube: thickness of the torus; None for the others.
        residual: root mean square distance of the points from the surface.
        against: why it is refused, in words; empty where it is not.
    """

    fit: Fit
    radius: float
    height: float | None
    tube: float | None
    residual: float
    against: str = ""

    @property
    def name(self) -> Name:
        """Name of the shape."""
        return self.fit.surface.name


def without_outliers(points: Array) -> Array:
    """Points ``[N, 3]`` without those farther from the median than ``LEFT_OUT`` times the median distance."""
    distance = np.linalg.norm(points - np.median(points, axis=0), axis=1)
    return np.asarray(points[distance <= LEFT_OUT * np.median(distance)])


def some_of(points: Array, rng: np.random.Generator) -> Array:
    """Points ``[N, 3]``, or a random ``MOST_POINTS`` of more."""
    return points if len(points) <= MOST_POINTS else rng.choice(points, MOST_POINTS, replace=False)


def fit_shape(points: Array, like: Shape | None = None) -> Shape | None:
    """The best surface by pseudo-BIC, and why it is refused, if it is; None for too few points, or where no fit is sound.

    Args:
        points: ``[N, 3]`` nm, not all in a line.
        like: only surfaces of this kind are tried, wherever they lie.
    """
    if len(points) < FEWEST:
        return None
    flat = plane_frame(points) is not None  # where only a ring has room
    surfaces = (like.fit.surface,) if like else (RING,) if flat else (RING, RINGS, TORUS, CYLINDER)
    return _best_of(surfaces, np.ascontiguousarray(points, dtype=np.float64).tobytes())


@lru_cache(maxsize=8)
def _best_of(surfaces: tuple[_Surface, ...], content: bytes) -> Shape | None:
    """The best surface for the bytes of points ``[N, 3]``: drawing, figures and report of one cloud ask for the same."""
    points = np.frombuffer(content).reshape(-1, 3)
    fits = [fit for surface in surfaces for fit in _search(surface, points)]
    if not fits:
        return None
    likely = [_likelihood(fit, points) for fit in fits]
    fit = fits[int(np.argmax(likely))]
    return replace(_shape(fit, points), against=_against(fit, points, max(likely)))


def _against(fit: Fit, points: Array, likelihood: float) -> str:
    scale = gyration(points)
    # The extent of two layers and of a cylinder along the axis is their height; one ring must be thin there too.
    off = fit.residuals(points) if fit.surface is RING else fit.residuals(points)[:1]
    across = float(np.sqrt(np.square(off).mean(axis=1).max()))
    if likelihood < max(_ellipsoid(points, scale), _sphere(points, scale)) + CLEARLY:
        filled = "ellipsoid or a hollow sphere" if plane_frame(points) is None else "ellipse"
        return f"a filled {filled} fits the points as well"
    if across > THICKEST * fit.sizes[0]:
        return f"the points scatter {across:.1f} nm across its surface, more than {THICKEST:.0%} of its radius"
    return "it is not closed around its axis" if _emptiest_sector(fit.cylindrical(points)[2]) < EMPTIEST else ""


def _emptiest_sector(angles: Array) -> float:
    """Share of points in the emptiest sector, of what an even ring has there; one outlier does not fill it."""
    turn, width = np.sort(angles), np.deg2rad(SECTOR_DEG)
    # The emptiest sector begins just after a point.
    twice = np.concatenate([turn, turn + 2 * np.pi])
    held = np.searchsorted(twice, turn + width, side="right") - np.arange(1, len(turn) + 1)
    return float(held.min() / (len(turn) * SECTOR_DEG / 360))


def _search(surface: _Surface, points: Array) -> list[Fit]:
    """The best fit, if any, from the principal axes and the diagonals between them: each may be near the axis."""
    centre, widest = np.median(points, axis=0), WIDEST * gyration(points)
    principal = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2].T
    starts = []
    for direction in itertools.product((-1, 0, 1), repeat=3):
        if direction > (0, 0, 0):  # one of each pair of opposites
            turn, _ = Rotation.align_vectors([direction], [[0, 0, 1]])
            start = Fit(surface, principal @ turn.as_matrix(), centre, np.empty(0), 0.0)
            sizes = np.array(surface.guess(*start.cylindrical(points)[:2]))
            off = start._replace(sizes=sizes).residuals(points)
            starts.append(start._replace(sizes=sizes, cost=float(np.abs(off).sum())))
    fits = [_fit(start, points) for start in sorted(starts, key=lambda start: start.cost)[:REFINED]]
    sound = [fit for fit in fits if 0 < fit.sizes[0] < widest and (surface is not TORUS or fit.sizes[1] < fit.sizes[0])]
    return sorted(sound, key=lambda fit: fit.cost)[:1]


def _fit(start: Fit, points: Array) -> Fit:
    scale = gyration(points)

    # The last tilts are kept, as most steps of the numerical derivative change neither angle.
    @lru_cache(maxsize=4)
    def tilted(x: float, y: float) -> Array:
        tilt = Rotation.from_rotvec([x / scale, y / scale, 0])  # all parameters are lengths
        return np.asarray(start.frame @ tilt.as_matrix())

    def placed(x: Array) -> Fit:
        return start._replace(frame=tilted(x[0], x[1]), centre=x[2:5], sizes=np.abs(x[5:]))

    found = least_squares(
        lambda x: np.concatenate(placed(x).residuals(points)),
        np.concatenate([[0, 0], start.centre, start.sizes]),
        loss="soft_l1",
        f_scale=SOFT * scale,
        max_nfev=40,
    )
    return placed(found.x)._replace(cost=float(found.cost))


def _shape(fit: Fit, points: Array) -> Shape:
    off, height, tube = fit.residuals(points), None, None
    if fit.surface is RINGS:
        height = float(fit.sizes[1])
    elif fit.surface is TORUS:
        tube = 2 * float(fit.sizes[1])
    elif fit.surface is CYLINDER:
        z = fit.cylindrical(points)[1]
        _, middle, height = _profile(fit.surface, z, gyration(points))
        off = [*off, np.maximum(np.abs(z - middle) - height / 2, 0)]
    return Shape(fit, float(fit.sizes[0]), height, tube, float(np.sqrt(np.mean(np.square(off).sum(axis=0)))))


def _likelihood(fit: Fit, points: Array) -> float:
    """Pseudo-BIC, negated and halved: log likelihood of the points less the charge for the free parameters."""
    scale = gyration(points)
    across = _scatter(fit.residuals(points)[0], scale)
    if fit.surface is TORUS:
        along = -len(points) * np.log(4 * np.pi**2 * fit.sizes[0] * fit.sizes[1])
    else:
        height = _profile(fit.surface, fit.cylindrical(points)[1], scale)[0]
        along = height - len(points) * np.log(2 * np.pi * fit.sizes[0])
    return float(across + along - _charge(fit.surface.parameters, points))


def _charge(parameters: int, points: Array) -> float:
    return parameters / 2 * float(np.log(len(points)))


def _logistic(z: Array, width: float) -> Array:
    share = expit(z / width)
    return np.asarray(share * (1 - share) / width)


def _total(density: Array, scale: float) -> float:
    """Log likelihood with a share of outliers."""
    return float(np.log((1 - OUTLIERS) * density + OUTLIERS / (6 * scale)).sum())


def _scatter(off: Array, scale: float) -> float:
    """Largest log likelihood of distances ``[N]`` from a surface, over the width of their scatter."""
    bounds = np.log([FINEST * scale, scale])
    return -float(
        minimize_scalar(lambda w: -_total(_logistic(off, np.exp(w)), scale), bounds=bounds, method="bounded").fun
    )


def _profile(surface: _Surface, z: Array, scale: float) -> tuple[float, float, float]:
    """Largest log likelihood of heights ``[N]``, with their middle and the distance between rings or ends."""

    def density(x: Array) -> Array:
        middle, height, width = x[0], abs(x[1]) + 1e-6 * scale, abs(x[2]) + FINEST * scale
        low, high = z - middle + height / 2, z - middle - height / 2
        if surface.layers == 1:
            return _logistic(z - middle, width)
        if surface.layers == 2:
            return (_logistic(low, width) + _logistic(high, width)) / 2
        width = min(width, SOFTEST_END * height)
        return np.asarray((expit(low / width) - expit(high / width)) / height)

    low, middle, high = np.quantile(z, [0.05, 0.5, 0.95])
    start = np.array([middle, 0.8 * (high - low), 0.1 * (high - low)])
    simplex = start + 0.2 * (high - low) * np.vstack([np.zeros(3), np.eye(3)])
    found = minimize(
        lambda x: -_total(density(x), scale),
        start,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 1e-3 * scale, "fatol": 1e-3, "maxiter": 200},
    )
    return -float(found.fun), float(found.x[0]), abs(float(found.x[1]))


def _ellipsoid(points: Array, scale: float) -> float:
    """The same figure of a Gaussian of any covariance."""
    covariance = np.cov(points.T) + (FINEST * scale) ** 2 * np.eye(3)
    return -len(points) / 2 * float(np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]) - _charge(9, points)


def _sphere(points: Array, scale: float) -> float:
    """The same figure of a hollow sphere."""
    found = least_squares(
        lambda x: np.linalg.norm(points - x[:3], axis=1) - x[3],
        np.append(np.median(points, axis=0), scale),
        loss="soft_l1",
        f_scale=SOFT * scale,
    )
    return _scatter(found.fun, scale) - len(points) * float(np.log(4 * np.pi * found.x[3] ** 2)) - _charge(5, points)
