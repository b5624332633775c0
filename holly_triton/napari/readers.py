"""Reading a file into layers: the kind by its suffix and, where a suffix has several kinds, by its columns."""

from collections.abc import Callable, Sequence
from pathlib import Path

from holly_triton.core.errors import HollyError
from holly_triton.io import clouds
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.io.particle_lists.raw import placed
from holly_triton.io.particle_lists.reading import READERS as LISTS
from holly_triton.io.particle_lists.reading import read_raw_list
from holly_triton.io.particle_lists.text import CLASS_NAMES, NAPARI
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.table import READERS as TABLES
from holly_triton.io.tables.table import read_rows
from holly_triton.io.text_table import read_header
from holly_triton.io.volumes.reading import format_of, read_volume
from holly_triton.io.volumes.volume import Volume

from . import layers
from .layers import LayerData

Reader = Callable[[Path], LayerData]


def find_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """The function that napari calls for a file, or for several; None where one of them is of no kind that is known."""
    if not all(readers_for(Path(one)) for one in _each(path)):
        return None
    return read


def read(path: str | Sequence[str]) -> list[LayerData]:
    """A layer for each file.

    Raises:
        HollyError: A file can't be read; the error is that of the first kind that it may be of.
    """
    return [_read_one(Path(one)) for one in _each(path)]


def readers_for(path: Path) -> list[Reader]:
    """What may read a file, the likeliest first; nothing for a suffix that is not known."""
    suffix = path.suffix.lower()
    by_kind: list[tuple[bool, Reader]] = [
        (format_of(path) is not None, _read_tomogram),
        (suffix in LISTS and suffix not in TABLES, _read_list),
        (suffix in clouds.FORMATS and suffix not in TABLES, _read_cloud),
        (suffix in TABLES, _read_table),
        (suffix in LISTS and suffix in TABLES, _read_list),
        (suffix in clouds.FORMATS and suffix in TABLES, _read_cloud),
    ]
    return [reader for fits, reader in by_kind if fits]


def _each(path: str | Sequence[str]) -> Sequence[str]:
    return [path] if isinstance(path, str) else path


def _read_one(path: Path) -> LayerData:
    readers = readers_for(path)
    if not readers:
        raise HollyError(
            f"{path}: is of no kind that is known; give localisations, a particle list, a volume or a cloud"
        )
    if path.is_file() and _read_list in readers and path.suffix.lower() in (".csv", ".txt", ".tsv") and _is_list(path):
        readers = [_read_list]
    errors = []
    for reader in readers:
        try:
            return reader(path)
        except HollyError as error:
            errors.append(error)
    raise errors[0]


def _is_list(path: Path) -> bool:
    """Whether a table has the columns of a particle list: a class, or napari's own axes."""
    header = read_header(path)
    return bool(header.named) and (header.find(*CLASS_NAMES) is not None or header.find(NAPARI[1]) is not None)


def _read_tomogram(path: Path) -> LayerData:
    return layers.image_of(read_volume(path), path.name)


def _read_cloud(path: Path) -> LayerData:
    return layers.points_of_cloud(clouds.read_cloud(path).points, path.name)


def _read_table(path: Path) -> LayerData:
    return layers.points_of_localisations(read_rows(path, Reading()).whole(), path.name)


def _read_list(path: Path) -> LayerData:
    raw = read_raw_list(path)
    tomogram = _tomogram_beside(path, [] if raw.tomograms is None else [str(name) for name in set(raw.tomograms)])
    if tomogram is None:
        voxel = raw.side if raw.unit == "voxel" else None
        try:
            found: ParticleList = placed(path, raw)
        except HollyError as error:
            raise HollyError(
                f"{path}: has positions in {raw.unit_in_words}; put the tomogram that it names, whose voxel size they need, "
                "into the same folder"
            ) from error
        return layers.points_of_particles(found, path.name, voxel)
    found = placed(path, raw, voxel_size=tomogram.voxel, shape=tomogram.values.shape)
    return layers.points_of_particles(found, path.name, tomogram.voxel)


def _tomogram_beside(path: Path, names: list[str]) -> Volume | None:
    """The tomogram of a list, where the list is of one that lies in its folder and states its voxel size."""
    files = [file for file in sorted(path.parent.iterdir()) if format_of(file) and file.name.partition(".")[0] in names]
    if len(files) != 1:
        return None
    try:
        return read_volume(files[0])
    except HollyError:
        return None
