"""Fidelity to the condition: requested against measured heart rate, sex, age, statements and text.

The measured values come from methods that do not know the request: a beat detector, or evaluators that were trained on
real ECGs only. A classifier errs on real ECGs, too. So each of its scores is to be compared with the same score of the
real records from which the conditions were taken; that reference, not 1, is what a generator can reach.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecggen.conditioning import statements
from ecggen.conditioning.condition import Condition
from ecggen.core.errors import InputError
from ecggen.evaluators.classifier import labels, targets
from ecggen.metrics.criteria.measurements import measure
from ecggen.metrics.criteria.rules import CODES, criteria_met
from ecggen.metrics.functional.ranking import auroc

if TYPE_CHECKING:
    from ecggen.evaluators.classifier import Classifier
    from ecggen.generators.base import Generator

NEAR = 5.0
"""Tolerance in beats per minute within which a heart rate counts as reached."""
LEAST = 10
"""Fewest records with a requested label, and without it, for an area under the curve."""
FREQUENT = 12
"""Number of most frequent statements that are scored."""
POOL = 100
"""Number of candidate texts per ECG in text retrieval."""


def heart_rate_fidelity(requested: np.ndarray, measured: np.ndarray, near: float = NEAR) -> dict[str, float]:
    """Requested against measured heart rate in beats per minute.

    Args:
        requested: (record,), NaN where no heart rate was requested.
        measured: (record,), NaN where no heart rate could be measured; counts as 0.
        near: Tolerance of ``near``.

    Returns:
        ``mae``, ``bias`` (measured − requested, of records with a measured rate), ``near`` (fraction within the
        tolerance), ``missing`` (fraction without a measured rate) and ``n``.

    Raises:
        InputError: If no heart rate was requested.

    Example:
        >>> heart_rate_fidelity(np.array([60.0, 80.0, np.nan]), np.array([63.0, 90.0, 70.0]))
        {'mae': 6.5, 'bias': 6.5, 'near': 0.5, 'missing': 0.0, 'n': 2}
    """
    given = np.isfinite(requested)
    if not given.any():
        raise InputError(f"a heart rate was requested in none of {len(requested)} records", "some were expected")
    target, found = requested[given], measured[given]
    missing = ~np.isfinite(found)
    error = np.where(missing, 0.0, found) - target
    return {
        "mae": float(np.abs(error).mean()),
        "bias": float(error[~missing].mean()) if not missing.all() else float("nan"),
        "near": float((np.abs(error) <= near).mean()),
        "missing": float(missing.mean()),
        "n": int(given.sum()),
    }


def sex_fidelity(requested: np.ndarray, female: np.ndarray) -> float:
    """AUROC of the classifier's probability of female sex, requested women against requested men.

    Args:
        requested: (record,) 0 male, 1 female, NaN where not requested.
        female: (record,) probability.

    Returns:
        The AUROC; NaN if only one sex was requested.

    Example:
        >>> sex_fidelity(np.array([0, 0, 1, np.nan]), np.array([0.2, 0.6, 0.7, 0.1]))
        1.0
    """
    given = np.isfinite(requested)
    return float(auroc(female[given, None], requested[given, None])[0]) if given.any() else float("nan")


def age_fidelity(requested: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Requested age against the classifier's prediction, in years: ``mae``, ``bias``, Pearson's ``r`` and ``n``.

    Args:
        requested: (record,), NaN where not requested.
        predicted: (record,).

    Raises:
        InputError: If fewer than three different ages were requested.

    Example:
        >>> found = age_fidelity(np.array([30.0, 50.0, 70.0]), np.array([35.0, 55.0, 75.0]))
        >>> found["mae"], found["bias"], round(found["r"], 6), found["n"]
        (5.0, 5.0, 1.0, 3)
    """
    given = np.isfinite(requested)
    if len(np.unique(requested[given])) < 3:
        raise InputError(f"{len(np.unique(requested[given]))} different ages were requested", "three were expected")
    error = predicted[given] - requested[given]
    r = np.corrcoef(requested[given], predicted[given])[0, 1] if np.ptp(predicted[given]) > 0 else 0.0
    return {"mae": float(np.abs(error).mean()), "bias": float(error.mean()), "r": float(r), "n": int(given.sum())}


