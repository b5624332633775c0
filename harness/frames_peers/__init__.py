"""Localisation by programs of others and by ours, on the same frames: which finds more, nearer, and how fast."""
