"""Did a generator draw what it was asked for? Requested against obtained, one condition after the other.

What was obtained is measured by something that never saw the request: a beat detector, or judges that were trained on
real ECGs only. A classifier errs on real ECGs too, so that each of its scores stands beside the same score of the real
records that lent their conditions; that reference, and not perfection, is what a generator can reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecggen.conditioning import statements
from ecggen.conditioning.condition import Condition
from ecggen.core.errors import InputError
from ecggen.evaluators.classifier import Classifier, labels, targets
from ecggen.generators.base import Generator
from ecggen.metrics.functional.ranking import auroc

NEAR = 5.0
"""Beats per minute within which a heart rate counts as obtained."""
LEAST = 10
"""Records of which a label was asked for, and of which it was not, that an area under the curve needs."""
FREQUENT = 12
"""Statements that are scored, the most frequent ones."""
POOL = 100
"""Texts among which an ECG has to find its own."""


def heart_rate(asked: np.ndarray, obtained: np.ndarray, near: float = NEAR) -> dict[str, float]:
    """Heart rate per minute, asked for against drawn.

    Args:
        asked: (record,), NaN where none was asked for.
        obtained: (record,), NaN where no rate was found in the drawn ECG: it counts as 0, which is never near.
        near: What counts as near.

    Returns:
        ``mae``, ``bias`` (obtained − asked, of those with a rate), ``near`` (share), ``missing`` (share without a
        rate) and ``n``.

    Raises:
        InputError: Where no rate was asked for.
    """
    told = np.isfinite(asked)
    if not told.any():
        raise InputError(f"a heart rate was asked for in none of {len(asked)} records", "some were expected")
    wanted, found = asked[told], obtained[told]
    lacking = ~np.isfinite(found)
    off = np.where(lacking, 0.0, found) - wanted
    return {
        "mae": float(np.abs(off).mean()),
        "bias": float(off[~lacking].mean()) if not lacking.all() else float("nan"),
        "near": float((np.abs(off) <= near).mean()),
        "missing": float(lacking.mean()),
        "n": int(told.sum()),
    }


def sex(asked: np.ndarray, female: np.ndarray) -> float:
    """AUROC of the classifier's probability of a woman, records asked to be women's against men's; NaN with one sex only.

    Args:
        asked: (record,) 0 male, 1 female, NaN where not asked for.
        female: (record,) probability.
    """
    told = np.isfinite(asked)
    return float(auroc(female[told, None], asked[told, None])[0]) if told.any() else float("nan")


def age(asked: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Age in years, asked for against what the classifier finds: ``mae``, ``bias``, Pearson's ``r`` and ``n``.

    Args:
        asked: (record,), NaN where not asked for.
        found: (record,).

    Raises:
        InputError: Where fewer than three different ages were asked for.
    """
    told = np.isfinite(asked)
    if len(np.unique(asked[told])) < 3:
        raise InputError(f"{len(np.unique(asked[told]))} different ages were asked for", "three were expected")
    off = found[told] - asked[told]
    r = np.corrcoef(asked[told], found[told])[0, 1] if np.ptp(found[told]) > 0 else 0.0
    return {"mae": float(np.abs(off).mean()), "bias": float(off.mean()), "r": float(r), "n": int(told.sum())}


def diagnoses(probability: np.ndarray, codes: Sequence[str], names: Sequence[str], least: int = LEAST) -> np.ndarray:
    """AUROC (name,) of the classifier's probability of each label, records for which it was asked against the others.

    Args:
        probability: (record, label), in the order of ``labels()``.
        codes: Statements that each record was asked for, apart by blanks.
        names: Labels to score.
        least: Records of either kind that a label needs; NaN where there are fewer.
    """
    columns = [list(labels()).index(name) for name in names]
    asked = targets(codes)[:, columns]
    enough = np.minimum(asked.sum(0), len(asked) - asked.sum(0)) >= least
    return np.where(enough, auroc(probability[:, columns], asked), np.nan)


def superclasses() -> tuple[str, ...]:
    """PTB-XL's superclasses, as the classifier names them."""
    return tuple(f"class {name}" for name in statements.superclasses())


