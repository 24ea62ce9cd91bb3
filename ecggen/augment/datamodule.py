"""A Lightning data module that trains on real and synthetic records and tests on real records only.

The benefit of augmentation can only be measured on real records of patients outside the training set. The data module
therefore refuses synthetic records in the validation and test folds, and patients who are in training folds as well.
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
    """Real records of a folder in PTB-XL's format, with synthetic records added to the training set.

    A batch is an ``ecggen.augment.labelled.Item``: signal (batch, 12, time) in mV, labels (batch, label) and synthetic
    (batch,).

    Args:
        real: PTB-XL, or a folder in its format.
        synthetic: A folder written by ``ecggen augment``, a data set such as ``DrawnRecords``, or None.
        labels: "superclasses", "subclasses", "statements", or names of classes.
        share: Share of the training items that is synthetic, at least 0 and below 1.
        train_folds: Folds for training.
        validation_folds: Folds for validation.
        test_folds: Folds for testing.
        batch: Batch size.
        workers: Number of loading processes.
        seed: Seed of the order.
        preprocessor: Filter, sampling rate and length; by default ten seconds at 100 Hz, 0.5–40 Hz.
        cache: Folder of packed data sets; ``~/.cache/ecggen`` by default.
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
        """Pack the folders; Lightning calls this once per node."""
        packed_folder(self.real, self.preprocessor, self.cache)
        if isinstance(self.synthetic, Path | str):
            packed_folder(self.synthetic, self.preprocessor, self.cache)

    def setup(self, stage: str | None = None) -> None:
        """Open the packs and check for leakage.

        Raises:
            InputError: If folds overlap or are empty, or if a record for validation or testing is synthetic or of a
                patient in the training set.
        """
        if self.mixed is not None:
            return
        held_out = [*self.validation_folds, *self.test_folds]
        if both := sorted(set(self.train_folds) & set(held_out)):
            raise InputError(f"fold {both[0]} is in the training set and held out", "disjoint folds were expected")
        pack = packed_folder(self.real, self.preprocessor, self.cache)
        self._check_held_out(pack, held_out)
        train, self.validation, self.test = (
            self._records(pack, folds) for folds in (self.train_folds, self.validation_folds, self.test_folds)
        )
        synthetic = self._synthetic(pack, held_out)
        self.mixed = Mixed(train, synthetic, self.share if synthetic is not None else 0.0, self.seed)

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the columns of ``labels``."""
        return self._mixed.label_names

    @property
    def synthetic_per_epoch(self) -> int:
        """Number of synthetic records in a training epoch."""
        return self._mixed.synthetic_per_epoch

    def train_dataloader(self) -> DataLoader:
        """Real and synthetic records, reshuffled in each epoch."""
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return self._loader(self._mixed, Order(self._mixed, self.seed, rank, world))

    def val_dataloader(self) -> DataLoader:
        """Real records for validation."""
        return self._loader(self.validation)

    def test_dataloader(self) -> DataLoader:
        """Real records for testing."""
        return self._loader(self.test)

    @property
    def _mixed(self) -> Mixed:
        if self.mixed is None:
            self.prepare_data()
            self.setup()
        assert self.mixed is not None
        return self.mixed

    def _loader(self, records: Mixed | PackedRecords, order: Order | None = None) -> DataLoader:
        keep = self.workers > 0
        return DataLoader(records, self.batch, sampler=order, num_workers=self.workers, persistent_workers=keep)

    def _records(self, pack: Pack, folds: Sequence[int]) -> PackedRecords:
        rows = pack.rows(folds)
        if not len(rows):
            raise InputError(f"{self.real} has no record in folds {_list(folds)}", "at least one was expected")
        return PackedRecords(pack, rows, self.labels)

    def _synthetic(self, real: Pack, held_out: Sequence[int]) -> Records | None:
        """The synthetic records; none may be in a held-out fold or of a held-out patient."""
        if isinstance(self.synthetic, Path | str):
            pack = packed_folder(self.synthetic, self.preprocessor, self.cache)
            _check_folds(pack.index.fold, held_out)
            _check_patients(real.index[real.index.fold.isin(list(held_out))].patient, pack.index.patient)
            return PackedRecords(pack, None, self.labels, synthetic=True)
        if isinstance(self.synthetic, DrawnRecords):
            _check_folds([request.fold for request in self.synthetic.requests], held_out)
        return self.synthetic

    def _check_held_out(self, pack: Pack, held_out: Sequence[int]) -> None:
        names = set(pack.index.name[pack.index.fold.isin(list(held_out))])
        found = next((one for one in recordings(self.real) if one.name in names and is_synthetic(one)), None)
        if found is not None:
            raise InputError(
                f"record {found.name} of fold {found.fold} is synthetic",
                "only real records were expected in the folds for validation and testing",
                "pass the synthetic records as a separate folder",
            )


def is_synthetic(recording: Recording) -> bool:
    """Whether the file of a recording states that it contains generated leads."""
    if recording.path.suffix == ".hea":
        return Provenance.parse(recording.path.read_text(errors="replace").splitlines()) is not None
    return read(recording.path, check=False, allow_contradiction=True).provenance is not None


def _check_folds(folds: Iterable[int], held_out: Sequence[int]) -> None:
    """Raise an InputError if synthetic records are in a held-out fold."""
    inside = [fold for fold in folds if fold in held_out]
    if inside:
        raise InputError(
            f"{len(inside)} synthetic records are in held-out folds (fold {inside[0]} for one)",
            "synthetic records in training folds only were expected",
            "generate them from training records, or hold out other folds",
        )


def _check_patients(real: pandas.Series, synthetic: pandas.Series) -> None:
    """Raise an InputError if a synthetic record has the identifier of a held-out patient."""
    both = set(real.str.removesuffix(".0")) & set(synthetic.str.removesuffix(".0"))
    if both:
        raise InputError(
            f"{len(both)} held-out patients have synthetic records as well (patient {min(both)} for one)",
            "new patients in the synthetic folder were expected",
            "generate the records again with ecggen augment",
        )


def _list(folds: Sequence[int]) -> str:
    return ", ".join(map(str, folds))
