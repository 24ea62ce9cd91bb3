"""The output of ``ecggen augment``, read the way other software reads PTB-XL and Challenge data, without ecggen.

The loaders follow PTB-XL's published example, its benchmark, toolboxes that list a folder's records, and the helper
code of the PhysioNet Challenges; each is reimplemented here.
"""

import ast
import re
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
import scipy.io
import wfdb
from conftest import tiny
from sklearn.preprocessing import MultiLabelBinarizer
from trainable import RARE, training_folder

from ecggen import cli
from ecggen.generators import checkpoint

N = 12
LEADS = ["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]


def augment(*words):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ecggen", "augment", *map(str, words)])
        try:
            cli.main()
        except SystemExit as end:
            assert not end.code, words


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A training folder, records of a class at both rates, records of evened-out classes at the model's own, .mat."""
    base = tmp_path_factory.mktemp("outside")
    real = training_folder(base / "real")
    checkpoint.save(tiny("flow"), base / "flow")
    common = ("--data", real, "--model", base / "flow", "--classifier", "none", "--cache", base / "cache")
    augment(*common, "--class", "AFIB", "-n", N, "--high", "--out", base / "afib")
    augment(*common, "--balance", "superclasses", "--out", base / "even")
    augment(*common, "--class", "MI", "--class", "AFIB", "-n", 6, "--format", "challenge", "--out", base / "challenge")
    return {name: base / name for name in ("real", "afib", "even", "challenge")}


def table_of(folder: Path) -> pandas.DataFrame:
    table = pandas.read_csv(folder / "ptbxl_database.csv", index_col="ecg_id")
    table.scp_codes = table.scp_codes.apply(ast.literal_eval)
    return table


def samples_of(folder: Path, names) -> np.ndarray:
    return np.array([wfdb.rdsamp(f"{folder}/{name}")[0] for name in names])


def aggregated(folder: Path, table: pandas.DataFrame, column: str) -> pandas.Series:
    """Each record's superclasses or subclasses, by the folder's own table of statements."""
    sorts = pandas.read_csv(folder / "scp_statements.csv", index_col=0)
    sorts = sorts[sorts.diagnostic == 1]
    return table.scp_codes.apply(
        lambda codes: sorted({sorts.loc[code][column] for code in codes if code in sorts.index})
    )


def test_reading_as_in_the_published_example(folders):
    folder = folders["afib"]
    table = table_of(folder)
    assert len(table) == N
    for names, rate in ((table.filename_lr, 100), (table.filename_hr, 500)):
        samples = samples_of(folder, names)
        assert samples.shape == (N, 4 * rate, 12) and np.isfinite(samples).all()
        assert 0.01 < samples.std() < 5  # mV
        limb = samples[..., :3]
        assert np.abs(limb[..., 2] - (limb[..., 1] - limb[..., 0])).max() < 2.1e-3  # III = II − I, in steps of 1 µV
    about = wfdb.rdheader(f"{folder}/{table.filename_lr.iloc[0]}")
    assert (about.sig_name, about.units, about.fs) == (LEADS, ["mV"] * 12, 100)
    assert all(set(codes) == set(RARE) for codes in table.scp_codes)
    assert aggregated(folder, table, "diagnostic_class").tolist() == [["CD"]] * N


def test_a_split_by_folds_puts_all_of_it_into_training(folders):
    for name in ("afib", "even"):
        table = table_of(folders[name])
        assert table.strat_fold.between(1, 8).all()
        assert table.strat_fold.nunique() > 1
        real = table_of(folders["real"])
        both = pandas.concat([real, table])
        train, test = both[both.strat_fold <= 8], both[both.strat_fold == 10]
        assert not set(train.patient_id) & set(test.patient_id)
        assert set(test.index) <= set(real.index)


def test_both_folders_can_be_merged(folders):
    """Numbers of records and patients and file names are unique."""
    real, made = table_of(folders["real"]), table_of(folders["afib"])
    for column in ("patient_id", "filename_lr", "filename_hr"):
        assert not set(real[column].dropna()) & set(made[column].dropna())
        assert made[column].is_unique
    assert not set(real.index) & set(made.index)
    assert list(real.columns) == list(made.columns)


def test_columns_have_the_types_of_the_training_data(folders):
    real, made = table_of(folders["real"]), table_of(folders["afib"])
    for column in ("patient_id", "age", "sex", "strat_fold", "validated_by_human", "second_opinion"):
        assert made[column].dtype == real[column].dtype, column
        assert made[column].notna().all(), column
    assert made.sex.isin((0, 1)).all() and made.age.between(0, 300).all()
    assert made.report.map(type).eq(str).all() and made.report.str.contains("fibrillation|AF", case=False).any()
    assert made.device.str.contains("SYNTHETIC").all()
    assert not made.validated_by_human.any()
    assert all(isinstance(value, float) for codes in made.scp_codes for value in codes.values())


def test_listing_as_in_toolboxes(folders):
    """Names of five digits and more, patients as whole numbers, paths without a suffix."""
    folder = folders["even"]
    table = pandas.read_csv(folder / "ptbxl_database.csv")
    names = table.ecg_id.apply(lambda number: f"{number:05d}")
    patients = table.patient_id.astype(int)
    assert (patients.astype(float) == table.patient_id).all() and patients.is_unique
    for name, path in zip(names, table.filename_lr, strict=True):
        assert re.fullmatch(r"records100/\d{5,}/\d{5,}_lr", path) and Path(path).name == f"{name}_lr"
        assert (folder / path).with_suffix(".dat").is_file() and (folder / path).with_suffix(".hea").is_file()
    assert len(list(folder.rglob("*.dat"))) == len(table)
    statements = pandas.read_csv(folder / "scp_statements.csv", index_col=0)
    for codes in table.scp_codes.apply(ast.literal_eval):
        assert not statements.loc[list(codes)].description.isna().any()


def test_labels_as_in_the_benchmark(folders):
    real, made = table_of(folders["real"]), table_of(folders["even"])
    binarizer = MultiLabelBinarizer().fit(aggregated(folders["real"], real, "diagnostic_class"))
    counts = binarizer.transform(aggregated(folders["real"], real[real.strat_fold <= 8], "diagnostic_class")).sum(0)
    more = binarizer.transform(aggregated(folders["even"], made, "diagnostic_class")).sum(0)
    after = dict(zip(binarizer.classes_, (counts + more).tolist(), strict=True))
    before = dict(zip(binarizer.classes_, counts.tolist(), strict=True))
    assert set(after) == {"CD", "HYP", "MI", "NORM", "STTC"}
    assert min(after.values()) >= max(before.values()) > min(before.values())


def test_reading_as_in_the_challenges(folders):
    headers = sorted(folders["challenge"].glob("*.hea"))
    assert len(headers) == 6
    for header in headers:
        lines = header.read_text().splitlines()
        name, leads, rate, samples = lines[0].split()[:4]
        assert (name, leads, rate, samples) == (header.stem, "12", "100", "400")
        values = np.asarray(scipy.io.loadmat(header.with_suffix(".mat"))["val"], float)
        assert values.shape == (12, 400)
        channels = [line.split() for line in lines[1:13]]
        gains = [float(channel[2].split("/")[0]) for channel in channels]
        assert set(gains) == {1000.0} and [channel[8].upper() for channel in channels] == LEADS
        millivolts = values / np.array(gains)[:, None]
        again, about = wfdb.rdsamp(str(header.with_suffix("")))
        np.testing.assert_allclose(again.T, millivolts, atol=1e-9)
        assert about["fs"] == 100
        for mark in ("#", "# "):  # programs of 2020 look for "#Dx", those of 2021 for "# Dx" too
            said = dict(
                line.removeprefix(mark).split(": ", 1) for line in lines[13:] if re.match(rf"{mark}\w+: ", line)
            )
            assert {"Age", "Sex", "Dx", "Rx", "Hx", "Sx"} <= set(said)
            assert 0 <= float(said["Age"]) <= 120 and said["Sex"] in ("Male", "Female")
            assert all(code.isdecimal() for code in said["Dx"].split(","))
        assert {"164889003", "164865005", "164861001"} & set(said["Dx"].split(","))
        assert any("SYNTHETIC" in line for line in lines)
