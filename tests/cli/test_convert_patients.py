"""``ecggen convert`` on folders of hospital files: beats beside a rhythm, files of one patient, no suffix."""

import csv
import json
import shutil
from pathlib import Path

import pandas
import pydicom
import pytest
from conftest import SAMPLES
from pydicom.uid import generate_uid

from ecggen.core.simulate import simulate
from ecggen.io import About, contents, read, records, rhythms, write

FORMATS = SAMPLES / "formats"
HIDDEN = "SECRET-4711"


def table_of(folder: Path) -> pandas.DataFrame:
    return pandas.read_csv(folder / "ptbxl_database.csv", index_col="ecg_id")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "convert.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def muse(folder: Path, name: str, patient: str, visit: str = "1") -> None:
    """A MUSE file with a rhythm and a median beat."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (FORMATS / "muse.xml").read_text(encoding="latin-1")
    text = text.replace("MRN-0815", patient).replace(
        "<TestDemographics>", f"<Order><VisitNumber>{visit}</VisitNumber></Order><TestDemographics>"
    )
    (folder / name).write_text(text, encoding="latin-1")


def dicom(path: Path, patient: str, seed: int = 0, beat: str | None = None, accession: str = "") -> None:
    """A DICOM file with a rhythm and, with ``beat``, a second group of that label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    [made] = write(simulate(1, seconds=4, fs=500, seed=seed), path.with_name("a.dcm"))
    data = pydicom.dcmread(made)
    data.PatientID, data.AccessionNumber = patient, accession
    if beat is not None:
        [other] = write(simulate(1, seconds=1, fs=500), path.with_name("b.dcm"))
        group = pydicom.dcmread(other).WaveformSequence[0]
        data.WaveformSequence[0].WaveformOriginality = "ORIGINAL"
        group.MultiplexGroupLabel = beat
        data.WaveformSequence.append(group)
        other.unlink()
    data.save_as(path)
    made.unlink()


# F05: median and average beats


def test_a_median_beat_beside_a_rhythm_is_no_record_of_its_own(run, tmp_path):
    muse(tmp_path / "in", "visit.xml", HIDDEN)
    dicom(tmp_path / "in" / "d1.dcm", HIDDEN, beat="MEDIAN BEAT")
    dicom(tmp_path / "in" / "d2.dcm", HIDDEN, beat="")
    shutil.copy(FORMATS / "aecg.xml", tmp_path / "in" / "aecg.xml")
    for file in (tmp_path / "in").iterdir():
        assert len(contents(file)) == 2 and rhythms(file) == []
    assert run("convert", tmp_path / "in", tmp_path / "out", "--format", "npz")[0] == 0
    made = rows(tmp_path / "out")
    assert {row["source"]: row["file"] for row in made} == {
        "aecg.xml": "aecg.npz", "d1.dcm": "d1.npz", "d2.dcm": "d2.npz", "visit.xml": "visit.npz"
    }  # fmt: skip
    assert all("left out" in row["changes"] and row["record"] == "" for row in made)
    for row in made:
        assert read(tmp_path / "out" / row["file"], check=False).seconds >= 2


def test_the_folder_and_the_single_file_give_the_same_record(run, tmp_path):
    muse(tmp_path / "in", "visit.xml", HIDDEN)
    run("convert", tmp_path / "in", tmp_path / "out", "--format", "wfdb")
    run("convert", tmp_path / "in" / "visit.xml", tmp_path / "visit.hea")
    assert (tmp_path / "visit.dat").read_bytes() == (tmp_path / "out" / "visit.dat").read_bytes()


def test_a_file_with_beats_only_and_a_named_beat_are_still_converted(run, tmp_path):
    muse(tmp_path / "in", "visit.xml", HIDDEN)
    file = tmp_path / "in" / "visit.xml"
    assert run("convert", file, tmp_path / "beat.csv", "--record", "median")[0] == 0
    file.write_text(file.read_text("latin-1").replace("<WaveformType>Rhythm", "<WaveformType>Median"), "latin-1")
    assert rhythms(file) == ["median 1", "median 2"]


def test_several_rhythms_of_a_file_stay_several_records(tmp_path):
    write(simulate(3, seconds=4), tmp_path / "records.npz")
    assert rhythms(tmp_path / "records.npz") == ["1", "2", "3"]


# F06: one patient, one pseudonym, one fold


@pytest.fixture
def visits(tmp_path):
    """Four files of patient A in three formats, two of patient B, two without a number."""
    folder = tmp_path / "in"
    dicom(folder / "d1.dcm", HIDDEN, 1, accession="ACC-1")
    dicom(folder / "d2.dcm", f" {HIDDEN.lower()}", 2, accession="ACC-2")
    write(simulate(1, seconds=4, seed=3), folder / "e.edf", about=About(personal={"patient_id": HIDDEN}))
    write(simulate(1, seconds=4, seed=4), folder / "f.xml", about=About(personal={"patient_id": HIDDEN}))
    dicom(folder / "g1.dcm", "B-2", 5)
    dicom(folder / "g2.dcm", "B-2", 6)
    dicom(folder / "h1.dcm", "ANONYMOUS", 7)
    dicom(folder / "h2.dcm", "", 8, accession="ACC-3")
    return folder


