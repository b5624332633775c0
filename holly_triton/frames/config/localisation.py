"""From the outputs of a network to a table."""

LOWEST_PROBABILITY = 0.1
"""Of a detection from which a threshold is chosen."""
THRESHOLDS = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
"""From which that of a model is chosen."""
MIDDLE = 0.5
"""Threshold where nothing is found at any."""
PASS_PIXELS: dict[str, int] = {"cpu": 2**16, "cuda": 2**22}
"""Pixels that go through a network at once, by the kind of device."""
STEP_PIXELS: dict[str, int] = {"cpu": 2**20, "cuda": 2**24}
"""Pixels of the frames of a block, after which a person sees progress and can stop."""
CROWD_PX = 17
"""Odd side of the square about a detection whose summed probability is its crowding: the expected number of emitters in it.
Of 7 to 17 px, the widest left the deviations of lone emitters as they were."""

BEYOND_FRAME_PX, BEYOND_DEPTHS, BEYOND_PHOTONS = 2.0, 0.5, 100.0
"""A detection further outside its frame (pixels), further beyond the depths of the PSF (shares of their range), or this many
times brighter than any emitter of the training is of no emitter: a network gives such for saturated pixels."""

# Factors on the predicted standard deviations

FEWEST_IN_BIN = 60
"""Pairs from which a factor is estimated; its own relative error is then 9 %."""
MOST_BINS = 12
"""Most numbers of photons,"""
MOST_CROWDS = 8
"""most crowdings,"""
CROWD_BINS = 4
"""and most numbers of photons in each crowding at which factors are estimated."""
LONE = 1.2
"""Largest crowding of a lone emitter: noise adds to its probability of 1."""
FARTHEST_PULL = 5.0
"""Errors of more typical deviations than this are of another emitter, and are left out."""
THRESHOLD_TIE = 0.002
"""Of thresholds whose efficiency is this near to the best one, the lowest is chosen: it finds the most emitters."""
