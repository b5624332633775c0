"""Subtomograms extracted, aligned and averaged; their resolution."""
