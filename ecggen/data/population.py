"""Requests for synthetic records: conditions sampled from the training records that show a class.

Each request varies one training record of the class (a smoothed bootstrap, Efron & Tibshirani 1993). It keeps the
statements, so that findings co-occur as they do in patients, and the sex. Age and heart rate are perturbed slightly.
Reports of patients are never passed on: the text is generated from the statements.
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
"""Standard deviation in years of the perturbation of an age."""
RATE_DEVIATION = 0.04
"""Standard deviation of the perturbation of the log heart rate: about the variation between minutes at rest."""
OLDEST = 90.0

LABELS = {"superclasses": statements.superclasses, "subclasses": statements.subclasses, "statements": lambda: _single()}
"""Sets of labels. Each label maps to its SCP statements; a record has the label if it has any of them."""


@dataclass(frozen=True)
class Request:
    """The request for one synthetic record.

    Attributes:
        index: Its number in the job, from 0.
        sought: The class that is requested; "" for none.
        codes: All SCP statements that are requested.
        text: The text of the condition; "" for none.
        age: Years, or None.
        sex: "M", "F" or None.
        heart_rate: Beats per minute, or None.
        fold: Fold of the training record that the request varies.
        like: Row of that record in the population; -1 for none.
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
    """Training records from which conditions are sampled.

    Attributes:
        names: Name of each record.
        codes: SCP statements of each record.
        age: (record,) years, NaN where unknown.
        sex: (record,) 0 male, 1 female, NaN where unknown.
        heart_rate: (record,) beats per minute, NaN where unknown.
        fold: (record,) fold of each record.
    """

    names: tuple[str, ...]
    codes: tuple[frozenset[str], ...]
    age: np.ndarray
    sex: np.ndarray
    heart_rate: np.ndarray
    fold: np.ndarray

    @staticmethod
    def of(pack: Pack, rows: np.ndarray) -> Population:
        """The population of the windows at ``rows`` of a pack.

        Raises:
            InputError: If there are none.
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
            InputError: If the class is unknown, or no record shows it.
        """
        return showing(self.codes, name)

    def any(self, n: int, seed: int, first: int = 0) -> list[Request]:
        """``n`` requests sampled from the whole population, numbered from ``first``."""
        return self._varied(np.arange(len(self)), "", n, seed, first)

    def of_class(self, name: str, n: int, seed: int, first: int = 0) -> list[Request]:
        """``n`` requests for a class, with the metadata and the other findings of the records that show it.

        Raises:
            InputError: As ``showing``.
        """
        return self._varied(self.showing(name), class_name(name), n, seed, first)

    def with_statements(self, codes: Sequence[str], n: int, seed: int) -> list[Request]:
        """``n`` requests with the metadata of records that show all ``codes``, else any of them, else of any record."""
        wanted = frozenset(codes)
        shares = np.array([len(own & wanted) for own in self.codes])
        rows = [np.flatnonzero(shares == len(wanted)), np.flatnonzero(shares > 0), np.arange(len(self))]
        return self._varied(next(some for some in rows if len(some)), "", n, seed, 0)

    def balanced(self, labels: Mapping[str, frozenset[str]], seed: int, most: int | None = None) -> list[Request]:
        """Requests that raise every label to the count of the most frequent one; labels without a record are ignored.

        The label of each request is sampled in proportion to the records that it still lacks. All labels of the varied
        record are counted.

        Args:
            labels: Each label with its SCP statements, as in ``LABELS``.
            seed: Seed of the requests.
            most: Maximum number of requests; None for as many as needed.
        """
        shown = np.array([[bool(codes & own) for own in labels.values()] for codes in self.codes], int)
        counts = shown.sum(0)
        names, rows = list(labels), [np.flatnonzero(column) for column in shown.T]
        target, requests = counts.max(initial=0), []
        counts = np.where(counts > 0, counts, target)
        while counts.min() < target and (most is None or len(requests) < most):
            lacking = np.clip(target - counts, 0, None)
            chance = np.random.default_rng((abs(seed), int(seed < 0), len(requests), 3))
            label = int(chance.choice(len(names), p=lacking / lacking.sum()))
            one = self._request(rows[label], names[label], len(requests), seed)
            counts = counts + shown[one.like]
            requests.append(one)
        return requests

    def _varied(self, rows: np.ndarray, sought: str, n: int, seed: int, first: int) -> list[Request]:
        return [self._request(rows, sought, index, seed) for index in range(first, first + n)]

    def _request(self, rows: np.ndarray, sought: str, index: int, seed: int) -> Request:
        """One request: a record of ``rows`` with perturbed age and heart rate; it depends on (seed, index) only."""
        rng = np.random.default_rng((abs(seed), int(seed < 0), index, 2))
        like = int(rows[rng.integers(len(rows))])
        codes = tuple(code for code in statements.codes() if code in self.codes[like])
        age_noise, rate_noise = rng.standard_normal(2)
        age = float(np.clip(np.round(self.age[like] + AGE_DEVIATION * age_noise), 0, OLDEST))
        rate = float(np.clip(self.heart_rate[like] * np.exp(RATE_DEVIATION * rate_noise), *METADATA["heart_rate"]))
        sex = self.sex[like]
        return Request(
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


def condition(requests: Sequence[Request], seconds: float, fs: float) -> Condition:
    """The condition of the requested records: text and metadata."""
    metadata = {name: [getattr(request, name) for request in requests] for name in METADATA}
    return (
        Condition.none(len(requests), seconds, fs)
        .with_metadata(**metadata)
        .with_text([request.text for request in requests], parse=False)
    )


def showing(codes: Sequence[Collection[str]], name: str) -> np.ndarray:
    """Rows of the records that show a class, given the statements of each record.

    Raises:
        InputError: If the class is unknown, or no record shows it.
    """
    wanted = statements_of(name)
    rows = np.flatnonzero([not wanted.isdisjoint(own) for own in codes])
    if not len(rows):
        raise InputError(
            f"none of {len(codes)} training records shows {name}",
            "at least one was expected, to sample age, sex, heart rate and other findings from",
            "use --text instead, or choose other data or folds",
        )
    return rows


def statements_of(name: str) -> frozenset[str]:
    """The SCP statements of a class; a record shows the class if it has any of them.

    Args:
        name: Code or wording of a statement, a subclass or a superclass.

    Raises:
        InputError: If the class is unknown; the message names the nearest ones.

    Example:
        >>> sorted(statements_of("HYP"))
        ['LAO/LAE', 'LVH', 'RAO/RAE', 'RVH', 'SEHYP']
    """
    return _classes()[class_name(name)]


def class_name(name: str) -> str:
    """The canonical name of a class, given its name in any case or the wording of a statement.

    Raises:
        InputError: As ``statements_of``.

    Example:
        >>> class_name("atrial fibrillation")
        'AFIB'
    """
    plain = " ".join(name.split()).casefold()
    own, wordings = _names()
    found = own.get(plain) or wordings.get(plain)
    if found is None:
        near = difflib.get_close_matches(plain, [*own, *wordings], 3, 0.5)
        names = dict.fromkeys(own.get(one) or wordings[one] for one in near)
        raise InputError(
            f"there is no class {name[:60]!r}",
            "an SCP statement of PTB-XL (e.g. AFIB), a subclass (e.g. AMI) or a superclass (e.g. MI) was expected",
            f"did you mean {' or '.join(names)}?" if names else f"superclasses: {', '.join(statements.superclasses())}",
        )
    return found


@lru_cache(1)
def _names() -> tuple[dict[str, str], dict[str, str]]:
    """Every class by its name, and every statement by its wordings, in lower case."""
    own = {known.casefold(): known for known in _classes()}
    wordings = {words.casefold(): code for code in reversed(statements.codes()) for words in statements.wordings(code)}
    return own, wordings


@lru_cache(1)
def _classes() -> dict[str, frozenset[str]]:
    """Every class by its name. Statements take precedence over superclasses of the same name, those over subclasses."""
    return dict(statements.subclasses()) | dict(statements.superclasses()) | _single()


def _single() -> dict[str, frozenset[str]]:
    return {code: frozenset((code,)) for code in statements.codes()}
