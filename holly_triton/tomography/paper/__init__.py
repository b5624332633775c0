"""The published study of Moebel et al. 2018, repeated on simulated tomograms."""
