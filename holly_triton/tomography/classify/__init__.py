"""Classes of subtomograms: sets of them, networks and a baseline that classify them, their training and their figures."""
