"""Types that annotations throughout the program share."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
"""A NumPy array; docstrings give its shape."""

Figures = dict[str, Any]
"""Figures by name, as JSON has them."""
