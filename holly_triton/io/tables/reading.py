"""What the user says about a data set that its files may not say of themselves, and how it meets what they say."""

from dataclasses import dataclass
from typing import get_args

from holly_triton.core.errors import HollyError
from holly_triton.io.text_table import NM_PER_UNIT
from holly_triton.particles.config import Axis, Background, Contrast, Unit, Weights

PIXEL_UNITS = ("px", "pixel", "pixels")


@dataclass(frozen=True)
class Reading:
    """The options that every command which reads DATA shares.

    Attributes:
        unit: ``"nm"``, ``"um"`` or ``"px"``: the unit of positions in a file that does not say.
        pixel_size_nm: Side of an input pixel, nm.
        columns: Which column holds what, as ``"x=...,y=...,particle=..."``, for tables with names of their own.
        axis: ``"x"``, ``"y"`` or ``"z"``: localisations in 3D are seen along it.
        weights: ``"photons"`` weighs each localisation by its photons; ``"equal"`` counts it as one.
        crop: Pictures are cut to so many pixels a side about their middle; None leaves them whole.
        background: ``"subtract"`` removes it from pictures, ``"keep"`` leaves it.
        contrast: ``"dark"`` inverts pictures of dark particles, ``"bright"`` leaves pictures as they are; None leaves them too,
            but those that look dark are refused.

    Raises:
        HollyError: an unknown word, or a pixel size that is no length.
    """

    unit: str | None = None
    pixel_size_nm: float | None = None
    columns: str | None = None
    axis: str = "z"
    weights: str = "equal"
    crop: int | None = None
    background: str = "subtract"
    contrast: str | None = None

    def __post_init__(self) -> None:
        words = {"axis": Axis, "weights": Weights, "background": Background}
        for name, known in {**words, "unit": Unit, "contrast": Contrast}.items():
            value = getattr(self, name)
            if value is not None and value not in get_args(known):
                *most, last = get_args(known)
                raise HollyError(f"--{name} {value}: is not known; those are {', '.join(most)} and {last}")
        if self.pixel_size_nm is not None and not 0 < self.pixel_size_nm < float("inf"):
            raise HollyError(f"--pixel-size {self.pixel_size_nm:g}: must be above 0 nm")
        if self.crop is not None and self.crop < 2:
            raise HollyError(f"--crop {self.crop}: must be at least 2 pixels")

    def nm_per(self, stated: str | None, source: object) -> float:
        """Length in nm of the unit of positions: what the file states comes first, then ``--unit``, then nm.

        Raises:
            HollyError: pixels whose size nobody gave, or a unit that is not known.
        """
        unit = (stated or self.unit or "nm").lower()
        if unit in NM_PER_UNIT:
            return NM_PER_UNIT[unit]
        if unit not in PIXEL_UNITS:
            raise HollyError(f"{source}: positions in [{unit}]; those that are known are [nm], [um] and [px]")
        if self.pixel_size_nm is None:
            raise HollyError(f"{source}: positions in pixels; give the size of one with --pixel-size NM")
        return self.pixel_size_nm

    def notes(self, stated: str | None) -> list[str]:
        """What to say about a unit that was assumed, or an option that was not used."""
        notes = []
        unit = (stated or self.unit or "nm").lower()
        if stated and self.unit and self.unit != unit:
            notes.append(f"The file says {stated}, so --unit {self.unit} was not used.")
        if not stated and not self.unit:
            notes.append("The file says no unit: nm was assumed (--unit nm, um or px to say otherwise).")
        if self.pixel_size_nm is not None and unit not in PIXEL_UNITS:
            notes.append(f"Positions are in {unit}, so --pixel-size was not used.")
        return notes
