"""Results in the files of other programs: the cloud, a density volume, the poses.

Volume and poses follow the conventions of electron microscopy (Heymann, Chagoyen & Belnap 2005), as RELION has them.
Its Euler matrix A takes positions in the volume to positions in the picture, as our rotation does, and is

    A = Z(psi) Y(tilt) Z(rot),    Z(a) = [[cos a, sin a, 0], [-sin a, cos a, 0], [0, 0, 1]],  Y alike,

rotations of the axes, not of the points: the inverse of A is the rotation by rot about z, then tilt about the new y, then
psi about the new z. Its origin is the shift that centres the particle in the picture: minus ours. Columns,
rows and sections of the volume are x, y and z, so projecting it in these poses gives our pictures, row by row.

A new format is one row in ``FORMATS``.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.special import ndtr

from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.types import Array
from holly_triton.core.words import counted
from holly_triton.geometry import mirror
from holly_triton.io import clouds
from holly_triton.io.channels import PointChannels
from holly_triton.io.metrics import read_metrics
from holly_triton.io.run_files import read_poses, read_run_channels, read_run_points, read_spread
from holly_triton.io.tables.picasso import write_picasso
from holly_triton.validation.fsc import RESOLUTION_PER_SD

from .run import WRITTEN, run_config
from .spheres import sphere_colours, write_bild, write_gltf
from .study import is_study, members

ANGSTROM_PER_NM = 10.0
VOXELS_PER_SIGMA = 3.0
POINTS_AT_A_TIME = 4096
"""Points drawn into a volume at a time, so that a million take no more memory than a thousand."""
NEGLIGIBLE = 1e-9
"""Share of a point in a section below which it is left out there: six sigma away."""
MARGIN = 5.0
"""Margin about the outermost point, in sigma: 1e-6 of a Gaussian lies beyond it."""
LARGEST_SIDE = 400
"""Largest side of a volume in voxels, which gives 244 MiB."""
SMALLEST_SIDE = 8
"""Smallest one, below which no structure is seen."""
SMALLEST_VOXEL_NM = 1e-3
"""Smallest voxel, nm: the density in points per nm^3 grows with its inverse cube, and its square must fit float32."""
PICASSO_PIXEL_NM = 100.0
"""Pixel size for Picasso, nm. A cloud has no camera pixels; this size is typical of Picasso's data."""


@dataclass(frozen=True)
class Request:
    """An export request.

    Attributes:
        folder: Folder of the run or study.
        mirror: Whether to export the mirror image.
        voxel_nm: Side of a voxel, nm; if None a third of sigma, or more where those would be too many.
        channel: Whose points are exported, by its name or number; None for all.
        amplitude: Of the deformation at which they are, in standard deviations; None for the run's cloud.
    """

    folder: Path
    mirror: bool
    voxel_nm: float | None
    channel: str | None = None
    amplitude: float | None = None

    def points(self) -> Array:
        """``[N, 3]``, nm.

        Raises:
            HollyError: The folder holds no cloud, or one without the channel, or no deformation for an amplitude.
        """
        points = read_run_points(self.folder, self.amplitude)
        if self.channel is not None:
            channels = read_run_channels(self.folder)
            if channels is None:
                raise HollyError(
                    f"{self.folder}: its cloud is of one channel, or of several that were pooled; leave --channel out"
                )
            points = points[channels.named(_known(self.folder, channels.names, self.channel))]
        return mirror(points) if self.mirror else points

    def channels(self) -> PointChannels | None:
        """The channel of each of these points; None where they are of one."""
        return read_run_channels(self.folder) if self.channel is None else None


def export_run(
    folder: Path, out: Path, *, mirror: bool = False, voxel_nm: float | None = None, channel: str | None = None,
    amplitude: float | None = None,
) -> None:  # fmt: skip
    """Write a run's cloud, volume or poses in the format of the suffix.

    Args:
        folder: Folder of a run or, except for poses, a study.
        out: Name of the file, which ends in one of ``FORMATS``.
        mirror: Whether to export the mirror image.
        voxel_nm: Side of a voxel of a volume, nm; a third of the run's sigma if not given.
        channel: Name of the channel whose points are written, or its number from 1; all if not given.
        amplitude: Of the deformation at which the structure is written, in standard deviations; the run's cloud if not given.

    Raises:
        HollyError: There is no such folder, the suffix is unknown, the run lacks the data, the voxel size is not above 0, too small or not
            applicable, or the file can't be written.
    """
    if not folder.is_dir():
        raise HollyError(f"{folder}: is no folder; give the folder that train wrote")
    if out.resolve().parent == folder.resolve() and any(out.match(name) for name in WRITTEN):
        raise HollyError(f"{out}: is a file of the run itself; choose another name")
    write = FORMATS.get(out.suffix.lower())
    if write is None:
        raise HollyError(f"{out}: is of no format that is known; those are {', '.join(FORMATS)}")
    if voxel_nm is not None and write is not _write_volume:
        raise HollyError(f"{out}: has no voxels; leave the voxel size out, or write .mrc")
    if channel is not None and write is _write_star:
        raise HollyError(f"{out}: holds poses, which all channels share; leave the channel out")
    if amplitude is not None and write is _write_star:
        raise HollyError(f"{out}: holds poses, which are those of the run's cloud; leave the amplitude out")
    write(Request(folder, mirror, voxel_nm, channel, amplitude), out)


