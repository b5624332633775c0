"""Macromolecules in cryo-electron tomograms: simulated, matched, picked by a network, averaged and scored. Lengths are Å."""
