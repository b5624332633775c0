"""Every default of the study."""

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from holly_triton.core.config import Bounds, Settings
from holly_triton.frames.config.simulation import POSITIVE

Arm = Literal["equal-count", "random", "structure", "mixed"]
"""On what a network is trained, as words of ``Training.sampling``."""
ARMS: dict[Arm, str] = {
    "equal-count": "random, equal count",
    "random": "random, equal nominal density",
    "structure": "structure",
    "mixed": "mixed",
}
"""All arms, in the order of the tables, with their names there."""


class Snr(NamedTuple):
    """A level of signal and noise."""

    photons: float
    """Mean of an emitter in a frame."""
    background: float
    """Expected photons a pixel."""

    def __str__(self) -> str:
        return f"{self.photons:g}/{self.background:g}"


SNRS = (Snr(1000, 10), Snr(5000, 50), Snr(20000, 200))
"""Those of the paper: low, medium, high."""
MEDIUM = SNRS[1]
"""At which everything else is measured."""
SPREAD = 0.05
"""Standard deviation of the photons, as a share of their mean."""
DENSITIES = (0.38, 0.59, 0.92, 1.43, 2.22, 3.46, 5.38, 8.36, 13.0)
"""Nominal emitters per square micrometre: nine from 0.38 to 13, as in the paper, which does not list the others; here their
ratios are equal."""
SPARSE = 0.05
"""Where most emitters have no neighbour; beside the nine."""
UNIFORM_DENSITIES = (SPARSE, 0.38, 0.92, 2.22, 5.38)
"""Of random test frames."""
FOREIGN = ("nuclear-pore", "cep152", "centriole", "sheet")
"""Structures on which no arm is trained."""
FOREIGN_DENSITIES = (0.38, 2.22)
FRAME_PX = 64
SEED = 20230
"""Of all test frames: the same for every network."""
CHUNK = 25
"""Test frames that are drawn at a time, until a cell has enough emitters."""
RESAMPLINGS = 1000
"""Of the frames, for the intervals."""

RESOLVABLE_NM = (125.0, 250.0)
"""Largest lateral and axial Cramér-Rao deviation of an emitter that counts as resolvable: half of the tolerances within which
localisations are matched."""

SHEET_WAVES, SHEET_HEIGHT_NM, SHEET_LENGTH_NM = 4, 350.0, (1500.0, 6000.0)
"""Waves of an undulating sheet, the standard deviation of its depth, and the range of their lengths."""

LINE_NM, SPAN_NM, APART_NM = 50.0, 1000.0, 250.0
"""Three positions are in line if one of them lies at most ``LINE_NM`` from the line through the two others, which are at most
``SPAN_NM`` apart; triplets with two members nearer than ``APART_NM`` are left out, since these are in line with any third."""
NEIGHBOUR_NM = (250.0, 600.0)
"""Lateral distances of the neighbours whose depths are compared."""
INVENTION_DENSITIES, INVENTION_TIMES = (0.92, 2.22), 4
"""Of the random frames in which invented structure is sought; they have this many times the emitters of other cells, since few
triplets are in line."""


@dataclass(frozen=True)
class StudyScale(Settings):
    """How large networks and trainings are, and how many emitters are scored."""

    width: Annotated[int, Bounds(2, 256)] = 16
    steps: Annotated[int, Bounds(1)] | None = 3800
    minutes: Annotated[float, POSITIVE] | None = None
    """Of each training; one of the two is given."""
    seeds: Annotated[int, Bounds(1)] = 2
    emitters: Annotated[int, Bounds(1)] = 1500
    """Scored emitters that each cell has at least,"""
    most_frames: Annotated[int, Bounds(1)] = 600
    """unless it would take more frames than this,"""
    fewest_frames: Annotated[int, Bounds(1)] = 50
    """or fewer than this."""
    empty_frames: Annotated[int, Bounds(1)] = 500
    bound_emitters: Annotated[int, Bounds(1)] = 1500
    """Emitters of a cell for which the Cramér-Rao bound is computed."""


SCALES: dict[str, StudyScale] = {
    "small": StudyScale(),
    "paper": StudyScale(
        width=48,
        steps=20000,
        seeds=3,
        emitters=10000,
        most_frames=2000,
        fewest_frames=200,
        empty_frames=2000,
        bound_emitters=5000,
    ),
}
"""``small`` suits two cores, ``paper`` a GPU."""
