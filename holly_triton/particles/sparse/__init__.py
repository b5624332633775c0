"""2D particles of few labels: poses drawn by the likelihood of each localisation."""
