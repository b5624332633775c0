"""Tomograms and subtomograms simulated from structures."""
