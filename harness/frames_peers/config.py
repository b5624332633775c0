"""Every default of the comparison."""

from typing import NamedTuple

LEVELS = ((1000.0, 10.0), (5000.0, 50.0), (20000.0, 200.0))
"""Photons of an emitter, and background photons a pixel."""
COUNTS = (1.25, 7.2, 22.0)
"""Mean emitters of a frame; the second and third have 0.38 and 2.2 per square micrometre as nominal density."""
MEASURED, TUNED = 800, 400
"""Emitters of each condition in the frames that are scored, and in those on which filters are tuned."""
QUICK = 60
"""Both, for a trial of the whole."""
SPREAD = 0.05
"""Standard deviation of the photons of emitters, as a share of their mean."""
EDGE_NM = 800.0
"""Border of a second Jaccard index, which no program's region about an emitter reaches."""
SIDE_PX = 64
SEED = 0

BEADS, BEAD_STEP_NM, BEAD_REACH_NM, BEAD_BACKGROUND = 25, 20.0, 900.0, 20.0
"""Of the stack from which all programs calibrate: beads, distance of planes, the depth of the first and last, and photons a
pixel."""

SMAPPY_OPTIONS = tuple({"roisize": side} for side in (9, 11, 13, 15))
"""Sides of the region, pixels, that are tried with SMAPpy: nothing nearer than half of one to an edge is found."""
PICASSO_OPTIONS = tuple(
    {"method": method, "box": 9, "gradient": gradient}
    for method in ("gaussmle", "spline-mle")
    for gradient in (300, 1000, 3000, 10000)
)
"""Ways to z, and least net gradients, which have no default, that are tried with Picasso; the region for both reasons."""
PICASSO_BEADS = 1500.0
"""Least net gradient of beads."""

LEVELS_OF_A_FILTER = 8
"""Limits that are tried for each column: none, and quantiles of the values."""
LEAST_KEPT = 0.5
"""Share of a program's localisations that a filter must keep."""
LEAST_CORRELATION = 0.5
"""Of z and the truth; less shows that a version of a program counts z in another way than the conversion assumes."""
ENVIRONMENT_S, RUN_S = 1800.0, 3600.0
"""Seconds until the installation of a program, and a run of it, are given up."""
WARM_UP = 5
"""Frames that are localised before the time is taken."""


class Condition(NamedTuple):
    """What the frames of one row of the table have in common."""

    photons: float
    background: float
    emitters: float
    """Mean of a frame."""

    def __str__(self) -> str:
        return f"{self.photons:g}/{self.background:g}, {self.emitters:g} a frame"


CONDITIONS = tuple(Condition(*level, count) for level in LEVELS for count in COUNTS)
