"""Particle lists: where macromolecules lie in tomograms, in the tables of the programs of the field."""

from .particle_list import ParticleList, joined
from .reading import read_particles
from .writing import write_particles

__all__ = ["ParticleList", "joined", "read_particles", "write_particles"]
