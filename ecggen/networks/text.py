"""Texts to tokens: hashed words and a small transformer, or a language model that lies in a local folder.

Both take any text in any language, never raise for what it holds, and leave nothing of a text that is not seen.
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
"""Marks that are read as words of their own: they end what a "no" reaches."""

_READ = re.compile(rf"\d+[.,]\d+(?!\w)|[^\W_]+|[{re.escape(MARKS)}]")


class WordEncoder(nn.Module):
    """Texts → tokens (batch, 1 + words, width) and their mask; token 0 is always there and sums up the text.

    There is no vocabulary file. A word is embedded whole and by its letter trigrams (as in fastText, Bojanowski et
    al. 2017), each hashed to a row of one table, so that endings, compounds and misspellings of one stem stay near
    each other in German, English and Swedish alike. Neighbouring words are then mixed, and a transformer lets each
    word hear the others: "no" reaches the words that it denies. Token 0 of a silent text, or of one without any
    readable word, is always the same.

    Args:
        width: Width of a token.
        words: Most words and marks that are read; the rest of a long text is left out.
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
        """Tokens (batch, 1 + words, width) and mask; a text that is not ``seen`` (batch,) leaves only token 0."""
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
    """A pretrained language model from a local folder, frozen, in the place of ``WordEncoder``.

    The folder holds what ``save_pretrained`` of transformers writes for a tokenizer and an encoder. Nothing is
    fetched, no code of the folder is run, only safetensors are opened. The language model is not part of the
    ``state_dict``: its weights stay in their folder, and only the projection to ``width`` is trained and saved.
    Token 0 of a seen text holds the mean of its words.

    Args:
        width: Width of a token.
        folder: The local folder.
        words: Most pieces of words that are read.

    Raises:
        InputError: Where transformers is not installed, or the folder is missing or cannot be loaded.
    """

    def __init__(self, width: int, folder: str, words: int = 48):
        super().__init__()
        self.words = words
        self.tokenizer, model = _from_folder(folder)
        self._frozen = [model.eval().requires_grad_(False)]  # in a list, so that it is no part of the state_dict
        self.project = nn.Linear(model.config.hidden_size, width)
        self.norm = nn.LayerNorm(width)
        self.silence = nn.Parameter(torch.zeros(width))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FolderEncoder:
        """Take the language model along to another device."""
        self._frozen[0]._apply(fn)
        return super()._apply(fn, recurse)

    def forward(self, texts: Sequence[str], seen: Tensor) -> tuple[Tensor, Tensor]:
        """As ``WordEncoder.forward``; tokens are pieces of words."""
        here = seen.bool()
        heard = [text for text, one in zip(texts, here.tolist(), strict=True) if one]
        if not heard:
            tokens = self.silence.expand(len(texts), 1, -1)
            return tokens, torch.ones(tokens.shape[:2], dtype=torch.bool, device=seen.device)
        hidden, known = self._read(heard, seen.device)
        spoken = self.norm(self.project(hidden)) * known[..., None]
        whole = spoken.sum(1) / known.sum(1, keepdim=True).clamp_min(1)
        words = spoken.new_zeros(len(texts), *spoken.shape[1:])
        words[here] = spoken
        first = self.silence.to(spoken.dtype).expand(len(texts), -1).clone()
        first[here] = first[here] + whole
        mask = known.new_zeros(len(texts), known.shape[1])
        mask[here] = known
        return torch.cat([first[:, None], words], 1), torch.cat([torch.ones_like(mask[:, :1]), mask], 1)

    @torch.no_grad()
    def _read(self, texts: list[str], device: torch.device) -> tuple[Tensor, Tensor]:
        """Hidden states (text, piece, hidden) of the language model, and which of them are real."""
        texts = [text.encode(errors="replace").decode() for text in texts]  # lone surrogates are no text
        pieces = self.tokenizer(texts, padding=True, truncation=True, max_length=self.words, return_tensors="pt")
        pieces = {name: value.to(device) for name, value in pieces.items()}
        return self._frozen[0].eval()(**pieces).last_hidden_state, pieces["attention_mask"].bool()


def embed(texts: Sequence[str], seen: Tensor, table: nn.EmbeddingBag, words: int) -> tuple[Tensor, Tensor]:
    """Embedded words (batch, word, width), zero where there is none, and the mask (batch, 1 + word) of all tokens."""
    here = [bool(one) for one in seen.tolist()]
    bags = [words_of(text)[:words] if one else [] for text, one in zip(texts, here, strict=True)]
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
    """Words, numbers and ``MARKS`` of a text: lower case, accents off, all else out; nothing where there is no word."""
    plain = unicodedata.normalize("NFKD", text[:20_000].casefold())
    found = _READ.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))
    return found if any(word not in MARKS for word in found) else []


@lru_cache(100_000)
def pieces_of(word: str, vocabulary: int) -> tuple[int, ...]:
    """Rows of the word and of its letter trigrams (CRC-32, the same on every machine)."""
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
            f"{folder} is no folder of a language model",
            "a local folder with config.json, a tokenizer and model.safetensors was expected",
            "save one there with save_pretrained; nothing is fetched",
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
