"""Every default of the comparison."""

UNIT_NM = 297.0
"""nm per unit of HOLLy's mesh clouds."""
PICTURES, SIDE, SCATTER, MISSING = 2000, 64, 0.06, 0.3
"""Pictures of the mesh, their side in pixels, the scatter of the labels in units, and the share of sites without a label."""

RELION_PIXEL_A = 4.0
"""Size of a pixel as RELION is told: its limits of resolution are for molecules."""
SEARCH = (
    "--offset_range",
    "2",
    "--offset_step",
    "2",
    "--dont_check_norm",
    "--pad",
    "1",
    "--zero_mask",
    "--flatten_solvent",
)
"""Shifts of two pixels, as the particles are centred; the pictures' background is 0, so that its deviation can't be checked."""
INITIAL = (
    "--sgd", "--denovo_3dref", "--healpix_order", "1", "--oversampling", "0", "--sgd_ini_iter", "30",
    "--sgd_inbetween_iter", "60", "--sgd_fin_iter", "20", "--sgd_ini_subset", "100", "--sgd_fin_subset", "300",
    "--sgd_write_iter", "110",
)  # fmt: skip
"""Stochastic gradient descent at 30 degrees. Its last iterations, of 300 pictures at full resolution, took 13 minutes of a core each,
so that these twenty take four hours and a half; RELION's own defaults (300 iterations with oversampling) take longer still."""
GLOBAL = ("--iter", "3", "--healpix_order", "1", "--oversampling", "1", "--ini_high", "35", "--tau2_fudge", "4")
LOCAL = ("--iter", "5", "--healpix_order", "3", "--oversampling", "0", "--sigma_ang", "6.7", "--tau2_fudge", "4")
"""Maximum likelihood over all orientations, and about the best of each picture."""
DIAMETER_MARGIN = 1.05
"""Of RELION's mask over the true diameter."""
DENSE = 0.3
"""Share of a volume's largest value above which voxels hold structure, where points are drawn from it."""
DRAWN = 20_000
"""Positions that stand for a volume where it is divided into points."""
FSC = 0.5
"""Fourier shell correlation with the truth at which a resolution is read."""
MASK_EDGE_PX = 5.0
"""Width of the edge of the sphere inside which that is computed; it begins at half of this from the outermost point."""
LIMIT_S = 24 * 3600.0
"""Seconds until a run is given up."""

PICASSO = "picassosr==0.11.3"
"""MIT; installed into an environment of its own."""
DISPLAY_NM, ITERATIONS = 5.0, 3
"""Pixel and iterations of Picasso's averages: the defaults of its function."""
ORDER = 8
"""Of the pore."""
AXES, AXIS_SAMPLE = 2000, 3000
"""Directions that are tried as the axis of two rings, and localisations with which."""
