"""Particle lists compared with a truth and with each other."""
