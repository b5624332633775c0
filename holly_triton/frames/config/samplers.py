"""Where emitters are; lengths in nm."""

MARGIN_NM = 500.0
"""Emitters this far outside a field are drawn as well: parts of their light fall within."""
CHALLENGE_FIELD_NM = (6400.0, 6400.0)
"""Width and height of the field of the SMLM challenge, on which the nominal densities of structures are measured."""
JITTER_NM = (0.0, 8.0)
"""Standard deviation of a label about its site, drawn uniformly for each frame: size of the label and its linker."""
STRAND_RADIUS_NM = (12.0, 400.0)
"""Radius of a bundle of three strands, drawn log-uniformly for each."""
STRAND_PITCH_NM = (200.0, 4000.0)
"""Length of a turn of its strands, drawn log-uniformly."""
WALL_NM = (12.0, 18.0)
"""Inner and outer radius of the wall of a microtubule of the challenge, on which its fluorophores lie."""
BUNDLES = (1, 3)
"""Fewest and most bundles of strands in a field of the challenge's size."""
TUBES = (3, 3)
"""The same of microtubules: the challenge has three."""
BEND_NM = 600.0
"""Standard deviation of a centre-line about the straight line across such a field."""
COPIES = (0.02, 2.0)
"""Copies of a structure before those that overlap others are removed, as a multiple of the number in which each has room."""
COPY_ROOM_NM = 100.0
"""Distance that smaller structures also keep."""
CALIBRATION_FRAMES = 192
"""Fields drawn for each of the rates at which the neighbour distance is measured."""
CALIBRATION_COUNTS = (3.0, 6.0, 12.0, 24.0, 48.0, 96.0, 192.0, 384.0)
"""Mean emitters in the field at these rates."""
