"""Base classes of the torchmetrics classes: states are sums in double precision, or all records of two sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torchmetrics import Metric


class Summed(Metric):
    """A metric whose states are sums in double precision."""

    full_state_update = False
    is_differentiable = False
    higher_is_better = False

    def _sum_states(self, **shapes: tuple[int, ...]) -> None:
        for name, shape in shapes.items():
            self.add_state(name, torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")

    def _add(self, **values: ArrayLike) -> None:
        for name, value in values.items():
            state: Tensor = getattr(self, name)
            setattr(self, name, state + torch.as_tensor(np.asarray(value, np.float64), device=state.device))

    def _known(self, name: str) -> np.ndarray:
        return getattr(self, name).cpu().numpy()


class TwoSets(Metric):
    """A metric that keeps both sets, for scores that cannot be computed from sums."""

    full_state_update = False
    is_differentiable = False
    higher_is_better = False
    real: list[Tensor]
    synthetic: list[Tensor]

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        for side in ("real", "synthetic"):
            self.add_state(side, [], dist_reduce_fx="cat")

    def update(self, values: ArrayLike, real: bool) -> None:
        """Add records of the real or of the synthetic set."""
        kept = torch.as_tensor(as_array(values).astype(np.float64))
        (self.real if real else self.synthetic).append(kept)

    def sets(self) -> tuple[np.ndarray, np.ndarray]:
        """Real and synthetic records."""
        return _joined(self.real), _joined(self.synthetic)


def as_array(values: ArrayLike | Tensor) -> np.ndarray:
    """The values of a tensor on any device, or of an array, as an array."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _joined(parts: list[Tensor] | Tensor) -> np.ndarray:
    """The records of all batches; ``parts`` is a single tensor after a synchronisation of processes."""
    if isinstance(parts, Tensor):
        return parts.cpu().numpy()
    return torch.cat(parts).cpu().numpy() if parts else np.zeros((0, 1))
