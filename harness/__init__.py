"""Validation and measurement of the kernels, against the dense reference."""

from holly_triton.core.threads import wait_briefly

wait_briefly()
