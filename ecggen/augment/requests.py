"""Planning requests for synthetic records: for classes, to balance a set of labels, for a text, or like one recording.

A ``Plan`` reads the training data, makes the requests, and estimates the classifier's limits from real records. An
``Augmenter`` then generates the requested records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ecggen import data as datasets
from ecggen.augment.augmenter import MOST_FOR_LIMITS, Limits, limits_of
from ecggen.conditioning import statements, text_encoder
from ecggen.conditioning.condition import METADATA
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.core.rhythm import heart_rate, r_peaks
from ecggen.data import Pack, Recording
from ecggen.data.population import LABELS, Population, Request, class_name, showing
from ecggen.data.prompts import Prompt, parse_prompt
from ecggen.data.ptb_xl import numbers_above
from ecggen.data.sources import DATABASE, abouts
from ecggen.evaluators.classifier import Classifier
from ecggen.generators.base import Generator
from ecggen.generators.hearts.variation import Keep, check_beats
from ecggen.io import About, reading
from ecggen.io.formats.snomed import to_scp

Originals = Callable[[Sequence[Request]], ECG]
"""From requests to the recordings that they vary, one per request."""

MOST = 1_000_000
"""Maximum number of records of a job."""
MANY, FEW = 100, 10
"""Default number of records for classes, and for a text or a recording."""
WITHOUT_CLASS = 500
"""Number of records without the requested classes that are read to estimate the classifier's limits."""


class Plan:
    """Requests for synthetic records, based on training data.

    Attributes:
        notes: Messages to the user on the requests.

    Args:
        generator: The generator; its preprocessing is applied to the training data.
        data: Folder of the training data; None for none.
        folds: Folds of the training data that are used.
        seed: Seed of the requests.
        cache: Folder of packed data sets; None for the default.
        report: Called with the share of the training data that has been read, from 0 to 1.
    """

    def __init__(
        self,
        generator: Generator,
        data: Path | None,
        folds: Sequence[int],
        seed: int,
        cache: Path | None = None,
        report: Callable[[float], None] | None = None,
    ):
        self.generator, self.data, self.folds, self.seed = generator, data, folds, seed
        self.cache, self.report = cache, report
        self.notes: list[str] = []
        self.pack: Pack | None = None
        self.names: list[str] = []

    def of_classes(self, names: Sequence[str], n: int = MANY) -> list[Request]:
        """``n`` requests that cycle through the classes ``names``.

        Raises:
            InputError: If a class is unknown, or no training record shows it.
        """
        names = list(dict.fromkeys(class_name(name) for name in names))
        population = self._population(names)
        self.notes += [f"{len(population.showing(name))} training records show {name}" for name in names]
        every = [population.of_class(name, n, self.seed) for name in names]
        return [every[index % len(names)][index] for index in range(n)]

    def balanced(self, labels: str, most: int = MOST) -> list[Request]:
        """Requests that balance a set of labels, ``most`` at most.

        Raises:
            InputError: If the set is unknown, or its labels are balanced already.
        """
        if labels not in LABELS:
            raise InputError(f"the labels are {labels!r}", f"one of {', '.join(LABELS)} was expected")
        requests = self._population().balanced(LABELS[labels](), self.seed, most)
        if not requests:
            raise InputError(f"the {labels} are balanced already", "labels of unequal frequency were expected")
        return requests

    def of_text(self, text: str, n: int = FEW) -> list[Request]:
        """``n`` requests with the user's text, and metadata from training records with the findings of the text."""
        codes = _statements_in(text)
        requests = _empty_requests(n, self.folds[0])
        if self.data:
            requests = self._population(needs_codes=False).with_statements(codes, n, self.seed)
        self.notes.append(f"statements read from the text: {' '.join(codes) or 'none'}")
        self.names = [""] * n
        plain, numbers = " ".join(text.split()), self._numbers_in(text)
        return [replace(one, **{"heart_rate": None, **numbers}, text=plain, codes=codes) for one in requests]

    def _numbers_in(self, text: str) -> dict[str, Any]:
        """Age, sex and heart rate that a text names, which take the place of those of records."""
        prompt, notes = parse_prompt(Prompt(text))
        self.notes += notes
        values = {name: getattr(prompt, name) for name in METADATA}
        return {name: value for name, value in values.items() if value is not None}

    def like(
        self, path: Path, text: str | None = None, n: int = FEW, keep: Keep | None = None
    ) -> tuple[list[Request], Originals]:
        """``n`` requests that vary one recording, and the function that returns this recording for each.

        Args:
            path: File of the recording.
            text: Text of the condition; by default the statements of the recording. The heart rate is that of the
                recording, unless its heart is kept in the rhythm of a text.
            n: Number of requests.
            keep: What is kept of the recording, as in ``Generator.vary``.

        Raises:
            InputError: If the file holds several records, is shorter than the generator's window, or shows too few
                beats to be kept.
        """
        found = reading(path)
        about = self._about(path, found.about)
        known = to_scp(about.codes)[0]
        codes = tuple(code for code in known if code in statements.codes()) if text is None else _statements_in(text)
        ecg = _first_window(found.ecg, self.generator.preprocessor.seconds)
        peaks = r_peaks(ecg)[0]
        rate = None if keep == "heart" and text is not None else heart_rate(peaks)
        if keep is not None:
            check_beats([len(peaks)], ecg.seconds)
        words = ", ".join(map(statements.describe, codes)) if text is None else " ".join(text.split())
        numbers = {"age": about.age, "sex": about.sex} | (self._numbers_in(text) if text else {})
        if rate is not None:  # the R peaks are kept
            numbers["heart_rate"] = round(rate, 1)
        one = replace(_empty_requests(1, self.folds[0])[0], codes=codes, text=words, **numbers)
        fold = about.fold if about.fold in self.folds else self.folds[0]
        requests = [replace(one, index=index, fold=fold) for index in range(n)]
        # Files of the training data are named by number; the name of another file may identify a patient.
        foreign = about is found.about
        self.names = [f"recording {digest(ecg.signal.numpy().tobytes())[:8]}" if foreign else path.stem] * n
        return requests, lambda part: replace(ecg, signal=ecg.signal.expand(len(part), -1, -1))

    def originals(self, requests: Sequence[Request]) -> ECG:
        """The training record that each request varies."""
        assert self.pack is not None
        return self.pack.ecg([request.like for request in requests])

    def likes(self, requests: Sequence[Request]) -> list[str]:
        """Name of the record that each request varies; "" for none."""
        return self.names or [self.pack.index.name.iloc[request.like] if self.pack else "" for request in requests]

    def limits(self, classifier: Classifier | None, names: Sequence[str], quantile: float) -> Limits:
        """The classifier's limits, estimated from the training records.

        Args:
            classifier: The classifier; None for no limits.
            names: Requested classes.
            quantile: As in ``Rules``; 0 for no limits.
        """
        if classifier is None or not quantile:
            return {}
        if self.pack is None:
            self.notes.append("without training records the classifier has no limits: it refuses no draw")
            return {}
        chosen = np.sort(np.random.default_rng(0).permutation(len(self.pack))[:MOST_FOR_LIMITS])
        limits = limits_of(classifier, self.pack.ecg(chosen), Population.of(self.pack, chosen), names, quantile)
        few = [name for name in names if name not in limits]
        self.notes += [
            f"too few training records to set a limit for {name}: no draw is refused for not showing it" for name in few
        ]
        return limits

    def numbers(self) -> tuple[int, int]:
        """Numbers of the first synthetic record and patient, above those of the training data."""
        return numbers_above([(one.name, one.patient) for one in self._recordings] if self.data else [])

    def _about(self, path: Path, own: About) -> About:
        """Metadata from the table of the training data if the file belongs to it; else the metadata of the file."""
        if self.data is None or not (self.data / DATABASE).is_file():
            return own
        return abouts(self.data.resolve()).get(path.with_suffix(".hea").resolve(), own)

    @cached_property
    def _recordings(self) -> list[Recording]:
        assert self.data is not None
        return datasets.recordings(self.data)

    def _population(self, names: Sequence[str] = (), needs_codes: bool = True) -> Population:
        """The training records; for given classes, those that show them and ``WITHOUT_CLASS`` others.

        Raises:
            InputError: If there are none, none shows a class, or ``needs_codes`` and none has statements.
        """
        every = [one for one in self._recordings if one.fold in self.folds]
        if needs_codes and every and not any(one.codes for one in every):
            found = f"no training record of {self.data} has SCP statements"
            raise InputError(found, "PTB-XL's column scp_codes was expected", "use --text instead")
        if not every:
            found = f"folds {list(self.folds)} of {self.data} hold no record"
            raise InputError(found, "training records were expected")
        if names:
            every = _with_some_others(every, names)
        self.pack = datasets.pack(every, self.generator.preprocessor, self.cache, self.report)
        for name, reason in list(self.pack.left_out.items())[:5]:
            self.notes.append(f"training record {name} was left out: {reason}")
        if len(self.pack.left_out) > 5:
            self.notes.append(f"… and {len(self.pack.left_out) - 5} more were left out")
        return Population.of(self.pack, np.arange(len(self.pack)))