def frequent(codes: Sequence[str], most: int = FREQUENT) -> tuple[str, ...]:
    """The statements that were asked for most often, most frequent first."""
    said = [set(one.split()) for one in codes]
    counts = {code: sum(code in here for here in said) for code in statements.codes()}
    return tuple(sorted((code for code in counts if counts[code]), key=lambda code: -counts[code])[:most])


def statements_in(texts: Sequence[str]) -> tuple[str, ...]:
    """Statements that each text makes, apart by blanks, as the shipped word encoder reads it ("no X" makes none)."""
    from ecggen.conditioning import text_encoder

    said = text_encoder.load("text_encoder").read(texts)[1].numpy() > 0.5
    codes = np.array(statements.codes(), object)
    return tuple(" ".join(codes[row]) if text.strip() else "" for row, text in zip(said, texts, strict=True))


def retrieved(
    waves: np.ndarray, texts: np.ndarray, said: Sequence[str], k: int, seed: int = 0, pool: int = POOL
) -> np.ndarray:
    """(record,) 1 where an ECG finds its own text among the ``k`` nearest of ``pool`` texts; their mean is recall@k.

    Records are dealt into pools at random; those that fill no pool are NaN. k / pool is about what chance would find.

    Args:
        waves: (record, width) unit vectors of the ECGs.
        texts: (record, width) unit vectors of their texts.
        said: The texts; one that reads the same counts as the own.
        k: Nearest texts that count.
        seed: Seed of the pools.
        pool: Texts in a pool.

    Raises:
        InputError: Where there are fewer records than a pool needs.
    """
    if len(waves) < pool:
        raise InputError(f"{len(waves)} records with a text, {pool} needed")
    order = np.random.default_rng(seed).permutation(len(waves))[: len(waves) // pool * pool]
    words, found = np.array(said, object), np.full(len(waves), np.nan)
    for part in order.reshape(-1, pool):
        nearest = np.argsort(-(waves[part] @ texts[part].T), 1, kind="stable")[:, :k]
        found[part] = (words[part][nearest] == words[part][:, None]).any(1)
    return found


@dataclass(frozen=True)
class Worded:
    """The classifier's probability of a statement in ECGs drawn of four texts with the same seeds.

    Attributes:
        said: (record,) of the statement's description.
        paraphrase: (record,) of a wording that no model was trained on.
        denial: (record,) of a denial in a form that no model was trained on.
        nothing: (record,) of no text at all.
    """

    said: np.ndarray
    paraphrase: np.ndarray
    denial: np.ndarray
    nothing: np.ndarray

    def summary(self) -> dict[str, float]:
        """Means, and what must hold: a paraphrase changes little, a denial lowers, and a statement raises."""
        return {
            "said": float(self.said.mean()),
            "paraphrase": float(self.paraphrase.mean()),
            "denial": float(self.denial.mean()),
            "nothing": float(self.nothing.mean()),
            "paraphrase_difference": float(np.abs(self.paraphrase - self.said).mean()),
            "said_above_denial": float((self.said > self.denial).mean()),
            "said_above_nothing": float((self.said > self.nothing).mean()),
        }


def has_text_or_metadata(
    generator: Generator,
    classifier: Classifier,
    codes: Sequence[str],
    n: int = 16,
    seconds: float = 10.0,
    seed: int = 0,
) -> dict[str, Worded]:
    """How steady a generator is under other words and how it takes a "no", by statement.

    Args:
        generator: Told one text and nothing else.
        judge: Tells the statement.
        codes: Statements.
        n: ECGs for each text; the same seeds for all texts, so that they differ in nothing but the words.
        seconds: Their length.
        seed: Seed of the draws.
    """
    found = {}
    for place, code in enumerate(codes):
        says = statements.describe(code)
        denial = statements.HELD_DENIED[place % len(statements.HELD_DENIED)].format(x=says)
        probabilities = []
        for text in (says, statements.held_out(code), denial, ""):
            condition = Condition.none(n, seconds, generator.preprocessor.fs).with_text(text, parse=False)
            probabilities.append(classifier.predict(generator.sample(condition, seed)).of([code])[:, 0])
        found[code] = Worded(*probabilities)
    return found
