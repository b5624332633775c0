"""New structures among subtomograms: clusters of features, reference-free classes and averages in each, and where to look first."""
