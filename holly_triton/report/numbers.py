"""Numbers and lengths for readers."""

from typing import Any

import numpy as np

SMALLEST_SCATTER = 0.25
"""Least resolvable label scatter, as a fraction of the last sigma: smaller scatter widens the drawn points by 3 % or less and
is not distinguishable from none. Runs on data without any scatter (CEP152, bunny, teapot) ended at 0.08 to 0.23."""


def number(value: Any) -> str:
    """A value with thousands separated and four significant digits; yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (isinstance(value, float) and 1000 <= abs(value) < np.inf):
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def length(value_nm: float) -> str:
    """Three significant digits, without a unit."""
    if 0 < value_nm < 0.01:
        return f"{value_nm:.2g}"
    decimals = 2 - int(np.floor(np.log10(value_nm))) if value_nm > 0 else 3
    return f"{value_nm:,.{max(decimals, 0)}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def scatter(blur_nm: float, sigma_nm: float | None) -> str:
    """Label scatter about the points, two digits without a unit; a bound where a run's last sigma resolves no less."""
    least = SMALLEST_SCATTER * (sigma_nm or 0)
    return ("less than " if blur_nm < least else "") + number(float(f"{max(blur_nm, least):.2g}"))