def diagnosis_fidelity(
    probability: np.ndarray, codes: Sequence[str], names: Sequence[str], least: int = LEAST
) -> np.ndarray:
    """AUROC (name,) of the classifier's probability of each label, records with the requested label against the others.

    Args:
        probability: (record, label), in the order of ``labels()``.
        codes: Space-separated requested statements of each record.
        names: Labels to score.
        least: Fewest records with a label, and without it; NaN if there are fewer.

    Example:
        >>> codes = ["AFIB"] * 10 + ["NORM"] * 10
        >>> diagnosis_fidelity(targets(codes), codes, ["AFIB", "LVH"])
        array([ 1., nan])
    """
    columns = [list(labels()).index(name) for name in names]
    requested = targets(codes)[:, columns]
    enough = np.minimum(requested.sum(0), len(requested) - requested.sum(0)) >= least
    return np.where(enough, auroc(probability[:, columns], requested), np.nan)


def superclasses() -> tuple[str, ...]:
    """The classifier's labels of PTB-XL's superclasses."""
    return tuple(f"class {name}" for name in statements.superclasses())


def most_frequent(codes: Sequence[str], most: int = FREQUENT) -> tuple[str, ...]:
    """The most frequently requested statements, in descending order.

    Example:
        >>> most_frequent(["AFIB LVH", "AFIB", "NORM AFIB LVH"], 2)
        ('AFIB', 'LVH')
    """
    code_sets = [set(record.split()) for record in codes]
    counts = {code: sum(code in record for record in code_sets) for code in statements.codes()}
    return tuple(sorted((code for code in counts if counts[code]), key=lambda code: -counts[code])[:most])


def statements_in_texts(texts: Sequence[str]) -> tuple[str, ...]:
    """Space-separated statements of each text, as decoded by the shipped text encoder; negated findings are excluded.

    Example:
        >>> statements_in_texts(["atrial fibrillation", ""])
        ('AFIB', '')
    """
    present, _ = affirmed_and_denied(texts)
    codes = np.array(statements.codes(), object)
    return tuple(" ".join(codes[row]) for row in present)


