"""Evaluation against a truth: the SMLM challenge 2016 (Sage et al. 2019, and the programs that scored it)."""

from dataclasses import dataclass
from typing import Annotated

from holly_triton.core.config import Bounds, Settings

from .common import PIXEL_NM

FIELD_NM = 6400.0
"""Side of the challenge's field of view, nm: the field where neither an option nor a settings.toml states one."""


@dataclass(frozen=True)
class Scoring(Settings):
    """How localisations are compared with the truth."""

    width_nm: Annotated[float, Bounds(0, open_least=True)] = FIELD_NM
    height_nm: Annotated[float, Bounds(0, open_least=True)] = FIELD_NM
    """The field of view, from the outer corner of its first pixel."""
    border_nm: Annotated[float, Bounds(0)] = 450.0
    """Emitters and localisations at most this far from an edge of the field are left out."""
    lateral_nm: Annotated[float, Bounds(0, open_least=True)] = 250.0
    axial_nm: Annotated[float, Bounds(0, open_least=True)] = 500.0
    """Radius and half height of the cylinder about an emitter within which a localisation may be matched to it."""
    dim_quantile: Annotated[float, Bounds(0, 1, open_most=True)] = 0.0
    """Share of the emitters, the dimmest, that take part in the matching and count neither as missed nor as found."""
    lateral_per_nm: Annotated[float, Bounds(0)] = 1.0
    axial_per_nm: Annotated[float, Bounds(0)] = 0.5
    """Per cent of efficiency that each nm of error costs beside the Jaccard index: alpha of the challenge."""
    pixel_nm: Annotated[float, Bounds(0, open_least=True)] = PIXEL_NM
    """Side of a camera pixel, for the bias within a pixel."""
    isolated_nm: Annotated[float, Bounds(0)] = 1000.0
    """An emitter is isolated if no other of its frame is this near laterally."""
    resamplings: Annotated[int, Bounds(0)] = 400
    """Resamplings of the frames from which the 95 % intervals follow; 0 leaves the intervals out."""
    seed: Annotated[int, Bounds(0)] = 0
    """Of the resampling."""


BOUND_BLOCK = 500
"""Frames whose Cramér-Rao bound is computed at a time."""
