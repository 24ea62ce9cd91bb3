"""Pretraining of the text encoder: classification of the SCP statements that a text affirms or negates.

Each batch contains reports of PTB-XL's folds 1–8 (German, English, Swedish) and synthetic texts (``statements.write``).
The loss is the sum of three terms: binary cross-entropy of the affirmed statements of all texts; binary cross-entropy
of the negated statements of synthetic texts; and InfoNCE (van den Oord et al. 2018) on the summary token between two
wordings of the same set of statements, where half of the sets differ from another set in one negation only. Statements
in ``scp_codes`` count as affirmed whatever their likelihood: there, 0 means "not given", not "absent" (P. Wagner et
al., Sci Data 2020;7:154).
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen.conditioning import statements
from ecggen.conditioning.text_encoder import Reader
from ecggen.core.errors import InputError

COLUMNS = ("report", "scp_codes", "strat_fold", "patient_id")
"""Columns of ``ptbxl_database.csv`` that are read."""

_EDITED = re.compile(r"\s*Edit:.*", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.;])\s+|\s{4,}")
_KEPT = frozenset(("no", "not", "without", "neither", "kein", "keine", "keinen", "keinerlei", "ohne", "nicht", "weder"))
_KEPT |= {"inget", "ingen", "inga", "ej", "utan", "inte", "varken"}


@dataclass(frozen=True)
class Plan:
    """Sizes and training options. There is no model selection, and therefore no validation fold.

    Attributes:
        width: Width of a token.
        words: Maximum number of words and punctuation marks of a text.
        vocabulary: Rows of the embedding table.
        layers: Layers of the transformer.
        steps: Optimiser steps (AdamW).
        reports: Reports per step.
        sets: Sets of statements per step; each is written twice, and half differ from another set in one negation.
        lr: Peak learning rate, with linear warm-up over the first 5 % of steps and cosine decay.
        weight_decay: Weight decay.
        heat: Temperature of InfoNCE.
        weight: Weight of InfoNCE.
        folds: Folds of the reports.
        seed: Random seed of weights, order, texts and augmentation.
    """

    width: int = 128
    words: int = 48
    vocabulary: int = 8192
    layers: int = 2
    steps: int = 1800
    reports: int = 64
    sets: int = 64
    lr: float = 2e-3
    weight_decay: float = 0.02
    heat: float = 0.1
    weight: float = 1.0
    folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)
    seed: int = 0

    def __post_init__(self):
        if min(self.width, self.words, self.vocabulary, self.layers, self.steps, self.reports, self.sets) < 1:
            raise InputError(f"{asdict(self)}", "every size and count must be at least 1")
        if self.width % 4 or self.sets % 2:
            raise InputError(
                f"width {self.width} and {self.sets} sets", "a multiple of 4 and an even number were expected"
            )


@dataclass(frozen=True)
class Reports:
    """Reports with their statements.

    Attributes:
        texts: Reports, without the codes appended by editors of the archive ("Edit: …").
        labels: (n, 71) float32, 1 where a statement is listed.
        folds: (n,) fold, 1 to 10.
        patients: (n,) patient identifier.
    """

    texts: tuple[str, ...]
    labels: np.ndarray
    folds: np.ndarray
    patients: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def of(self, folds: Sequence[int]) -> Reports:
        """Reports of some folds."""
        rows = np.flatnonzero(np.isin(self.folds, list(folds)))
        if not len(rows):
            raise InputError(f"folds {list(folds)} hold no report", "reports were expected", "choose other folds")
        return Reports(tuple(self.texts[row] for row in rows), self.labels[rows], self.folds[rows], self.patients[rows])


def read_reports(path: Path | str) -> Reports:
    """Read the reports of a PTB-XL folder, or of a CSV file with the same columns; empty reports are skipped.

    Raises:
        InputError: If the file or a column is missing, or ``scp_codes`` cannot be parsed.
    """
    import pandas

    path = Path(path)
    path = path / "ptbxl_database.csv" if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"there is no {path}", "a PTB-XL folder or a CSV of its form was expected")
    table = pandas.read_csv(path, dtype={"report": str})
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise InputError(f"{path} lacks the columns {', '.join(missing)}", "PTB-XL's published columns were expected")
    texts = [_EDITED.sub("", text) if isinstance(text, str) else "" for text in table["report"]]
    try:
        labels = [statements.vector(list(ast.literal_eval(cell))) for cell in table["scp_codes"]]
    except (ValueError, SyntaxError, TypeError) as error:
        raise InputError(f"scp_codes of {path} cannot be read", "{'NORM': 100.0} was expected in each row") from error
    rows = [row for row, text in enumerate(texts) if text.strip()]
    if not rows:
        raise InputError(f"{path} holds no report", "reports were expected")
    kept = table.iloc[rows]
    return Reports(
        tuple(texts[row] for row in rows),
        np.stack([labels[row] for row in rows]),
        kept["strat_fold"].to_numpy(),
        kept["patient_id"].to_numpy(),
    )


def pretrain(
    reports: Reports, plan: Plan, progress: Callable[[float], None] | None = None, start: Reader | None = None
) -> tuple[Reader, list[float]]:
    """Pretrain a text encoder.

    Args:
        reports: Reports; only those of the plan's folds are used.
        plan: Sizes and training options.
        progress: Callback that receives the fraction done.
        start: Text encoder to continue from; a new one if left out.

    Returns:
        The text encoder, and the loss of every step.
    """
    reports = reports.of(plan.folds)
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    reader = (start or Reader(plan.width, plan.words, plan.vocabulary, plan.layers)).train()
    optimizer = torch.optim.AdamW(reader.parameters(), plan.lr, betas=(0.9, 0.98), weight_decay=plan.weight_decay)
    probabilities = sampling_probabilities(reports)
    losses = []
    for step in range(plan.steps):
        for param_group in optimizer.param_groups:
            param_group["lr"] = plan.lr * _rate((step + 1) / plan.steps)
        loss = step_loss(reader, reports, probabilities, plan, rng)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        if progress is not None:
            progress((step + 1) / plan.steps)
    return reader.eval(), losses


def step_loss(
    reader: Reader, reports: Reports, probabilities: np.ndarray, plan: Plan, rng: np.random.Generator
) -> Tensor:
    """Sum of the three losses on a random batch of texts."""
    rows = rng.choice(len(reports), plan.reports, p=probabilities)
    real_targets = torch.from_numpy(reports.labels[rows]).to(reader.head.weight.device)
    real = [append_clause(perturb(reports.texts[row], rng), real_targets[i], rng) for i, row in enumerate(rows)]
    sets = sample_statement_sets(reports.labels, plan.sets, rng)
    languages = rng.choice(statements.LANGUAGES, (2, len(sets)), p=(0.7, 0.18, 0.12))
    made = [
        insert_random_word(misspell(statements.write(said, denied, rng, language), rng), rng)
        for row in languages
        for (said, denied), language in zip(sets, row, strict=True)
    ]
    empty = [
        statements.phrase_without_statement(rng, str(rng.choice(statements.LANGUAGES)))
        for _ in range(max(1, plan.sets // 16))
    ]
    summaries, said, denied = reader([*real, *made, *empty])
    targets = torch.from_numpy(np.stack([[statements.vector(part) for part in one] for one in sets]))
    targets = targets.to(said.device)
    nothing = targets.new_zeros(len(empty), targets.shape[-1])
    of_said = torch.cat([real_targets, targets[:, 0], targets[:, 0], nothing])
    of_denied = torch.cat([targets[:, 1], targets[:, 1], nothing])
    n = len(real)
    loss = F.binary_cross_entropy_with_logits(said, of_said, reduction="none").sum(-1).mean()
    loss = loss + F.binary_cross_entropy_with_logits(denied[n:], of_denied, reduction="none").sum(-1).mean()
    return loss + plan.weight * alignment(summaries[n : n + len(made)], targets.flatten(1), plan.heat)


def alignment(summaries: Tensor, targets: Tensor, heat: float) -> Tensor:
    """InfoNCE between the two wordings of each set; equal sets are not used as negatives of each other.

    Args:
        summaries: (2 · sets, width): the first wordings of all sets, then the second wordings.
        targets: (sets, labels): labels that identify a set.
        heat: Temperature.
    """
    n = len(targets)
    normalized = F.normalize(summaries, dim=-1)
    similarity = normalized @ normalized.T / heat
    same = (targets[:, None] == targets[None]).all(-1).repeat(2, 2)
    place = torch.arange(2 * n, device=summaries.device)
    other = (place + n) % (2 * n)
    same[place, other] = False
    return F.cross_entropy(similarity.masked_fill(same, -math.inf), other)


def sample_statement_sets(labels: np.ndarray, n: int, rng: np.random.Generator) -> list[tuple[list[str], list[str]]]:
    """``n`` pairs of affirmed and negated statements; the second half is the first with one statement flipped."""
    codes = np.array(statements.codes())
    sets = []
    for _ in range(n // 2):
        if rng.random() < 0.4:
            said = list(rng.permutation(codes[labels[rng.integers(len(labels))] > 0])[: rng.integers(1, 6)])
        else:
            said = list(rng.choice(codes, rng.choice([0, 1, 2, 3], p=(0.1, 0.4, 0.3, 0.2)), replace=False))
        least = 0 if said else 1
        denied = rng.choice(codes, max(least, rng.choice([0, 1, 2], p=(0.4, 0.4, 0.2))), replace=False)
        sets.append(([str(code) for code in said], [str(code) for code in denied if code not in said]))
    return sets + [_flip_one(said, denied, rng) for said, denied in sets]


def _flip_one(said: list[str], denied: list[str], rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Negate one affirmed statement, or affirm one negated statement."""
    place = int(rng.integers(len(said) + len(denied)))
    if place < len(said):
        return said[:place] + said[place + 1 :], [*denied, said[place]]
    place -= len(said)
    return [*said, denied[place]], denied[:place] + denied[place + 1 :]


