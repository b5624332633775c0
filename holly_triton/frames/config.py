"""Every default of the family; ``core.config`` checks, reads and writes the settings among them."""

PIXEL_NM = 100.0
"""Side of a camera pixel of the SMLM challenge, nm, and the default."""
Z_RANGE_NM = (-700.0, 700.0)
"""Depths that are simulated and searched unless a calibration states its own, nm."""

# Cameras

SATURATION_ADU = 65535.0
"""Largest number of 16 bits, which cameras of this field store."""
CAMERAS: dict[str, dict[str, float | str]] = {
    "photons": {"kind": "photons"},
    "scmos": {
        "kind": "scmos", "quantum_efficiency": 0.9, "offset_adu": 100.0, "electrons_per_adu": 0.5,
        "read_noise_electrons": 1.5,
    },
    "challenge": {
        # The challenge cuts the decimals off: the mean in the dark is half an ADU below its baseline of 100.
        "kind": "emccd", "quantum_efficiency": 0.9, "offset_adu": 99.5, "electrons_per_adu": 45.0,
        "read_noise_electrons": 74.4, "em_gain": 300.0, "clock_induced": 0.002,
    },
}  # fmt: skip
"""Cameras by name: ideal counting of photons; a typical sCMOS; the EM-CCD of the SMLM challenge 2016 (Sage et al. 2019)."""

# PSF

HUANG = {"sigma0_nm": 130.0, "c_nm": 300.0, "d_nm": 400.0}
"""Width in focus, distance of both foci from 0, and depth of field of the default PSF, nm: a typical cylindrical lens."""
REACH = 4.0
"""Standard deviations of the widest Gaussian that a patch holds on each side: 0.01 % of the photons lie beyond."""
LARGEST_PATCH = 63
"""Largest side of a patch of a Gaussian, pixels; a wider Gaussian is cut off."""
LEAST_WIDTH = 0.3
"""A fitted width that falls below this share of that in focus is an artefact of the fit."""

# The Cramér-Rao bound

BOUND_RIDGE = 1e-9
"""Added to the diagonal of Fisher information scaled to 1: two emitters at one place then get a very large deviation."""

# PSFs of other programs

SMAP_JUMP = 0.01
"""Largest difference of neighbouring polynomials at a shared corner, as a share of the PSF's peak."""
LARGEST_YAML = 2**20
"""Bytes; calibrations have a few hundred."""
CURVE_STEPS = 201
"""Depths at which a polynomial is compared with a curve of Huang et al."""
WORST_CURVE = 0.1
"""Largest difference of their widths, as a share."""
