"""The kinds of stages of a recipe. A stage begins with the weights of the stage before and writes a checkpoint.

Stages of the kinds training, decoder and hearts change weights; calibration then stores them in 16 bit and calibrates
them, and beat_inflation and trust add files to the calibrated checkpoint.
"""

from __future__ import annotations

import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ecggen.core.errors import InputError
from ecggen.generators import beat_inflation as inflation_file
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.imputation import LeadImputer
from ecggen.generators.latent import LatentGenerator
from ecggen.generators.trust import widening
from ecggen.networks import storage
from ecggen.training import beat_inflation, calibration, trainer, trust
from ecggen.training.decoder_finetuning import finetune_decoder
from ecggen.training.hearts import stages as hearts_stages
from ecggen.training.masking import Masking
from ecggen.training.recipe.material import Job

STATE = "last.ckpt"
"""File of the training state, which a finished stage does not need."""


@dataclass(frozen=True)
class Stage(ABC):
    """Base of all stages.

    Attributes:
        name: Name of the stage, of letters, digits and underscores; by default its kind.
    """

    changes_weights: ClassVar[bool] = False
    parallel: ClassVar[bool] = False

    name: str

    def check(self, generator: Generator) -> None:
        """Raise an InputError if the stage cannot be run for ``generator``."""
        if not re.fullmatch(r"[A-Za-z0-9_]+", self.name):
            raise InputError(f"its name is {self.name!r}", "letters, digits and underscores were expected")

    @abstractmethod
    def run(self, job: Job) -> None:
        """Write ``job.result``. Of several processes the first runs the stage; all do if it is ``parallel``."""


@dataclass(frozen=True)
class Training(Stage):
    """Training of parameter groups (``ecggen.training.trainer``).

    Attributes:
        name: Name of the stage, of letters, digits and underscores; by default its kind.
        training: Table of what differs from the table [training].
        masking: Table of what differs from the table [masking].
        impute: Earlier stage with whose weights the missing leads of recordings with a PPG and few leads are drawn; ""
            to leave such recordings out. A generator named with ``--impute-with`` takes its place.
    """

    changes_weights = parallel = True

    training: trainer.Plan
    masking: Masking
    impute: str = ""

    def check(self, generator: Generator) -> None:
        super().check(generator)
        trainer.parameter_groups(generator, self.training)

    def run(self, job: Job) -> None:
        generator = checkpoint.load(job.before)
        imputer = (job.imputer or LeadImputer(checkpoint.load(job.before))) if self.impute else None
        pack = job.recordings.pack(generator.preprocessor, imputer)
        best = trainer.train(
            generator.train(), pack, self.training, self.masking, job.folder, True, job.recordings.bars
        )
        if not job.rank:
            best.replace(job.result)
            (job.folder / STATE).unlink(missing_ok=True)


@dataclass(frozen=True)
class Decoder(Stage):
    """Adversarial fine-tuning of the decoder of a latent generator (``ecggen.training.decoder_finetuning``).

    Attributes:
        name: Name of the stage, of letters, digits and underscores; by default its kind.
        training: Table of what differs from epochs = 4, batch = 24, lr = 5e-4, weight_decay = 0.01, ema_decay = 0.998,
            crop = 4.0 (``decoder_finetuning.PLAN``); the table [training] is not used.
        draws: Draws for the discriminator.
    """

    changes_weights = parallel = True

    training: trainer.Plan
    draws: int = 2560

    def check(self, generator: Generator) -> None:
        super().check(generator)
        if not isinstance(generator, LatentGenerator):
            raise InputError(f"{generator.name} has no latent space", "flow or diffusion was expected")

    def run(self, job: Job) -> None:
        generator, bars = checkpoint.load(job.before), job.recordings.bars
        pack = job.recordings.pack(generator.preprocessor)
        finetune_decoder([generator], pack, job.folder, self.training, self.draws, True, bars)
        if not job.rank:
            checkpoint.save(generator, job.result)
            (job.folder / STATE).unlink(missing_ok=True)


