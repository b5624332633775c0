"""Units of length, in all spellings found in files of localisations and pictures."""

import unicodedata
from numbers import Real

NM_PER_UNIT = {"nm": 1.0, "um": 1e3, "mm": 1e6, "cm": 1e7, "m": 1e9, "A": 0.1, "pm": 1e-3}
"""Length in nm of each unit of a fixed length."""
UNIT_NM = 297.0
"""nm per unit of the HOLLy paper's clouds, which carry no unit: its CEP152 scale (1 unit = 32 px of 9.28 nm)."""
PIXEL = "px"
"""The unit whose length depends on the camera."""

_SPELLINGS = {
    "nm": ("nm", "nano", "nanometer", "nanometre", "nanometers", "nanometres"),
    "um": ("um", "mum", "\u03bcm", "mu m", "micro", "micron", "microns", "micrometer", "micrometre", "micrometers", "micrometres"),
    "mm": ("mm", "millimeter", "millimetre", "millimeters", "millimetres"),
    "cm": ("cm", "centimeter", "centimetre", "centimeters", "centimetres"),
    "m": ("m", "meter", "metre", "meters", "metres"),
    "A": ("a", "\u00e5", "ang", "angstrom", "angstroms", "\u00e5ngstrom", "\u00e5ngstr\u00f6m", "angstr\u00f6m"),
    "pm": ("pm", "picometer", "picometre", "picometers", "picometres"),
    "px": (
        "px", "pxl", "pix", "pixs", "pixel", "pixels", "camera pixel", "camera pixels", "cam. pixel", "cam. pixels",
        "camera px", "cam. px", "campx", "cam_px",
    ),
}  # fmt: skip
_KNOWN = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}

_NM_OF_A_PIXEL = (20.0, 1000.0)
"""Bounds on the side of a camera pixel in the sample, which exclude the physical pixels of the chip, 6.5 to 16 um."""


def unit_word(text: str | None) -> str | None:
    """The unit that a text names, a key of ``NM_PER_UNIT`` or ``"px"``; None if the unit is not known.

    Compatibility forms are equal: the micro sign and the Greek mu, the Angstrom sign and the letter.
    """
    if text is None:
        return None
    plain = unicodedata.normalize("NFKC", text).strip().strip("[]().").lower()
    return _KNOWN.get(" ".join(plain.split()))


def pixel_size_nm(value: object, unit: str | None = None) -> float | None:
    """Side of a camera pixel in nm, from a number that a file states; None if the size is not plausible.

    Args:
        value: The number.
        unit: Its unit, in any spelling. Without one it is nm, um or m, whichever gives a plausible camera pixel.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    low, high = _NM_OF_A_PIXEL
    units = [unit_word(unit)] if unit_word(unit) else ["nm", "um", "m"]
    for known in units:
        length = float(value) * NM_PER_UNIT.get(known or "", 0.0)
        if low <= length <= high:
            return length
    return None
