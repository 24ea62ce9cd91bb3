"""Negated findings in the report: records whose text denies a finding against records whose text is silent on it.

The shipped text encoder reads which statements a text affirms and which it denies, in English, German and Swedish. A
generator that overlooks the negation draws the finding more often after "no atrial fibrillation" than without a word
on it. A classifier and the diagnostic criteria tell how often records show the finding.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from ecggen.conditioning import statements
from ecggen.core.errors import InputError
from ecggen.metrics.criteria.rules import CODES
from ecggen.metrics.criteria.scores import LEAST
from ecggen.metrics.functional.bootstrap import redrawn
from ecggen.report.criteria import DELINEATOR
from ecggen.report.requested import RequestedSet
from ecggen.report.scores import FAIL, PASS, WARN, Score, Table

ALLOWED = (0.02, 0.10)
"""Largest excess of the mean probability after a negation, over that of silent texts, for "pass" and for "warn"."""
NO_FINDINGS = ("NORM", "SR")
"""Statements whose negation affirms a finding."""
REDRAWS = 200
LANGUAGES = {"en": "English", "de": "German", "sv": "Swedish"}


def has_denials(requested: RequestedSet) -> bool:
    """Whether the text of a record denies a finding."""
    return bool(_cells(requested)[0].any())


def negations(requested: RequestedSet) -> tuple[list[Score], list[Table]]:
    """A score by the classifier and one by the criteria, with tables by finding and by wording.

    Raises:
        InputError: If no finding is denied by enough texts while enough others are silent on it.
    """
    denied, silent = _cells(requested)
    enough = np.minimum(denied.sum(0), silent.sum(0)) >= LEAST
    kept = [code for code, known in zip(statements.codes(), enough, strict=True) if known]
    if not kept:
        raise InputError(f"no finding is denied in {LEAST} texts while {LEAST} are silent on it")
    shown = _shown(requested)
    scores = [_score(name, values, extractor, requested, kept) for name, (values, extractor) in shown.items()]
    values = {name: one for name, (one, _) in shown.items()}
    return [one for one in scores if one], [_by_finding(values, requested, kept), _by_wording(values, requested)]


def verdict(excess: float, low: float) -> str:
    """Verdict on the excess after a negation; ``low`` is the lower end of its interval.

    Example:
        >>> verdict(0.01, -0.02), verdict(0.2, 0.1), verdict(0.2, -0.01)
        ('pass', 'fail', 'warn')
    """
    if excess <= ALLOWED[0]:
        return PASS
    return WARN if excess <= ALLOWED[1] or low <= ALLOWED[0] else FAIL


def _cells(requested: RequestedSet) -> tuple[np.ndarray, np.ndarray]:
    """(record, statement) of bool: denied in the text; neither requested nor denied."""
    affirmed, denied = requested.stated
    carried = np.stack([statements.vector(codes.split()) > 0 for codes in requested.codes])
    findings = ~np.isin(statements.codes(), NO_FINDINGS)
    return denied & ~affirmed & ~carried & findings, ~denied & ~affirmed & ~carried & findings


def _shown(requested: RequestedSet) -> dict[str, tuple[dict[str, np.ndarray], str]]:
    """Values (record,) by statement, and the name of the network: the classifier's probability, and criteria met."""
    found: dict[str, tuple[dict[str, np.ndarray], str]] = {}
    classifier = requested.measured_set.classifier
    if classifier is not None:
        codes = statements.codes()
        probability = requested.predictions.of(list(codes))
        found["classifier"] = (dict(zip(codes, probability.T, strict=True)), classifier.name)
    met = {code: values.astype(float) for code, values in requested.measured_set.criteria.items() if code in CODES}
    return found | {"criteria": (met, DELINEATOR)}


