"""Volumes: tomograms, subtomograms, maps and masks, in the files of electron microscopy."""
