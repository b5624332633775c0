"""Template matching of others beside ours, on the same simulated tomograms."""
