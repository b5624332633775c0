"""Factors that make the predicted standard deviations honest, as a function of the photons and of the crowding.

A network of little training is too sure about dim emitters and not sure enough about bright ones; one factor for each axis
cannot serve both. In crowds any network is too sure: a detection that stands for two emitters lies between them. By how much
depends on the photons again, for that error does not fall with them, as the stated deviation does.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from holly_triton.frames.config.localisation import (
    CROWD_BINS,
    FARTHEST_PULL,
    FEWEST_IN_BIN,
    LONE,
    MOST_BINS,
    MOST_CROWDS,
)
from holly_triton.frames.detections import Detections

TYPICAL = 0.6745
"""Median of the magnitude of a standard normal number."""


class SigmaScales(NamedTuple):
    """Factors at some numbers of photons, times factors at some crowdings and photons; linear in the logarithms in between."""

    log_photons: Tensor  # [K], ascending
    factors: Tensor  # [K, 4]: for x, y, z, log photons
    log_crowding: Tensor = torch.zeros(1)  # [C], ascending
    crowd_photons: Tensor = torch.zeros(1, 1)  # [C, P]: logarithms, ascending at each crowding
    crowd_factors: Tensor = torch.ones(1, 1, 4)  # [C, P, 4]; 1 for a lone emitter

    @staticmethod
    def none() -> "SigmaScales":
        """Factors of 1."""
        return SigmaScales(torch.zeros(1), torch.ones(1, 4))

    @staticmethod
    def fitted(photons: Tensor, pull: Tensor) -> "SigmaScales":
        """Factors from errors in units of predicted deviations ``[M, 4]`` of lone emitters with predicted photons ``[M]``."""
        centres, factors = _in_bins(photons.log(), pull, MOST_BINS)
        return SigmaScales(centres, factors) if len(centres) else SigmaScales.none()

    def fitted_in_crowds(self, photons: Tensor, crowding: Tensor, pull: Tensor) -> "SigmaScales":
        """The same with factors for crowds, from errors in units of deviations that these factors were applied to already.

        Args:
            photons: Predicted ones ``[M]``.
            crowding: As in ``Detections`` ``[M]``.
            pull: ``[M, 4]``.
        """
        crowd = crowding > LONE
        photons, crowding, pull = photons[crowd].log(), crowding[crowd].log(), pull[crowd]
        crowds = _parts(crowding, MOST_CROWDS)
        if not crowds:
            return self
        centres = [crowding[part].mean() for part in crowds]
        most = min(CROWD_BINS, min(len(part) for part in crowds) // FEWEST_IN_BIN)
        bins = [_in_bins(photons[part], pull[part], most) for part in crowds]
        # Of a lone emitter the factor is that of its photons.
        alone = bins[0][0], torch.ones_like(bins[0][1])
        knots, factors = (torch.stack(each) for each in zip(alone, *bins, strict=True))
        return self._replace(
            log_crowding=torch.stack([torch.tensor(LONE).log(), *centres]), crowd_photons=knots, crowd_factors=factors
        )

    def applied(self, found: Detections) -> Detections:
        """Detections with their deviations multiplied."""
        photons = found.photons.log()
        factors = _between(self.log_photons, self.factors, photons)
        at_crowdings = [_between(*each, photons) for each in zip(self.crowd_photons, self.crowd_factors, strict=True)]
        crowd_factors = _between(self.log_crowding, torch.stack(at_crowdings, dim=1), found.crowding.log())
        return found._replace(sigma=found.sigma * factors * crowd_factors)

    @staticmethod
    def of(saved: dict[str, Tensor]) -> "SigmaScales":
        """From what a file holds; older ones have factors for crowds of any photons, or none."""
        scales = SigmaScales(**saved)
        if scales.crowd_factors.dim() == 3:
            return scales
        anywhere = scales.log_crowding.new_zeros(len(scales.log_crowding), 1)
        return scales._replace(crowd_photons=anywhere, crowd_factors=scales.crowd_factors[:, None])

    def payload(self) -> dict[str, Any]:
        """As a file holds them."""
        return {name: values.cpu() for name, values in self._asdict().items()}


def _in_bins(values: Tensor, pull: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Means of values ``[M]`` and deviations of their pulls ``[M, 4]`` in bins of equal number: ``[K]``, ``[K, 4]``."""
    parts = _parts(values, most)
    if not parts:
        return values.new_empty(0), pull.new_empty(0, pull.shape[1])
    return torch.stack([values[part].mean() for part in parts]), torch.stack([_spread(pull[part]) for part in parts])


def _parts(values: Tensor, most: int) -> tuple[Tensor, ...]:
    """Indices of values ``[M]`` by their size, in bins of equal number; none where they are too few for one."""
    bins = min(most, len(values) // FEWEST_IN_BIN)
    return torch.tensor_split(values.argsort(), bins) if bins else ()


def _between(knots: Tensor, factors: Tensor, at: Tensor) -> Tensor:
    """Factors ``[M, 4]`` at ``[M]``, linear between knots ``[K]`` and constant beyond them; those there are ``[K, 4]``, or ``[M, K, 4]``."""
    knots, factors = knots.to(at), factors.to(at).expand(len(at), -1, -1)
    if len(knots) == 1:
        return factors[:, 0]
    at = at.clamp(float(knots[0]), float(knots[-1]))
    right, rows = torch.searchsorted(knots, at).clamp(1, len(knots) - 1), torch.arange(len(at), device=at.device)
    share = ((at - knots[right - 1]) / (knots[right] - knots[right - 1]))[:, None]
    return factors[rows, right - 1] * (1 - share) + factors[rows, right] * share


def _spread(pull: Tensor) -> Tensor:
    """Standard deviation about 0 ``[4]`` of most of the pulls ``[m, 4]``."""
    typical = pull.abs().median(dim=0).values / TYPICAL
    kept = pull.abs() <= FARTHEST_PULL * typical
    return ((pull**2 * kept).sum(0) / kept.sum(0)).sqrt()