def sampling_probabilities(reports: Reports) -> np.ndarray:
    """Sampling probability (n,) of each report: n equal reports have a total weight of √n, to limit frequent ones."""
    counts: dict[str, int] = {}
    for text in reports.texts:
        counts[text] = counts.get(text, 0) + 1
    weights = np.array([counts[text] ** -0.5 for text in reports.texts])
    return weights / weights.sum()


def perturb(report: str, rng: np.random.Generator) -> str:
    """Augment a report: shuffle sentences, drop words (never a negation), and misspell words, each at random."""
    parts = _SENTENCE.split(report)
    if len(parts) > 1 and rng.random() < 0.3:
        parts = [parts[place] for place in rng.permutation(len(parts))]
    text = "    ".join(parts)
    if rng.random() < 0.5:
        kept = [word for word in text.split() if word in _KEPT or rng.random() > 0.1]
        text = " ".join(kept) or text
    return misspell(text, rng)


def append_clause(report: str, target: Tensor, rng: np.random.Generator, probability: float = 0.3) -> str:
    """At random, add a clause that affirms a statement (``target`` is updated) or negates one that is absent."""
    if rng.random() > probability:
        return report
    place = int(rng.integers(len(target)))
    code = [statements.codes()[place]]
    if rng.random() < 0.5:
        target[place] = 1.0
        clause = statements.write(code, (), rng)
    elif target[place] == 0:
        clause = statements.write((), code, rng)
    else:
        return report
    return f"{report}, {clause}" if rng.random() < 0.5 else f"{clause}. {report}"


def insert_random_word(text: str, rng: np.random.Generator, probability: float = 0.1) -> str:
    """At random, insert a word of random letters, so that unknown words are ignored."""
    if rng.random() > probability:
        return text
    words = text.split(" ")
    letters = rng.choice(list("abcdefghijklmnopqrstuvwxyz"), rng.integers(2, 10))
    words.insert(int(rng.integers(len(words) + 1)), "".join(letters))
    return " ".join(words)


def misspell(text: str, rng: np.random.Generator, probability: float = 0.02) -> str:
    """Drop a letter or swap two letters of random words with more than four letters."""
    words = text.split(" ")
    for place in np.flatnonzero(rng.random(len(words)) < probability):
        word = words[place]
        if len(word) > 4:
            at = int(rng.integers(1, len(word) - 2))
            words[place] = word[:at] + (word[at + 1] + word[at] if rng.random() < 0.5 else "") + word[at + 2 :]
    return " ".join(words)


def _rate(done: float) -> float:
    return done / 0.05 if done < 0.05 else 0.01 + 0.99 * (1 + math.cos(math.pi * (done - 0.05) / 0.95)) / 2