GROUPS = [1, 1, 1, 1, 5, 5, 7, 8]


def test_one_number_of_a_patient_gives_one_pseudonym_and_one_fold(visits, run, tmp_path):
    code, text, _ = run("convert", visits, tmp_path / "out", "--format", "ptb-xl")
    assert code == 0
    table = table_of(tmp_path / "out")
    assert table.patient_id.astype(int).tolist() == GROUPS
    assert (table.groupby("patient_id").strat_fold.nunique() == 1).all()
    assert "4 patients in 8 records; 2 without a number of the patient count as patients of their own" in text
    about = json.loads((tmp_path / "out" / "convert.json").read_text())
    assert about["patients"] == {"patients": 4, "records": 8, "without_a_number": 2, "earlier_unreadable": 0}


def test_the_number_of_the_patient_is_kept_nowhere(visits, run, tmp_path):
    run("convert", visits, tmp_path / "out", "--format", "ptb-xl")
    for file in (path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        assert HIDDEN.casefold().encode() not in file.read_bytes().lower(), file


def test_files_of_one_patient_with_other_visit_numbers_stay_together(run, tmp_path):
    muse(tmp_path / "in", "a.xml", HIDDEN, visit="V-1")
    muse(tmp_path / "in", "b.xml", HIDDEN, visit="V-2")
    muse(tmp_path / "in", "c.xml", "OTHER", visit="V-1")
    run("convert", tmp_path / "in", tmp_path / "out", "--format", "ptb-xl")
    assert table_of(tmp_path / "out").patient_id.astype(int).tolist() == [1, 1, 3]


@pytest.mark.parametrize("done", [1, 2, 5, 7])
def test_a_resumed_job_gives_the_same_pseudonyms(visits, run, tmp_path, done):
    """The job is interrupted after ``done`` records; PTB-XL's table has one row more."""
    straight, out = tmp_path / "straight", tmp_path / "out"
    run("convert", visits, straight, "--format", "ptb-xl")
    run("convert", visits, out, "--format", "ptb-xl")
    for name, kept in (("convert.csv", done), ("ptbxl_database.csv", done + 1)):
        lines = (out / name).read_text().splitlines(keepends=True)
        (out / name).write_text("".join(lines[: kept + 1]))
    code, text, _ = run("convert", visits, out, "--format", "ptb-xl", "--resume")
    assert code == 0 and "4 patients in 8 records" in text
    assert (out / "ptbxl_database.csv").read_bytes() == (straight / "ptbxl_database.csv").read_bytes()


def test_a_record_that_is_converted_later_joins_its_patient(visits, run, tmp_path):
    """The first file of a patient was broken, and is mended before the job is resumed."""
    whole = (visits / "d1.dcm").read_bytes()
    (visits / "d1.dcm").write_bytes(whole[:2000])
    out = tmp_path / "out"
    run("convert", visits, out, "--format", "ptb-xl")
    assert table_of(out).patient_id.astype(int).tolist() == [2, 2, 2, 5, 5, 7, 8]
    (visits / "d1.dcm").write_bytes(whole)
    assert run("convert", visits, out, "--format", "ptb-xl", "--resume")[0] == 0
    assert table_of(out).patient_id.astype(int).loc[[1, 2, 3, 4]].tolist() == [2, 2, 2, 2]


def test_an_earlier_file_that_is_gone_is_said(visits, run, tmp_path):
    run("convert", visits, tmp_path / "out", "--format", "ptb-xl")
    (visits / "h2.dcm").write_bytes(b"")
    _, text, _ = run("convert", visits, tmp_path / "out", "--format", "ptb-xl", "--resume")
    assert "1 earlier recordings cannot be read any more" in text


def test_the_pseudonyms_of_a_table_are_kept(run, tmp_path):
    """A folder in PTB-XL's format groups records by its own table."""
    from ecggen.data.ptb_xl import PtbXlFolder

    folder = PtbXlFolder(tmp_path / "in")
    for seed, patient in enumerate(("77", "78", "77")):
        folder.add(simulate(1, seconds=4, seed=seed), About(patient=patient))
    run("convert", tmp_path / "in", tmp_path / "out", "--format", "ptb-xl")
    assert table_of(tmp_path / "out").patient_id.astype(int).tolist() == [77, 78, 77]


# F11: files without a suffix


def test_files_without_suffix_are_found_by_content(run, tmp_path):
    folder = tmp_path / "in"
    dicom(folder / "IM000001", HIDDEN)
    dicom(folder / str(generate_uid()), HIDDEN, 1)
    shutil.copy(FORMATS / "muse.xml", folder / "export")
    shutil.copy(FORMATS / "example.scp", folder / "ECG.0001")
    (folder / "README").write_text("Read me first.\n1,2\n3,4\n")
    (folder / "RECORDS").write_text("IM000001\n00001\n")
    (folder / "numbers").write_text("1,2\n3,4\n")
    (folder / "empty").write_bytes(b"")
    shutil.copy(folder / "IM000001", folder / "DICOMDIR")
    found = {path.name for path in records(folder)}
    assert {"IM000001", "export", "ECG.0001"} < found and len(found) == 4
    code, text, _ = run("convert", folder, tmp_path / "out", "--format", "wfdb")
    assert code == 0 and "4 recordings converted, 0 refused" in text
