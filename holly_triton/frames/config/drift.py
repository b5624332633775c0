"""Drift of the sample between the frames of a movie."""

from dataclasses import dataclass
from typing import Annotated

from holly_triton.core.config import Bounds, Settings


@dataclass(frozen=True)
class Drifting(Settings):
    """How drift is measured by redundant cross-correlation, and from which size on it is corrected."""

    localisations: Annotated[int, Bounds(100)] = 1000
    """Localisations of a segment on average. More of them make a sharper correlation; fewer make more segments, which
    follow a faster drift."""
    fewest_segments: Annotated[int, Bounds(3)] = 5
    """A movie with too few localisations for these many segments is not corrected."""
    most_segments: Annotated[int, Bounds(3)] = 20
    """Pairs, and with them the time, grow with the square of the segments."""
    bin_nm: Annotated[float, Bounds(1)] = 20.0
    """Side of a bin of the histograms that are correlated, along all axes: about a localisation precision."""
    smoothing: Annotated[float, Bounds(0.5)] = 1.5
    """Sigma of the smoothing of a correlation, bins, so that a paraboloid fits its peak."""
    largest_nm: Annotated[float, Bounds(10)] = 600.0
    """Largest drift between any two segments that is looked for, lateral."""
    largest_z_nm: Annotated[float, Bounds(10)] = 300.0
    """The same along z."""
    cell_nm: Annotated[float, Bounds(50)] = 200.0
    """Side of the lateral cells whose profiles along z are correlated."""
    rounds: Annotated[int, Bounds(1, 9)] = 2
    """Times that drift is measured; after the first, in what is left of it."""
    significant: Annotated[float, Bounds(0)] = 2.0
    """Drift is corrected along x and y, or along z, where its root mean square is this many times its error."""
    seed: Annotated[int, Bounds(0)] = 0
    """Of the random halves by which the error is estimated."""

    def segments(self, localisations: int, frames: int) -> int:
        """Segments of a movie with so many localisations and frames; below ``fewest_segments`` there are too few of either."""
        return min(self.most_segments, localisations // self.localisations, frames)


TILE_BINS = 256
"""Side of the squares in which a field is correlated, bins. Memory then does not depend on the field."""
RADIUS_BINS = 2
"""Half side of the square about the maximum of a correlation to which a paraboloid is fitted, bins."""
REWEIGHTINGS = 20
"""Steps of the iteration that lowers the weight of pairs of segments which contradict the others."""
CELLS_AT_ONCE = 4096
"""Lateral cells whose profiles are correlated at once."""
WALK_KNOTS, WALK_AXIAL = 5, 0.5
"""A simulated drift is a random walk of so many steps with a spline through it; along z it is smaller by this factor."""
