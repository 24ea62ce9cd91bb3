"""The 71 SCP-ECG statements of PTB-XL, their wordings in three languages, and synthetic reports made of them.

``statements.toml`` contains the wordings in English, German and Swedish. ``write`` turns a set of statements into a
text in the style of a report, a list, a prompt or a label. It can also negate statements ("no ST elevation"): a negated
statement is known to be absent, whereas a statement that is not mentioned is unknown.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from ecggen.core.errors import InputError

RHYTHMS = ("AFIB", "AFLT", "PACE", "SVTAC", "PSVT", "STACH", "SBRAD", "SARRH", "SVARR", "SR")
"""Statements that name the rhythm of a record; the first one counts where a record has several."""
LANGUAGES = ("en", "de", "sv")
LANGUAGE_SHARES = (0.8, 0.15, 0.05)
"""Probabilities of the languages in ``write_in_random_language``."""

SAID = {
    "en": (
        "{x}", "{x}", "{x}", "ECG shows {x}", "the ECG demonstrates {x}", "findings consistent with {x}",
        "evidence of {x}", "there is {x}", "patient with {x}", "impression: {x}", "diagnosis: {x}", "known {x}",
        "history of {x}", "probable {x}", "possible {x}", "{x} is present", "{x} noted", "new {x}", "marked {x}",
        "mild {x}", "intermittent {x}", "{x} cannot be excluded", "{x} cannot be ruled out", "suspected {x}",
        "consider {x}", "signs of {x}", "{x} seen",
    ),
    "de": (
        "{x}", "{x}", "{x}", "es besteht {x}", "Verdacht auf {x}", "bekannt: {x}", "Befund: {x}", "EKG zeigt {x}",
        "mit {x}", "{x} möglich", "{x} nicht auszuschliessen", "Zeichen von {x}", "V.a. {x}", "wahrscheinlich {x}",
    ),
    "sv": (
        "{x}", "{x}", "{x}", "EKG visar {x}", "möjlig {x}", "tecken på {x}", "misstänkt {x}", "{x} kan ej uteslutas",
    ),
}  # fmt: skip
"""Templates of an affirmed statement; ``{x}`` is one of its wordings."""

DENIED = {
    "en": (
        "no {x}", "no {x}", "no {x}", "without {x}", "no evidence of {x}", "no signs of {x}", "{x} ruled out",
        "{x} excluded", "absence of {x}", "negative for {x}", "not {x}", "there is no {x}", "{x} absent",
        "ECG shows no {x}", "free of {x}", "{x} is not present", "no {x} seen", "no acute {x}", "does not show {x}",
        "{x} has been ruled out", "no longer any {x}", "do not see any {x}", "does not have {x}",
        "not suggestive of {x}",
    ),
    "de": (
        "kein {x}", "keine {x}", "keinen {x}", "ohne {x}", "kein Hinweis auf {x}", "kein Anhalt für {x}",
        "{x} ausgeschlossen", "keine Zeichen von {x}", "EKG zeigt kein {x}", "nicht {x}",
    ),
    "sv": ("ingen {x}", "inget {x}", "inga {x}", "utan {x}", "inga tecken på {x}", "ej {x}", "{x} utesluten"),
}  # fmt: skip
"""Templates of a negated statement."""

HELD_SAID = ("this tracing is compatible with {x}", "{x} was found", "a case of {x}")
HELD_DENIED = ("{x} is not seen", "we found no {x}", "{x} could not be found", "no sign of {x}")
"""English templates that are held out from pretraining, for evaluation."""

ABNORMAL = {
    "en": ("abnormal ECG", "not a normal ECG", "not within normal limits", "ECG is not normal", "abnormal tracing"),
    "de": ("pathologisches EKG", "kein normales EKG", "abnormes EKG"),
    "sv": ("patologiskt EKG", "inte normalt EKG", "onormalt EKG"),
}
"""Negations of "normal ECG"."""


@lru_cache(1)
def table() -> dict[str, dict[str, str | list[str]]]:
    """``statements.toml``: code → {"class", "subclass", "says", "short", "en", "held", "de", "sv"}."""
    return tomllib.loads(Path(__file__).with_name("statements.toml").read_text(encoding="utf-8"))


@lru_cache(1)
def codes() -> tuple[str, ...]:
    """The 71 codes, in the order of statement vectors."""
    return tuple(table())


@lru_cache(1)
def superclasses() -> dict[str, frozenset[str]]:
    """The five diagnostic superclasses of PTB-XL with their statements.

    Example:
        >>> sorted(superclasses())
        ['CD', 'HYP', 'MI', 'NORM', 'STTC']
    """
    return _grouped_by("class")


@lru_cache(1)
def subclasses() -> dict[str, frozenset[str]]:
    """The 23 diagnostic subclasses of PTB-XL with their statements."""
    return _grouped_by("subclass")


def _grouped_by(key: str) -> dict[str, frozenset[str]]:
    names = sorted({str(row[key]) for row in table().values() if key in row})
    return {name: frozenset(code for code, row in table().items() if row.get(key) == name) for name in names}


def describe(code: str) -> str:
    """Description of a code.

    Raises:
        InputError: If PTB-XL has no such statement.

    Example:
        >>> describe("AFIB")
        'atrial fibrillation'
    """
    if code not in table():
        raise InputError(
            f"there is no statement {code!r}",
            "one of PTB-XL's 71 SCP codes was expected",
            f"they are {', '.join(codes())}",
        )
    return str(table()[code]["says"])


def wordings(code: str, language: str = "en") -> tuple[str, ...]:
    """Wordings of a statement for training, the description first; in English also abbreviations and the code."""
    describe(code)
    row = table()[code]
    if language != "en":
        return tuple(row.get(language, ()))
    return (str(row["says"]), *row.get("en", ()), *row.get("short", ()), code)


def held_out(code: str) -> str:
    """The English wording of a statement that is held out from pretraining."""
    describe(code)
    return str(table()[code]["held"])


def vector(present: Sequence[str]) -> np.ndarray:
    """Multi-hot vector (71,) float32 of some codes."""
    return np.isin(codes(), list(present)).astype(np.float32)


def write_in_random_language(said: Sequence[str], denied: Sequence[str], rng: np.random.Generator) -> str:
    """As ``write`` in a random language, without unrelated phrases: for text augmentation and the patient prior."""
    return write(said, denied, rng, str(rng.choice(LANGUAGES, p=LANGUAGE_SHARES)), aside=0.0)


def write(
    said: Sequence[str],
    denied: Sequence[str] = (),
    rng: np.random.Generator | None = None,
    language: str = "en",
    aside: float = 0.25,
) -> str:
    """A text that affirms some statements and negates others.

    Args:
        said: Codes that are present.
        denied: Codes that are known to be absent.
        rng: Random number generator for wordings, order and format; seed 0 if left out.
        language: "en", "de" or "sv".
        aside: Probability of an additional made-up phrase without a statement, as "74-year-old woman".
    """
    rng = np.random.default_rng(0) if rng is None else rng
    if language == "en" and len(said) > 0 and not denied and rng.random() < 0.08:
        return prompt([_word(code, rng, language) for code in said])
    clauses = [_say(code, rng, language) for code in said] + _deny(list(denied), rng, language)
    order = rng.permutation(len(clauses))
    parts = [clauses[i] for i in order]
    if rng.random() < aside:
        parts.insert(0 if rng.random() < 0.7 else len(parts), phrase_without_statement(rng, language))
    separator = str(rng.choice([", ", ". ", "; ", " ", "\n", ", ", ". "]))
    text = separator.join(parts)
    if separator == ", " and len(parts) > 1 and rng.random() < 0.4:
        last = {"en": " and ", "de": " und ", "sv": " och "}[language]
        text = ", ".join(parts[:-1]) + last + parts[-1]
    text += "." if rng.random() < 0.4 else ""
    return text.lower() if rng.random() < 0.4 else text


def prompt(words: Sequence[str]) -> str:
    """Diagnoses in the prompt format of DiffuSETS (arXiv 2501.05932)."""
    text = f"Most importantly, the 1st diagnosis is {{{words[0]}}}."
    for place, word in enumerate(words[1:], 2):
        nth = f"{place}{ {2: 'nd', 3: 'rd'}.get(place, 'th') }"
        text += f" As a supplementary condition, the {nth} diagnosis is {{{word}}}."
    return text


def phrase_without_statement(rng: np.random.Generator, language: str = "en") -> str:
    """A made-up phrase that contains no statement, as "74-year-old woman" or "130 bpm"."""
    age, rate = int(rng.integers(18, 95)), int(rng.integers(40, 180))
    forms = {
        "en": (
            f"{age}-year-old woman", f"{age}-year-old man", f"{age} yo male", f"{age} yo female", f"{rate} bpm",
            f"heart rate {rate}", f"rate {rate}/min", f"the patient is a {age} year old woman", "chest pain",
            "routine check", "pre-operative assessment", f"QTc {rate + 300} ms", "no chest pain", "no symptoms",
        ),
        "de": (
            f"{age}-jährige Patientin", f"{age}-jähriger Patient", f"Frequenz {rate}/min", "Lagetyp normal", "Linkstyp",
        ),
        "sv": (f"{age}-årig kvinna", f"{age}-årig man", f"frekvens {rate}/min", "normal el-axel"),
    }  # fmt: skip
    return str(rng.choice(forms[language]))


def _word(code: str, rng: np.random.Generator, language: str) -> str:
    """A random wording of a statement."""
    choices = wordings(code, language) or wordings(code)
    return str(rng.choice(choices))


def _say(code: str, rng: np.random.Generator, language: str) -> str:
    form = "{x}" if code in ("NORM", "SR") else str(rng.choice(SAID[language]))
    return form.format(x=_word(code, rng, language))


def _deny(denied: list[str], rng: np.random.Generator, language: str) -> list[str]:
    """Clauses that negate statements; with probability 1/2 the first two share a clause ("no X or Y")."""
    clauses = [str(rng.choice(ABNORMAL[language])) for code in denied if code == "NORM"]
    rest = [code for code in denied if code != "NORM"]
    if len(rest) > 1 and rng.random() < 0.5:
        one, two = (_word(code, rng, language) for code in rest[:2])
        clauses.append(
            str(
                rng.choice(
                    {
                        "en": (f"no {one} or {two}", f"neither {one} nor {two}", f"without {one} or {two}"),
                        "de": (f"weder {one} noch {two}", f"kein {one} oder {two}"),
                        "sv": (f"varken {one} eller {two}", f"ingen {one} eller {two}"),
                    }[language]
                )
            )
        )
        rest = rest[2:]
    for code in rest:
        clauses.append(str(rng.choice(DENIED[language])).format(x=_word(code, rng, language)))
    return clauses


def keywords(texts: Sequence[str]) -> np.ndarray:
    """Keyword search: 1 where a wording of a statement, in any language, occurs in a text; (text, 71) float32."""
    found = np.zeros((len(texts), len(codes())), np.float32)
    for place, code in enumerate(codes()):
        words = [word for one in LANGUAGES for word in wordings(code, one)]
        search = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in words), re.IGNORECASE).search
        found[:, place] = [search(text.lower()) is not None for text in texts]
    return found
