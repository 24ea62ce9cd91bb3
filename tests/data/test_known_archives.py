"""Archives as published: they are recognised by their files, and their usable recordings are read in right units."""

import shutil

import numpy as np
import pytest
import torch
import wfdb
from conftest import SAMPLES

from ecggen import data, read, write
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.simulate import simulate
from ecggen.data import challenges, ludb
from ecggen.data.pack import fold_of
from ecggen.data.sources import archive
from ecggen.report.inputs.discovery import list_entries
from ecggen.report.inputs.open import FileDefaults

GAINS = (1716, 1206, 1229, 1368, 1368, 698, 1372, 1572, 2259, 2317, 2074, 1457)
"""Wrong gains in the header of LUDB's record 1, in steps per mV."""


def ludb_folder(place, numbers=(2, 10)):
    """Records as in LUDB: microvolts, a header with other gains, and an annotation file for each lead."""
    (place / "data").mkdir(parents=True)
    for number in numbers:
        micro = np.round(1000 * simulate(1, fs=500, seed=number).standard().signal[0].numpy()).astype(int).T
        name, names = str(number), [lead.lower() for lead in STANDARD_LEADS]
        about = ["<age>: 51", "<sex>: F", "<diagnoses>:", "Rhythm: Sinus rhythm."]
        wfdb.wrsamp(
            name, 500, ["mV"] * 12, names, d_signal=micro, fmt=["16"] * 12, adc_gain=list(map(float, GAINS)),
            baseline=[0] * 12, comments=about, write_dir=str(place / "data"),
        )  # fmt: skip
        wfdb.wrann(name, "atr", np.array([500, 520, 540]), ["(", "N", ")"], write_dir=str(place / "data"))
        for lead in names:  # wfdb writes no file with a digit in its suffix
            shutil.copy(place / "data" / f"{name}.atr", place / "data" / f"{name}.{lead}")
    return place


def test_ludb_is_read_in_microvolts_despite_its_gains(tmp_path):
    folder = ludb_folder(tmp_path)
    assert archive(folder) == archive(folder / "data") == "ludb"
    second, tenth = data.recordings(folder)
    assert (second.name, tenth.name, second.patient, second.fold) == ("2", "10", "2", fold_of("2"))
    assert (second.age, second.sex) == (51.0, 1.0)
    true = simulate(1, fs=500, seed=2).standard()
    found = second.read()
    assert found.leads == STANDARD_LEADS and float((found.signal - true.signal).abs().max()) < 0.001
    assert float(found.law_residual().abs().max()) < 0.003
    assert torch.equal(second.read(4, 2).signal, found.crop(4, 2).signal)
    assert torch.equal(ludb.read(folder).ecg[:1].signal, found.signal)
    wrong = read(second.path, check=False, allow_contradiction=True)
    assert float((wrong.signal - true.signal).abs().max()) > 0.1


def test_a_report_reads_ludb_with_right_gains(tmp_path):
    found = list_entries(ludb_folder(tmp_path), FileDefaults())
    assert [entry.name for entry in found] == ["2", "10"] and found[0].patient
    (record,) = found[0].load()
    assert torch.equal(record.ecg.signal, ludb.read(tmp_path).ecg[0].signal)


def test_the_pack_of_ludb_has_right_gains(tmp_path):
    packed = data.pack(data.recordings(ludb_folder(tmp_path / "ludb")), Preprocessor(), tmp_path / "cache")
    expected = Preprocessor().ecg(simulate(1, fs=500, seed=2).pick("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"))
    np.testing.assert_allclose(packed.ecg([0]).signal, expected.signal, atol=0.003)


def challenge_2011(place, listed):
    place.mkdir()
    for seed, name in enumerate(("100", "200", "300")):
        write(simulate(1, seed=seed), place / f"{name}.hea")
    for name, text in listed.items():
        (place / name).write_text(text)
    return place


@pytest.mark.parametrize(
    "listed",
    [
        {"RECORDS-acceptable": "100\n300\n", "RECORDS-unacceptable": "200\n"},
        {"quality.csv": "record,quality\n100,acceptable\n200,unacceptable\n300,acceptable\n"},
    ],
)
def test_only_acceptable_records_of_2011_are_recordings(listed, tmp_path):
    folder = challenge_2011(tmp_path / "set-a", listed)
    assert archive(folder) == "cinc2011"
    assert [one.name for one in data.recordings(folder)] == ["100", "300"]


def test_a_table_without_judgements_is_not_the_challenge_2011(tmp_path):
    folder = challenge_2011(tmp_path / "mine", {"quality.csv": "name,noise\n100,low\n"})
    assert archive(folder) == ""
    assert {"100", "200", "300"} <= {one.name for one in data.recordings(folder)}


def monitor(place, name, signals):
    count, samples = len(signals), np.random.default_rng(0).normal(size=(2500, len(signals)))
    wfdb.wrsamp(name, 125, ["mV"] * count, list(signals), p_signal=samples, fmt=["16"] * count, write_dir=str(place))


def test_records_of_2015_with_lead_ii_and_a_ppg_are_pairs(tmp_path):
    for name, signals in (("a103l", ("II", "PLETH")), ("v100s", ("II", "V", "PLETH")), ("b200s", ("III", "ABP"))):
        monitor(tmp_path, name, signals)
    assert archive(tmp_path) == "cinc2015"
    found = data.recordings(tmp_path)
    assert [(one.name, one.paired, one.fold) for one in found] == [
        ("a103l", True, fold_of("a103l")),
        ("v100s", True, fold_of("v100s")),
    ]


def test_hospitals_of_2021_are_told_by_the_name(tmp_path):
    (tmp_path / "georgia").mkdir()
    for file in SAMPLES.glob("E00001.*"):
        shutil.copy(file, tmp_path / "georgia")
    shutil.copy(SAMPLES / "Q0012.mat", tmp_path)
    shutil.copy(SAMPLES / "Q0012.hea", tmp_path)
    assert archive(tmp_path) == "cinc2021"
    names = [one.name for one in data.recordings(tmp_path)]
    assert [(name, challenges.hospital(name)) for name in names] == [
        ("Q0012", "CPSC-Extra"),
        ("georgia/E00001", "Georgia"),
    ]
    assert challenges.hospital("JS00001") == "Chapman-Shaoxing, Ningbo" and challenges.hospital("HR00001") == "PTB-XL"
    write(simulate(1), tmp_path / "another.hea")
    assert archive(tmp_path) == ""


def test_other_folders_are_no_archive(tmp_path):
    (tmp_path / "ludb").mkdir()
    write(simulate(1), tmp_path / "ludb" / "1.hea")
    assert archive(tmp_path / "ludb") == "" and archive(SAMPLES / "bidmc") == "bidmc"
    (one,) = data.recordings(tmp_path / "ludb")
    assert type(one) is data.Recording
