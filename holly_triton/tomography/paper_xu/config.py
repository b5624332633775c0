"""Every default of the experiments: classes and what they stand for, levels of noise, ranges of tilts, and scales."""

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from holly_triton.core.config import Bounds, Settings
from holly_triton.tomography.config.classification import NetworkName
from holly_triton.tomography.config.optics import Optics

Arm = Literal["own", "own-anew", "inception3d", "dsrf3d", "rif-svm"]
ARMS: dict[Arm, tuple[NetworkName, str]] = {
    "own": ("own", "own"),
    "own-anew": ("own", "own, noise drawn anew"),
    "inception3d": ("inception3d", "Inception3D"),
    "dsrf3d": ("dsrf3d", "DSRF3D"),
    "rif-svm": ("rif-svm", "RIF-SVM"),
}
"""What is compared, with the network of each and its name in tables. All but the second are trained on the same fixed set."""


class Stand(NamedTuple):
    """A class."""

    name: str
    file: str
    """Its name, in the folder of structures or one in it."""
    stands_for: str
    """Entry of the paper, or what it is where the paper has none."""


SMALL = (
    Stand("GroEL", "1MNF.pdb.gz", "1MNF for 1KP8"),
    Stand("20S", "3j9i.mrc", "3J9I for 3DY4"),
    Stand("20S-two-caps", "3ipm.mrc", "3IPM for 1FNT"),
    Stand("70S", "4v4r.mrc", "4V4R for 4V4Q"),
    Stand("apoferritin", "4v1w.cif.gz", "4V1W for 1LB3"),
    Stand("PepA", "1gyt.pdb.gz", "1GYT, six of its twelve chains"),
    Stand("AspRS", "1eqr.pdb.gz", "1EQR"),
    Stand("CPS", "1bxr_AB.pdb.gz", "1BXR, a quarter of it"),
    Stand("rubisco", "1bxn.mrc", "1BXN, not in the paper"),
    Stand("ClpB", "1qvr.mrc", "1QVR, not in the paper"),
)
LARGE = (
    *SMALL,
    Stand("GroEL-GroES", "1aon.pdb.gz", "1AON, not in the paper"),
    Stand("GroEL-ring", "1oel.pdb.gz", "1OEL, not in the paper"),
    Stand("20S-one-cap", "6utj.mrc", "6UTJ, not in the paper"),
    Stand("26S", "4cr2.mrc", "4CR2, not in the paper"),
    Stand("FAS", "2uv8.mrc", "2UV8, not in the paper"),
    Stand("30S", "4v4r_30S.mrc", "a part of 4V4R, not in the paper"),
    Stand("50S", "4v4r_50S.mrc", "a part of 4V4R, not in the paper"),
    Stand("80S", "4v7r.mrc", "4V7R, not in the paper"),
    Stand("p97", "3cf3.mrc", "3CF3, not in the paper"),
    Stand("Sse1-Hsp70", "3d2f.mrc", "3D2F, not in the paper"),
    Stand("Hsp90", "2cg9.mrc", "2CG9, not in the paper"),
    Stand("Cand1", "1u6g.mrc", "1U6G, not in the paper"),
)
"""Twenty-two, as in the paper; the dossier of the project lists why the others can't be had."""

SNRS = (0.5, 0.1, 0.05)
TILTS = (60.0, 40.0)
"""Those of the paper that are compared; it has SNR 1000 and 0.03 and tilts to 50 degrees too."""
FIRST = (0.1, 60.0)
"""The cell that is done before all others."""
PUBLISHED: dict[tuple[float, float], dict[Arm, float]] = {
    (0.5, 60.0): {"inception3d": 0.975, "dsrf3d": 0.972, "rif-svm": 0.929},
    (0.5, 40.0): {"inception3d": 0.931, "dsrf3d": 0.951, "rif-svm": 0.857},
    (0.1, 60.0): {"inception3d": 0.851, "dsrf3d": 0.891, "rif-svm": 0.762},
    (0.1, 40.0): {"inception3d": 0.809, "dsrf3d": 0.866, "rif-svm": 0.649},
    (0.05, 60.0): {"inception3d": 0.757, "dsrf3d": 0.767, "rif-svm": 0.592},
    (0.05, 40.0): {"inception3d": 0.637, "dsrf3d": 0.684, "rif-svm": 0.468},
}
"""Table 2 of the paper: 23 classes, 500 subtomograms of each to train on and 500 to test on, boxes of 40 voxels of 9.2 Å."""
BOX_ANGSTROM = 368.0
"""Side of a box, as in the paper; the scales differ in how many voxels it has."""
LEFT_OUT = (0.05, 60.0)
"""SNR and tilts of Table 3, in which one class after the other is left out of the training."""
LEFT_OUT_CLASSES: dict[str, tuple[str, ...]] = {
    "small": ("GroEL", "20S", "rubisco", "PepA", "70S"),
    "paper": tuple(stand.name for stand in LARGE),
}
"""By the name of a scale; the paper left out each of its 22."""
SHOWN = "20S"
"""The class of figure 3, if it is left out; else the first."""
DISCREPANCIES = {
    "GroEL": 4.7, "20S": 4.4, "20S-two-caps": 4.6, "70S": 9.4, "apoferritin": 5.5, "PepA": 9.9, "AspRS": 5.7, "CPS": 5.5,
}  # fmt: skip
"""Table 3 of the paper, nm, of the entries that our classes stand for; its network was DSRF3D, and 18 of 22 were within 7 nm."""
RECOVERED_NM = 7.0
"""Discrepancy up to which the paper counts a structure as recovered."""
OPTICS = Optics(cs_mm=2.0, amplitude_contrast=0.0, mtf="sinc")
"""300 kV, 5 µm and the camera of the paper, which states no amplitude contrast."""
SEED = 2017
"""Of all subtomograms: the same for every network."""


@dataclass(frozen=True)
class TableScale(Settings):
    """How large sets and trainings are."""

    size: Annotated[int, Bounds(8)] = 28
    """Voxels along a side of a box."""
    train: Annotated[int, Bounds(2)] = 120
    """Subtomograms of each class to train on, of which a tenth serves for validation."""
    test: Annotated[int, Bounds(1)] = 80
    """Subtomograms of each class to test on."""
    epochs: Annotated[int, Bounds(1)] = 40
    """Of our own network; published ones have 20."""
    averaged: Annotated[int, Bounds(1)] = 5
    """Clusters of Table 3 that are averaged, the most novel first."""
    all_classes: bool = False
    """Whether there are twenty-two classes and not ten, beside boxes without a particle."""

    @property
    def classes(self) -> tuple[Stand, ...]:
        """Those with a structure."""
        return LARGE if self.all_classes else SMALL

    @property
    def voxel(self) -> float:
        """Side of a voxel, Å."""
        return BOX_ANGSTROM / self.size


SCALES: dict[str, TableScale] = {
    "small": TableScale(),
    "paper": TableScale(size=40, train=500, test=500, averaged=8, all_classes=True),
}
"""``small`` suits two cores, ``paper`` a GPU."""
VALIDATION = 0.1
"""Share of the training subtomograms that only the temperature is chosen on."""
