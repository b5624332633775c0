"""The order of planes in OME-TIFF, which may be spread over several files (Micro-Manager begins a new one every 4 GB).

Found by expressions, not by an XML parser: few attributes are needed, and entity expansion is impossible
(OME-TIFF specification, docs.openmicroscopy.org/ome-model).
"""

import html
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array

PIXELS = re.compile(r"<Pixels\b[^<>]*>")
DATA = re.compile(r"<TiffData\b([^<>]*?)(?:/>|>(.*?)</TiffData>)", re.DOTALL)
FILE = re.compile(r'\bFileName="([^"]*)"')
ATTRIBUTE = re.compile(r'\b(\w+)="([^"]*)"')
MOST_PLANES = 10**8
"""Largest number of planes: their numbers take 1.6 GiB."""


@dataclass(frozen=True)
class Planes:
    """Where the planes of a data set are.

    Attributes:
        sizes: Lengths of C, Z and T, from the fastest axis to the slowest.
        files: Names of the files.
        file: The file of each plane ``[n]``, an index into ``files``; -1 where there is none.
        page: The page of each plane in its file ``[n]``.
    """

    sizes: dict[str, int]
    files: list[str]
    file: Array
    page: Array


def read_planes(path: Path, xml: str) -> Planes | None:
    """The planes that OME metadata of a file declare; None if they declare none, as in all but the first of several files.

    Raises:
        HollyError: The metadata hold several data sets, or sizes that are no numbers.
    """
    pixels = PIXELS.findall(xml)
    if not pixels:
        return None
    if len(pixels) > 1:
        raise HollyError(f"{path}: holds {len(pixels)} data sets (positions, for instance); save one of them")
    attributes = dict(ATTRIBUTE.findall(html.unescape(pixels[0])))
    order = [axis for axis in attributes.get("DimensionOrder", "XYCZT") if axis in "CZT"]
    sizes = {axis: _number(path, attributes, f"Size{axis}", 1) for axis in order}
    count = int(np.prod([*sizes.values()], dtype=object))
    if not 0 < count <= MOST_PLANES or len(order) != 3:
        raise HollyError(f"{path}: declares {count} planes in its OME metadata; it is damaged; export it again")
    file, page = np.full(count, -1, np.int32), np.zeros(count, np.int64)
    files: dict[str, int] = {}
    for text, inside in DATA.findall(xml):
        data = dict(ATTRIBUTE.findall(text))
        named = FILE.search(inside)
        # A name only: a path would lead out of the folder.
        name = Path(html.unescape(named[1])).name if named else path.name
        start, step = 0, 1
        for axis in order:
            start += step * _number(path, data, f"First{axis}", 0)
            step *= sizes[axis]
        planes = _number(path, data, "PlaneCount", 1 if "IFD" in data else count)
        planes = max(0, min(planes, count - start))
        file[start : start + planes] = files.setdefault(name, len(files))
        page[start : start + planes] = _number(path, data, "IFD", 0) + np.arange(planes)
    if not files:
        return Planes(sizes, [path.name], np.zeros(count, np.int32), np.arange(count))
    return Planes(sizes, [*files], file, page)


def _number(path: Path, attributes: dict[str, str], name: str, missing: int) -> int:
    text = attributes.get(name, str(missing))
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise HollyError(f"{path}: has {name}={text!r} in its OME metadata; it is damaged; export it again")
    return int(text)
