"""Defaults of structures: what a cloud of weights stands for, and how finely it is drawn."""

PROTEIN_DA = 0.81
"""Mass of a protein in its own volume, Da per cubic Å (partial specific volume 0.73 to 0.74 cm3/g)."""
SIGMA_PER_RESOLUTION = 0.225
"""Standard deviation of the Gaussian that a resolution stands for, as a share of it: the rule of ChimeraX's molmap."""
MAP_THRESHOLD = 0.05
"""Voxels of a map below this share of its maximum are left out; in the maps at hand they hold 1.5 to 5 % of the mass."""
PLATEAU_PERCENTILE, PLATEAU_VOLUME = 90.0, 0.83
"""The mass of a map in arbitrary units is its sum over this percentile of the values above ``MAP_THRESHOLD``, times
``PROTEIN_DA``, times this factor: with it 20S, 26S, FAS, the 70S ribosome and its subunits get their masses within 20 %."""
THINNING = 0.4
"""Spacing of the lattice to which points are joined before they are drawn, as a share of the resolution. Measured at 20 Å: at most
1.2 % of the density (root mean square over root mean square), with an eighth of the atoms of GroEL."""
GOLD_TO_PROTEIN = 10.0
"""Density of a gold bead over that of protein, as far as contrast is concerned."""
FEWEST_TO_THIN = 2000
"""Clouds of fewer points are drawn as they are."""
DECOY_SPACING = 0.05
"""Spacing of the points that fill a decoy, as a share of the geometric mean of its diameters."""
DRAW_BYTES = 2**28
"""Memory that drawing may take beside its result."""
BEAD_DA, MOST_BEADS = 250.0, 3500
"""Mean mass of a bead of the shipped structures, and their largest number in an asymmetric unit."""
FITTED_A, FITTING_STEPS = 15.0, 50
"""Resolution at which beads are fitted to the atoms, and steps of the fit."""
SAME_CHAIN_A = 1.5
"""Chains that a rotation superposes within this root mean square distance are copies of each other."""