@dataclass(frozen=True)
class Hearts(Stage):
    """Training of the heart-first model (``ecggen.training.hearts``).

    Attributes:
        name: Name of the stage, of letters, digits and underscores; by default its kind.
        hearts: Table of what differs from the table [hearts].
    """

    changes_weights = True

    hearts: hearts_stages.Plan

    def check(self, generator: Generator) -> None:
        super().check(generator)
        if generator.heart_first is None:
            found = f"{generator.name} has no heart-first model"
            raise InputError(found, "a table hearts was expected in [model]", "add hearts = {} to [model]")
        if self.hearts.shared:
            storage.find(self.hearts.shared)

    def run(self, job: Job) -> None:
        generator = checkpoint.load(job.before)
        pack = job.recordings.pack(generator.preprocessor)
        with job.recordings.progress() as report:
            hearts_stages.train(generator.heart_first, pack, self.hearts, job.folder, job.recordings.cache, report)
        checkpoint.save(generator, job.result)


@dataclass(frozen=True)
class Calibration(Stage):
    """Calibration (``ecggen.training.calibration``), and weights in 16 bit.

    Attributes:
        name: Name of the stage, of letters, digits and underscores; by default its kind.
        records: Records for intervals; 24 times as many are used for inflation.
    """

    records: int = 384

    def run(self, job: Job) -> None:
        generator = checkpoint.load(job.before)
        pack = job.recordings.pack(generator.preprocessor)
        calibration.calibrate(generator, pack, self.records, job.recordings.bars)
        checkpoint.save(generator, job.result, half=True)


class _Addition(Stage):
    """A stage that adds a file to the checkpoint."""

    file: ClassVar[str]

    @abstractmethod
    def contents(self, job: Job, generator: Generator) -> Mapping[str, Any]:
        """Contents of the file for a calibrated generator."""

    def run(self, job: Job) -> None:
        contents = self.contents(job, checkpoint.load(job.before))
        with storage.replacing(job.result) as making:
            shutil.copytree(job.before, making, dirs_exist_ok=True)
            storage.write_json(making / self.file, contents)


@dataclass(frozen=True)
class BeatInflation(_Addition):
    """Factors of the mean beats of draws (``ecggen.training.beat_inflation``).

    Attributes:
        name: Name of the stage, of letters, digits and underscores; by default its kind.
        records: Number of calibration records.
    """

    file = inflation_file.FILE

    records: int = beat_inflation.RECORDS

    def contents(self, job: Job, generator: Generator) -> Mapping[str, Any]:
        pack = job.recordings.pack(generator.preprocessor)
        return beat_inflation.file_of(generator, pack, self.records, job.recordings.bars)


@dataclass(frozen=True)
class Trust(_Addition):
    """Widening of intervals for recordings that are unlike the training data (``ecggen.training.trust``).

    Attributes:
        name: Name of the stage, of letters, digits and underscores; by default its kind.
        records: Number of calibration records.
    """

    file = widening.FILE

    records: int = trust.RECORDS

    def contents(self, job: Job, generator: Generator) -> Mapping[str, Any]:
        recordings, outside = job.recordings, {}
        pack = recordings.pack(generator.preprocessor)
        for folder in recordings.outside:
            there = recordings.outside_pack(folder, generator.preprocessor)
            outside |= trust.outside_records(there, Path(folder).resolve().name)
        return trust.file_of(generator, pack, outside, self.records, job.folder, recordings.bars)


KINDS: dict[str, type[Stage]] = {
    "training": Training,
    "decoder": Decoder,
    "hearts": Hearts,
    "calibration": Calibration,
    "beat_inflation": BeatInflation,
    "trust": Trust,
}
"""The kinds of stages by their name in a config."""
ADDITIONS = (BeatInflation, Trust)
"""Kinds that need a calibrated checkpoint."""
