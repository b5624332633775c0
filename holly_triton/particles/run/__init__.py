"""A run and its folder: starting, stopping, resuming, results, scores."""