def affirmed_and_denied(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Statements that each text affirms and denies, as decoded by the shipped text encoder: (text, 71) of bool each.

    Example:
        >>> affirmed, denied = affirmed_and_denied(["sinus rhythm, no atrial fibrillation", ""])
        >>> at = statements.codes().index("AFIB")
        >>> affirmed[:, at].tolist(), denied[:, at].tolist()
        ([False, False], [True, False])
    """
    from ecggen.conditioning import text_encoder

    if not len(texts):
        return np.zeros((0, len(statements.codes())), bool), np.zeros((0, len(statements.codes())), bool)
    _, affirmed, denied = text_encoder.load("text_encoder").read(texts)
    filled = np.array([bool(text.strip()) for text in texts])[:, None]
    return (affirmed.numpy() > 0.5) & filled, (denied.numpy() > 0.5) & filled


def text_retrieval(
    ecgs: np.ndarray, texts: np.ndarray, wordings: Sequence[str], k: int, seed: int = 0, pool: int = POOL
) -> np.ndarray:
    """(record,) 1 if an ECG's own text is among the ``k`` most similar of ``pool`` texts; the mean is recall@k.

    Records are assigned to pools at random; records in an incomplete pool are NaN. Chance is about k / pool.

    Args:
        ecgs: (record, width) unit vectors of the ECGs.
        texts: (record, width) unit vectors of their texts.
        wordings: The texts; an identical text counts as the ECG's own.
        k: Number of most similar texts.
        seed: Seed of the pools.
        pool: Texts per pool.

    Raises:
        InputError: If there are fewer records than a pool needs.

    Example:
        >>> embedding = np.eye(4)
        >>> text_retrieval(embedding, embedding, ["a", "b", "c", "d"], k=1, pool=4)
        array([1., 1., 1., 1.])
    """
    if len(ecgs) < pool:
        raise InputError(f"{len(ecgs)} records with a text, {pool} needed")
    order = np.random.default_rng(seed).permutation(len(ecgs))[: len(ecgs) // pool * pool]
    words, found = np.array(wordings, object), np.full(len(ecgs), np.nan)
    for part in order.reshape(-1, pool):
        nearest = np.argsort(-(ecgs[part] @ texts[part].T), 1, kind="stable")[:, :k]
        found[part] = (words[part][nearest] == words[part][:, None]).any(1)
    return found


WORDINGS = {
    "said": "the description of the statement",
    "paraphrase": "a wording that is not in the training data",
    "sentence": "a sentence with the description, an age and a sex",
    "combined": "the description and another finding",
    "german": "a German wording",
    "swedish": "a Swedish wording",
    "denial": "a negation whose form is not in the training data",
    "nothing": "no text",
}
"""Versions of a request for a statement."""


def request_wordings(code: str, place: int = 0, other: str = "LVH") -> dict[str, str]:
    """The text of each version of a request (``WORDINGS``); versions for which a language has no wording are left out.

    Args:
        code: The statement.
        place: Selects the form of the negation and of the sentence.
        other: The other finding of "combined".

    Example:
        >>> found = request_wordings("AFIB")
        >>> found["said"], found["combined"], found["nothing"]
        ('atrial fibrillation', 'atrial fibrillation and left ventricular hypertrophy', '')
    """
    said = statements.describe(code)
    own = {language: statements.wordings(code, language) for language in ("de", "sv")}
    person = ("74-year-old woman", "58-year-old man")[place % 2]
    texts = {
        "said": said,
        "paraphrase": statements.held_out(code),
        "sentence": f"{person} with {said}",
        "combined": f"{said} and {statements.describe(other if other != code else 'CLBBB')}",
        "german": own["de"][0] if own["de"] else None,
        "swedish": own["sv"][0] if own["sv"] else None,
        "denial": statements.HELD_DENIED[place % len(statements.HELD_DENIED)].format(x=said),
        "nothing": "",
    }
    return {version: text for version, text in texts.items() if text is not None}


@dataclass(frozen=True)
class WordingResponses:
    """How a generator responds to versions of a request for one statement, with the same seeds.

    Attributes:
        probability: (record,) the classifier's probability of the statement, by version (``WORDINGS``).
        met: (record,) whether the criterion of the statement is met, by version; None without a criterion.
    """

    probability: dict[str, np.ndarray]
    met: dict[str, np.ndarray] | None = None

    def summary(self) -> dict[str, float]:
        """Means by version, and comparisons: a paraphrase should change little, a negation lower, a statement raise."""
        found = {version: float(values.mean()) for version, values in self.probability.items()}
        said = self.probability["said"]
        found["paraphrase_difference"] = float(np.abs(self.probability["paraphrase"] - said).mean())
        found["said_above_denial"] = float((said > self.probability["denial"]).mean())
        found["said_above_nothing"] = float((said > self.probability["nothing"]).mean())
        found["denial_above_nothing"] = found["denial"] - found["nothing"]
        for version, values in (self.met or {}).items():
            found[f"criterion_{version}"] = float(values.mean())
        return found


def paraphrase_sensitivity(
    generator: Generator,
    classifier: Classifier,
    codes: Sequence[str],
    n: int = 16,
    seconds: float = 10.0,
    seed: int = 0,
    criteria: bool = False,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, WordingResponses]:
    """Response of a generator to paraphrase, translation, combination and negation, by statement.

    Args:
        generator: Conditioned on one text only.
        classifier: Its probability of the statement is recorded.
        codes: Statements.
        n: ECGs per text; all texts share the same seeds, so that the draws differ in the text only.
        seconds: Length of the ECGs.
        seed: Seed of the draws.
        criteria: Whether to evaluate the diagnostic criterion of each statement that has one.
        progress: Called with the share of the statements that are done.
    """
    found = {}
    for place, code in enumerate(codes):
        probability, met = {}, {}
        for version, text in request_wordings(code, place).items():
            condition = Condition.none(n, seconds, generator.preprocessor.fs).with_text(text, parse=False)
            drawn = generator.sample(condition, seed)
            probability[version] = classifier.predict(drawn).of([code])[:, 0]
            if criteria and code in CODES:
                met[version] = criteria_met(measure(drawn))[code]
        found[code] = WordingResponses(probability, met or None)
        progress((place + 1) / len(codes))
    return found
