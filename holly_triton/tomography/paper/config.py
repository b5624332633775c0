"""Every default of the study of Moebel et al. 2018."""

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, get_args

from holly_triton.core.config import Bounds, Settings

Method = Literal["network", "deepfinder", "matching", "pytme"]
"""What picks: our network; DeepFinder's network trained by the paper's recipe; our template matching; a peer."""
METHODS: tuple[Method, ...] = get_args(Method)
NETWORKS: tuple[Method, ...] = ("network", "deepfinder")
"""Those that are trained."""
ARMS = {
    "network": "our network",
    "deepfinder": "paper's recipe",
    "matching": "our matching",
    "matching-oracle": "our matching, oracle threshold",
    "pytme": "pytme",
    "pytme-oracle": "pytme, oracle threshold",
}
"""What the tables compare, by name: an oracle's threshold is the best F1 of each class, which takes the truth, as the paper chose
those of its template matching."""


class Condition(NamedTuple):
    """What the microscope leaves of a specimen."""

    snr: float
    tilt: float
    """Tilts run from the negative of this to this, degrees."""

    def __str__(self) -> str:
        return f"snr{self.snr:g}-tilt{self.tilt:g}"


REFERENCE = Condition(0.10, 60)
"""That of the paper's figure 7."""
CONDITIONS = (REFERENCE, Condition(0.15, 60), Condition(0.05, 60), Condition(0.10, 70), Condition(0.10, 50))
"""Those of its figure 8."""
SNR_TRAINED, TILT_TRAINED = (0.045, 0.17), (48.0, 72.0)
"""Within which the conditions of the tomograms for training and thresholds are drawn: one network serves them all."""


class Structure(NamedTuple):
    """A class of the study and where it comes from."""

    name: str
    file: str
    """Its name within the folders of structures; or a decoy by formula."""
    axis: int = 1
    """Order of the rotation axis, which is turned to z: rotations about it are then sought over a part of the circle only."""


STRUCTURES = (
    Structure("70S", "4v4r.mrc"),
    Structure("FAS", "2uv8.mrc", 3),
    Structure("GroEL", "1MNF.pdb.gz", 7),
    Structure("GroEL-GroES", "1aon.pdb.gz", 7),
    Structure("20S", "3j9i.mrc", 7),
    Structure("20S-cap", "6utj.mrc", 7),
    Structure("20S-2caps", "3ipm.mrc", 7),
    Structure("sphere", "", 36),
    Structure("disc", "", 36),
)
"""The paper names ribosome, FAS, GroEL and proteasome in their states, and spheres, discs and ellipses; which nine classes its
figure 7 has can't be read."""
DENSITY_RESOLUTION = 2.0
"""Of the templates, voxels: that of the simulated densities."""
PYTME_PEAKS = 300
"""Peaks of each template that are taken from pytme, the highest."""
AVERAGED = "70S"
"""The class that is averaged."""
TOLERANCE = 136.8
"""Å, as in the paper."""
AVERAGED_TOMOGRAMS = 8
"""Tomograms with many particles of that class, at most: so many are averaged that the boxes of ``average_particles`` lie in them."""
DEFOCUS_UM = 6.0
"""As in the paper."""
SEED = 20180


@dataclass(frozen=True)
class StudyScale(Settings):
    """How large tomograms and trainings are."""

    voxel_size: Annotated[float, Bounds(1, 100)] = 20.0
    size_x: Annotated[int, Bounds(16, 2048)] = 128
    size_y: Annotated[int, Bounds(16, 2048)] = 128
    size_z: Annotated[int, Bounds(16, 1024)] = 64
    particles: Annotated[int, Bounds(1)] = 20
    """Of each class in a tomogram."""
    step: Annotated[float, Bounds(0.1, 30)] = 3.0
    """Between tilts, degrees."""
    first: Annotated[int, Bounds(1)] = 6
    """Tomograms that are simulated before a training starts; another one follows every 50 steps."""
    validation: Annotated[int, Bounds(1)] = 3
    """Tomograms by which thresholds are chosen,"""
    test: Annotated[int, Bounds(1)] = 2
    """and those of the test of each condition."""
    seeds: Annotated[int, Bounds(1)] = 2
    steps: Annotated[int, Bounds(1)] = 2400
    """Of each training: not a time, which another load of the machine would fill with other steps."""
    network_width: Annotated[int, Bounds(4, 128)] = 16
    deepfinder_width: Annotated[int, Bounds(4, 128)] = 8
    """Features of DeepFinder's network at its finest level: 32 as published,"""
    deepfinder_batch: Annotated[int, Bounds(1)] = 4
    """and patches of a step: 25 in its repository."""
    angle_deg: Annotated[float, Bounds(1, 60)] = 15.0
    """Step of the rotations of template matching."""
    average_particles: Annotated[int, Bounds(2)] = 100
    """Ribosomes whose boxes lie in the tomograms that are averaged, at least; each tomogram holds half as many, if there is room."""


SCALES: dict[str, StudyScale] = {
    "small": StudyScale(),
    "paper": StudyScale(
        voxel_size=13.68, size_x=512, size_y=512, size_z=128, particles=52, step=2.0, first=10, validation=5, test=2, seeds=3, steps=6000,
        network_width=24, deepfinder_width=32, deepfinder_batch=25, angle_deg=7.0, average_particles=1500,
    ),
}  # fmt: skip
"""``small`` suits two cores, ``paper`` a GPU: about 500, 240 and 105 particles of each class before a training, for validation and
for the test, as published."""
