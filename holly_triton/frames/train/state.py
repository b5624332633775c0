"""Everything that changes during a training, in one serialisable dataclass."""

from dataclasses import dataclass, field, fields
from typing import Any

from torch import Tensor


@dataclass
class TrainingState:
    """A training between two steps, from which it continues as if it had not been interrupted."""

    settings: dict[str, Any]  # as config.toml holds them
    batch: int  # frames of a step: the default depends on the device
    step: int = 0
    seconds: float = 0.0
    skipped: int = 0  # steps whose gradient was not finite
    weights: dict[str, Tensor] = field(default_factory=dict)  # the network's state_dict
    average: dict[str, Tensor] = field(default_factory=dict)  # the averaged weights, likewise
    optimiser: dict[str, Any] = field(default_factory=dict)  # its state_dict
    history: list[dict[str, float]] = field(default_factory=list)  # figures on the validation frames, now and then

    def payload(self) -> dict[str, Any]:
        """Tensors and plain containers of them."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}

    @staticmethod
    def from_payload(payload: dict[str, Any]) -> "TrainingState":
        """The inverse of ``payload``.

        Raises:
            ValueError: A part is missing or of another type.
        """
        state = TrainingState(**payload)
        sound = isinstance(state.step, int) and isinstance(state.batch, int) and isinstance(state.seconds, float)
        dicts = (state.settings, state.weights, state.average, state.optimiser)
        if not (sound and all(isinstance(part, dict) for part in dicts) and isinstance(state.history, list)):
            raise ValueError("a part of the state is of another type")
        return state
