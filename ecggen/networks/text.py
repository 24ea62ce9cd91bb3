"""Text encoders: hashed words and a small transformer, or a language model from a local folder.

Both accept any text in any language without errors. Masked texts do not affect the output.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ecggen.core.errors import InputError

MARKS = ".,;:?!"
"""Punctuation marks that are tokens, because they delimit the scope of negations."""

_READ = re.compile(rf"\d+[.,]\d+(?!\w)|[^\W_]+|[{re.escape(MARKS)}]")


class WordEncoder(nn.Module):
    """Encodes texts to tokens (batch, 1 + words, width) and their mask; token 0 is a summary and never masked.

    There is no vocabulary file. A word is embedded as a whole and by its character trigrams (as in fastText, Bojanowski
    et al. 2017), each hashed to a row of one table, so that inflections, compounds and misspellings of a stem have
    similar embeddings in German, English and Swedish. A convolution over neighbouring words and a transformer follow,
    so that negations can affect the words in their scope. Token 0 is constant for masked texts and for texts without
    words.

    Args:
        width: Width of a token.
        words: Maximum number of words and punctuation marks; the rest of a text is ignored.
        vocabulary: Rows of the embedding table.
        layers: Layers of the transformer.
    """

    def __init__(self, width: int, words: int = 48, vocabulary: int = 8192, layers: int = 2):
        super().__init__()
        self.words, self.vocabulary = words, vocabulary
        self.table = nn.EmbeddingBag(vocabulary, width, mode="mean")
        self.position = nn.Parameter(torch.zeros(words, width))
        self.silence = nn.Parameter(torch.zeros(width))
        self.neighbours = nn.Conv1d(width, width, 5, padding=2, groups=width)
        self.layers = nn.ModuleList(_layer(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.table.weight, std=0.1)
        nn.init.normal_(self.position, std=0.02)
        nn.init.normal_(self.silence, std=0.1)

    def forward(self, texts: Sequence[str], seen: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (batch, 1 + words, width) and mask; masked texts (``seen`` (batch,) False) have only token 0."""
        embedded, mask = embed(texts, seen, self.table, self.words)
        longest = embedded.shape[1]
        if longest:
            near = self.neighbours(embedded.transpose(1, 2)).transpose(1, 2)
            embedded = embedded + near + self.position[:longest]
        tokens = torch.cat([self.silence.to(embedded.dtype).expand(len(texts), 1, -1), embedded], 1)
        for layer in self.layers:
            tokens = layer(tokens, src_key_padding_mask=~mask)
        return self.norm(tokens), mask


class FolderEncoder(nn.Module):
    """A frozen pretrained language model from a local folder, as an alternative to ``WordEncoder``.

    The folder contains a tokenizer and an encoder as written by ``save_pretrained`` of transformers. Nothing is
    downloaded, no code in the folder is run, and only safetensors weights are loaded. The language model is not part of
    the ``state_dict``; only the projection to ``width`` is trained and saved. Token 0 of a text includes the mean of
    its tokens.

    Args:
        width: Width of a token.
        folder: Local folder.
        words: Maximum number of subword tokens.

    Raises:
        InputError: If transformers is not installed, or the folder is missing or cannot be loaded.
    """

    def __init__(self, width: int, folder: str, words: int = 48):
        super().__init__()
        self.words = words
        self.tokenizer, model = _from_folder(folder)
        self._frozen = [model.eval().requires_grad_(False)]  # in a list, to keep it out of the state_dict
        self.project = nn.Linear(model.config.hidden_size, width)
        self.norm = nn.LayerNorm(width)
        self.silence = nn.Parameter(torch.zeros(width))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FolderEncoder:
        """Move the language model as well."""
        self._frozen[0]._apply(fn)
        return super()._apply(fn, recurse)

    def forward(self, texts: Sequence[str], seen: Tensor) -> tuple[Tensor, Tensor]:
        """As ``WordEncoder.forward``, with subword tokens."""
        given = seen.bool()
        unmasked = [text for text, keep in zip(texts, given.tolist(), strict=True) if keep]
        if not unmasked:
            tokens = self.silence.expand(len(texts), 1, -1)
            return tokens, torch.ones(tokens.shape[:2], dtype=torch.bool, device=seen.device)
        hidden, known = self._read(unmasked, seen.device)
        projected = self.norm(self.project(hidden)) * known[..., None]
        mean = projected.sum(1) / known.sum(1, keepdim=True).clamp_min(1)
        words = projected.new_zeros(len(texts), *projected.shape[1:])
        words[given] = projected
        first = self.silence.to(projected.dtype).expand(len(texts), -1).clone()
        first[given] = first[given] + mean
        mask = known.new_zeros(len(texts), known.shape[1])
        mask[given] = known
        return torch.cat([first[:, None], words], 1), torch.cat([torch.ones_like(mask[:, :1]), mask], 1)

    @torch.no_grad()
    def _read(self, texts: list[str], device: torch.device) -> tuple[Tensor, Tensor]:
        """Hidden states (text, token, hidden) of the language model, and their mask."""
        texts = [text.encode(errors="replace").decode() for text in texts]  # replace lone surrogates
        pieces = self.tokenizer(texts, padding=True, truncation=True, max_length=self.words, return_tensors="pt")
        pieces = {name: value.to(device) for name, value in pieces.items()}
        return self._frozen[0].eval()(**pieces).last_hidden_state, pieces["attention_mask"].bool()