def digest(content: bytes) -> str:
    """The first sixteen digits of the SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()[:16]


def _with_some_others(every: Sequence[Recording], names: Sequence[str]) -> list[Recording]:
    """The recordings that show one of the classes, and ``WITHOUT_CLASS`` others, in their order."""
    codes = [one.codes.split() for one in every]
    with_class = np.concatenate([showing(codes, name) for name in names])
    order = np.random.default_rng(0).permutation(len(every))
    return [every[at] for at in np.union1d(with_class, order[~np.isin(order, with_class)][:WITHOUT_CLASS])]


def _empty_requests(n: int, fold: int) -> list[Request]:
    """Requests without any condition."""
    return [Request(index, "", (), "", None, None, None, fold, -1) for index in range(n)]


def _statements_in(text: str) -> tuple[str, ...]:
    """The SCP statements that a text makes, according to the text encoder."""
    _, stated, _ = text_encoder.load().read([text])
    return tuple(code for code, p in zip(statements.codes(), stated[0].tolist(), strict=True) if p > 0.5)


def _first_window(ecg: ECG, seconds: float) -> ECG:
    """The beginning of a recording, as long as the generator's window.

    Raises:
        InputError: If the recording is shorter, or there are several.
    """
    if len(ecg) != 1:
        raise InputError(f"the file holds {len(ecg)} records", "one was expected")
    if ecg.seconds < seconds - 0.05:
        raise InputError(f"the recording lasts {ecg.seconds:.1f} s", f"at least {seconds:g} s were expected")
    return replace(ecg, signal=ecg.signal[..., : round(seconds * ecg.fs)])
