"""RELION 3.1 on pictures without noise of their own: an initial model, then refinement over all and over near orientations.

RELION is the Debian package ``relion`` (GPL-2), used as a program. Its picture's centre is pixel ``n / 2``, ours ``(n - 1) / 2``: the
half pixel is given as the origin of each picture.
"""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import mrcfile
import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.ndimage import maximum_filter

from holly_triton.core.types import Array
from holly_triton.harness.frames_peers.environments import UnavailableError

from .config import DENSE, DRAWN, GLOBAL, INITIAL, LOCAL, RELION_PIXEL_A, SEARCH
from .processes import timed

PROGRAM = "relion_refine"
OPTICS = f"""
data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnImagePixelSize #3
_rlnImageSize #4
_rlnImageDimensionality #5
_rlnVoltage #6
_rlnSphericalAberration #7
_rlnAmplitudeContrast #8
one 1 {RELION_PIXEL_A:g} {{side}} 2 300 2.7 0.1

data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
_rlnOriginXAngst #3
_rlnOriginYAngst #4
"""


def find_relion() -> str:
    """Path of the program.

    Raises:
        UnavailableError: It is not installed.
    """
    path = shutil.which(PROGRAM)
    if path is None:
        raise UnavailableError(f"{PROGRAM} is not installed (Debian's package relion has it)")
    return path


def relion_version() -> str:
    """As the program states it."""
    said = subprocess.run([find_relion(), "--version"], capture_output=True, text=True, check=False).stdout
    return said.partition("RELION version:")[2].split()[0]


def reconstruct(pictures: Array, diameter_px: float, folder: Path, seed: int, limit_s: float) -> tuple[Array, float]:
    """A volume ``[n, n, n]`` from pictures ``[B, n, n]``, and the seconds of a processor that all steps took.

    Args:
        pictures: Of one structure in unknown orientations.
        diameter_px: Of the mask.
        folder: For RELION's files.
        seed: Of its random choices.
        limit_s: Seconds after which a step is given up.

    Raises:
        UnavailableError: RELION is not installed, fails or takes too long.
    """
    program = find_relion()
    folder.mkdir(parents=True, exist_ok=True)
    star = folder / "pictures.star"
    _write(pictures, star)
    common = ("--K", "1", "--sym", "C1", "--particle_diameter", f"{diameter_px * RELION_PIXEL_A:.0f}", "--random_seed", str(seed),
              "--j", "1", "--preread_images", "--dont_combine_weights_via_disc", *SEARCH)  # fmt: skip
    seconds, given = 0.0, (star, "")
    for step, options in (("initial", INITIAL), ("global", GLOBAL), ("local", LOCAL)):
        data, reference = given
        start = () if not reference else ("--ref", reference)
        command = (program, "--i", data, "--o", folder / step, *start, *common, *options)
        seconds += timed(command, limit_s)
        volume = max(folder.glob(f"{step}_it*_class001.mrc"))
        given = (star if step == "initial" else Path(str(volume).replace("_class001.mrc", "_data.star"))), str(volume)
    with mrcfile.open(given[1]) as file:
        return np.array(file.data, dtype=np.float64), seconds


def _write(pictures: Array, star: Path) -> None:
    """The stack, and its table in RELION's format; pictures of mean 0 and deviation 1 all together."""
    with mrcfile.new(star.with_suffix(".mrcs"), overwrite=True) as file:
        file.set_data(((pictures - pictures.mean()) / pictures.std()).astype(np.float32))
        file.set_image_stack()
        file.voxel_size = RELION_PIXEL_A
    half = RELION_PIXEL_A / 2
    rows = [f"{number + 1:06d}@{star.with_suffix('.mrcs')} 1 {half:g} {half:g}" for number in range(len(pictures))]
    star.write_text(OPTICS.format(side=pictures.shape[-1]) + "\n".join(rows) + "\n", encoding="utf-8")


def points_of(volume: Array, count: int, seed: int) -> Mapping[str, Array]:
    """Several ways to make points ``[count, 3]``, x y z in voxels from voxel (0, 0, 0), of a volume ``[n, n, n]``."""
    rng = np.random.default_rng(seed)
    at = np.argwhere(volume > DENSE * volume.max())
    density = volume[tuple(at.T)]
    order = np.argsort(-density)
    peaks = np.flatnonzero((maximum_filter(volume, 3) == volume)[tuple(at.T)])
    drawn = {
        power: at[rng.choice(len(at), DRAWN, p=density**power / (density**power).sum())]
        + rng.uniform(-0.5, 0.5, (DRAWN, 3))
        for power in (1, 2)
    }
    found = {
        "the densest voxels": at[order[:count]],
        "local maxima": at[peaks[np.argsort(-density[peaks])[:count]]],
        "drawn from the density": drawn[1][:count],
        "k-means of the density": kmeans2(drawn[1], count, minit="++", seed=rng)[0],
        "k-means of its square": kmeans2(drawn[2], count, minit="++", seed=rng)[0],
    }
    return {name: points[:, ::-1].astype(np.float64) for name, points in found.items()}