def _known(folder: Path, names: Sequence[str], wanted: str) -> str:
    """The channel of a run with a name, or a number from 1."""
    numbered = {str(number): name for number, name in enumerate(names, start=1)}
    found = wanted if wanted in names else numbered.get(wanted)
    if found is None:
        raise HollyError(f"{folder}: its cloud has no channel {wanted}; found {', '.join(names)}")
    return found


def run_sigma_nm(folder: Path) -> float:
    """Sigma of the Gaussian that each point of a run or study stands for, nm.

    For half sets it is the positional error from their resolution; else the last sigma of the pictures, widened by the
    fitted label scatter; for repeats the largest of these.

    Raises:
        HollyError: The figures are not there.
    """
    metrics = read_metrics(folder)
    if metrics.resolution:
        return float(metrics.resolution["resolution"] or metrics.resolution["limit"]) / RESOLUTION_PER_SD
    if (folder / "config.toml").is_file() and is_study(run_config(folder)):
        return max(run_sigma_nm(member.folder) for member in members(run_config(folder), folder))
    if not metrics.sigma_nm:
        raise HollyError(f"{folder}: its metrics.json does not say sigma_nm; pass the folder of a finished run")
    return math.hypot(metrics.sigma_nm, metrics.blur_nm or 0)


def density(points: Array, sigma_nm: float, voxel_nm: float, half: int) -> Array:
    """Points ``[N, 3]`` as Gaussians: their mean density in each voxel, points per nm^3.

    Gaussians separate, so a section is one matrix product. Integrals over voxels, not samples at their centres: the
    sum over all voxels times their volume is N, however large a voxel is.

    Args:
        points: nm.
        sigma_nm: Sigma of the Gaussians.
        voxel_nm: Side of a voxel.
        half: The origin is the centre of voxel ``half`` of ``2 half`` along each axis.

    Returns:
        ``[2 half, 2 half, 2 half]`` float32: sections (z), rows (y), columns (x).
    """
    edges = (np.arange(2 * half + 1) - half - 0.5) * voxel_nm
    volume = np.zeros((2 * half,) * 3, dtype=np.float32)
    points = points[np.argsort(points[:, 2], kind="stable")]  # so that a block of them reaches few sections
    for start in range(0, len(points), POINTS_AT_A_TIME):
        x, y, z = (
            (np.diff(ndtr((edges - axis[:, None]) / sigma_nm)) / voxel_nm).astype(np.float32)  # [block, 2 half]
            for axis in points[start : start + POINTS_AT_A_TIME].T
        )
        reached = z > NEGLIGIBLE / voxel_nm
        for section in np.flatnonzero(reached.any(axis=0)):
            near = reached[:, section]
            volume[section] += (y[near] * z[near, section, None]).T @ x[near]
    return volume


def write_volume(path: Path, points: Array, sigma_nm: float, voxel_nm: float | None = None) -> None:
    """Write points ``[N, 3]``, nm, as a density in MRC (Cheng et al. 2015), with lengths in Angstrom as it has them.

    The header's origin aligns the volume with the points, except for the unit: a cloud file in nm, read as Angstrom,
    appears ten times smaller. The cloud's origin is the centre of a voxel, the one about which RELION rotates a volume.

    Raises:
        HollyError: The voxel size is not above 0, gives too many or too few voxels, or the file can't be written.
    """
    import mrcfile

    reach = float(np.abs(points).max()) + MARGIN * sigma_nm
    least = reach / (LARGEST_SIDE / 2 - 1)
    voxel_nm = max(sigma_nm / VOXELS_PER_SIGMA, least) if voxel_nm is None else voxel_nm
    if not 0 < voxel_nm < float("inf"):
        raise HollyError(f"{path}: a voxel of {voxel_nm:g} nm is not valid; it must be above 0 nm")
    if voxel_nm < least:
        raise HollyError(
            f"{path}: voxels of {voxel_nm:.3g} nm would be {2 * reach / voxel_nm:.0f} a side of {2 * reach:.0f} nm, "
            f"more than {LARGEST_SIDE}; use voxels of {math.ceil(100 * least) / 100:g} nm or more"
        )
    if voxel_nm > (most := 2 * reach / SMALLEST_SIDE):
        raise HollyError(
            f"{path}: voxels of {voxel_nm:.4g} nm show nothing of a structure of {2 * reach:.4g} nm with its margin; use voxels of "
            f"{math.floor(100 * most) / 100:g} nm or less"
        )
    if voxel_nm < SMALLEST_VOXEL_NM:
        raise HollyError(
            f"{path}: voxels of {voxel_nm:.3g} nm are smaller than an atom, and densities in them beyond what the format "
            "holds; was the unit of the run's data right?"
        )
    half = math.ceil(reach / voxel_nm) + 1
    voxel = ANGSTROM_PER_NM * voxel_nm
    with replacing(path) as partial, mrcfile.new(partial, overwrite=True) as file:
        file.set_data(density(points, sigma_nm, voxel_nm, half))
        file.voxel_size = voxel
        file.header.origin = (-half * voxel,) * 3
        # The library's label holds the time; the same run must give the same bytes.
        file.header.nlabl, file.header.label = 0, b""
        file.add_label(f"holly-triton: {counted(len(points), 'point')} as Gaussians, sigma {sigma_nm:.4g} nm")
        file.add_label("values: points per nm^3; lengths: Angstrom, so 1 nm is 10")


