"""``ecggen convert`` and ``ecggen info`` on folders of files from other sources."""

import csv
import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SAMPLES

from ecggen.core.ecg import ECG, STANDARD_LEADS, Provenance
from ecggen.core.simulate import simulate
from ecggen.data.sources import recordings
from ecggen.io import contents, read, records, write
from ecggen.io.inspection import Part, exchanged, inspect

WATCH = SAMPLES / "apple_watch_lead_I.csv"


def rows(folder):
    with (folder / "convert.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path):
    """Two records, one of them in two formats, one in µV and another order, a table that is no recording."""
    source = tmp_path / "in"
    (source / "ward").mkdir(parents=True)
    for suffix in (".hea", ".dat"):
        shutil.copy(SAMPLES / f"00010_lr{suffix}", source / "ward" / f"00010_lr{suffix}")
    write(read(SAMPLES / "00010_lr"), source / "ward" / "00010_lr.csv")
    leads = (*STANDARD_LEADS[:4], "aVF", "aVL", *STANDARD_LEADS[6:])  # as MIMIC-IV-ECG orders them
    ecg = read(SAMPLES / "00627_lr").pick(*leads)
    table = np.c_[np.full(ecg.samples, 98), (ecg.signal[0].numpy() * 1000).round().T]
    head = "SpO2," + ",".join(f"{lead.upper()} [uV]" for lead in leads)
    np.savetxt(source / "of Ward 3.csv", table, "%d", ",", header=f"# fs: 100 Hz\n{head}", comments="")
    (source / "list.csv").write_text("patient,ward\nJane Doe,3\n")
    return source


# Folders


def test_a_folder_is_converted_and_every_change_is_reported(folder, run, tmp_path):
    code, text, _ = run("convert", folder, tmp_path / "out", "--format", "npz")
    assert code == 0
    assert "3 recordings converted, 1 refused" in text
    table = {row["source"]: row for row in rows(tmp_path / "out")}
    assert table["ward/00010_lr.hea"]["file"] == "ward/00010_lr_2.npz"  # the table of the same name came first
    assert table["ward/00010_lr.csv"]["file"] == "ward/00010_lr.npz"
    assert table["of Ward 3.csv"]["file"] == "of_Ward_3.npz"
    changes = table["of Ward 3.csv"]["changes"].split(" | ")
    assert changes == [
        "leads renamed: AVR → aVR, AVF → aVF, AVL → aVL",
        "channels left out: 'SpO2'",
        "unit 'uV' → mV",
        "leads put into standard order",
    ]
    assert table["list.csv"]["file"] == "" and "line 2" in table["list.csv"]["refused"]
    assert "Jane" not in (tmp_path / "out" / "convert.csv").read_text()
    one, other = read(SAMPLES / "00627_lr"), read(tmp_path / "out" / "of_Ward_3.npz")
    assert other.leads == STANDARD_LEADS
    assert torch.allclose(one.signal, other.signal, atol=6e-4)


def test_an_interrupted_job_is_resumed(folder, run, tmp_path, monkeypatch):
    out = tmp_path / "out"
    from ecggen.cli.jobs import conversion

    original = conversion.convert_recording
    calls = []

    def stopping(*values):
        calls.append(values)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*values)

    monkeypatch.setattr(conversion, "convert_recording", stopping)
    assert run("convert", folder, out)[0] == 130
    assert len(rows(out)) == 2
    first = (out / rows(out)[1]["file"]).stat().st_mtime_ns
    monkeypatch.setattr(conversion, "convert_recording", original)
    assert "continue with --resume" in run("convert", folder, out)[2]
    assert "was begun with other settings" in run("convert", folder, out, "--resume", "--format", "csv")[2]
    code, text, _ = run("convert", folder, out, "--resume")
    assert code == 0 and "3 recordings converted, 1 of them earlier, 1 refused" in text
    done = {row["source"]: row["file"] for row in rows(out) if row["file"]}
    assert len(set(done.values())) == len(done) == 3
    assert (out / rows(out)[1]["file"]).stat().st_mtime_ns == first
    straight = tmp_path / "straight"
    run("convert", folder, straight)
    assert rows(straight) == rows(out)


