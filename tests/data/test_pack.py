"""Packs: the records of a folder, preprocessed once, written atomically, without leakage of patients."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pandas
import pytest
import torch

from ecggen import InputError, data, write
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.simulate import simulate
from ecggen.data.batches import Batches

SHORT = Preprocessor(seconds=4)


@pytest.fixture
def folder(tmp_path):
    """Six recordings of 9 s at 250 Hz, one of 3 s, and a text file that is none."""
    place = tmp_path / "recordings"
    place.mkdir()
    for i in range(6):
        write(replace(simulate(1, seconds=9, fs=250, seed=i), provenance=None), place / f"heart{i}.hea")
    write(simulate(1, seconds=3, fs=250), place / "short.hea")
    (place / "notes.txt").write_text("none")
    return place


@pytest.fixture
def ptb_xl(tmp_path):
    """A folder as PTB-XL publishes it, with four simulated records."""
    place = tmp_path / "ptb-xl"
    (place / "records100" / "00000").mkdir(parents=True)
    rows = []
    for i in range(1, 5):
        name = f"records100/00000/{i:05d}_lr"
        write(simulate(1, seed=i), place / f"{name}.hea")
        about = {"ecg_id": i, "patient_id": float(100 + i // 3), "age": [56, 300, np.nan, 8][i - 1], "sex": i % 2}
        rows.append(about | {"report": "sinusrhythmus", "strat_fold": 1 + i // 3, "filename_lr": name})
    pandas.DataFrame(rows).to_csv(place / "ptbxl_database.csv", index=False)
    return place


def test_a_plain_folder_is_packed_in_full_windows(folder, tmp_path):
    pack = data.pack(data.recordings(folder), SHORT, tmp_path / "cache")
    assert pack.signal.shape == (12, 8, 400) and len(pack) == 12
    assert list(pack.left_out) == ["short"] and "it lasts 3.00 s" in pack.left_out["short"]
    first = SHORT.ecg(simulate(1, seconds=9, fs=250, seed=0)).standard().pick(*INDEPENDENT_LEADS).crop(4, 4)
    row = pack.index.index[(pack.index.name == "heart0") & (pack.index.start == 4)]
    np.testing.assert_allclose(pack.ecg(row.to_numpy()).signal.numpy(), first.signal.numpy(), atol=0.0021)


def test_a_pack_is_cached_until_anything_changes(folder, tmp_path):
    cache = tmp_path / "cache"
    shares = []
    data.pack(data.recordings(folder), SHORT, cache, shares.append)
    assert shares[-1] == 1.0
    data.pack(data.recordings(folder), SHORT, cache, lambda share: pytest.fail("packed again"))
    data.pack(data.recordings(folder), replace(SHORT, lowpass=30), cache)
    write(simulate(1, seconds=9, fs=250, seed=77), folder / "heart0.hea", overwrite=True)
    data.pack(data.recordings(folder), SHORT, cache)
    assert len(list(cache.iterdir())) == 3


def test_an_interrupted_packing_is_continued(folder, tmp_path, monkeypatch):
    """Also if a part of what was written after the last stored point is lost; the pack is that of one run."""
    packing = import_module("ecggen.data.pack")
    whole = data.pack(data.recordings(folder), SHORT, tmp_path / "whole")
    monkeypatch.setattr(packing, "STORED_EVERY", 2)
    count = len(data.recordings(folder))
    read, windows = [], packing._windows
    monkeypatch.setattr(packing, "_windows", lambda one, *more: (read.append(one.name), windows(one, *more))[1])

    def stop(share):
        if round(share * count) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        data.pack(data.recordings(folder), SHORT, tmp_path / "cache", stop)
    assert len(read) == 3 and not list((tmp_path / "cache").glob("*/pack.json"))
    part = next((tmp_path / "cache").glob("*.part"))
    with (part / "index.csv").open("ab") as index:
        index.write(b"half a li")
    continued = data.pack(data.recordings(folder), SHORT, tmp_path / "cache")
    assert len(read) == 3 + count - 2  # the third is read again
    assert np.array_equal(continued.signal, whole.signal) and continued.index.equals(whole.index)
    assert continued.left_out == whole.left_out
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [""]


def test_a_damaged_unfinished_pack_is_begun_again(folder, tmp_path, monkeypatch):
    packing = import_module("ecggen.data.pack")
    monkeypatch.setattr(packing, "STORED_EVERY", 1)

    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        data.pack(data.recordings(folder), SHORT, tmp_path / "cache", stop)
    part = next((tmp_path / "cache").glob("*.part"))
    (part / "signal.raw").write_bytes(b"")
    continued = data.pack(data.recordings(folder), SHORT, tmp_path / "cache")
    assert np.array_equal(continued.signal, data.pack(data.recordings(folder), SHORT, tmp_path / "whole").signal)


def test_ptb_xl_provides_metadata_folds_and_patients(ptb_xl, tmp_path):
    pack = data.pack(data.recordings(ptb_xl), Preprocessor(), tmp_path / "cache")
    assert pack.rows([1]).tolist() == [0, 1] and pack.rows([2]).tolist() == [2, 3]
    batch = next(iter(Batches(pack, pack.rows([1, 2]), 4)))
    assert batch.condition.metadata[:, :2].tolist() == [[56, 1], [90, 0], [0, 1], [8, 0]]
    assert batch.condition.metadata_mask[:, 0].tolist() == [True, True, False, True]
    assert batch.condition.text == ("sinusrhythmus",) * 4
    torch.testing.assert_close(batch.condition.leads, batch.ecg.standard().signal)


def test_a_patient_in_two_folds_is_refused(ptb_xl, tmp_path):
    table = pandas.read_csv(ptb_xl / "ptbxl_database.csv")
    table["patient_id"] = 7.0
    table.to_csv(ptb_xl / "ptbxl_database.csv", index=False)
    found = data.recordings(ptb_xl)
    with pytest.raises(InputError, match=r"1 patients have records in several folds \(patient 7.0"):
        data.pack(found, Preprocessor(), tmp_path / "cache").rows([1])


def test_a_database_that_lacks_columns(ptb_xl):
    table = pandas.read_csv(ptb_xl / "ptbxl_database.csv").drop(columns=["strat_fold"])
    table.to_csv(ptb_xl / "ptbxl_database.csv", index=False)
    with pytest.raises(InputError, match="lacks the columns strat_fold"):
        data.recordings(ptb_xl)


def test_folders_without_recordings(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        data.recordings(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no recording"):
        data.recordings(tmp_path)


def test_a_plain_folders_split_never_changes(folder):
    folds = {recording.name: recording.fold for recording in data.recordings(folder)}
    write(simulate(1, seconds=9, fs=250), folder / "another.hea")
    again = {recording.name: recording.fold for recording in data.recordings(folder)}
    assert {name: again[name] for name in folds} == folds


def test_batches_are_shuffled_anew_each_epoch_and_shared_between_processes(folder, tmp_path):
    pack = data.pack(data.recordings(folder), SHORT, tmp_path / "cache")
    rows = np.arange(12)

    def seen(rank=0, world=1, epoch=0):
        batches = Batches(pack, rows, 3, seed=1, rank=rank, world=world)
        batches.epoch = epoch
        return [tuple(batch.ecg.signal[:, 0, 7].tolist()) for batch in batches]

    assert seen() == seen() and seen() != seen(epoch=1)
    halves = seen(0, 2) + seen(1, 2)
    assert sorted(x for part in halves for x in part) == sorted(x for part in seen() for x in part)
