"""The baseline of Xu et al. 2017: rotation-invariant features, and a support vector machine with a Gaussian kernel."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from holly_triton.core.optional import require
from holly_triton.tomography.config.classification import Invariants

from .invariants import invariants


class RifSvm(nn.Module):
    """Features and the machine on them, with the interface of a network.

    What is kept are the features that it was fitted to; the machine is fitted to them anew when it is first used, which
    gives the same one, so that a model's file holds numbers only.

    Args:
        settings: Of features and machine.
        vectors: Features of the training subtomograms ``[N, F]``.
        labels: Their classes ``[N]`` int64, each of 0 to L - 1 at least once.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """

    def __init__(self, settings: Invariants, vectors: Tensor, labels: Tensor) -> None:
        super().__init__()
        self.settings = settings
        self.vectors: Tensor
        self.labels: Tensor
        self.register_buffer("vectors", vectors)
        self.register_buffer("labels", labels)
        self._machine: Any = None

    @staticmethod
    def fit(settings: Invariants, volumes: Tensor, labels: Tensor) -> "RifSvm":
        """Of standardised volumes ``[N, n, n, n]`` and their classes ``[N]``."""
        return RifSvm(settings, invariants(volumes, settings.degree), labels)

    def forward(self, volumes: Tensor) -> Tensor:
        """Decision values ``[B, L]`` of standardised volumes ``[B, n, n, n]``, the largest for the class that it decides for."""
        if self._machine is None:
            self._machine = _machine(self.settings, self.vectors, self.labels)
        values = np.asarray(self._machine.decision_function(_plain(invariants(volumes, self.settings.degree))))
        if values.ndim == 1:  # two classes have one value
            values = np.stack([-values, values], axis=1)
        return torch.from_numpy(values).float().to(volumes.device)


def _machine(settings: Invariants, vectors: Tensor, labels: Tensor) -> Any:
    pipeline = require("sklearn.pipeline", "the baseline rif-svm")
    scaler = require("sklearn.preprocessing", "the baseline rif-svm").StandardScaler()
    machine = require("sklearn.svm", "the baseline rif-svm").SVC(C=settings.regularisation, gamma="scale")
    return pipeline.make_pipeline(scaler, machine).fit(_plain(vectors), labels.cpu().numpy())


def _plain(features: Tensor) -> Any:
    return features.detach().cpu().double().numpy()
