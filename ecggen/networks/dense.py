"""A residual network of dense layers."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class DenseNetwork(nn.Module):
    """Residual multilayer perceptron.

    Args:
        inputs: Input features.
        outputs: Output features; the outputs are zero before training.
        width: Units of each layer.
        blocks: Residual blocks of two layers.
        dropout: Dropout probability.
    """

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int, dropout: float = 0.0):
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(_Block(width, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, outputs)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs) → (n, outputs)."""
        x = self.enter(x)
        for block in self.blocks:
            x = block(x)
        return self.leave(self.norm(x))


class _Block(nn.Module):
    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norm, self.dropout = nn.LayerNorm(width), dropout
        self.wide, self.back = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.normal_(self.back.weight, std=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        h = F.dropout(F.silu(self.wide(self.norm(x))), self.dropout, self.training)
        return x + self.back(h)
