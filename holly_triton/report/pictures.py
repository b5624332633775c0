"""Pictures of the page: those that the run drew, input pictures beside reprojections and their difference."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.files import foreign, replacing
from holly_triton.core.types import Array

from .charts import data_uri
from .folder import Reprojections
from .numbers import length

SEEN_SIGMA = 1 / 70
"""Least sigma, as a fraction of a picture's width: with a smaller one, single labels are dots that vanish on the page."""
STRENGTH = 2
"""Factor on the brightness of differences, which are fainter than the pictures."""
SHOWN_PX, GAP_PX, MARGIN_PX, NAME_PX, HEAD_PX = 156, 2, 10, 24, 44
"""Side of a picture on the sheet, the gaps beside it and beside three, and the height of the lines of its name and of the title."""
WHITE = 253
"""Least value of a background that is white: the colours of a picture are means of colours alike."""
TOO_DARK, EQUAL, TOO_BRIGHT = "#6db3f2", "#000000", "#f59b42"
"""Colours of a difference: blue and orange are distinguishable with any colour vision."""


@dataclass(frozen=True)
class Compared:
    """One input picture, its reprojection and their difference, as data URIs, with a caption."""

    name: str
    loss: str | None
    given: str
    drawn: str
    difference: str


def read_picture(path: Path) -> str | None:
    """A picture of the run in 256 colours, which suffice for two hues and make a quarter of the size."""
    from PIL import Image

    if not path.is_file():
        return None
    with foreign(path, "PNG"), Image.open(path) as picture:
        # By an octree: the median cut takes twenty times as long, half a second for each picture.
        few = picture.convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        few.putpalette([255 if value >= WHITE else value for value in few.getpalette() or ()])
        return _png(few)


def smoothing_nm(reprojections: Reprojections, sigma_nm: float) -> float:
    """Sigma, nm, of the blur that makes pictures drawn with ``sigma_nm`` visible; 0 if they are visible without it."""
    return float(np.sqrt(max((SEEN_SIGMA * reprojections.width_nm) ** 2 - sigma_nm**2, 0)))


def compare(reprojections: Reprojections, blur_nm: float, loss: Mapping[str, float]) -> Iterator[Compared]:
    """Each input picture beside its reprojection, both smoothed by ``blur_nm``."""
    from PIL import Image

    for name, trio in zip(reprojections.names, _trios(reprojections, blur_nm), strict=True):
        uris = [_png(Image.fromarray(picture)) for picture in trio]
        yield Compared(name, f"{loss[name]:.3g}" if name in loss else None, *uris)


def write_sheet(reprojections: Reprojections, blur_nm: float, path: Path) -> None:
    """The same in one PNG, three per row.

    Raises:
        HollyError: The file can't be written.
    """
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    small, large = (ImageFont.truetype(font, size) for size in (12, 18))
    columns, wide, high = 3, 3 * (SHOWN_PX + GAP_PX) + MARGIN_PX, SHOWN_PX + NAME_PX
    rows = -(-len(reprojections.names) // columns)
    sheet = Image.new("RGB", (columns * wide + MARGIN_PX, rows * high + HEAD_PX + MARGIN_PX), "white")
    draw = ImageDraw.Draw(sheet)
    title = f"Input, reprojection, difference; each {length(reprojections.width_nm)} nm wide"
    draw.text((sheet.width / 2, HEAD_PX / 2), title, "black", large, anchor="mm")
    for place, (name, trio) in enumerate(zip(reprojections.names, _trios(reprojections, blur_nm), strict=True)):
        left, top = MARGIN_PX + place % columns * wide, HEAD_PX + place // columns * high
        draw.text((left + (wide - MARGIN_PX) / 2, top + NAME_PX / 2), name[:40], "black", small, anchor="mm")
        for column, picture in enumerate(trio):
            shown = Image.fromarray(picture).resize((SHOWN_PX, SHOWN_PX), Image.Resampling.BICUBIC)
            sheet.paste(shown, (left + column * (SHOWN_PX + GAP_PX), top + NAME_PX))
    with replacing(path) as partial:
        sheet.save(partial, format="PNG")


def _trios(reprojections: Reprojections, blur_nm: float) -> Iterator[tuple[Array, Array, Array]]:
    """Input, reprojection and difference ``[S, S, 3]`` uint8, of equal intensity, on one scale of brightness."""
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap
    from scipy.ndimage import gaussian_filter

    signed = LinearSegmentedColormap.from_list("difference", [TOO_DARK, EQUAL, TOO_BRIGHT])
    for pair in zip(reprojections.inputs, reprojections.reprojections, strict=True):
        given, drawn = (gaussian_filter(np.maximum(one, 0), blur_nm / reprojections.pixel_nm) for one in pair)
        given, drawn = (picture / max(picture.sum(), 1e-12) for picture in (given, drawn))
        brightest = max(given.max(), drawn.max(), 1e-12)
        shown = [colormaps["inferno"](picture / brightest, bytes=True) for picture in (given, drawn)]
        shown.append(signed(0.5 + 0.5 * STRENGTH * (drawn - given) / brightest, bytes=True))
        first, second, third = (picture[:, :, :3] for picture in shown)
        yield first, second, third


def _png(picture: Any) -> str:
    content = io.BytesIO()
    picture.save(content, format="PNG")
    return data_uri(content.getvalue(), "png")