def test_a_batch_becomes_a_file_for_each_record(run, tmp_path):
    write(simulate(3, seconds=4), tmp_path / "records.npz")
    assert contents(tmp_path / "records.npz") == ["1", "2", "3"]
    code, text, _ = run("convert", tmp_path / "records.npz", tmp_path / "out", "--format", "csv", "--json")
    assert code == 0 and json.loads(text)["converted"] == 3
    assert sorted(path.name for path in (tmp_path / "out" / "records").iterdir()) == ["1.csv", "2.csv", "3.csv"]
    assert run("convert", tmp_path / "records.npz", tmp_path / "two.csv", "--record", "2")[0] == 0
    assert torch.allclose(read(tmp_path / "two.csv").signal, simulate(3, seconds=4).signal[[1]], atol=1e-5)
    assert (
        "recording '7' is not among '1', '2', '3'"
        in run("convert", tmp_path / "records.npz", tmp_path / "x.csv", "--record", "7")[2]
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("in", "in/out"), "a folder outside of it was expected"),
        (("in", "out", "--format", "mp3"), "the format is 'mp3'; one of wfdb"),
        (("in", "out", "--overwrite", "--resume"), "both --overwrite and --resume"),
        (("in", "out", "--resume"), "holds no convert.json"),
        (("in", "out", "--record", "1"), "--record was given for a folder"),
        (("in/ward/00010_lr.hea", "a.mp3"), "the suffix is '.mp3'; one of .hea"),
        (("in/ward/00010_lr.hea", "a.csv", "--resume"), "--resume was given for one recording"),
        (("in/list.csv", "a.npz"), "line 2"),
        (("nowhere", "out"), "there is no such file"),
    ],
)
def test_invalid_options_are_one_sentence(words, message, folder, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code, _, err = run("convert", *words)
    assert code == 2 and message in err
    assert sorted(tmp_path.rglob("*")) == before, "something was left behind"


def test_changes_of_one_file_are_reported(run, tmp_path):
    code, text, _ = run("convert", WATCH, tmp_path / "a.csv", "--resample", 100)
    assert code == 0
    assert "changed: unit 'µV' → mV" in text and "changed: 512 → 100 Hz" in text
    assert "exist already" in run("convert", WATCH, tmp_path / "a.csv")[2]


# Privacy


@pytest.mark.parametrize("file_format", ["wfdb", "csv", "npz", "edf", "dicom", "aecg", "challenge"])
def test_no_output_identifies_the_patient(file_format, run, tmp_path):
    """The samples' invented Jane Doe, born 1963-02-03, is removed in every format."""
    shutil.copytree(SAMPLES / "formats", tmp_path / "in", ignore=shutil.ignore_patterns("*.py", "*.md"))
    shutil.copy(WATCH, tmp_path / "in")
    assert run("convert", tmp_path / "in", tmp_path / "out", "--format", file_format)[0] == 0
    for path in (tmp_path / "out").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                content += b"".join(array.tobytes() for array in arrays.values())
        for word in (b"Jane", b"Doe", b"1963-02-03", b"19630203", b"Feb 3, 1963", b"SN-4711"):
            assert word not in content, f"{word!r} in {path.name}"


# What info prints


def recording(**change) -> ECG:
    return replace(simulate(1, fs=250, seed=5), **change)


def test_a_clean_recording_has_no_doubts():
    seen = inspect(recording())
    assert seen.doubts == () and seen.gaps == () and seen.flat == () and seen.clipped == ()
    assert seen.heart_rate is not None and 40 < seen.heart_rate < 120


def test_gaps_and_flat_and_clipped_parts_are_reported_with_their_times():
    ecg = recording()
    signal = ecg.signal.clone()
    signal[0, 6, 250:500] = torch.nan
    signal[0, 7, 1000:1500] = signal[0, 7, 1000]
    signal[0, 9] = signal[0, 9].clamp(max=float(signal[0, 9].quantile(0.95)))
    seen = inspect(replace(ecg, signal=signal))
    assert seen.gaps == (Part("V1", 1.0, 2.0),)
    assert [part.lead for part in seen.flat] == ["V2"]
    assert seen.flat[0].first == pytest.approx(4.0, abs=0.01) and seen.flat[0].last == pytest.approx(6.0)
    assert seen.clipped == ("V4",)
    text = " / ".join(seen.doubts)
    assert "samples are missing: V1 from 1.00 to 2.00 s" in text
    assert "the signal is constant: V2 from 4.00 to 6.00 s" in text
    assert "lead V4 is clipped at" in text


def test_a_recording_without_a_part_free_of_gaps_is_reported():
    ecg = recording()
    signal = ecg.signal.clone()
    signal[0, 1, ::100] = torch.nan
    where = ", ".join(f"II from {at / 250:.3f} to {(at + 1) / 250:.3f} s" for at in range(0, 600, 100))
    assert inspect(replace(ecg, signal=signal)).doubts == (
        "no segment of 2 s has samples in all leads",
        f"samples are missing: {where.replace(', ', '; ')} and 19 more segments",
    )


def test_a_wrong_sampling_rate_is_doubted():
    [doubt] = inspect(replace(simulate(1, fs=250, seed=3), fs=25.0)).doubts
    assert "per minute: is the sampling rate of 25 Hz right?" in doubt


def test_wrong_gains_are_reported_with_correction_factors():
    """As in LUDB's published headers, where every lead has a gain of its own."""
    ecg = recording()
    factors = torch.tensor([1.0, 1.6, 0.7, 1.2, 0.5, 2.0] + [1.0] * 6)
    [doubt] = inspect(replace(ecg, signal=ecg.signal * factors[:, None])).doubts
    assert "contradict each other by up to" in doubt and "(are the gains right?) would correct it" in doubt
    assert "multiplying II by 0.62, III by 1.43, aVR by 0.83, aVL by 2.00, aVF by 0.50" in doubt


def test_violated_lead_laws_are_reported():
    ecg = recording()
    signal = ecg.signal.clone()
    signal[0, 2] += 0.12 * torch.sin(torch.arange(ecg.samples) / 50)
    [doubt] = inspect(replace(ecg, signal=signal)).doubts
    assert "more than rounding explains" in doubt


def rewired(ecg: ECG, **now: tuple[str, int]) -> ECG:
    """An ECG with leads I and II replaced by (lead, sign), and the other limb leads derived from them."""
    waves = {lead: ecg.pick(lead).signal[:, 0] for lead in ecg.leads}
    one, two = (sign * waves[lead] for lead, sign in (now["I"], now["II"]))
    chest = [waves[lead] for lead in STANDARD_LEADS[6:]]
    return replace(ecg, signal=torch.stack([one, two, *chest], 1), leads=("I", "II", *STANDARD_LEADS[6:])).standard()


@pytest.mark.parametrize("name", ["00010_lr", "00262_hr", "00627_lr", "E00001", "Q0012"])
def test_exchanged_arms_are_suspected_in_real_recordings(name):
    ecg = read(SAMPLES / f"{name}.hea")
    assert exchanged(ecg) == []
    [arms] = exchanged(rewired(ecg, I=("I", -1), II=("III", 1)))
    assert "lead I is inverted relative to" in arms and "left and right arm may be exchanged" in arms


@pytest.mark.parametrize("name", ["00010_lr", "00262_hr", "E00001", "Q0012"])
def test_an_exchanged_leg_is_suspected_in_real_recordings(name):
    [leg] = exchanged(rewired(read(SAMPLES / f"{name}.hea"), I=("III", -1), II=("II", -1)))
    assert "lead II is inverted relative to" in leg and "right arm and left leg may be exchanged" in leg


@pytest.mark.skipif("ECGGEN_PTBXL" not in os.environ, reason="ECGGEN_PTBXL names no folder of PTB-XL")
def test_how_often_exchanged_electrodes_are_found_and_wrongly_suspected():
    """The figures beside ``inspection.INVERTED``, on PTB-XL's fold 9."""
    folder = Path(os.environ["ECGGEN_PTBXL"])
    names = [recording.path for recording in recordings(folder) if recording.fold == 9]
    ecgs = [read(path, check=False, allow_contradiction=True) for path in names]
    as_published = sum(bool(exchanged(ecg)) for ecg in ecgs) / len(ecgs)
    arms = sum(bool(exchanged(rewired(ecg, I=("I", -1), II=("III", 1)))) for ecg in ecgs) / len(ecgs)
    leg = sum(bool(exchanged(rewired(ecg, I=("III", -1), II=("II", -1)))) for ecg in ecgs) / len(ecgs)
    still = sum("is nearly flat" in "".join(exchanged(ecg)) for ecg in ecgs)
    print(f"{len(ecgs)} records: as published {as_published:.4f}, still {still}, arms {arms:.3f}, leg {leg:.3f}")
    assert as_published < 0.02 and still == 1 and arms > 0.88 and leg > 0.88


def test_a_still_lead_is_suspected():
    ecg = read(SAMPLES / "00262_hr.hea")
    signal = ecg.signal.clone()
    signal[0, 1] = 0.01 * torch.randn(ecg.samples, generator=torch.Generator().manual_seed(1))
    still = replace(ecg, signal=signal[:, [0, 1, *range(6, 12)]], leads=("I", "II", *STANDARD_LEADS[6:])).standard()
    assert any("lead II is nearly flat" in doubt for doubt in exchanged(still))


def test_info_reports_generated_leads_and_identifying_metadata(run, tmp_path):
    origin = Provenance(("I",), ("II",), "vae@0123456789ab", 7, "lead I")
    write(replace(simulate(1).pick("I", "II"), provenance=origin), tmp_path / "a.hea")
    text = run("info", tmp_path / "a.hea")[1]
    assert "SYNTHETIC leads" in text and "ecggen-generated: II" in text
    about = json.loads(run("info", SAMPLES / "Q0012.hea", "--json")[1])
    assert (about["age"], about["sex"]) == (79, "F") and "164867002" in about["codes"]
    assert about["format"] == "WFDB" and about["personal"] == ["recorded"]


def test_info_of_a_file_with_gaps(run, tmp_path):
    ecg = simulate(1).pick("I", "II")
    table = ecg.signal[0].numpy().copy()
    table[1] = np.nan
    np.savez(tmp_path / "a.npz", signal=table, leads=ecg.leads, fs=100, unit="mV")
    code, text, _ = run("info", tmp_path / "a.npz")
    assert code == 0 and "II   no values" in text and "samples are missing: II from 0.00 to 10.00 s" in text


def test_output_formats_are_checked_before_generation(run, tmp_path):
    code, _, err = run("reconstruct", WATCH, "--out", tmp_path / "out", "--format", "wfdb,mp3")
    assert code == 2 and "the formats are 'wfdb,mp3'; some of wfdb" in err


# Folders as PTB-XL and the Challenges have them


@pytest.fixture
def ptb_xl(tmp_path):
    """Two records of a PTB-XL folder, one of them at both rates."""
    folder = tmp_path / "ptb-xl"
    rows = []
    for number, rates, age in ((10, "lr", 69), (262, "lr hr", 300)):
        cells = {"ecg_id": number, "patient_id": f"{number}.0", "age": age, "sex": 1, "strat_fold": 9}
        cells |= {"report": 'sinusrhythmus, "normal" =ja', "scp_codes": "{'NORM': 100.0, 'SR': 0.0}"}
        for kind in ("lr", "hr"):
            name = f"records{dict(lr=100, hr=500)[kind]}/00000/{number:05d}_{kind}"
            cells[f"filename_{kind}"] = name
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if kind in rates:
                ecg = read(SAMPLES / ("00262_hr" if number == 262 else "00010_lr"))
                write(ecg.resample({"lr": 100, "hr": 500}[kind]), folder / f"{name}.hea")
        rows.append(cells)
    with (folder / "ptbxl_database.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return folder


def test_a_ptb_xl_folder_keeps_its_numbers_metadata_and_folds(ptb_xl, run, tmp_path):
    out = tmp_path / "out"
    code, text, err = run("convert", ptb_xl, out, "--format", "ptb-xl")
    assert code == 0, err
    assert "2 recordings converted, 0 refused" in text
    before, after = ({one.name: one for one in recordings(folder)} for folder in (ptb_xl, out))
    assert before.keys() == after.keys() == {"00010", "00262"}
    for name, one in before.items():
        other = after[name]
        assert (one.patient, one.fold, one.age, one.sex, one.report, one.codes) == (
            other.patient, other.fold, other.age, other.sex, other.report, other.codes
        )  # fmt: skip
        assert torch.allclose(read(one.path).signal, read(other.path).signal, atol=2e-3)
    assert (out / "records500/00000/00262_hr.hea").is_file() and not (out / "records500/00000/00010_hr.hea").exists()
    first = (out / "ptbxl_database.csv").read_bytes()
    assert run("convert", ptb_xl, out, "--format", "ptb-xl", "--resume")[0] == 0
    assert (out / "ptbxl_database.csv").read_bytes() == first


def test_challenge_headers_hold_the_metadata_of_a_ptb_xl_table(ptb_xl, run, tmp_path):
    assert run("convert", ptb_xl, tmp_path / "out", "--format", "challenge", "--json")[0] == 0
    header = (tmp_path / "out/records100/00000/00262_lr.hea").read_text()
    assert "Age: 90" in header and "Sex: Female" in header and "426783006" in header
    assert "sinusrhythmus" not in header


def test_leads_that_do_not_make_twelve_are_refused_for_a_ptb_xl_folder(run, tmp_path):
    (tmp_path / "in").mkdir()
    shutil.copy(WATCH, tmp_path / "in")
    code, _, err = run("convert", tmp_path / "in", tmp_path / "out", "--format", "ptb-xl")
    assert code == 2 and "none of the recordings" in err
    assert "do not follow from I" in rows(tmp_path / "out")[0]["refused"]


def test_segments_are_no_recordings_of_their_own(run, tmp_path):
    shutil.copytree(SAMPLES / "formats", tmp_path / "in")
    listed = {path.name for path in records(tmp_path / "in") if path.name.startswith("interrupted")}
    assert listed == {"interrupted.hea"}


# Regressions


def test_a_record_is_not_added_twice_to_a_ptb_xl_folder(run, tmp_path):
    """The job was interrupted after the row of PTB-XL's table, before the line of convert.csv."""
    (tmp_path / "in").mkdir()
    for name in ("00010_lr", "00627_lr"):
        for suffix in (".hea", ".dat"):
            shutil.copy(SAMPLES / f"{name}{suffix}", tmp_path / "in")
    out = tmp_path / "out"
    assert run("convert", tmp_path / "in", out, "--format", "ptb-xl")[0] == 0
    table = (out / "ptbxl_database.csv").read_bytes()
    lines = (out / "convert.csv").read_text().splitlines(keepends=True)
    (out / "convert.csv").write_text("".join(lines[:-1]))
    assert run("convert", tmp_path / "in", out, "--format", "ptb-xl", "--resume")[0] == 0
    assert (out / "ptbxl_database.csv").read_bytes() == table
    assert [row["file"] for row in rows(out)] == [f"records100/00000/0000{number}_lr.hea" for number in (1, 2)]
    assert run("convert", tmp_path / "in", out, "--format", "ptb-xl", "--overwrite", "--seconds", 5)[0] == 0
    assert len(recordings(out)) == 2 and read(recordings(out)[0].path).samples == 500


def test_missing_files_are_written_again_on_resuming(folder, run, tmp_path):
    out = tmp_path / "out"
    run("convert", folder, out)
    (out / "of_Ward_3.dat").unlink()
    (out / ".of_Ward_3.hea.0123abcd.tmp").write_text("half a header")
    assert "2 of them earlier" in run("convert", folder, out, "--resume")[1]
    assert (out / "of_Ward_3.dat").is_file() and not list(out.rglob("*.tmp"))
    shutil.copytree(folder, tmp_path / "elsewhere" / "in")
    assert "was begun with other settings" in run("convert", tmp_path / "elsewhere" / "in", out, "--resume")[2]


def test_a_recording_with_the_name_of_the_table_is_renamed(run, tmp_path):
    (tmp_path / "in").mkdir()
    shutil.copy(WATCH, tmp_path / "in" / "Convert.hea.csv")
    shutil.copy(WATCH, tmp_path / "in" / "CONVERT_HEA.csv")
    shutil.copy(WATCH, tmp_path / "in" / "CONVERT.csv")
    assert run("convert", tmp_path / "in", tmp_path / "out", "--format", "csv")[0] == 0
    made = [row["file"] for row in rows(tmp_path / "out")]
    assert len({name.casefold() for name in (*made, "convert.csv")}) == 4


def test_an_input_file_is_never_replaced(run, tmp_path):
    shutil.copy(WATCH, tmp_path / "watch.csv")
    before = (tmp_path / "watch.csv").read_bytes()
    assert run("convert", tmp_path / "watch.csv", tmp_path, "--format", "csv", "--overwrite")[0] == 2
    assert (tmp_path / "watch.csv").read_bytes() == before
    assert (
        "is a file" in run("convert", SAMPLES / "formats", tmp_path / "watch.csv", "--overwrite", "--format", "csv")[2]
    )


def test_a_full_disk_stops_the_job(folder, run, tmp_path, monkeypatch):
    from ecggen.io import files

    place = files.place

    def full(contents):
        if any(path.suffix == ".hea" for path in contents):
            raise OSError(errno.ENOSPC, "No space left on device")
        place(contents)

    monkeypatch.setattr(files, "place", full)
    code, _, err = run("convert", folder, tmp_path / "out")
    assert code == 1 and "No space left on device" in err
    assert json.loads((tmp_path / "out" / "convert.json").read_text())["complete"] is False
    monkeypatch.setattr(files, "place", place)
    assert "3 recordings converted, 1 refused" in run("convert", folder, tmp_path / "out", "--resume")[1]


def test_files_with_generic_suffixes_are_recognised_by_content(run, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("leads.json", "apple_health.zip", "code15.h5"):
        shutil.copy(SAMPLES / "formats" / name, tmp_path / "in")
    (tmp_path / "in" / "README.txt").write_text("What lies here.\n")
    assert run("convert", tmp_path / "in", tmp_path / "out")[0] == 0
    made = {(row["source"], row["record"]): row["file"] for row in rows(tmp_path / "out")}
    assert made["apple_health.zip", "2"] == "apple_health/2.hea", "the name of a member contains the date"
    assert made["code15.h5", "2873686"] == "code15/2873686.hea" and made["leads.json", ""] == "leads.hea"
    assert not any(source == "README.txt" for source, _ in made)


def test_an_undecodable_file_name(run, tmp_path):
    (tmp_path / "in").mkdir()
    name = os.fsencode(tmp_path / "in") + b"/M\xfcller.csv"
    with open(name, "wb") as file:  # noqa: PTH123
        file.write(WATCH.read_bytes())
    assert run("convert", tmp_path / "in", tmp_path / "out")[0] == 0
    assert rows(tmp_path / "out")[0]["source"] == "M\\udcfcller.csv"
    assert run("convert", tmp_path / "in", tmp_path / "out", "--resume")[0] == 0


@pytest.mark.parametrize("rate", ["0.0001", "1e-300", "1e9"])
def test_absurd_rates_are_refused(rate, run, tmp_path):
    code, _, err = run("convert", WATCH, tmp_path / "a.csv", "--resample", rate)
    assert code == 2 and "1 to 100,000 Hz" in err


def test_the_export_of_a_watch_identifies_the_patient(run):
    about = json.loads(run("info", WATCH, "--json")[1])
    assert {"name", "birth_date", "recorded"} <= set(about["personal"])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: "", "cannot be read as a table"),
        (lambda text: text.replace(",9,", ",,", 1), "line 2 of"),
        (lambda text: text.replace("records100/00000/00010_lr", "../00010_lr"), "another folder's file"),
        (lambda text: text.replace(",1,9,", ",2,9,"), "line 2 of"),
    ],
)
def test_an_invalid_table_of_ptb_xl_is_one_sentence(spoil, message, ptb_xl, run, tmp_path):
    table = ptb_xl / "ptbxl_database.csv"
    table.write_text(spoil(table.read_text()))
    code, _, err = run("convert", ptb_xl, tmp_path / "out", "--format", "ptb-xl")
    assert code == 2 and message in err, err