def write_star(path: Path, names: Sequence[str], rotation: Array, shift_nm: Array) -> None:
    """Write poses as RELION does since version 3.1: one picture a row, angles in degrees, origins in Angstrom.

    There are no electron-optical parameters (voltage, CTF), which RELION's own programs require; readers of poses do not.

    Args:
        path: Name of the file, which ends in .star.
        names: Names of the pictures ``[P]``.
        rotation: Axis-angle ``[P, 3]``, radians.
        shift_nm: ``[P, 2]``.

    Raises:
        HollyError: The file can't be written.
    """
    with warnings.catch_warnings():
        # Seen along z, rot and psi turn about one axis: any split of the angle between them is right.
        warnings.filterwarnings("ignore", "Gimbal lock", UserWarning)
        angles = Rotation.from_rotvec(rotation).inv().as_euler("ZYZ", degrees=True)
    origins = -ANGSTROM_PER_NM * np.asarray(shift_nm)
    numbers = np.hstack([angles, origins])
    columns = ("AngleRot", "AngleTilt", "AnglePsi", "OriginXAngst", "OriginYAngst", "ImageName", "OpticsGroup")
    rows = [
        " ".join([*(f"{number:12.6f}" for number in row), _quoted(name), "1"])
        for row, name in zip(numbers, names, strict=True)
    ]
    with replacing(path) as partial:
        partial.write_text(
            _block("optics", ("OpticsGroupName", "OpticsGroup"), ["opticsGroup1 1"])
            + _block("particles", columns, rows),
            encoding="utf-8",
        )


def _block(name: str, columns: Sequence[str], rows: Sequence[str]) -> str:
    """One table of a STAR file."""
    # RELION distinguishes its versions by this comment.
    labels = [f"_rln{column} #{number}" for number, column in enumerate(columns, start=1)]
    return "\n".join(["", "# version 30001", "", f"data_{name}", "", "loop_", *labels, *rows, ""]) + "\n"


def _quoted(name: str) -> str:
    """A text as one word of a STAR file."""
    plain = name and not any(character.isspace() for character in name) and name[0] not in "\"'#_$[];"
    return name if plain else '"' + " ".join(name.split()).replace('"', "'") + '"'


def _write_cloud(request: Request, out: Path) -> None:
    clouds.write_cloud(out, request.points(), request.channels())


def _write_picasso(request: Request, out: Path) -> None:
    points, sigma = request.points(), run_sigma_nm(request.folder)
    info = {"What": "points of a reconstruction, not localisations; lpx and lpy hold its sigma"}
    write_picasso(out, points, pixel_nm=PICASSO_PIXEL_NM, precision_nm=np.full(len(points), sigma), info=info)


def _write_volume(request: Request, out: Path) -> None:
    write_volume(out, request.points(), run_sigma_nm(request.folder), request.voxel_nm)


def _write_bild(request: Request, out: Path) -> None:
    points = request.points()
    write_bild(out, points, _colours(request, points))


def _write_gltf(request: Request, out: Path) -> None:
    points = request.points()
    write_gltf(out, points, _colours(request, points))


def _colours(request: Request, points: Array) -> Array:
    """Of each point ``[N, 3]`` uint8: by its spread between the runs of a study, or else by its channel."""
    spread = None if request.channel is not None else read_spread(request.folder, len(points))
    channels = request.channels()
    return sphere_colours(points, spread) if channels is None or spread is not None else channels.colours


def _write_star(request: Request, out: Path) -> None:
    if not (request.folder / "poses.csv").is_file():
        raise HollyError(
            f"{request.folder}: holds no poses.csv; pass the folder of one run (of a study, such as "
            f"{request.folder / 'repeat-1'} or {request.folder / 'half-1'})"
        )
    poses = read_poses(request.folder / "poses.csv")
    write_star(out, poses.names, poses.axis_angle * ([-1, -1, 1] if request.mirror else 1), poses.shift[:, :2])


FORMATS: dict[str, Callable[[Request, Path], None]] = {
    **dict.fromkeys(clouds.FORMATS, _write_cloud),
    ".bild": _write_bild,
    ".gltf": _write_gltf,
    ".hdf5": _write_picasso,
    ".mrc": _write_volume,
    ".star": _write_star,
}
