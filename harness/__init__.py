"""Validation and measurement of the kernels, against the dense reference."""

import os

# Threads that spin while they wait for others take the core that the others need: where cores are shared,
# that was seen to cost a factor of fifteen. It works only if said before PyTorch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
