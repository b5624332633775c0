"""Localisations from the formats that microscopes and analysis programs write."""
