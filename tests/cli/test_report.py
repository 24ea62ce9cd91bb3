"""``ecggen report``: anybody's files become sets of one form, what cannot be used is named, and both files come out."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import CHROMIUM, opened
from conftest import SAMPLES

from ecggen import io
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, STANDARD_LEADS, Provenance
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.evaluators import pretrained
from ecggen.report.build import CHAPTERS, Chapter, measured
from ecggen.report.inputs.discovery import list_entries
from ecggen.report.inputs.load import ReportRequest, open_classifier, read_sets, select_entries
from ecggen.report.inputs.open import FileDefaults

TWELVE = ",".join(STANDARD_LEADS)
KEYS = (
    "identity", "validity", "amplitude", "rhythm", "variability", "intervals", "distribution", "two_sample", "fidelity",
    "reconstruction", "utility", "memorisation", "subgroups", "limits",
)  # fmt: skip


def archive(path, ecg, **more):
    np.savez(path, signal=ecg.signal.numpy(), leads=np.array(ecg.leads), fs=ecg.fs, unit="mV", **more)
    return path


def folder(path, ecg, names, suffix=".hea"):
    path.mkdir()
    for row, name in enumerate(names):
        io.write(ecg[row], path / f"{name}{suffix}")
    return path


def sets(synthetic, real, **more):
    request = ReportRequest(Path(synthetic), Path(real), **more)
    notes = []
    return read_sets(select_entries(request, notes), request, lambda what, share: None, notes), notes


@pytest.fixture
def real(tmp_path):
    return archive(tmp_path / "real.npz", simulate(4, seed=1))


# --- what lies there


@pytest.mark.parametrize("turned", [False, True], ids=["lead-time", "time-lead"])
def test_an_array_is_read_either_way(tmp_path, real, turned):
    ecg = simulate(3, seed=2)
    signal = 1000 * ecg.signal.numpy()
    np.save(tmp_path / "made.npy", signal.swapaxes(1, 2) if turned else signal)
    found, _ = sets(tmp_path / "made.npy", real, defaults=FileDefaults.of(100, "uV", TWELVE))
    torch.testing.assert_close(found["synthetic"].ecg.signal, ecg.signal, atol=1e-5, rtol=0)
    assert found["synthetic"].ecg.leads == STANDARD_LEADS and found["synthetic"].source == "made.npy"


@pytest.mark.parametrize("suffix", [".hea", ".csv", ".npz"])
def test_a_folder_of_recordings_is_read(tmp_path, real, suffix):
    ecg = simulate(3, seed=2)
    found, _ = sets(folder(tmp_path / "made", ecg, "abc", suffix), real)
    assert found["synthetic"].names == ("a", "b", "c")
    torch.testing.assert_close(found["synthetic"].ecg.signal, ecg.signal, atol=1e-3, rtol=0)
    origin = "SYNTHETIC: all leads by simulate"
    assert found["synthetic"].provenance == {origin: 3} and found["real"].provenance == {}


def test_a_folder_that_generate_made_says_what_was_asked(tmp_path, real):
    made = folder(tmp_path / "made", simulate(2, seed=2), ["00000", "00001"])
    with (made / "records.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["index", "file", "text", "age", "sex", "heart_rate", "synthetic"])
        rows.writerow([0, "00000.hea", "atrial fibrillation", "", "", "", "True"])
        rows.writerow([1, "00001.hea", "", 70, "F", 61.5, "True"])
        rows.writerow([2, "../../etc/passwd", "", "", "", "", "True"])
    one = sets(made, real)[0]["synthetic"]
    assert one.names == ("00000", "00001") and one.texts == ("atrial fibrillation", "")
    np.testing.assert_equal([one.age, one.sex, one.requested_heart_rate], [[np.nan, 70], [np.nan, 1], [np.nan, 61.5]])


def test_a_ptb_xl_folder_brings_patients_and_statements(tmp_path, real):
    here = tmp_path / "ptb"
    here.mkdir()
    columns = "ecg_id,patient_id,age,sex,report,scp_codes,strat_fold,filename_lr"
    lines = [columns]
    for row, name in enumerate(("00010_lr", "00627_lr", "01502_lr")):
        for suffix in (".hea", ".dat"):
            shutil.copy(SAMPLES / f"{name}{suffix}", here)
        lines.append(f"{row + 1},{row // 2},60,1,bericht,\"{{'NORM': 100.0, 'SR': 0.0}}\",{9 + row // 2},{name}")
    (here / "ptbxl_database.csv").write_text("\n".join(lines))
    one = sets(real, here)[0]["real"]
    assert one.patients == ("0", "0", "1") and one.codes == ("NORM SR",) * 3 and one.texts == ("bericht",) * 3
    assert [entry.name for entry in list_entries(here, FileDefaults(), (10,))] == ["00003"]
    with pytest.raises(InputError, match="folds 1 of ptb hold no record"):
        list_entries(here, FileDefaults(), (1,))
    # Of one folder, patients of the real set are not held out.
    found, notes = sets(real, here, real_folds=(9,), holdout=here)
    assert found["holdout"].patients == ("1",) and any("2 held-out records were left out" in note for note in notes)
    with pytest.raises(InputError, match="all held-out patients are also in the real set"):
        sets(real, here, holdout=here)


def test_an_archive_may_say_what_is_known(tmp_path, real):
    path = archive(
        tmp_path / "made.npz", simulate(2), age=[50, 60], sex=["M", "F"], codes=["AFIB", ""], text=["a", "b"]
    )
    one = sets(path, real)[0]["synthetic"]
    assert one.codes == ("AFIB", "") and one.age.tolist() == [50, 60] and one.sex.tolist() == [0, 1]
    short = archive(tmp_path / "short.npz", simulate(2), age=[50])
    with pytest.raises(InputError, match="holds 1 values of age for 2 records"):
        sets(short, real)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (FileDefaults.of(100, "mV", None), "does not name its leads"),
        (FileDefaults.of(None, "mV", "standard"), "does not state the sampling rate"),
        (FileDefaults.of(100, None, "standard"), "does not state the unit"),
        (FileDefaults.of(100, "mV", "I,II"), "2 leads are named and"),
    ],
)
def test_an_array_needs_what_it_does_not_say(tmp_path, real, said, words):
    np.save(tmp_path / "made.npy", simulate(2).signal.numpy())
    with pytest.raises(InputError, match=words):
        sets(tmp_path / "made.npy", real, defaults=said)


def test_a_pickle_is_never_opened(tmp_path, real):
    np.save(tmp_path / "made.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputError, match="no array of numbers"):
        sets(tmp_path / "made.npy", real, defaults=FileDefaults.of(100, "mV", "I"))


# --- one form


def test_another_rate_length_and_fewer_leads_are_brought_together_and_said(tmp_path):
    ours = archive(tmp_path / "ours.npz", simulate(3, seconds=8, fs=250, seed=4).pick(*INDEPENDENT_LEADS))
    theirs = archive(tmp_path / "theirs.npz", simulate(3, seconds=10, fs=100, seed=5))
    found, notes = sets(ours, theirs)
    for one in found.values():
        assert (one.ecg.leads, one.ecg.fs, one.ecg.samples) == (STANDARD_LEADS, 100, 800)
    assert found["synthetic"].changed == (
        "III, aVR, aVL, aVF derived from the other leads: 3 of 3 records",
        "resampled from 250 to 100 Hz: 3 of 3 records",
    )
    assert found["real"].changed == ("cut to the first 8 s: 3 of 3 records",)
    assert any(note.startswith("The sets differ in format (synthetic 8 leads, 250 Hz, 8 s; real 12") for note in notes)
    assert float(found["synthetic"].ecg.law_residual().max()) < 1e-5


def test_the_majority_of_a_set_decides(tmp_path, real):
    made = folder(tmp_path / "made", simulate(30, seed=2), [f"{row:02d}" for row in range(30)])
    io.write(simulate(1, seconds=4), made / "short.hea")
    io.write(simulate(1).pick("I"), made / "single.hea")
    (made / "broken.hea").write_text("no header")
    one = sets(made, real)[0]["synthetic"]
    assert len(one) == 30 and one.ecg.seconds == 10
    assert set(one.left_out) == {"short", "single", "broken"}
    assert "lasts 4 s" in one.left_out["short"] and "do not follow" in one.left_out["single"]


def test_without_a_common_lead_there_is_no_report(tmp_path):
    ours = archive(tmp_path / "ours.npz", simulate(2).pick("V1"))
    theirs = archive(tmp_path / "theirs.npz", simulate(2).pick("I", "II"))
    with pytest.raises(InputError, match=r"no lead in common \(V1 / I, II\)"):
        sets(ours, theirs)


def test_records_with_gaps_are_kept_to_be_counted(tmp_path, real):
    ecg = simulate(3, seed=2)
    ecg.signal[1, 0, 5:9] = torch.nan
    one = sets(archive(tmp_path / "made.npz", ecg), real)[0]["synthetic"]
    assert len(one) == 3 and bool(one.ecg.signal[1].isnan().any()) and not bool(one.ecg.signal[[0, 2]].isnan().any())


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04nonsense"])
def test_a_set_without_records_is_named(tmp_path, real, content):
    made = tmp_path / "made"
    made.mkdir()
    if content is not None:
        (made / "a.npz").write_bytes(content)
    with pytest.raises(
        InputError, match=r"holds no recording|no recording was found in|no synthetic record can be used"
    ):
        sets(made, real)


def test_a_limit_draws_at_random_and_says_so(tmp_path, real):
    made = archive(tmp_path / "made.npz", simulate(20, seed=2))
    found, notes = sets(made, real, limit=6, seed=3)
    again, _ = sets(made, real, limit=6, seed=3)
    other, _ = sets(made, real, limit=6, seed=4)
    assert len(found["synthetic"]) == 6 and found["synthetic"].names == again["synthetic"].names
    assert found["synthetic"].names != other["synthetic"].names
    assert any("6 of 20 synthetic records were selected at random" in note for note in notes)


# --- pairs


def test_truths_are_found_by_name(tmp_path, real):
    ecg = simulate(4, seed=2)
    made = folder(tmp_path / "made", ecg, "abcd")
    truth = folder(tmp_path / "truth", ecg[torch.tensor([2, 1, 0])], "cba")
    found, notes = sets(made, real, truth=truth)
    assert found["truth"].names == found["synthetic"].names == ("a", "b", "c")
    torch.testing.assert_close(found["truth"].ecg.signal, found["synthetic"].ecg.signal)
    said = "3 synthetic records were paired with their true record by name; 1 without a true record were left out."
    assert said in notes


def test_truths_without_names_are_taken_in_order(tmp_path, real):
    ecg = simulate(5, seed=2)
    made, truth = archive(tmp_path / "made.npz", ecg), archive(tmp_path / "truth.npz", ecg)
    found, notes = sets(made, real, truth=truth, limit=3)
    torch.testing.assert_close(found["truth"].ecg.signal, found["synthetic"].ecg.signal)
    assert len(found["truth"]) == 3 and any("by order" in note for note in notes)


def test_unpaired_truths_leave_the_rest_of_the_report(tmp_path, real):
    made, truth = archive(tmp_path / "made.npz", simulate(5)), archive(tmp_path / "truth.npz", simulate(4))
    found, notes = sets(made, real, truth=truth)
    assert "truth" not in found and len(found["synthetic"]) == 5
    assert any("there are 5 synthetic and 4 true records" in note for note in notes)


def test_a_pair_goes_with_either_side(tmp_path, real):
    ecg = simulate(4, seed=2)
    made, truth = folder(tmp_path / "made", ecg, "abcd"), folder(tmp_path / "truth", ecg, "abcd")
    (made / "b.dat").unlink()
    (truth / "d.hea").write_text("broken")
    found, _ = sets(made, real, truth=truth)
    assert found["truth"].names == found["synthetic"].names == ("a", "c")


def test_a_reconstruction_says_what_it_was_given(tmp_path, real):
    made = tmp_path / "made"
    made.mkdir()
    origin = Provenance(("I",), STANDARD_LEADS[1:], "vae@0", 0, "lead I")
    for row in range(2):
        io.write(ECG(simulate(1, seed=row).signal, STANDARD_LEADS, 100, origin), made / f"{row}.hea")
    one = sets(made, real)[0]["synthetic"]
    assert one.ecg.provenance is not None and one.ecg.provenance.recorded == ("I",)
    assert list(one.provenance.values()) == [2] and "given I" in next(iter(one.provenance))


# --- the classifier


def test_a_classifier_that_cannot_see_is_left_out(tmp_path):
    notes: list[str] = []
    folder = pretrained.save(
        pretrained.new("classifier", {"widths": [8, 8], "features": 16}, "test"), tmp_path / "tiny"
    )
    assert open_classifier(str(folder), STANDARD_LEADS, notes) is not None and notes == []
    assert open_classifier(str(folder), ("I", "II"), notes) is None and "V1, V2" in notes[-1]
    assert open_classifier("none", STANDARD_LEADS, notes) is None and "none was wanted" in notes[-1]
    with pytest.raises(InputError, match="no checkpoint 'nobody'"):
        open_classifier("nobody", STANDARD_LEADS, notes)


def test_bad_data_in_a_section_is_told_and_errors_of_the_program_are_not_hidden():
    def short(material):
        raise InputError("12 records", "50 needed")

    section = measured(Chapter("rhythm", "Rhythm", short), None)  # type: ignore[arg-type]
    assert section.verdict == "not measured" and section.key == "rhythm"
    assert section.scores[0].note == "not measured: 12 records; 50 needed"
    with pytest.raises(ZeroDivisionError):
        measured(Chapter("rhythm", "Rhythm", lambda material: 1 / 0), None)  # type: ignore[arg-type,return-value]


# --- the command


def test_the_fourteen_sections_stand_in_order():
    assert tuple(chapter.key for chapter in CHAPTERS) == KEYS


def test_a_report_on_few_records_comes_all_the_same(tmp_path, run, real):
    made = archive(tmp_path / "<b>made.npz", simulate(12, seed=2))
    out = tmp_path / "deep" / "report.html"
    code, words, _ = run("report", made, "--real", real, "--classifier", "none", "--out", out, "--seed", 3)
    assert code == 0 and "report:" in words
    about = json.loads(out.with_suffix(".json").read_text())
    assert tuple(about["sections"]) == KEYS and about["seed"] == 3 and about["classifier"] is None
    assert about["sets"]["synthetic"]["n"] == 12 and about["sets"]["holdout"] is None
    assert about["verdicts"]["rhythm"] == "not measured"
    notes = [score["note"] for score in about["sections"]["rhythm"]["scores"]]
    assert any("12 synthetic records, 50 needed" in note for note in notes)
    text = out.read_text()
    assert all(f'id="{key}"' in text for key in KEYS) and "&lt;b&gt;made.npz" in text and "<b>made" not in text
    assert [path.name for path in sorted(out.parent.iterdir())] == ["report.html", "report.json"]
    if CHROMIUM is not None:
        elements, complaints = opened(out, tmp_path / "profile")
        assert complaints == [] and elements.count("</section>") == len(KEYS)
    code, _, error = run("report", made, "--real", real, "--classifier", "none", "--out", out)
    assert code == 2 and "exists" in error


def test_all_flat_and_all_nan_are_a_verdict_and_no_crash(tmp_path, run, real):
    ecg = simulate(3)
    for fill in (0.0, torch.nan):
        made = archive(tmp_path / "made.npz", ECG(torch.full_like(ecg.signal, fill), ecg.leads, ecg.fs))
        words = ("report", made, "--real", real, "--classifier", "none", "--overwrite", "--json")
        code, out, error = run(*words, "--out", tmp_path / "report.html")
        assert code == 0, error
        about = json.loads(out)
        assert about["sets"]["synthetic"]["n_valid"] == 0 and about["verdicts"]["identity"] == "warn"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--out", "report.pdf"], "a name that ends in .html was expected"),
        (["--out", "report.html", "--real-folds", "0-3"], "numbers from 1 to 10 were expected"),
        (["--out", "report.html", "--real-folds", "1-8"], "a PTB-XL folder with its ptbxl_database.csv was expected"),
        (["--out", "report.html", "--given", "V9"], "'V9' is not a known lead"),
        (["--out", "report.html", "--fs", "-1"], "a positive number of Hz was expected"),
        (["--out", "report.html", "--holdout", "nowhere"], "there is no such file"),
    ],
)
def test_bad_options_end_in_a_sentence(tmp_path, run, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    archive(tmp_path / "a.npz", simulate(2))
    (tmp_path / "b").mkdir()
    io.write(simulate(1), tmp_path / "b" / "x.hea")
    code, _, error = run("report", "a.npz", "--real", "b", *options)
    assert code == 2 and words in error
    assert not (tmp_path / "report.html").exists()