def test_metadata_that_a_format_cannot_hold_are_reported(run, tmp_path):
    source = SAMPLES / "formats" / "muse.xml"
    text = run("convert", source, tmp_path / "a.edf", "--personal")[1]
    assert "this format cannot hold: birth date" in text and "Doe" not in text
    assert "cannot hold" not in run("convert", source, tmp_path / "a.csv", "--personal")[1]
    assert "cannot hold" not in run("convert", source, tmp_path / "b.edf")[1]


def test_lists_of_generated_shards_are_no_recordings(tmp_path):
    write(simulate(1), tmp_path / "00000.npz")
    for name in ("records_1_of_2.csv", "generate_1_of_2.json", "convert.csv", "ptbxl_database.csv"):
        (tmp_path / name).write_text("index,file\n0,00000.npz\n")
    assert [path.name for path in records(tmp_path)] == ["00000.npz"]
    (tmp_path / "generate_1_of_2.json").unlink()
    assert [path.name for path in records(tmp_path)] == ["00000.npz", "records_1_of_2.csv"]


def test_metadata_that_a_ptb_xl_folder_cannot_hold_are_reported(run, tmp_path):
    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLES / "formats" / "muse.xml", tmp_path / "in")
    assert run("convert", tmp_path / "in", tmp_path / "out", "--format", "ptb-xl", "--personal")[0] == 0
    assert "this format cannot hold: name" in rows(tmp_path / "out")[0]["changes"]
