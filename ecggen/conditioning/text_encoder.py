"""Pretraining of the word encoder: which SCP statements does a text make, and which does it deny?

Real reports of PTB-XL's folds 1–8 (German, English, Swedish) and texts generated from the statements' wordings are
read side by side. Three losses are summed: for every text, the statements that it makes (binary cross-entropy); for
generated texts, also those that it denies; and for pairs of generated texts, that two wordings of one set of
statements lie closer in the summary (token 0, by cosine) than any other set, of which half differ in a single "no"
(InfoNCE, van den Oord et al. 2018). A statement that ``scp_codes`` lists counts as made, whatever its likelihood: 0
means there "not given", not "absent" (P. Wagner et al., Sci Data 2020;7:154).
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
from ecggen.conditioning.condition_embedding import ConditionEncoder
from ecggen.core.errors import InputError
from ecggen.networks import storage
from ecggen.networks.text import WordEncoder

FORMAT = 1
"""Version of the folder's form."""

COLUMNS = ("report", "scp_codes", "strat_fold", "patient_id")
"""Columns of ``ptbxl_database.csv`` that are read."""

_EDITED = re.compile(r"\s*Edit:.*", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.;])\s+|\s{4,}")
_KEPT = frozenset(("no", "not", "without", "neither", "kein", "keine", "keinen", "keinerlei", "ohne", "nicht", "weder"))
_KEPT |= {"inget", "ingen", "inga", "ej", "utan", "inte", "varken"}


@dataclass(frozen=True)
class Plan:
    """How the encoder is built and pretrained; nothing is chosen by a score, so no fold is needed to choose.

    Attributes:
        width: Width of a token.
        words: Most words and marks that are read.
        vocabulary: Rows of the embedding table.
        layers: Layers of the transformer.
        steps: Steps of AdamW.
        reports: Real reports in a step.
        sets: Sets of statements in a step; each is written twice, and half differ from the others by one "no".
        lr: Highest learning rate; it rises over the first 5 % and then falls along a cosine.
        weight_decay: Weight decay.
        heat: Temperature of InfoNCE.
        weight: Weight of InfoNCE.
        folds: Folds whose reports are read.
        seed: Seed of weights, order, texts and augmentation.
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
    """Reports with what they were coded as.

    Attributes:
        texts: Reports, without the codes that editors of the archive appended to some ("Edit: …").
        labels: (n, 71) float32, 1 where the statement is listed.
        folds: (n,) fold, 1 to 10.
        patients: (n,) patient.
    """

    texts: tuple[str, ...]
    labels: np.ndarray
    folds: np.ndarray
    patients: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def of(self, folds: Sequence[int]) -> Reports:
        """Those of some folds."""
        rows = np.flatnonzero(np.isin(self.folds, list(folds)))
        if not len(rows):
            raise InputError(f"folds {list(folds)} hold no report", "reports were expected", "choose other folds")
        return Reports(tuple(self.texts[row] for row in rows), self.labels[rows], self.folds[rows], self.patients[rows])


def read_reports(path: Path | str) -> Reports:
    """The reports of a PTB-XL folder, or of a CSV with the same columns; empty reports are left out.

    Raises:
        InputError: Where the file or a column is missing, or ``scp_codes`` cannot be read.
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


