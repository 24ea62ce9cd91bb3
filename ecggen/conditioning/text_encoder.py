"""The pretrained text encoder: which SCP statements a text affirms or negates, and its folder of weights.

``ecggen.training.text_pretraining`` trains it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ecggen.conditioning import statements
from ecggen.conditioning.condition_embedding import ConditionEncoder
from ecggen.core.errors import InputError
from ecggen.networks import storage
from ecggen.networks.text import WordEncoder

FORMAT = 1
"""Version of the checkpoint format."""


class Reader(nn.Module):
    """A text encoder with a classification head for pretraining.

    Args:
        width: As in ``WordEncoder``.
        words: As in ``WordEncoder``.
        vocabulary: As in ``WordEncoder``.
        layers: As in ``WordEncoder``.
    """

    together = 28
    """Texts per forward pass of the encoder."""

    def __init__(self, width: int = 128, words: int = 48, vocabulary: int = 8192, layers: int = 2):
        super().__init__()
        self.sizes = {"width": width, "words": words, "vocabulary": vocabulary, "layers": layers}
        self.text = WordEncoder(**self.sizes)
        self.head = nn.Linear(width, 2 * len(statements.codes()))
        nn.init.constant_(self.head.bias, -3.0)

    def forward(self, texts: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Summaries (batch, width), and logits (batch, 71) of affirmed and of negated statements.

        Texts of similar length are batched together to reduce padding.
        """
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        parts = [order[start : start + self.together] for start in range(0, len(order), self.together)]
        summaries = torch.cat([self._summarize([texts[place] for place in part]) for part in parts])
        summaries = summaries[torch.tensor(order, device=summaries.device).argsort()]
        said, denied = self.head(summaries).chunk(2, -1)
        return summaries, said, denied

    def _summarize(self, texts: Sequence[str]) -> Tensor:
        return self.text(texts, torch.ones(len(texts), dtype=torch.bool, device=self.head.weight.device))[0][:, 0]

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """As ``forward``, without gradients and with probabilities instead of logits."""
        summaries, said, denied = self(texts)
        return summaries, said.sigmoid(), denied.sigmoid()


def save(reader: Reader, folder: Path | str, plan: Mapping[str, Any] | None = None, card: str = "") -> Path:
    """Write a text encoder to a folder, atomically: config.json, model.safetensors (float16), README.md."""
    about = {"format": FORMAT, "kind": "text", "sizes": reader.sizes, "plan": dict(plan or {})}
    return storage.store(reader, Path(folder), {"config.json": about}, card, half=True)


def load(name: Path | str = "text_encoder") -> Reader:
    """Load a text encoder from a folder, or the shipped one by its name, in evaluation mode.

    Raises:
        InputError: If the folder is missing, in another format, or cannot be loaded.

    Example:
        >>> reader = load("text_encoder")
        >>> _, said, denied = reader.read(["no atrial fibrillation"])
        >>> afib = statements.codes().index("AFIB")
        >>> bool(denied[0, afib] > 0.5), bool(said[0, afib] > 0.5)
        (True, False)
    """
    folder = storage.find(name)
    about = storage.read_json(folder / "config.json")
    if about.get("format") != FORMAT or about.get("kind") != "text":
        raise InputError(
            f"{folder} holds no text encoder of format {FORMAT}",
            "the output of ecggen train-text was expected",
            'use the shipped "text_encoder", or train one',
        )
    reader = storage.made_of(Reader, about.get("sizes"), folder)
    storage.fill(reader, folder)
    return reader.eval()


def copy_into(name: Path | str, module: nn.Module) -> int:
    """Copy the weights of a pretrained text encoder to every ``ConditionEncoder`` in ``module``.

    Encoders that use a language model from a folder (``ConditionEncoder(text=folder)``) are not changed.

    Args:
        name: Folder of the text encoder, or the name of a shipped one.
        module: Changed in place.

    Returns:
        Number of encoders that were changed.

    Raises:
        InputError: If the sizes of an encoder differ from those of the text encoder.
    """
    weights = load(name).text.state_dict()
    encoders = [
        part.text for part in module.modules() if isinstance(part, ConditionEncoder) and hasattr(part.text, "table")
    ]
    for encoder in encoders:
        ours = {key: tuple(value.shape) for key, value in encoder.state_dict().items()}
        theirs = {key: tuple(value.shape) for key, value in weights.items()}
        if ours != theirs:
            raise InputError(
                f"the text encoder of {name} is {_sizes(theirs)}",
                f"{_sizes(ours)} was expected, as in the model",
                "choose the same sizes (width 128 for the shipped one), or train one with ecggen train-text",
            )
        encoder.load_state_dict(weights)
    return len(encoders)


def _sizes(shapes: dict[str, tuple[int, ...]]) -> str:
    rows, width = shapes["table.weight"]
    layers = len({key.split(".")[1] for key in shapes if key.startswith("layers.")}) or "an older format with 1"
    return f"{width} wide with {rows} rows, {shapes['position'][0]} words and {layers} layers"
