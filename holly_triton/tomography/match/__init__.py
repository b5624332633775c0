"""Template matching: local correlation over all rotations."""
