"""Cameras, and the estimate of gain and offset."""

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

GAIN_BINS = 40
"""Groups of pixels by brightness in which the variance is measured."""
GAIN_SIGMA = 4.0
"""Standard errors by which a slope must differ from 0."""
GAIN_RISE = 0.2
"""Share by which the variance must rise over the groups, or the movie is too even for a slope."""
GAIN_OFF = 0.3
"""Relative difference of the variance that is measured and expected below which nothing is said: crowded emitters, which
differ from frame to frame, raise it by 20 %."""
