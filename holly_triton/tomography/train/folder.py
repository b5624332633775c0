"""A folder of tomograms with truth, as ``tomo simulate`` writes it: volumes, one particle list, and label volumes if there are.

Label volumes are not trained on. They give the radius of each class, that of a sphere of the same volume, and are those whose
names begin with ``labels_``, each beside the tomogram of the same number: ``tomogram_3.mrc`` and ``labels_3.mrc``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import missing, natural_order
from holly_triton.core.types import Array
from holly_triton.io.particle_lists.particle_list import ParticleList, joined
from holly_triton.io.volumes.reading import format_of, read_volume
from holly_triton.io.volumes.volume import Volume
from holly_triton.tomography.config.picking import SAME_VOXEL
from holly_triton.tomography.inspection.checks import check_tomogram

from .radii import Counted, given_radii, radii_of

TRUTH = ("truth.csv", "truth.star", "truth.json", "truth.xml", "truth.tbl")
"""Names of the list of particles, the first of which that is there is read."""
LABELS = "labels_"
TOMOGRAM = "tomogram_"


@dataclass(frozen=True)
class Example:
    """A tomogram of a folder.

    Attributes:
        name: that its particles state.
        volume: the tomogram.
        truth: its particles.
        labels: file of its label volume, if there is one.
    """

    name: str
    volume: Volume
    truth: ParticleList
    labels: Path | None


def read_folder(folder: Path, contrast: str | None = None) -> list[Example]:
    """The tomograms of a folder in the order of their numbers, with their particles.

    Args:
        folder: The folder.
        contrast: Of protein, as it is taken; the first tomogram is compared with it.

    Raises:
        HollyError: There is no tomogram or no truth, a file can't be read, voxels differ, a tomogram has no particle, or
            ``check_tomogram`` refuses it.
    """
    from holly_triton.io.particle_lists.reading import read_particles

    if folder.is_file():
        raise HollyError(f"{folder}: is a file; give the folder that holds the tomograms and the list of their particles, or settings of a simulation (.toml)")  # fmt: skip
    if not folder.is_dir():
        raise missing(folder, "a folder that tomo simulate has written, or settings of a simulation (.toml)")
    volumes = sorted((path for path in folder.iterdir() if format_of(path)), key=natural_order)
    volumes = [path for path in volumes if not path.name.startswith(LABELS)]
    truth = next((folder / name for name in TRUTH if (folder / name).is_file()), None)
    if not volumes or truth is None:
        lacking = f"particle list ({', '.join(TRUTH)})" if volumes else "tomogram (.mrc, .rec, .em, .h5)"
        raise HollyError(f"{folder}: has no {lacking}; give a folder of tomograms with their particles")
    first = read_volume(volumes[0])
    particles = read_particles(truth, voxel_size=first.voxel, shape=first.values.shape)
    examples: list[Example] = []
    for path in volumes:
        volume = read_volume(path)
        check_tomogram(path, volume.values, contrast=None if examples else contrast)
        if abs(volume.voxel / first.voxel - 1) > SAME_VOXEL:
            raise HollyError(
                f"{path}: its voxels are {volume.voxel:g} Å and those of {volumes[0].name} {first.voxel:g} Å; bin or scale them to one size"
            )
        name = path.name.removesuffix(".gz").rsplit(".", 1)[0]
        own = particles if len(volumes) == 1 else particles.take(particles.tomograms == name)
        if not len(own):
            raise HollyError(
                f"{path}: {truth.name} lists no particle of a tomogram {name}; the column tomogram must state the name of the file"
            )
        labels = folder / path.name.replace(TOMOGRAM, LABELS)
        examples.append(Example(name, volume, own, labels if labels != path and labels.is_file() else None))
    return examples


def class_radii(examples: Sequence[Example], given: str | None, where: Path) -> dict[str, float]:
    """The radius of each class, Å: as given, else measured in the label volumes.

    Args:
        examples: Tomograms.
        given: As ``given_radii`` takes it; classes that it leaves out are not sought.
        where: For messages.

    Raises:
        HollyError: ``given_radii`` fails, or nothing is given and there are no label volumes.
    """
    classes = joined([example.truth for example in examples]).classes
    if given is not None:
        return given_radii(given, classes)
    found = [Counted(each.truth, _labels(each.labels, each.volume)) for each in examples if each.labels is not None]
    if not found:
        raise HollyError(
            f"{where}: has no label volumes, which would give the sizes of the classes; state their radii in Å with "
            f"--radii {','.join(f'{name}=100' for name in classes[:3])}{',...' if len(classes) > 3 else ''}"
        )
    return radii_of(found, examples[0].volume.voxel)


def _labels(path: Path, volume: Volume) -> Array:
    labels: Array = np.asarray(read_volume(path, volume.voxel).values)
    if labels.shape != volume.values.shape:
        raise HollyError(f"{path}: is of {labels.shape} voxels and its tomogram of {volume.values.shape}; they must be equal")  # fmt: skip
    return labels
