"""Particles found in a whole field of localisations."""
