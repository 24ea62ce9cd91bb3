"""Real and synthetic records in one data set: content of each epoch, loading by several workers, and leakage."""

import pickle
import socket
from dataclasses import dataclass, replace

import lightning
import numpy as np
import pytest
import torch
from conftest import tiny
from torch.utils.data import DataLoader, DistributedSampler

from ecggen.augment import on_the_fly as drawing
from ecggen.augment.augmenter import Augmenter
from ecggen.augment.datamodule import AugmentedData
from ecggen.augment.labelled import Item, PackedRecords, label_set
from ecggen.augment.mixed import Mixed, Order
from ecggen.augment.on_the_fly import DrawnRecords
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, STANDARD_LEADS, Provenance
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.data.population import Population
from ecggen.data.ptb_xl import PtbXlFolder
from ecggen.io import read
from ecggen.io.metadata import About

MADE = Provenance((), STANDARD_LEADS, "flow 1234abcd", 7, "atrial fibrillation")
SHORT = Preprocessor(seconds=4)
CODES = (("NORM", "SR"), ("AFIB", "IMI"), ("LVH",), ())
PER_FOLD = 4


def folder_of(path, folds, first, provenance=None):
    """A PTB-XL-shaped folder with four records in each fold, every one of its own patient."""
    folder, ecgs = PtbXlFolder(path), simulate(PER_FOLD * len(folds), seconds=4, seed=first)
    for at in range(len(ecgs)):
        about = About(50 + at, "FM"[at % 2], CODES[at % 4], "report", str(first + at), folds[at // PER_FOLD])
        folder.add(replace(ecgs[at], provenance=provenance), about)
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("folders")
    real = folder_of(base / "real", (1, 2, 9, 10), 100)
    return real, folder_of(base / "made", (1, 2), 90000, MADE), base / "cache"


@pytest.fixture(scope="module")
def packed(folders):
    real, made, cache = folders
    return (
        PackedRecords.of(real, (1, 2), preprocessor=SHORT, cache=cache),
        PackedRecords.of(made, synthetic=True, preprocessor=SHORT, cache=cache),
    )


@pytest.fixture(scope="module")
def augmenter():
    return Augmenter(tiny("flow"), seed=5)


@pytest.fixture(scope="module")
def requests(packed):
    return Population.of(packed[0].pack, packed[0].rows).any(70, seed=1)


CONNECT = socket.socket.connect


@pytest.fixture
def own_sockets(monkeypatch):
    """Workers pass batches through local sockets; any other connection is a failure."""

    def connect(own, address):
        assert own.family == socket.AF_UNIX, f"a network connection to {address} was tried"
        return CONNECT(own, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


def refusal(action, *args, **options) -> str:
    with pytest.raises(InputError) as caught:
        action(*args, **options)
    return str(caught.value)


def prints(batches) -> list[bytes]:
    """The signals of all batches, in their order."""
    return [one.numpy().tobytes() for batch in batches for one in batch.signal]


# Records of a folder


def test_an_item_is_the_record_of_its_file(folders, packed):
    records = packed[0]
    assert len(records) == 8
    for index in (0, 5):
        item = records[index]
        truth = SHORT.ecg(read(folders[0] / f"records100/00000/{index + 1:05d}_lr")).signal[0]
        assert item.signal.shape == (12, 400) and item.signal.dtype == torch.float32
        # Of eight leads in steps of 1 µV the twelve follow: aVR and the like are off by up to 1.5 µV
        assert float((item.signal - truth).abs().max()) < 2.1e-3
        assert not item.synthetic
    assert packed[1][0].synthetic


@pytest.mark.parametrize(
    ("labels", "names", "rows"),
    [
        ("superclasses", ("CD", "HYP", "MI", "NORM", "STTC"), [[0, 0, 0, 1, 0], [0, 0, 1, 0, 0], [0, 1, 0, 0, 0]]),
        (["afib", "MI", "AMI"], ("afib", "MI", "AMI"), [[0, 0, 0], [1, 1, 0], [0, 0, 0]]),
    ],
)
def test_labels_follow_from_statements(packed, labels, names, rows):
    records = PackedRecords(packed[0].pack, packed[0].rows, labels)
    assert records.label_names == names
    assert [records[index].labels.tolist() for index in range(3)] == rows
    assert records[3].labels.sum() == 0


def test_every_statement_is_a_label_of_its_own(packed):
    records = PackedRecords(packed[0].pack, packed[0].rows, "statements")
    assert len(records.label_names) == 71
    held = [records.label_names[at] for at in records[1].labels.nonzero()[:, 0]]
    assert sorted(held) == ["AFIB", "IMI"]
    assert len(label_set("subclasses")) == 23


def test_a_copy_for_a_worker_carries_no_samples(packed):
    whole = PackedRecords(packed[0].pack)
    sent = pickle.dumps(whole)
    assert len(sent) < packed[0].pack.signal.nbytes / 4
    assert torch.equal(pickle.loads(sent)[3].signal, whole[3].signal)


# Mixed


@pytest.mark.parametrize(("share", "made"), [(0.0, 0), (0.2, 2), (0.5, 8), (0.8, 32)])
def test_every_real_record_comes_once_and_the_share_is_kept(packed, share, made):
    mixed = Mixed(*packed, share=share)
    assert len(mixed) == 8 + made
    items = list(mixed)
    assert sum(item.synthetic for item in items) == made
    real = {item.signal.numpy().tobytes() for item in items if not item.synthetic}
    assert real == {item.signal.numpy().tobytes() for item in (packed[0][at] for at in range(8))}


def test_synthetic_records_all_come_before_any_comes_again(packed):
    mixed = Mixed(*packed, share=1 / 4, seed=3)  # 3 of 8 an epoch
    came = []
    for epoch in range(8):
        mixed.set_epoch(epoch)
        came += [mixed.synthetic_at(place) for place in range(mixed.synthetic_per_epoch)]
    assert len(came) == 24
    rounds = [came[start : start + 8] for start in (0, 8, 16)]
    assert all(sorted(one) == list(range(8)) for one in rounds)
    assert rounds[0] != rounds[1]
    other = Mixed(*packed, share=1 / 4, seed=4)
    assert [other.synthetic_at(place) for place in range(3)] != came[:3]


# A spawned worker imports everything anew, which takes seconds: one must do.
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize(("start", "workers"), [("fork", 2), ("spawn", 1)])
def test_persistent_workers_load_the_same_as_one_process(packed, start, workers, own_sockets):
    mixed = Mixed(*packed, share=0.5)
    order = Order(mixed, seed=2)
    options = {"batch_size": 4, "sampler": order}
    alone = DataLoader(mixed, **options)
    shared = DataLoader(mixed, **options, num_workers=workers, persistent_workers=True, multiprocessing_context=start)
    seen = []
    for epoch in (0, 1, 5):
        order.set_epoch(epoch)
        seen.append(prints(alone))
        assert prints(shared) == seen[-1]
    assert seen[0] != seen[1]


def test_a_batch_is_an_item_of_tensors(packed):
    batch = next(iter(DataLoader(Mixed(*packed), batch_size=16)))
    assert isinstance(batch, Item)
    signal, labels, synthetic = batch
    assert signal.shape == (16, 12, 400) and labels.shape == (16, 5)
    assert synthetic.dtype == torch.bool and synthetic.tolist() == [False] * 8 + [True] * 8


@pytest.mark.parametrize("sampler", [Order, lambda mixed, rank, world: DistributedSampler(mixed, world, rank)])
def test_processes_share_an_epoch_without_overlap(packed, sampler):
    mixed = Mixed(*packed, share=0.2)
    parts = [list(sampler(mixed, rank=rank, world=2)) for rank in range(2)]
    assert sorted(parts[0] + parts[1]) == list(range(10))


def test_an_uneven_epoch_gives_every_process_as_many(packed):
    parts = [list(Order(Mixed(*packed, share=0.2), rank=rank, world=3)) for rank in range(3)]
    assert [len(part) for part in parts] == [4, 4, 4]
    assert set().union(*parts) == set(range(10))


def test_synthetic_records_keep_their_order_among_shuffled_real_ones(packed):
    mixed = Mixed(*packed, share=0.5)
    order = Order(mixed, seed=1)
    epochs = []
    for epoch in (0, 1):
        order.set_epoch(epoch)
        epochs.append(list(order))
    for one in epochs:
        assert sorted(one) == list(range(16))
        assert [at for at in one if at >= 8] == list(range(8, 16))
        assert one[:8] != list(range(8))
    assert epochs[0] != epochs[1]


def test_incompatible_data_sets_are_refused(packed, augmenter, requests):
    real, made = packed
    assert "share of synthetic records is 1" in refusal(Mixed, real, made, 1.0)
    assert "there is no set of labels 'superclass'" in refusal(PackedRecords, real.pack, None, "superclass")
    assert "did you mean" in refusal(PackedRecords, real.pack, None, ["AFIBB"])
    others = PackedRecords(made.pack, None, "subclasses")
    assert "the same labels were expected" in refusal(Mixed, real, others)
    long = PackedRecords(replace(real.pack, preprocessor=Preprocessor()), real.rows)
    found = refusal(Mixed, long, DrawnRecords(augmenter, requests))
    assert "1000 samples at 100 Hz, the synthetic ones 400 samples at 100 Hz" in found


def test_folds_without_records_are_refused(folders):
    real, _, cache = folders
    found = refusal(PackedRecords.of, real, (3, 4), preprocessor=SHORT, cache=cache)
    assert "has no record in folds 3, 4" in found


# Generated on access


def test_a_record_does_not_depend_on_the_order_of_access(augmenter, requests):
    one, other = (DrawnRecords(augmenter, requests) for _ in range(2))
    forwards = [one[index] for index in range(len(requests))]
    for index in reversed(range(len(requests))):
        again = other[index]
        assert torch.equal(again.signal, forwards[index].signal)
        assert torch.equal(again.labels, forwards[index].labels)
    assert len({item.signal.numpy().tobytes() for item in forwards}) == len(requests)
    assert all(item.synthetic and item.signal.shape == (12, 400) for item in forwards)
    assert [item.labels.tolist() for item in forwards] == one.labels.tolist()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_workers_draw_what_one_process_draws(packed, augmenter, requests, own_sockets):
    mixed = Mixed(packed[0], DrawnRecords(augmenter, requests[:9]), share=0.5)
    shared = DataLoader(mixed, 4, num_workers=2, multiprocessing_context="fork")
    assert prints(shared) == prints(DataLoader(mixed, 4))
    copy = pickle.loads(pickle.dumps(mixed))
    assert torch.equal(copy[12].signal, mixed[12].signal)


def test_each_epoch_takes_further_requests(packed, augmenter, requests):
    mixed = Mixed(packed[0], DrawnRecords(augmenter, requests), share=0.8)
    came = []
    for epoch in range(3):
        mixed.set_epoch(epoch)
        came += [mixed.synthetic_at(place) for place in range(32)]
    assert came == [at % 70 for at in range(96)]


@dataclass
class Flat:
    """Generates record n as a constant n µV, refuses some, and counts the draws."""

    refuses: frozenset = frozenset()
    seed: int = 0
    drawn: int = 0
    classifier: None = None
    rules: None = None

    def __post_init__(self):
        self.generator = tiny("vae")

    def draw(self, requests):
        self.drawn += len(requests)
        return [
            Answer(None if request.index in self.refuses else flat(request.index + self.seed)) for request in requests
        ]


@dataclass
class Answer:
    ecg: ECG | None


def flat(micro):
    return ECG(torch.full((1, 8, 400), micro / 1000), INDEPENDENT_LEADS, 100.0)


def value(item) -> int:
    return round(1000 * float(item.signal[0, 0]))


def test_a_refused_record_is_replaced_by_the_next_of_its_block(requests):
    records = DrawnRecords(Flat(frozenset({0, 1, 63, 64})), requests, "statements")
    for index, stands in ((0, 2), (1, 2), (5, 5), (62, 62), (63, 2), (64, 65)):
        item = records[index]
        assert value(item) == stands
        assert torch.equal(item.labels, records.labels[stands])
    none = DrawnRecords(Flat(frozenset(range(70))), requests)
    assert "every draw in the block of request 3 was refused" in refusal(none.__getitem__, 3)
    assert "there are no requests" in refusal(DrawnRecords, Flat(), [])


def test_a_cache_folder_is_specific_to_model_and_seed(requests, tmp_path):
    first, second, third = Flat(frozenset({3})), Flat(frozenset({3})), Flat(seed=9)
    [DrawnRecords(first, requests, cache=tmp_path)[index] for index in range(70)]
    again = DrawnRecords(second, requests, cache=tmp_path)
    assert [value(again[index]) for index in (0, 3, 69)] == [0, 4, 69]
    assert (first.drawn, second.drawn) == (70, 0)
    assert value(DrawnRecords(third, requests, cache=tmp_path)[0]) == 9
    assert third.drawn == 64
    fewer = DrawnRecords(second, requests[1:], cache=tmp_path)
    assert value(fewer[0]) == 1 and second.drawn == 64


def test_memory_holds_few_blocks(requests, monkeypatch):
    monkeypatch.setattr(drawing, "BLOCK", 2)
    monkeypatch.setattr(drawing, "IN_MEMORY", 3)
    source = Flat()
    records = DrawnRecords(source, requests)
    assert [value(records[index]) for index in (0, 2, 4, 1, 3, 5)] == [0, 2, 4, 1, 3, 5]
    assert source.drawn == 6
    assert [value(records[index]) for index in (6, 0)] == [6, 0]
    assert source.drawn == 10
    with pytest.raises(IndexError):
        records[70]


# Lightning


class Smallest(lightning.LightningModule):
    """A linear classifier that records its training signals."""

    def __init__(self):
        super().__init__()
        self.head, self.seen = torch.nn.Linear(12, 5), []

    def training_step(self, batch, index):
        self.seen.append((self.current_epoch, int(batch.synthetic.sum()), prints([batch])))
        return torch.nn.functional.binary_cross_entropy_with_logits(self.head(batch.signal.mean(-1)), batch.labels)

    def validation_step(self, batch, index):
        assert not batch.synthetic.any()

    test_step = validation_step

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def data_of(folders, **options):
    real, made, cache = folders
    plain = {"train_folds": (1, 2), "preprocessor": SHORT, "cache": cache, "batch": 4}
    return AugmentedData(real, made, **(plain | options))


@pytest.mark.filterwarnings("ignore")
def test_lightning_trains_on_both_and_tests_on_real_records(folders, tmp_path):
    data, model = data_of(folders, share=0.2), Smallest()
    plain = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(max_epochs=2, default_root_dir=tmp_path, **plain)
    trainer.fit(model, data)
    trainer.test(model, data, verbose=False)
    first, second = ({one for at, _, batch in model.seen if at == epoch for one in batch} for epoch in (0, 1))
    assert len(first) == len(second) == 10
    assert len(first & second) == 8  # real ones come again, synthetic ones are new
    assert sum(made for at, made, _ in model.seen if at == 0) == 2
    assert len(data.test_dataloader().dataset) == len(data.val_dataloader().dataset) == PER_FOLD
    assert data.label_names == ("CD", "HYP", "MI", "NORM", "STTC")


def test_without_synthetic_records_it_is_a_plain_data_module(folders):
    real, _, cache = folders
    data = AugmentedData(real, train_folds=(1,), preprocessor=SHORT, cache=cache)
    assert len(data.train_dataloader().dataset) == PER_FOLD


def test_records_drawn_on_the_fly_are_trained_on_too(folders, augmenter, requests):
    real, _, cache = folders
    drawn = DrawnRecords(augmenter, requests)
    data = AugmentedData(real, drawn, share=0.5, train_folds=(1, 2), preprocessor=SHORT, cache=cache, batch=16)
    assert int(next(iter(data.train_dataloader())).synthetic.sum()) == 8
    data = AugmentedData(real, drawn, train_folds=(9,), validation_folds=(1,), preprocessor=SHORT, cache=cache)
    assert "are in held-out folds (fold 1 for one)" in refusal(data.setup)


def test_no_synthetic_record_and_no_patient_leaks_into_the_test_set(folders, tmp_path):
    real, _, cache = folders
    assert "fold 2 is in the training set and held out" in refusal(data_of(folders, test_folds=(2,)).setup)
    assert "has no record in folds 7" in refusal(data_of(folders, train_folds=(7,)).setup)
    tested = folder_of(tmp_path / "tested", (1, 10), 90000, MADE)
    assert "4 synthetic records are in held-out folds (fold 10 for one)" in refusal(
        data_of((real, tested, cache)).setup
    )
    known = folder_of(tmp_path / "known", (1,), 108, MADE)  # patients of the real fold 9
    assert "4 held-out patients have synthetic records as well (patient 108 for one)" in refusal(
        data_of((real, known, cache)).setup
    )
    joined = folder_of(tmp_path / "joined", (1, 9, 10), 100)
    folder, ecg = PtbXlFolder(joined), simulate(1, seconds=4)
    folder.add(replace(ecg, provenance=MADE), About(50, "F", ("SR",), "", "90001", 9))
    assert "record 00013 of fold 9 is synthetic" in refusal(data_of((joined, None, cache), train_folds=(1,)).setup)
    torn = folder_of(tmp_path / "torn", (1, 9, 10), 100)
    PtbXlFolder(torn).add(replace(ecg, provenance=None), About(50, "F", ("SR",), "", "100", 9))
    assert "1 patients have records in several folds" in refusal(data_of((torn, None, cache), train_folds=(1,)).setup)


def test_all_copies_share_the_epoch(packed):
    mixed = Mixed(*packed, share=0.2)
    mixed.set_epoch(3)
    copy = pickle.loads(pickle.dumps(mixed))
    np.testing.assert_array_equal([copy.synthetic_at(at) for at in (0, 1)], [mixed.synthetic_at(at) for at in (0, 1)])
