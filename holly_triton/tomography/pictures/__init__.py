"""Pictures of tomograms and their picks, of averages, and of figures."""
