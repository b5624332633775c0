"""Particle lists: where macromolecules lie in tomograms, in the tables of the programs of the field."""
