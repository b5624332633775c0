"""Validation and measurement of the kernels, against the dense reference."""
