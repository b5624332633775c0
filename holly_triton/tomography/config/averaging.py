"""Defaults of averages."""

from dataclasses import dataclass
from typing import Annotated

from holly_triton.core.config import Bounds, Settings
from holly_triton.core.words import in_capitals

POSITIVE = Bounds(0, open_least=True)

PADDING = 2
"""Boxes are padded to this many times their size before their spectra are interpolated."""
MASK_RADIUS, MASK_EDGE = 0.4, 0.08
"""Radius at half of its height, and width of the edge, of the soft sphere that averages are masked with, as shares of the box."""
WIENER = 0.1
"""Constant in the denominator of an average of unknown signal-to-noise ratio, as a share of the denominator's mean."""
LEAST_GAIN = 0.05
"""CTF below which, in alignment, data are not divided by it further."""
CRITERION, TRUTH_CRITERION = 0.143, 0.5
"""FSC at which two half averages, and an average and the truth, stop to agree (Rosenthal & Henderson 2003; Harauz & van Heel 1986)."""
ZEROS_APART = 3
"""Shells between zeros of the CTF, at least, for those next to them to be exempt: where zeros are denser, each shell holds signal."""
START_ANGSTROM, START_VOXELS = 60.0, 3.2
"""Finest detail of the first reference: the coarser of the two."""
COARSEST_ANGLE_DEG = 30.0
"""Of the global grid of rotations; finer where the detail asks for it."""
ANGLE_PER_DETAIL = 2.0
"""Step of that grid, as a multiple of the detail over the diameter of the mask (Crowther's angle is 1 of it)."""
CANDIDATES = 3
"""Of the global search, which go on to the local one."""
FINEST_STEP = 0.25
"""Of the local search, as a share of Crowther's angle at the finest detail used."""
REACH_OF_BOX = 0.15
"""Largest shift from the pick, as a share of the box."""
GLOBAL_ITERATIONS = 4
"""Without a reference and without rotations, iterations that search all rotations."""
LOCAL_ITERATIONS = 3
"""Iterations that search about the rotations so far."""
PASS_VALUES: dict[str, int] = {"cpu": 2**22, "cuda": 2**27}
"""Numbers of a working array that are held at once, by the kind of device."""
SAME_VOXEL = 0.01
"""Largest relative difference between the voxels of the tomograms of an average."""
FEWEST = 4
"""Particles of an average: two in each half."""
CONTROL_DISTANCE = 0.4
"""Least distance of a random position from every pick and every other such position, as a share of the box."""
CONTROL_TRIES = 50
"""Random positions drawn for each that is wanted."""


@dataclass(frozen=True)
class Averaging(Settings):
    """How particles are aligned and averaged."""

    iterations: Annotated[int, Bounds(1, 100)] | None = None
    """None: ``LOCAL_ITERATIONS``, after one global or, without a reference, ``GLOBAL_ITERATIONS``."""
    symmetry: str = "C1"
    start_angstrom: Annotated[float, POSITIVE] | None = None
    """Finest detail of the first reference; None for ``START_ANGSTROM``."""
    reach_angstrom: Annotated[float, POSITIVE] | None = None
    """Largest shift from the pick; None for ``REACH_OF_BOX`` of the box."""
    align: bool = True
    """False: the average at the given positions and rotations."""
    seed: Annotated[int, Bounds(0)] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "symmetry", in_capitals(self.symmetry, "CDTOI"))
