"""Finding particles in a whole field of view of localisations."""
