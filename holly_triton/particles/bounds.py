"""Numbers within bounds, of which settings are made."""

from typing import Annotated

from holly_triton.core.config import Bounds

Count = Annotated[int, Bounds(1)]
Whole = Annotated[int, Bounds(0)]
Pixels = Annotated[int, Bounds(2, 4096)]
Share = Annotated[float, Bounds(0, 1)]
Amount = Annotated[float, Bounds(0)]
Positive = Annotated[float, Bounds(0, open_least=True)]
Momentum = Annotated[float, Bounds(0, 1, open_most=True)]
