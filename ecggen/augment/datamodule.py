"""A Lightning data module whose training records are real and synthetic, and whose test records are real only.

What augmentation is worth can only be told on real records of patients that nothing was learnt from. So the folds for
validation and test are looked through: a synthetic record in them, or a patient who is also trained on, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import lightning
import pandas
from torch.utils.data import DataLoader

from ecggen.augment.labelled import PackedRecords, Records, packed_folder
from ecggen.augment.mixed import Mixed, Order
from ecggen.augment.on_the_fly import DrawnRecords
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import Provenance
from ecggen.core.errors import InputError
from ecggen.data.pack import Pack, Recording
from ecggen.data.sources import recordings
from ecggen.io import read


class AugmentedData(lightning.LightningDataModule):
    """Real records of a PTB-XL-shaped folder, with synthetic ones between those that are trained on.

    A batch is an ``ecggen.augment.labelled.Item``: signal (batch, 12, time) in mV, labels (batch, label) and synthetic
    (batch,).

    Args:
        real: PTB-XL, or a folder of its form.
        synthetic: A folder that ``ecggen augment`` wrote, a data set as ``DrawnRecords``, or None.
        labels: "superclasses", "subclasses", "statements", or names of classes.
        share: Which share of the training items is synthetic, from 0 to below 1.
        train_folds: Folds that are learnt from.
        validation_folds: Folds that choose.
        test_folds: Folds that are tested on.
        batch: Records in a batch.
        workers: Processes that load them.
        seed: Seed of the order.
        preprocessor: Filter, rate and length; by default ten seconds at 100 Hz from 0.5 to 40 Hz.
        cache: Where packed folders are kept, by default ``~/.cache/ecggen``.
    """

    def __init__(
        self,
        real: Path | str,
        synthetic: Path | str | Records | None = None,
        *,
        labels: str | Sequence[str] = "superclasses",
        share: float = 0.5,
        train_folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8),
        validation_folds: Sequence[int] = (9,),
        test_folds: Sequence[int] = (10,),
        batch: int = 64,
        workers: int = 0,
        seed: int = 0,
        preprocessor: Preprocessor | None = None,
        cache: Path | str | None = None,
    ):
        super().__init__()
        self.real, self.synthetic, self.labels, self.share = real, synthetic, labels, share
        self.train_folds, self.validation_folds, self.test_folds = train_folds, validation_folds, test_folds
        self.batch, self.workers, self.seed = batch, workers, seed
        self.preprocessor, self.cache = preprocessor, cache
        self.mixed: Mixed | None = None

    def prepare_data(self) -> None:
        """Pack the folders, once on each machine."""
        packed_folder(self.real, self.preprocessor, self.cache)
        if isinstance(self.synthetic, Path | str):
            packed_folder(self.synthetic, self.preprocessor, self.cache)

    def setup(self, stage: str | None = None) -> None:
        """Open the packs and see that nothing leaks.

        Raises:
            InputError: Where folds overlap or are empty, or a record for validation or test is synthetic or of a
                patient who is trained on.
        """
        if self.mixed is not None:
            return
        held = [*self.validation_folds, *self.test_folds]
        if both := sorted(set(self.train_folds) & set(held)):
            raise InputError(f"fold {both[0]} is trained and tested on", "each fold in one part was expected")
        pack = packed_folder(self.real, self.preprocessor, self.cache)
        self._check_held_out(pack, held)
        train, self.validation, self.test = (
            self._records(pack, folds) for folds in (self.train_folds, self.validation_folds, self.test_folds)
        )
        made = self._made(pack, held)
        self.mixed = Mixed(train, made, self.share if made is not None else 0.0, self.seed)

    @property
    def label_names(self) -> tuple[str, ...]:
        """What the columns of ``labels`` stand for."""
        return self._mixed.label_names

    @property
    def synthetic_an_epoch(self) -> int:
        """How many of an epoch's training records are synthetic."""
        return self._mixed.synthetic_an_epoch

    def train_dataloader(self) -> DataLoader:
        """Real and synthetic records, in a new order each epoch."""
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return self._loader(self._mixed, Order(self._mixed, self.seed, rank, world))

    def val_dataloader(self) -> DataLoader:
        """Real records that choose."""
        return self._loader(self.validation)

    def test_dataloader(self) -> DataLoader:
        """Real records to test on."""
        return self._loader(self.test)

    @property
    def _mixed(self) -> Mixed:
        if self.mixed is None:
            self.prepare_data()
            self.setup()
        assert self.mixed is not None
        return self.mixed

    def _loader(self, records: Mixed | PackedRecords, order: Order | None = None) -> DataLoader:
        lasting = self.workers > 0
        return DataLoader(records, self.batch, sampler=order, num_workers=self.workers, persistent_workers=lasting)

    def _records(self, pack: Pack, folds: Sequence[int]) -> PackedRecords:
        rows = pack.rows(folds)
        if not len(rows):
            raise InputError(f"{self.real} has no record in the folds {_list(folds)}", "at least one was expected")
        return PackedRecords(pack, rows, self.labels)

    def _made(self, real: Pack, held: Sequence[int]) -> Records | None:
        """The synthetic records, none of which lies in a fold that is held out."""
        if isinstance(self.synthetic, Path | str):
            pack = packed_folder(self.synthetic, self.preprocessor, self.cache)
            _check_folds(pack.index.fold, held)
            _check_patients(real.index[real.index.fold.isin(list(held))].patient, pack.index.patient)
            return PackedRecords(pack, None, self.labels, synthetic=True)
        if isinstance(self.synthetic, DrawnRecords):
            _check_folds([asked.fold for asked in self.synthetic.asks], held)
        return self.synthetic

    def _check_held_out(self, pack: Pack, held: Sequence[int]) -> None:
        names = set(pack.index.name[pack.index.fold.isin(list(held))])
        made = next((one for one in recordings(self.real) if one.name in names and is_synthetic(one)), None)
        if made is not None:
            raise InputError(
                f"record {made.name} of fold {made.fold} is synthetic",
                "only real records were expected among those that are tested on",
                "give the synthetic records as a folder of their own",
            )


def is_synthetic(recording: Recording) -> bool:
    """Whether a recording's file says that a generator drew leads of it."""
    if recording.path.suffix == ".hea":
        return Provenance.parse(recording.path.read_text(errors="replace").splitlines()) is not None
    return read(recording.path, check=False, allow_contradiction=True).provenance is not None


def _check_folds(folds: Iterable[int], held: Sequence[int]) -> None:
    """An InputError where synthetic records lie in a fold that is held out."""
    inside = [fold for fold in folds if fold in held]
    if inside:
        raise InputError(
            f"{len(inside)} synthetic records lie in folds that are held out (fold {inside[0]} for one)",
            "synthetic records in training folds only were expected",
            "draw them from training records, or hold out other folds",
        )


def _check_patients(real: pandas.Series, synthetic: pandas.Series) -> None:
    """An InputError where a synthetic record has the number of a patient who is held out."""
    both = set(real.str.removesuffix(".0")) & set(synthetic.str.removesuffix(".0"))
    if both:
        raise InputError(
            f"{len(both)} patients who are held out have synthetic records too (patient {min(both)} for one)",
            "new patients in the synthetic folder were expected",
            "draw the records anew with ecggen augment",
        )


def _list(folds: Sequence[int]) -> str:
    return ", ".join(map(str, folds))