def _score(
    name: str, values: dict[str, np.ndarray], extractor: str, requested: RequestedSet, kept: Sequence[str]
) -> Score | None:
    """The mean over the findings of the excess after a negation; None if no finding has values."""
    columns = [at for at, code in enumerate(statements.codes()) if code in kept and code in values]
    if not columns:
        return None
    shown = np.stack([values[statements.codes()[at]] for at in columns], 1)
    denied, silent = (one[:, columns] for one in _cells(requested))
    rows = redrawn(requested.set.patients, requested.cohorts.seed, REDRAWS)
    again = [_excess(shown[at], denied[at], silent[at]) for at in rows]
    low, high = (float(np.nanquantile(again, end)) for end in (0.025, 0.975))
    excess = _excess(shown, denied, silent)
    measure = "probability of the classifier" if name == "classifier" else "share that meets the criterion"
    return Score(
        f"negated findings: {measure}, above silent texts",
        excess,
        interval=(low, high),
        n_synthetic=int(denied.any(1).sum()),
        definition=f"{measure} of a finding, records whose text denies it minus records whose text is silent on it, "
        f"mean over {len(columns)} findings with {LEAST} records of each; pass to {ALLOWED[0]:g}, warn to "
        f"{ALLOWED[1]:g} or if the interval reaches {ALLOWED[0]:g}",
        extractor=extractor,
        verdict=verdict(excess, low),
        note=f"{int(denied.sum())} denials in {int(denied.any(1).sum())} texts",
    )


def _excess(shown: np.ndarray, denied: np.ndarray, silent: np.ndarray) -> float:
    """Mean over findings (columns) of the mean where denied minus the mean where silent."""
    with np.errstate(invalid="ignore"):
        means = [(shown * one).sum(0) / one.sum(0) for one in (denied, silent)]
    return float(np.nanmean(means[0] - means[1]))


def _by_finding(values: dict[str, dict[str, np.ndarray]], requested: RequestedSet, kept: Sequence[str]) -> Table:
    """Probability and share that meets the criterion by finding: denied, silent, affirmed."""
    denied, silent = _cells(requested)
    affirmed, _ = requested.stated
    rows = []
    for code in kept:
        at = statements.codes().index(code)
        cells = [
            _percent(one[code][records[:, at]]) if code in one else "–"
            for one in values.values()
            for records in (denied, silent, affirmed)
        ]
        rows.append([code, str(int(denied[:, at].sum())), *cells])
    head = [f"{name}: {kind}" for name in values for kind in ("denied", "silent", "affirmed")]
    return Table("Negated findings", ["statement", "denials", *head], rows)


def _by_wording(values: dict[str, dict[str, np.ndarray]], requested: RequestedSet) -> Table:
    """How far affirmed findings are above silent texts, by language and number of findings in the text."""
    affirmed, _ = requested.stated
    _, silent = _cells(requested)
    gains: dict[str, dict[str, list[float]]] = {}
    for row, at in zip(*np.nonzero(affirmed & silent.any(0)), strict=True):
        code = statements.codes()[at]
        kind = _wording(requested.set.texts[row], code, several=affirmed[row].sum() > 1)
        for name, one in values.items():
            if code in one and silent[:, at].any():
                gain = float(one[code][row] - one[code][silent[:, at]].mean())
                gains.setdefault(kind, {}).setdefault(name, []).append(gain)
    rows = [
        [kind, *(f"{np.mean(one[name]):+.2f} (n {len(one[name])})" if name in one else "–" for name in values)]
        for kind, one in sorted(gains.items())
    ]
    return Table("Affirmed findings by wording", ["wording", *(f"{name}: above silent texts" for name in values)], rows)


def _wording(text: str, code: str, several: bool) -> str:
    """Language of a finding in a text, and whether the text holds others.

    Example:
        >>> _wording("Vorhofflimmern", "AFIB", several=False), _wording("AF and LBBB", "AFIB", several=True)
        ('German, one finding', 'English, several findings')
    """
    found = next((name for language, name in LANGUAGES.items() if _search(code, language)(text)), "other wording")
    return f"{found}, {'several findings' if several else 'one finding'}"


@lru_cache(256)
def _search(code: str, language: str) -> Callable[[str], re.Match[str] | None]:
    """A search for the wordings of a statement in a language."""
    words = statements.wordings(code, language)
    return re.compile("|".join(rf"\b{re.escape(word)}\b" for word in words) or r"(?!)", re.IGNORECASE).search


def _percent(values: np.ndarray) -> str:
    return f"{100 * values.mean():.0f} %" if len(values) else "–"
