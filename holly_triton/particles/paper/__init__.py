"""The published paper's experiments, repeated over seeds."""
