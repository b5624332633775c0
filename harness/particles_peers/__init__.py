"""Reconstruction of particles beside other programs: Picasso's averages, and RELION on noisy pictures."""
