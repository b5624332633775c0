"""The user's information about a data set, and how it is combined with what the files state."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from holly_triton.core.errors import HollyError
from holly_triton.io.units import NM_PER_UNIT, PIXEL, unit_word

Unit = Literal["nm", "um", "mm", "m", "A", "px"]
Axis = Literal["z", "y", "x"]
Weights = Literal["equal", "photons"]
Background = Literal["subtract", "keep"]
Contrast = Literal["bright", "dark"]


@dataclass(frozen=True)
class Reading:
    """The options that every command which reads DATA shares.

    Attributes:
        unit: One of ``Unit``, in any spelling: the unit of positions in a file that does not state it.
        pixel_size_nm: Side of an input pixel, nm.
        columns: Which column holds what, as ``"x=...,y=...[px],particle=..."``, for tables with unknown column names.
        channel: Name or number of the channel that is read, of localisations or pictures; None reads all.
        where: Which rows count, as ``selection.parse_where`` reads it; None counts all.
        axis: ``"x"``, ``"y"`` or ``"z"``: viewing axis for localisations in 3D.
        weights: ``"photons"`` weighs each localisation by its photons; ``"equal"`` counts it as one.
        crop: Pixels a side to which pictures are cropped about their centre; None leaves them whole.
        background: ``"subtract"`` removes the background of pictures, ``"keep"`` leaves it.
        contrast: ``"dark"`` inverts pictures of dark particles, ``"bright"`` leaves pictures unchanged; None leaves them
            unchanged too, but refuses those that appear dark.

    Raises:
        HollyError: A word is unknown, or the pixel size is not above 0.
    """

    unit: str | None = None
    pixel_size_nm: float | None = None
    columns: str | None = None
    channel: str | None = None
    where: str | None = None
    axis: str = "z"
    weights: str = "equal"
    crop: int | None = None
    background: str = "subtract"
    contrast: str | None = None

    def __post_init__(self) -> None:
        if unit_word(self.unit) in get_args(Unit):
            object.__setattr__(self, "unit", unit_word(self.unit))
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

    def unit_for(self, stated: str | None, source: object) -> str:
        """The unit of positions: that of the file, if it is known, else that of ``--unit``, else nm.

        Raises:
            HollyError: The file states a unit that is not known, and there is no ``--unit``.
        """
        unit = unit_word(stated) or self.unit
        if stated and unit is None:
            raise HollyError(
                f"{source}: positions in [{stated}]; those that are known are {', '.join([*NM_PER_UNIT, PIXEL])}; "
                "give it with --unit"
            )
        return unit or "nm"

    def nm_per(self, unit: str, source: object) -> float:
        """Length in nm of a unit that ``unit_for`` gave.

        Raises:
            HollyError: The unit is the pixel, whose size was not given.
        """
        if unit != PIXEL:
            return NM_PER_UNIT[unit]
        if self.pixel_size_nm is None:
            raise HollyError(f"{source}: positions in pixels; give the size of one with --pixel-size NM")
        return self.pixel_size_nm

    def notes(self, stated: str | None) -> list[str]:
        """Notes about a unit that was assumed, or an option that was not used."""
        notes = []
        known = unit_word(stated)
        if known and self.unit and self.unit != known:
            notes.append(f"The file states {stated}, so --unit {self.unit} was not used.")
        if stated and not known:
            notes.append(f"The file states [{stated}], a unit that is not known: --unit {self.unit} was used.")
        if not stated and not self.unit:
            notes.append("The file states no unit: nm was assumed (--unit nm, um, m, A or px overrides this).")
        unit = known or self.unit or "nm"
        if self.pixel_size_nm is not None and unit != PIXEL:
            notes.append(f"Positions are in {unit}, so --pixel-size was not used.")
        return notes


def unused_options(notes: str) -> set[str]:
    """Options that notes about a file call unused, by their names as parameters."""
    return {name.replace("-", "_") for name in re.findall(r"--([a-z-]+)(?: \S+)? was not used", notes)}
