"""A continuous deformation of one structure: a field of displacements, and an amplitude of each particle."""