def embed(texts: Sequence[str], seen: Tensor, table: nn.EmbeddingBag, words: int) -> tuple[Tensor, Tensor]:
    """Embedded words (batch, word, width), zero-padded, and the mask (batch, 1 + word) of all tokens."""
    bags = [words_of(text)[:words] if keep else [] for text, keep in zip(texts, seen.tolist(), strict=True)]
    longest = max(map(len, bags), default=0)
    mask = torch.tensor([[i < len(bag) for i in range(-1, longest)] for bag in bags], device=seen.device)
    empty = table.weight.new_zeros(len(bags), longest, table.embedding_dim)
    pieces = [pieces_of(word, table.num_embeddings) for bag in bags for word in bag]
    if not pieces:
        return empty, mask
    starts = torch.tensor([0, *map(len, pieces[:-1])], device=seen.device).cumsum(0)
    rows = torch.tensor([row for piece in pieces for row in piece], device=seen.device)
    embedded = table(rows, starts)
    return empty.to(embedded.dtype).masked_scatter(mask[:, 1:, None], embedded), mask


def words_of(text: str) -> list[str]:
    """Words, numbers and ``MARKS`` of a text in lower case without accents; empty if there is no word.

    Example:
        >>> words_of("No ST-elevation, QTc 2.5!")
        ['no', 'st', 'elevation', ',', 'qtc', '2.5', '!']
    """
    plain = unicodedata.normalize("NFKD", text[:20_000].casefold())
    found = _READ.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))
    return found if any(word not in MARKS for word in found) else []


@lru_cache(100_000)
def pieces_of(word: str, vocabulary: int) -> tuple[int, ...]:
    """Table rows of a word and of its character trigrams (CRC-32, platform independent)."""
    bounded = f"<{word[:40]}>"
    pieces = {bounded, *(bounded[i : i + 3] for i in range(len(bounded) - 2))}
    return tuple(sorted(zlib.crc32(piece.encode(errors="replace")) % vocabulary for piece in pieces))


def _layer(width: int) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        width, 4, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )


def _from_folder(folder: str) -> tuple[Any, Any]:
    """Tokenizer and model of a local folder."""
    if not (Path(folder) / "config.json").is_file():
        raise InputError(
            f"{folder} is not the folder of a language model",
            "a local folder with config.json, a tokenizer and model.safetensors was expected",
            "write one with save_pretrained; nothing is downloaded",
        )
    try:
        from transformers import AutoModel, AutoTokenizer  # type: ignore[import-not-found]
    except ImportError as error:
        raise InputError(
            "the package transformers is not installed",
            "it was expected for a language model from a folder",
            'pip install transformers, or leave text = "" to use the shipped word encoder',
        ) from error
    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        return tokenizer, AutoModel.from_pretrained(folder, use_safetensors=True, **safe)
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
        raise InputError(
            f"{folder} cannot be loaded: {' '.join(str(error).split())[:200]}",
            "a tokenizer and a model in safetensors, as transformers writes them, were expected",
        ) from error
