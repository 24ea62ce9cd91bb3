"""Words to tokens without a vocabulary file: each word is hashed to a row of an embedding table."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

_WORD = re.compile(r"[^\W_]+")


class WordEncoder(nn.Module):
    """Texts → tokens (batch, 1 + words, width) and their mask; token 0 is always there and stands for silence.

    A word is embedded whole and by its letter trigrams (as in fastText, Bojanowski et al. 2017), so that endings,
    compounds and misspellings of one stem stay near each other in German, English and Swedish alike.

    Args:
        width: Width of a token.
        words: Most words that are read; the rest of a long text is left out.
        vocabulary: Rows of the embedding table.
    """

    def __init__(self, width: int, words: int = 48, vocabulary: int = 4096):
        super().__init__()
        self.words, self.vocabulary = words, vocabulary
        self.table = nn.EmbeddingBag(vocabulary, width, mode="mean")
        self.position = nn.Parameter(torch.zeros(words, width))
        self.silence = nn.Parameter(torch.zeros(width))
        self.mix = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )

    def forward(self, texts: Sequence[str], seen: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and mask; a text that is not ``seen`` (batch,) leaves only the token of silence."""
        bags = [words_of(text)[: self.words] if here else [] for text, here in zip(texts, seen.tolist(), strict=True)]
        longest = max(map(len, bags), default=0)
        pieces = [pieces_of(word, self.vocabulary) for bag in bags for word in bag]
        longest = max(map(len, bags))
        mask = torch.tensor([[i < len(bag) for i in range(-1, longest)] for bag in bags], device=seen.device)
        tokens = self.silence.expand(len(bags), 1 + longest, -1)
        if pieces:
            starts = torch.tensor([0, *map(len, pieces[:-1])], device=seen.device).cumsum(0)
            rows = torch.tensor([row for piece in pieces for row in piece], device=seen.device)
            embedded = self.table(rows, starts).to(tokens.dtype)
            spoken = tokens[:, 1:].masked_scatter(mask[:, 1:, None], embedded) + self.position[:longest]
            tokens = torch.cat([tokens[:, :1], spoken], 1)
        return self.mix(tokens, src_key_padding_mask=~mask), mask


def words_of(text: str) -> list[str]:
    """The words of a text: lower case, accents off, punctuation out."""
    plain = unicodedata.normalize("NFKD", text.lower())
    return _WORD.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))


def pieces_of(word: str, vocabulary: int) -> list[int]:
    """Rows of the word and of its letter trigrams (CRC-32, the same on every machine)."""
    bounded = f"<{word}>"
    pieces = {bounded, *(bounded[i : i + 3] for i in range(len(bounded) - 2))}
    return sorted(zlib.crc32(piece.encode()) % vocabulary for piece in pieces)