class Reader(nn.Module):
    """A word encoder and the head that it is pretrained with.

    Args:
        width: As in ``WordEncoder``.
        words: As in ``WordEncoder``.
        vocabulary: As in ``WordEncoder``.
        layers: As in ``WordEncoder``.
    """

    together = 28
    """Texts that are read at once."""

    def __init__(self, width: int = 128, words: int = 48, vocabulary: int = 8192, layers: int = 2):
        super().__init__()
        self.sizes = {"width": width, "words": words, "vocabulary": vocabulary, "layers": layers}
        self.text = WordEncoder(**self.sizes)
        self.head = nn.Linear(width, 2 * len(statements.codes()))
        nn.init.constant_(self.head.bias, -3.0)

    def forward(self, texts: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Summaries (batch, width) and the logits (batch, 71) of what is said and of what is denied.

        Texts of like length are read together, since padding costs time.
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
        """As ``forward``, without a gradient; probabilities in place of logits."""
        summaries, said, denied = self(texts)
        return summaries, said.sigmoid(), denied.sigmoid()


def pretrain(
    reports: Reports, plan: Plan, progress: Callable[[float], None] | None = None, start: Reader | None = None
) -> tuple[Reader, list[float]]:
    """A reader pretrained on the plan's folds, and the loss of every step.

    Args:
        reports: Reports; other folds than the plan's are not read.
        plan: Sizes, steps and seed.
        progress: Called with the share done.
        start: A reader to train on from, in place of a new one of the plan's sizes.
    """
    reports = reports.of(plan.folds)
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    reader = (start or Reader(plan.width, plan.words, plan.vocabulary, plan.layers)).train()
    optimizer = torch.optim.AdamW(reader.parameters(), plan.lr, betas=(0.9, 0.98), weight_decay=plan.weight_decay)
    chances = evened(reports)
    losses = []
    for step in range(plan.steps):
        for param_group in optimizer.param_groups:
            param_group["lr"] = plan.lr * _rate((step + 1) / plan.steps)
        loss = step_loss(reader, reports, chances, plan, rng)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        if progress is not None:
            progress((step + 1) / plan.steps)
    return reader.eval(), losses


def step_loss(reader: Reader, reports: Reports, chances: np.ndarray, plan: Plan, rng: np.random.Generator) -> Tensor:
    """The sum of the three losses on newly drawn texts."""
    rows = rng.choice(len(reports), plan.reports, p=chances)
    real_targets = torch.from_numpy(reports.labels[rows]).to(reader.head.weight.device)
    real = [continued(altered(reports.texts[row], rng), real_targets[i], rng) for i, row in enumerate(rows)]
    sets = draw_sets(reports.labels, plan.sets, rng)
    languages = rng.choice(statements.LANGUAGES, (2, len(sets)), p=(0.7, 0.18, 0.12))
    made = [
        strewn(misspelt(statements.write(said, denied, rng, language), rng), rng)
        for row in languages
        for (said, denied), language in zip(sets, row, strict=True)
    ]
    silent = [statements.facts(rng, str(rng.choice(statements.LANGUAGES))) for _ in range(max(1, plan.sets // 16))]
    summaries, said, denied = reader([*real, *made, *silent])
    targets = torch.from_numpy(np.stack([[statements.vector(part) for part in one] for one in sets]))
    targets = targets.to(said.device)
    nothing = targets.new_zeros(len(silent), targets.shape[-1])
    of_said = torch.cat([real_targets, targets[:, 0], targets[:, 0], nothing])
    of_denied = torch.cat([targets[:, 1], targets[:, 1], nothing])
    n = len(real)
    loss = F.binary_cross_entropy_with_logits(said, of_said, reduction="none").sum(-1).mean()
    loss = loss + F.binary_cross_entropy_with_logits(denied[n:], of_denied, reduction="none").sum(-1).mean()
    return loss + plan.weight * alignment(summaries[n : n + len(made)], targets.flatten(1), plan.heat)


def alignment(summaries: Tensor, targets: Tensor, heat: float) -> Tensor:
    """InfoNCE between the two wordings of each set; sets that occur twice are not held against each other.

    Args:
        summaries: (2 sets, width): one wording of every set, then the other.
        targets: (sets, statements): what tells sets apart.
        heat: Temperature.
    """
    n = len(targets)
    near = F.normalize(summaries, dim=-1)
    alike = near @ near.T / heat
    same = (targets[:, None] == targets[None]).all(-1).repeat(2, 2)
    place = torch.arange(2 * n, device=summaries.device)
    other = (place + n) % (2 * n)
    same[place, other] = False
    return F.cross_entropy(alike.masked_fill(same, -math.inf), other)


def draw_sets(labels: np.ndarray, n: int, rng: np.random.Generator) -> list[tuple[list[str], list[str]]]:
    """``n`` sets of statements said and denied; the second half is the first with one statement turned around."""
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
    return [one for one in sets] + [_turned(said, denied, rng) for said, denied in sets]


def _turned(said: list[str], denied: list[str], rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """One statement said in place of denied, or denied in place of said."""
    place = int(rng.integers(len(said) + len(denied)))
    if place < len(said):
        return said[:place] + said[place + 1 :], [*denied, said[place]]
    place -= len(said)
    return [*said, denied[place]], denied[:place] + denied[place + 1 :]


def evened(reports: Reports) -> np.ndarray:
    """Chance (n,) of each report: n equal ones weigh as √n, so that "normal ECG" leaves room."""
    counts: dict[str, int] = {}
    for text in reports.texts:
        counts[text] = counts.get(text, 0) + 1
    chances = np.array([counts[text] ** -0.5 for text in reports.texts])
    return chances / chances.sum()


def altered(report: str, rng: np.random.Generator) -> str:
    """A report with sentences in another order, some words left out (never a "no") and some misspelt."""
    parts = _SENTENCE.split(report)
    if len(parts) > 1 and rng.random() < 0.3:
        parts = [parts[place] for place in rng.permutation(len(parts))]
    text = "    ".join(parts)
    if rng.random() < 0.5:
        kept = [word for word in text.split() if word in _KEPT or rng.random() > 0.1]
        text = " ".join(kept) or text
    return misspelt(text, rng)


def continued(report: str, target: Tensor, rng: np.random.Generator, chance: float = 0.3) -> str:
    """Now and then a report with one clause more, which says a statement (``target`` is set) or denies one it lacks."""
    if rng.random() > chance:
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


def strewn(text: str, rng: np.random.Generator, chance: float = 0.1) -> str:
    """Now and then a text with a word of random letters in it, since most words of the world mean no statement."""
    if rng.random() > chance:
        return text
    words = text.split(" ")
    letters = rng.choice(list("abcdefghijklmnopqrstuvwxyz"), rng.integers(2, 10))
    words.insert(int(rng.integers(len(words) + 1)), "".join(letters))
    return " ".join(words)


def misspelt(text: str, rng: np.random.Generator, chance: float = 0.02) -> str:
    """Now and then a longer word with a letter left out, or with two letters exchanged."""
    words = text.split(" ")
    for place in np.flatnonzero(rng.random(len(words)) < chance):
        word = words[place]
        if len(word) > 4:
            at = int(rng.integers(1, len(word) - 2))
            words[place] = word[:at] + (word[at + 1] + word[at] if rng.random() < 0.5 else "") + word[at + 2 :]
    return " ".join(words)


def _rate(done: float) -> float:
    return done / 0.05 if done < 0.05 else 0.01 + 0.99 * (1 + math.cos(math.pi * (done - 0.05) / 0.95)) / 2


def save(reader: Reader, folder: Path | str, plan: Plan | None = None, card: str = "") -> Path:
    """Write a reader to a folder, whole or not at all: config.json, model.safetensors (float16), README.md."""
    about = {"format": FORMAT, "kind": "text", "sizes": reader.sizes, "plan": asdict(plan) if plan else {}}
    return storage.store(reader, Path(folder), {"config.json": about}, card, half=True)


def load(name: Path | str = "text_encoder") -> Reader:
    """The reader in a folder, or the shipped one by its name.

    Raises:
        InputError: Where the folder is missing, of another kind or format, or cannot be loaded.
    """
    folder = storage.find(name)
    about = storage.read_json(folder / "config.json")
    if about.get("format") != FORMAT or about.get("kind") != "text":
        raise InputError(
            f"{folder} holds no text encoder of format {FORMAT}",
            "what ecggen train-text writes was expected",
            'use the shipped "text_encoder", or train one',
        )
    reader = storage.made_of(Reader, about.get("sizes"), folder)
    storage.fill(reader, folder)
    return reader.eval()


def copy_into(name: Path | str, module: nn.Module) -> int:
    """Give every ``ConditionEncoder`` in ``module`` the pretrained words of a folder, or of a shipped name.

    Encoders that read with a language model of their own (``ConditionEncoder(text=folder)``) are left as they are.

    Returns:
        How many encoders were given them; 0 where the module reads no text.

    Raises:
        InputError: Where an encoder's sizes are not those of the folder.
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
    layers = len({key.split(".")[1] for key in shapes if key.startswith("layers.")}) or "an earlier form of 1"
    return f"{width} wide with {rows} rows, {shapes['position'][0]} words and {layers} layers"
