"""What is asked of synthetic records: conditions drawn from the records of a training set that show a class.

Each request varies one training record of the class (a smoothed bootstrap, Efron & Tibshirani 1993): its statements, so
that accompanying findings occur together as they do in patients, its sex, and its age and heart rate moved a little.
No report of a person is passed on: the words are written anew from the statements.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ecggen.conditioning import statements
from ecggen.conditioning.condition import METADATA, Condition
from ecggen.core.errors import InputError
from ecggen.data.pack import Pack

AGE_DEVIATION = 2.0
"""Years by which an age is moved (standard deviation)."""
RATE_DEVIATION = 0.04
"""Deviation of the logarithm by which a heart rate is moved: about as much as from one minute of rest to another."""
OLDEST = 90.0

LABELS = {"superclasses": statements.superclasses, "subclasses": statements.subclasses, "statements": lambda: _single()}
"""Sets of labels that can be evened out, each label with the statements of which one is enough."""


@dataclass(frozen=True)
class Asked:
    """What is asked of one synthetic record.

    Attributes:
        index: Its number in the job.
        sought: The class it is to show; "" for none in particular.
        codes: All SCP statements it is to show.
        text: The words a model is told; "" for none.
        age: Years, or None.
        sex: "M", "F" or None.
        heart_rate: Beats per minute, or None.
        fold: Fold of the training record whose facts it varies.
        like: Row of that record in the population.
    """

    index: int
    sought: str
    codes: tuple[str, ...]
    text: str
    age: float | None
    sex: str | None
    heart_rate: float | None
    fold: int
    like: int


@dataclass(frozen=True)
class Population:
    """Training records from which conditions are drawn.

    Attributes:
        names: Name of each record.
        codes: SCP statements of each.
        age: (record,) years, NaN where unknown.
        sex: (record,) 0 male, 1 female, NaN where unknown.
        heart_rate: (record,) beats per minute, NaN where unknown.
        fold: (record,) fold of each.
    """

    names: tuple[str, ...]
    codes: tuple[frozenset[str], ...]
    age: np.ndarray
    sex: np.ndarray
    heart_rate: np.ndarray
    fold: np.ndarray

    @staticmethod
    def of(pack: Pack, rows: np.ndarray) -> Population:
        """The records at some rows of a pack.

        Raises:
            InputError: Where there are none.
        """
        if not len(rows):
            raise InputError("the population has no record", "training records were expected")
        index, known = pack.index.iloc[rows], frozenset(statements.codes())
        age, sex, rate = (index[name].to_numpy(float) for name in ("age", "sex", "heart_rate"))
        low, high = METADATA["heart_rate"]
        return Population(
            tuple(index.name),
            tuple(frozenset(codes.split()) & known for codes in index.codes),
            np.minimum(age, OLDEST),
            sex,
            np.where((rate >= low) & (rate <= high), rate, np.nan),
            index.fold.to_numpy(int),
        )

    def __len__(self) -> int:
        return len(self.names)

    def showing(self, name: str) -> np.ndarray:
        """Rows of the records that show a class.

        Raises:
            InputError: Where nobody knows the class, or no record shows it.
        """
        return showing(self.codes, name)

    def any(self, n: int, seed: int, first: int = 0) -> list[Asked]:
        """``n`` requests as the population is, from number ``first`` on."""
        return self._varied(np.arange(len(self)), "", n, seed, first)

    def of_class(self, name: str, n: int, seed: int, first: int = 0) -> list[Asked]:
        """``n`` requests for a class, with the facts and the other findings of those who have it.

        Raises:
            InputError: As ``showing``.
        """
        return self._varied(self.showing(name), class_name(name), n, seed, first)

    def with_statements(self, codes: Sequence[str], n: int, seed: int) -> list[Asked]:
        """``n`` requests with the facts of those who show all of some statements, else any of them, else of all."""
        wanted = frozenset(codes)
        shares = np.array([len(own & wanted) for own in self.codes])
        rows = [np.flatnonzero(shares == len(wanted)), np.flatnonzero(shares > 0), np.arange(len(self))]
        return self._varied(next(some for some in rows if len(some)), "", n, seed, 0)

    def balanced(self, labels: Mapping[str, frozenset[str]], seed: int, most: int | None = None) -> list[Asked]:
        """Requests that bring every label up to the most frequent one; labels that no record shows stay out.

        Which label comes next is drawn by what each still lacks, and what accompanies it counts as well.

        Args:
            labels: Each label with the statements of which one is enough, as in ``LABELS``.
            seed: Seed of the requests.
            most: Most requests; None for as many as it takes.
        """
        shown = np.array([[bool(codes & enough) for enough in labels.values()] for codes in self.codes], int)
        counts = shown.sum(0)
        names, rows = list(labels), [np.flatnonzero(column) for column in shown.T]
        target, asked = counts.max(initial=0), []
        counts = np.where(counts > 0, counts, target)
        while counts.min() < target and (most is None or len(asked) < most):
            lacking = np.clip(target - counts, 0, None)
            chance = np.random.default_rng((abs(seed), int(seed < 0), len(asked), 3))
            label = int(chance.choice(len(names), p=lacking / lacking.sum()))
            one = self._ask(rows[label], names[label], len(asked), seed)
            counts = counts + shown[one.like]
            asked.append(one)
        return asked

    def _varied(self, rows: np.ndarray, sought: str, n: int, seed: int, first: int) -> list[Asked]:
        return [self._ask(rows, sought, index, seed) for index in range(first, first + n)]

    def _ask(self, rows: np.ndarray, sought: str, index: int, seed: int) -> Asked:
        """One request: a record of ``rows`` with its numbers moved; it follows from (seed, index) alone."""
        rng = np.random.default_rng((abs(seed), int(seed < 0), index, 2))
        like = int(rows[rng.integers(len(rows))])
        codes = tuple(code for code in statements.codes() if code in self.codes[like])
        moved_age, moved_rate = rng.standard_normal(2)
        age = float(np.clip(np.round(self.age[like] + AGE_DEVIATION * moved_age), 0, OLDEST))
        rate = float(np.clip(self.heart_rate[like] * np.exp(RATE_DEVIATION * moved_rate), *METADATA["heart_rate"]))
        sex = self.sex[like]
        return Asked(
            index=index,
            sought=sought,
            codes=codes,
            text=", ".join(map(statements.describe, codes)),
            age=None if np.isnan(age) else age,
            sex=None if np.isnan(sex) else "MF"[int(sex)],
            heart_rate=None if np.isnan(rate) else round(rate, 1),
            fold=int(self.fold[like]),
            like=like,
        )


def condition(asks: Sequence[Asked], seconds: float, fs: float) -> Condition:
    """What a generator is told of these records."""
    metadata = {name: [getattr(asked, name) for asked in asks] for name in METADATA}
    return (
        Condition.none(len(asks), seconds, fs)
        .with_metadata(**metadata)
        .with_text([asked.text for asked in asks], parse=False)
    )


def showing(codes: Sequence[Collection[str]], name: str) -> np.ndarray:
    """Which of some training records, each with its statements, show a class.

    Raises:
        InputError: Where nobody knows the class, or no record shows it.
    """
    wanted = statements_of(name)
    rows = np.flatnonzero([not wanted.isdisjoint(own) for own in codes])
    if not len(rows):
        raise InputError(
            f"none of {len(codes)} training records shows {name}",
            "at least one was expected, to learn its patients' age, sex, heart rate and other findings from",
            "ask with --text instead, or choose other data or folds",
        )
    return rows


def statements_of(name: str) -> frozenset[str]:
    """The statements of which one is enough for a class: a statement's code or words, a subclass, a superclass.

    Raises:
        InputError: Where nobody knows it; the nearest names are told.
    """
    return _classes()[class_name(name)]


def class_name(name: str) -> str:
    """A class's own name, whatever its case, for a name or for the words of a statement.

    Raises:
        InputError: As ``statements_of``.
    """
    plain = " ".join(name.split()).casefold()
    own, said = _names()
    found = own.get(plain) or said.get(plain)
    if found is None:
        near = difflib.get_close_matches(plain, [*own, *said], 3, 0.5)
        names = dict.fromkeys(own.get(one) or said[one] for one in near)
        raise InputError(
            f"there is no class {name[:60]!r}",
            "an SCP statement of PTB-XL (as AFIB), a subclass (as AMI) or a superclass (as MI) was expected",
            f"did you mean {' or '.join(names)}?" if names else f"superclasses: {', '.join(statements.superclasses())}",
        )
    return found


@lru_cache(1)
def _names() -> tuple[dict[str, str], dict[str, str]]:
    """Every class by its name, and every statement by its wordings, without capitals."""
    own = {known.casefold(): known for known in _classes()}
    said = {words.casefold(): code for code in reversed(statements.codes()) for words in statements.wordings(code)}
    return own, said


@lru_cache(1)
def _classes() -> dict[str, frozenset[str]]:
    """Every class by its name; a statement comes before a superclass of the same name, that before a subclass."""
    return dict(statements.subclasses()) | dict(statements.superclasses()) | _single()


def _single() -> dict[str, frozenset[str]]:
    return {code: frozenset((code,)) for code in statements.codes()}
