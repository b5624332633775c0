"""What the user says about lengths, and how it meets what a file says."""

from dataclasses import dataclass

from holly_triton.errors import HollyError
from holly_triton.text_table import NM_PER_UNIT

PIXEL_UNITS = ("px", "pixel", "pixels")


@dataclass(frozen=True)
class Scale:
    """The options ``--unit`` and ``--pixel-size``.

    Attributes:
        unit: ``"nm"``, ``"um"`` or ``"px"``: the unit of positions in a file that does not say.
        pixel_size_nm: Side of an input pixel, nm.

    Raises:
        HollyError: an unknown unit, or a pixel size that is no length.
    """

    unit: str | None = None
    pixel_size_nm: float | None = None

    def __post_init__(self) -> None:
        if self.unit is not None and self.unit not in (*NM_PER_UNIT, *PIXEL_UNITS):
            raise HollyError(f"--unit {self.unit}: is not a unit that is known; those are nm, um and px")
        if self.pixel_size_nm is not None and not 0 < self.pixel_size_nm < float("inf"):
            raise HollyError(f"--pixel-size {self.pixel_size_nm:g}: must be above 0 nm")

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
