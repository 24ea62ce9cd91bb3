"""What a model of median beats is: it draws codes, given what is known. The four generators differ in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

CHANGES = 8
"""Numbers that say how a median beat was changed in training; zero for drawn ones."""


class HeartModel(nn.Module, ABC):
    """Draws codes (batch, size) of median beats (``HeartCode``).

    Attributes:
        noise: Standard normal numbers that a draw needs.
    """

    noise: int

    @abstractmethod
    def loss(self, code: Tensor, known: Tensor, shape_of: Callable[[Tensor], Tensor]) -> Tensor:
        """Training loss (batch,).

        Args:
            code: (batch, size) codes of recorded beats.
            known: (batch, condition) what is known of them.
            shape_of: Maps codes to weighted shapes (batch, 8, time), for models that look at the beats.
        """

    @abstractmethod
    def sample(
        self, noise: Tensor, known: Tensor, plain: Tensor, guidance_scale: float = 1.0, num_steps: int = 8
    ) -> Tensor:
        """Codes (batch, size).

        Args:
            noise: (batch, ``noise``) standard normal.
            known: (batch, condition) the condition.
            plain: (batch, condition) the condition without text and metadata.
            guidance_scale: 1 without guidance, larger for codes that are more typical of text and metadata.
            num_steps: Steps of a sampler.
        """
