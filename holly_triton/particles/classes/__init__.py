"""Several structures in one data set of 3D localisations: particles are sorted into classes, each with its own cloud."""
