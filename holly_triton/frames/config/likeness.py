"""Whether a movie looks like what a model was trained for: isolated spots, background, and the camera."""

SPOT_SMOOTHED_PX = 1.0
"""Sigma of the smoothing before maxima are sought, pixels."""
SPOT_HALF_PX = 7
"""Half side of the window of a spot, pixels: three sigma of a wide one."""
SPOT_SIGMA = 6.0
"""Least height of a maximum of the smoothed frame above the background, in standard deviations of its noise."""
SPOT_NEIGHBOUR = 0.25
"""Another maximum in the window of a spot, of at least this share of its height, makes it no isolated one."""
SPOT_ROUNDS = 30
"""Steps of the iteration to a spot's widths."""
WIDEST_SPOT_PX = 6.0
"""A weight wider than this does not fit the window."""

LOOKED_FRAMES, LOOKED_PIXELS = 96, 2**24
"""Frames that are looked at, spread over the movie, and most pixels in them: of large frames there are fewer."""
FEWEST_SPOTS = 20
"""With fewer isolated spots their width is not compared."""
WIDTH_MARGIN = 1.08
"""Factor by which the width of most spots may lie outside the PSF's range."""
SATURATED = 1e-5
"""Largest share of saturated pixels that is not mentioned."""
SPOT_DEPTHS, DRAWN_PHOTONS = 15, 1e4
"""Depths at which the PSF is drawn for its range of widths, and photons of each of these spots."""
GAIN_FRAMES, GAIN_SIDE_PX = 64, 256
"""Consecutive frames from the middle of a movie, and the side of their middle part, in which gain and offset are measured."""
CROWDED_PER_UM2 = 3.3
"""Localisations per square micrometre and frame at which half of the emitters are lost: 2.8 at 1000 photons, 3.4 at 5000 and
3.6 at 20 000, with a background of 1 % of them, random emitters and a network of width 16."""
