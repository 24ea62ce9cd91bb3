"""What ``ecggen augment`` asks for: requests out of classes, of a label set, of words, or like one recording."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ecggen.cli.jobs.augmentation import numbers_above
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from ecggen.augment.augmenter import Limits
    from ecggen.core.ecg import ECG
    from ecggen.data import Pack, Recording
    from ecggen.data.population import Asked, Population
    from ecggen.evaluators.classifier import Classifier
    from ecggen.generators.base import Generator
    from ecggen.io import About

    Originals = Callable[[Sequence[Asked]], ECG]

MOST = 1_000_000
"""Most records of a job."""
MANY, FEW = 100, 10
"""Records where no number is given: of classes; in words or like a recording."""
WITHOUT_CLASS = 500
"""Records without the classes that are read beside those with them, to tell the classifier's limits."""


class Plan:
    """What the training data say of the classes, and the requests that follow from it.

    Attributes:
        notes: What a person should know of the requests.

    Args:
        generator: What will draw; its preprocessing is the training data's.
        data: The training data; None for none.
        folds: Folds of it that count.
        seed: Seed of the requests.
        cache: Where packed data sets are kept.
        report: Called with the share of the training data that was read.
    """

    def __init__(self, generator: Generator, data: Path | None, folds: Sequence[int], seed: int, cache, report):
        self.generator, self.data, self.folds, self.seed = generator, data, folds, seed
        self.cache, self.report = cache, report
        self.notes: list[str] = []
        self.pack: Pack | None = None
        self.named: list[str] = []

    def ask(
        self,
        classes: Sequence[str],
        labels: str | None,
        like: Path | None,
        text: str | None,
        n: int | None,
        vary: bool,
    ) -> tuple[list[Asked], Originals | None]:
        """The requests, and what gives the record that each is to vary; None where all are drawn anew."""
        if like is not None:
            return self.like(like, text, n or FEW)
        if text is not None:
            return self.has_text_or_metadata(text, n or FEW), None
        asks = self.balanced(labels, n) if labels else self.of_classes(classes, n or MANY)
        return asks, self.originals if vary else None

    def of_classes(self, names: Sequence[str], n: int) -> list[Asked]:
        """``n`` requests, the classes in turn."""
        from ecggen.data.population import class_name

        names = list(dict.fromkeys(class_name(name) for name in names))
        population = self._population(names)
        self.notes += [f"{len(population.showing(name))} training records show {name}" for name in names]
        every = [population.of_class(name, n, self.seed) for name in names]
        return [every[index % len(names)][index] for index in range(n)]

    def balanced(self, labels: str, most: int | None) -> list[Asked]:
        """Requests that even out a set of labels."""
        from ecggen.data.population import LABELS

        if labels not in LABELS:
            raise InputError(f"the labels are {labels!r}", f"one of {', '.join(LABELS)} was expected")
        population = self._population()
        asks = population.balanced(LABELS[labels](), self.seed, MOST if most is None else most)
        if not asks:
            raise InputError(f"the {labels} are even already", "labels of which some are rarer were expected")
        return asks

    def has_text_or_metadata(self, text: str, n: int) -> list[Asked]:
        """``n`` requests in the user's words, told to people as the training data hold them."""
        codes = _said(text)
        asks = _nobody(n, self.folds[0])
        if self.data:
            asks = self._population(told=False).with_statements(codes, n, self.seed)
        self.notes.append(f"the words were read as {' '.join(codes) or 'no statement'}")
        self.named = [""] * n
        return [replace(asked, text=" ".join(text.split()), codes=codes, heart_rate=None) for asked in asks]

    def like(self, path: Path, text: str | None, n: int) -> tuple[list[Asked], Originals]:
        """``n`` requests like one recording, and what gives that recording for each."""
        from ecggen.conditioning.statements import codes as known
        from ecggen.conditioning.statements import describe as say
        from ecggen.core.rhythm import heart_rate, r_peaks
        from ecggen.io import reading
        from ecggen.io.formats.snomed import to_scp

        found = reading(path)
        about = self._about(path, found.about)
        codes = tuple(code for code in to_scp(about.codes)[0] if code in known()) if text is None else _said(text)
        ecg = _first_window(found.ecg, self.generator.preprocessor.seconds)
        rate = heart_rate(r_peaks(ecg)[0])
        told = ", ".join(map(say, codes)) if text is None else " ".join(text.split())
        one = replace(_nobody(1, self.folds[0])[0], codes=codes, text=told, age=about.age, sex=about.sex)
        fold = about.fold if about.fold in self.folds else self.folds[0]
        asks = [replace(one, index=index, heart_rate=rate and round(rate, 1), fold=fold) for index in range(n)]
        # A file of the training data has a number for a name; the name of another may be a person's.
        own = about is found.about
        self.named = [f"recording {digest(ecg.signal.numpy().tobytes())[:8]}" if own else path.stem] * n
        return asks, lambda part: replace(ecg, signal=ecg.signal.expand(len(part), -1, -1))

    def _about(self, path: Path, own: About) -> About:
        """What the training data's table says of a file of theirs; else what the file itself says."""
        from ecggen.data.sources import DATABASE, abouts

        if self.data is None or not (self.data / DATABASE).is_file():
            return own
        return abouts(self.data.resolve()).get(path.with_suffix(".hea").resolve(), own)

    def originals(self, asks: Sequence[Asked]) -> ECG:
        """The training record of each request."""
        assert self.pack is not None
        return self.pack.ecg([asked.like for asked in asks])

    def likes(self, asks: Sequence[Asked]) -> list[str]:
        """Name of the record that each request is like."""
        return self.named or [self.pack.index.name.iloc[asked.like] if self.pack else "" for asked in asks]

    def limits(self, classifier: Classifier | None, names: Sequence[str], quantile: float) -> Limits:
        """The classifier's limits, told from the training records."""
        from ecggen.augment.augmenter import MOST_FOR_LIMITS, limits_of
        from ecggen.data.population import Population

        if classifier is None or not quantile:
            return {}
        if self.pack is None:
            self.notes.append("the classifier has no limits without training records: it refuses nothing")
            return {}
        import numpy as np

        chosen = np.sort(np.random.default_rng(0).permutation(len(self.pack))[:MOST_FOR_LIMITS])
        limits = limits_of(classifier, self.pack.ecg(chosen), Population.of(self.pack, chosen), names, quantile)
        few = [name for name in names if name not in limits]
        self.notes += [
            f"too few training records for a limit of {name}: no draw is refused for lacking it" for name in few
        ]
        return limits

    def numbers(self) -> tuple[int, int]:
        """Numbers of the first record and patient."""
        return numbers_above([(one.name, one.patient) for one in self._recordings] if self.data else [])

    @cached_property
    def _recordings(self) -> list[Recording]:
        from ecggen import data as datasets

        assert self.data is not None
        return datasets.recordings(self.data)

    def _population(self, names: Sequence[str] = (), told: bool = True) -> Population:
        """The training records; where classes are named, those that show them and some others.

        Raises:
            InputError: Where there are none, none shows a class, or ``told`` and none says what it shows.
        """
        import numpy as np

        from ecggen import data as datasets
        from ecggen.data.population import Population

        every = [one for one in self._recordings if one.fold in self.folds]
        if told and every and not any(one.codes for one in every):
            found = f"no training record of {self.data} says which statements it shows"
            raise InputError(found, "PTB-XL's column scp_codes was expected", "ask with --text instead")
        if not every:
            raise InputError(
                f"folds {list(self.folds)} of {self.data} hold no record", "training records were expected"
            )
        if names:
            every = _with_some_others(every, names)
        self.pack = datasets.pack(every, self.generator.preprocessor, self.cache, self.report)
        for name, reason in list(self.pack.left_out.items())[:5]:
            self.notes.append(f"training record {name} was left out: {reason}")
        if len(self.pack.left_out) > 5:
            self.notes.append(f"… and {len(self.pack.left_out) - 5} more were left out")
        return Population.of(self.pack, np.arange(len(self.pack)))


