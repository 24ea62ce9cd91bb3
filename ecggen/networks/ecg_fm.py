"""The network of ECG-FM: convolutions to tokens of 32 ms, a transformer, and mean pooling.

It is implemented from the published description (McKeen et al. 2024, arXiv 2408.05178: wav2vec 2.0 on ECGs; Baevski et
al., NeurIPS 2020; Oh et al., CHIL 2022), in the size of the released weights. Normalisation follows each residual sum,
as in BERT. Parts that are only used in pretraining (masks, codebook) are omitted. Module names are those of the
released checkpoint, so that its converted weights can be loaded.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm


class ECGFMNetwork(nn.Module):
    """Normalised waves (record, channel, time) at 500 Hz → features (record, width), the mean of the output tokens.

    Args:
        channels: Input leads.
        conv_width: Channels of the convolutions.
        conv_layers: Convolutions with kernel size and stride 2.
        width: Width of the transformer.
        layers: Layers of the transformer.
        heads: Attention heads.
        inner: Hidden width of the feed-forward part of a layer.
        position_kernel: Kernel size of the positional convolution.
        position_groups: Groups of the positional convolution.
    """

    def __init__(
        self,
        channels: int = 12,
        conv_width: int = 256,
        conv_layers: int = 4,
        width: int = 768,
        layers: int = 12,
        heads: int = 12,
        inner: int = 3072,
        position_kernel: int = 128,
        position_groups: int = 16,
    ):
        super().__init__()
        self.channels, self.width = channels, width
        self.feature_extractor = Convolutions(channels, conv_width, conv_layers)
        self.layer_norm = nn.LayerNorm(conv_width)
        self.post_extract_proj = nn.Linear(conv_width, width)
        self.conv_pos = Position(width, position_kernel, position_groups)
        self.encoder = Transformer(width, layers, heads, inner)

    def forward(self, x: Tensor) -> Tensor:
        """(record, channel, time) → (record, width)."""
        tokens = self.layer_norm(self.feature_extractor(x).transpose(1, 2))
        tokens = self.post_extract_proj(tokens)
        return self.encoder(tokens + self.conv_pos(tokens)).mean(1)


class Convolutions(nn.Module):
    """Convolutions with stride 2; after the first, each channel of a record is normalised over time."""

    def __init__(self, channels: int, width: int, layers: int):
        super().__init__()
        first = nn.Sequential(_halving(channels, width), nn.Identity(), nn.GroupNorm(width, width), nn.GELU())
        others = (nn.Sequential(_halving(width, width), nn.Identity(), nn.GELU()) for _ in range(layers - 1))
        self.conv_layers = nn.ModuleList([first, *others])

    def forward(self, x: Tensor) -> Tensor:
        """(record, channel, time) → (record, width, time / 2^layers)."""
        for layer in self.conv_layers:
            x = layer(x)
        return x


class Position(nn.Module):
    """Convolutional position embedding: one grouped convolution with a large kernel."""

    def __init__(self, width: int, kernel: int, groups: int):
        super().__init__()
        around = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=groups)
        self.pos_conv = nn.Sequential(weight_norm(around, dim=2), nn.Identity(), nn.GELU())

    def forward(self, tokens: Tensor) -> Tensor:
        """(record, token, width) → the same shape; the surplus token of an even kernel is removed."""
        return self.pos_conv(tokens.transpose(1, 2))[..., : tokens.shape[1]].transpose(1, 2)


class Transformer(nn.Module):
    """Layer normalisation and transformer layers."""

    def __init__(self, width: int, layers: int, heads: int, inner: int):
        super().__init__()
        self.layer_norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Layer(width, heads, inner) for _ in range(layers))

    def forward(self, tokens: Tensor) -> Tensor:
        """(record, token, width) → the same shape."""
        tokens = self.layer_norm(tokens)
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens


class Layer(nn.Module):
    """Transformer layer with normalisation after each residual sum."""

    def __init__(self, width: int, heads: int, inner: int):
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(record, token, width) → the same shape."""
        tokens = self.self_attn_layer_norm(tokens + self.self_attn(tokens))
        return self.final_layer_norm(tokens + self.fc2(F.gelu(self.fc1(tokens))))


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017) with four separate projections."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.v_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(record, token, width) → the same shape."""
        maps = (self.q_proj, self.k_proj, self.v_proj)
        q, k, v = (one(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2) for one in maps)
        return self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def _halving(inputs: int, outputs: int) -> nn.Conv1d:
    return nn.Conv1d(inputs, outputs, 2, 2, bias=False)