def _with_some_others(every: Sequence[Recording], names: Sequence[str]) -> list[Recording]:
    """The recordings that show one of the classes, and ``WITHOUT_CLASS`` others, in their order."""
    import numpy as np

    from ecggen.data.population import showing

    codes = [one.codes.split() for one in every]
    shown = np.concatenate([showing(codes, name) for name in names])
    order = np.random.default_rng(0).permutation(len(every))
    return [every[at] for at in np.union1d(shown, order[~np.isin(order, shown)][:WITHOUT_CLASS])]


def _nobody(n: int, fold: int) -> list[Asked]:
    """Requests of which nothing is known."""
    from ecggen.data.population import Asked

    return [Asked(index, "", (), "", None, None, None, fold, -1) for index in range(n)]


def _said(text: str) -> tuple[str, ...]:
    """The statements that a text says."""
    from ecggen.conditioning import text_encoder
    from ecggen.conditioning.statements import codes

    _, said, _ = text_encoder.load().read([text])
    return tuple(code for code, probability in zip(codes(), said[0].tolist(), strict=True) if probability > 0.5)


def digest(content: bytes) -> str:
    """Sixteen digits that stand for some bytes."""
    return hashlib.sha256(content).hexdigest()[:16]


def _first_window(ecg: ECG, seconds: float) -> ECG:
    """The beginning of a recording, as long as the model's window.

    Raises:
        InputError: Where it is shorter, or the file holds several.
    """
    if len(ecg) != 1:
        raise InputError(f"the file holds {len(ecg)} records", "one was expected")
    if ecg.seconds < seconds - 0.05:
        raise InputError(f"the recording lasts {ecg.seconds:.1f} s", f"at least {seconds:g} s were expected")
    return replace(ecg, signal=ecg.signal[..., : round(seconds * ecg.fs)])
