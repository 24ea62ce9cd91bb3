"""Reading and writing: lead names, WFDB, CSV, Apple Watch, npz, provenance, and write errors."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import wfdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS, Provenance
from ecggen.core.errors import InputError
from ecggen.io import lead_name, read, records, write

SAMPLES = Path(__file__).parents[1] / "samples"
WATCH = SAMPLES / "apple_watch_lead_I.csv"
MADE = Provenance(("I",), ("II", "V1"), "vae 1234abcd", 7, "lead I, a line\nbreak – and a dash")


def noise(leads=("I", "II"), samples=1200, fs=500.0, records=1, scale=0.5) -> ECG:
    return ECG(scale * torch.randn(records, len(leads), samples, generator=torch.manual_seed(1)), leads, fs)


def refusal(action, *args, **options) -> str:
    with pytest.raises(InputError) as caught:
        action(*args, **options)
    return str(caught.value)


def text_file(folder: Path, text: str, name="a.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


# Lead names


@pytest.mark.parametrize(
    ("given", "lead"),
    [
        *(
            (form.format(lead), lead)
            for lead in STANDARD_LEADS
            for form in ("{}", "MDC_ECG_LEAD_{}", "Lead {}", " {} ")
        ),
        *((lead.lower(), lead) for lead in STANDARD_LEADS),
        *(("AVR", "aVR"), ("MLII", "II"), ("DI", "I"), ("D3", "III"), ("lead_i", "I"), ("Ableitung II", "II")),
        *(("Dérivation I", "I"), ("ECG II", "II"), ("EKG aVL", "aVL"), ("Lead 2", "II"), ("Ⅱ", "II")),
        *(("SCP 61", "III"), ("2:1", "I"), ("MDC 2:64", "aVF"), ("lead-V3", "V3")),
    ],
)
def test_lead_names(given, lead):
    assert lead_name(given) == lead


@pytest.mark.parametrize("given", ["V", "V9", "-aVR", "ECG", "ECG1", "1", "", "VI", "2:9", "IIII", "Name", "MCL1"])
def test_unknown_lead_names(given):
    message = refusal(lead_name, given)
    assert f"{given!r} is not a known lead" in message
    assert "I, II, III, aVR" in message
    assert ("V can be any of" in message) == (given == "V")


# WFDB


@pytest.mark.parametrize("name", ["00010_lr", "01502_lr", "00627_lr", "00262_hr", "Q0012"])
def test_format_16_matches_wfdb(name):
    ecg, seen = read(SAMPLES / f"{name}.hea"), wfdb.rdrecord(str(SAMPLES / name))
    assert ecg.leads == STANDARD_LEADS
    assert (ecg.fs, ecg.samples, len(ecg), ecg.signal.dtype) == (seen.fs, seen.sig_len, 1, torch.float32)
    np.testing.assert_allclose(ecg.signal[0].T, seen.p_signal, atol=1e-6)


@pytest.mark.parametrize("given", ["00010_lr", "00010_lr.dat", "Q0012.mat", "E00001", "E00001.mat"])
def test_any_file_of_a_record_opens_the_record(given):
    header = (SAMPLES / given).with_suffix(".hea")
    assert torch.equal(read(str(SAMPLES / given)).signal, read(header).signal)


def test_published_malformed_header():
    ecg = read(SAMPLES / "E00001.hea")
    assert (ecg.leads, ecg.fs, ecg.samples) == (STANDARD_LEADS, 500, 5000)
    assert ecg.signal[0, 0, 0].item() == pytest.approx(136 / 4880)


@pytest.mark.parametrize("form", ["212", "80", "24", "32"])
def test_other_formats_match_wfdb(tmp_path, form):
    signal = noise(scale=0.02).signal[0].T.double().numpy()
    wfdb.wrsamp("a", 360, ["mV"] * 2, ["MLII", "V5"], signal, fmt=[form] * 2, write_dir=str(tmp_path))
    ecg = read(tmp_path / "a.hea", check=False)
    assert (ecg.leads, ecg.fs) == (("II", "V5"), 360)
    np.testing.assert_allclose(ecg.signal[0].T, wfdb.rdrecord(str(tmp_path / "a")).p_signal, atol=1e-6)


def test_channels_other_than_leads_are_omitted(tmp_path):
    signal = noise(STANDARD_LEADS[:3]).signal[0].T.double().numpy()
    names, units = ["RESP", "II", "PLETH"], ["pm", "uV", "NU"]
    wfdb.wrsamp("a", 125, units, names, 1000 * signal, fmt=["16"] * 3, write_dir=str(tmp_path))
    ecg = read(tmp_path / "a")
    assert ecg.leads == ("II",)
    np.testing.assert_allclose(ecg.signal[0, 0], signal[:, 1], atol=1e-3)


def test_missing_rate_and_unit_of_a_header(tmp_path):
    (tmp_path / "a.dat").write_bytes(np.arange(1000, dtype="<i2").tobytes())
    header = text_file(tmp_path, "a 1\na.dat 16 1000 16 0 0 0 0 I\n", "a.hea")
    assert refusal(read, header) == "a.hea: the file does not state its sampling rate; give it with fs"
    ecg = read(header, fs=250)
    assert (ecg.samples, ecg.signal[0, 0, 999].item()) == (1000, pytest.approx(0.999))


# CSV


@pytest.mark.parametrize(
    "text",
    [
        "time,I (mV),II [uV]\n" + "".join(f"{at / 500},{at % 7 / 10},{at % 5 * 100}\n" for at in range(1000)),
        "Time [ms];I (mV);II [µV]\n"
        + "".join(f"{at * 2};{at % 7 / 10};{at % 5 * 100}\n" for at in range(1000)).replace(".", ","),
        "t_ms\tlead I [mV]\tMDC_ECG_LEAD_II (μV)\tPLETH\n"
        + "".join(f"{at * 2}\t{at % 7 / 10}\t{at % 5 * 100}\t\n" for at in range(1000)),
        "'Elapsed time','I','MLII'\n'hh:mm:ss.mmm','mV','uV'\n"
        + "".join(f"'0:{at / 500:06.3f}',{at % 7 / 10},{at % 5 * 100}\n" for at in range(1000)),
        "# fs: 500 Hz\n# unit: mV\n,II,I\r\n" + "".join(f"{at},{at % 5 / 10},{at % 7 / 10}\r\n" for at in range(1000)),
    ],
)
def test_csv_with_names(tmp_path, text):
    rate = {"fs": 500} if "Elapsed" in text else {}  # a clock's times are no numbers
    ecg = read(text_file(tmp_path, text), **rate).pick("I", "II")
    assert (ecg.fs, ecg.samples) == (500, 1000)
    expected = torch.tensor([[at % 7 / 10 for at in range(1000)], [at % 5 / 10 for at in range(1000)]])
    assert torch.allclose(ecg.signal[0], expected)


def test_csv_with_one_value_per_line(tmp_path):
    path = text_file(tmp_path, "".join(f"{at % 9 * 50 - 200}\n" for at in range(400)))
    assert "does not name its leads; name them in order" in refusal(read, path, fs=130, unit="uV")
    assert "does not state its unit; give it with unit" in refusal(read, path, fs=130, leads="I")
    assert "does not state its sampling rate" in refusal(read, path, leads="I", unit="uV")
    ecg = read(path, fs=130, unit="uV", leads=["I"])
    assert (ecg.leads, ecg.fs, ecg.signal[0, 0, 1].item()) == (("I",), 130, pytest.approx(-0.15))


def test_leads_selected_and_named(tmp_path):
    rows = "".join(f"{at / 125:.5g},{at},{at},{at % 3},{at % 4},{at % 5}\n" for at in range(20000))
    path = text_file(tmp_path, "Time [s], RESP, PLETH, V, AVR, II\n" + rows)  # as BIDMC's, with rounded times
    assert "'V' is not a known lead (V can be" in refusal(read, path, unit="mV")
    assert read(path, unit="mV", leads="II,aVR").leads == ("II", "aVR")
    assert read(path, unit="mV", leads=["-", "AVR", "II"]).leads == ("aVR", "II")
    named = read(path, unit="mV", leads=["-", "-", "V5", "AVR", "II"])
    assert (named.leads, named.fs, named.signal[0, 0, 5].item()) == (("V5", "aVR", "II"), 125, 2)
    assert "a channel is 'II' in the file and 'I' in leads" in refusal(read, path, unit="mV", leads="V5,aVR,I")
    assert "the file has 5 channels" in refusal(read, path, unit="mV", leads="V5,I")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"fs": 250}, "its sampling rate is '500.0' in the file and '250' in fs"),
        ({"unit": "uV"}, "its unit is 'mV' in the file and 'uV' in unit"),
        ({"unit": "furlong"}, "the unit is 'furlong'; mV, µV, nV or V was expected"),
        ({"fs": -1}, "the sampling rate is -1"),
        ({"start": 5.0, "seconds": 9.0}, "the recording lasts 10.000 s"),
    ],
)
def test_arguments_that_contradict_the_file(options, expected):
    assert expected in refusal(read, SAMPLES / "00262_hr.hea", **options)


def test_arguments_that_agree_with_the_file_and_a_segment():
    ecg = read(SAMPLES / "00262_hr.hea", fs=500, unit="mv", start=2, seconds=3, leads="V1,I")
    whole = read(SAMPLES / "00262_hr.hea")
    assert ecg.leads == ("V1", "I")
    assert torch.equal(ecg.signal, whole.pick("V1", "I").signal[..., 1000:2500])


# Apple Watch


def test_watch_file_matches_its_source_recording():
    watch, truth = read(WATCH), read(SAMPLES / "00262_hr.hea").pick("I").resample(512)
    assert (watch.leads, watch.fs, watch.samples) == (("I",), 512, 5120)
    assert (watch.signal - truth.signal).abs().max() < 1e-5


def localised(head: str, decimal: str) -> str:
    body = WATCH.read_text(encoding="utf-8").split("µV\n")[1]
    return head + body.replace(".", decimal)


@pytest.mark.parametrize(
    ("head", "decimal", "fs"),
    [
        ("Name,Erika\nGeburtsdatum,01.02.1963\nMessrate,512 Hertz\n\nAbleitung,Ableitung I\nEinheit,µV\n", ",", 512),
        ('Nom,Jeanne\nNé(e),"3 févr. 1963"\nTaux,"511,7 hertz"\n\nPiste,Dérivation I\nUnité,μV\n', ",", 511.7),
        ("Name,Erika\nMessrate,512,414 Hertz\nAbleitung,Ableitung I\nEinheit,µV\n", ",", 512.414),
        ("姓名,某人\n采样率,512赫兹\n导联,第一导联\n单位,µV\n", ".", 512),
        ("Nafn,Anna\nTíðni,512 riðum\nLeiðsla,Leiðsla I\nEining,µV\n", ".", 512),
    ],
)
def test_watch_in_other_languages(tmp_path, head, decimal, fs):
    ecg = read(text_file(tmp_path, localised(head, decimal)))
    assert (ecg.leads, ecg.fs) == (("I",), fs)
    assert torch.equal(ecg.signal, read(WATCH).signal)


def test_watch_in_millivolts_and_quotes(tmp_path):
    text = 'A,B\nC,"D, E"\nRate,512 Hz\nLead,Lead II\nUnit,mV\n' + "".join(f'"{at % 7},5"\n' for at in range(9))
    ecg = read(text_file(tmp_path, text), check=False)
    assert (ecg.leads, ecg.signal[0, 0].tolist()) == (("II",), [at % 7 + 0.5 for at in range(9)])
    assert "a.csv: line 15 is not a sample; one number per line" in refusal(read, text_file(tmp_path, text + "x\n"))
    assert "decimal points and decimal commas" in refusal(read, text_file(tmp_path, text + "1.5\n"))


def test_watch_file_gives_no_identifying_metadata(tmp_path):
    for suffix in (".hea", ".csv", ".npz"):
        written = write(read(WATCH), tmp_path / f"a{suffix}")
        contents = b"".join(path.read_bytes() for path in written)
        assert all(word not in contents for word in (b"Jane", b"Doe", b"Feb", b"+0000"))


# npz


def test_npz_batch(tmp_path):
    batch = replace(noise(records=3, fs=511.7), provenance=MADE)
    [path] = write(batch, tmp_path / "a.npz")
    again = read(path)
    assert (again.leads, again.fs, len(again)) == (batch.leads, 511.7, 3)
    assert torch.equal(again.signal, batch.signal)
    assert again.provenance is not None and again.provenance.seed == 7


def test_other_npz_files(tmp_path):
    signal = noise(INDEPENDENT_LEADS).signal[0].numpy()
    np.savez(tmp_path / "a.npz", X=signal.T, y=np.zeros(3), anything=np.array(["a"]))
    assert "does not name its leads" in refusal(read, tmp_path / "a.npz", fs=500, unit="mV")
    ecg = read(tmp_path / "a.npz", fs=500, unit="mV", leads=INDEPENDENT_LEADS)
    assert np.array_equal(ecg.signal[0], signal)
    message = refusal(read, tmp_path / "a.npz", fs=500, unit="mV", leads="I,II")
    assert "2 leads are named and the array has shape (1200, 8)" in message
    np.savez(tmp_path / "b.npz", X=signal, Y=signal)
    assert "one array (lead, time), or 'signal', was expected" in refusal(
        read, tmp_path / "b.npz", leads=INDEPENDENT_LEADS
    )
    np.savez(tmp_path / "c.npz", X=signal[:, :8])
    message = refusal(read, tmp_path / "c.npz", fs=500, unit="mV", leads=INDEPENDENT_LEADS)
    assert "exactly one of its last two axes" in message


# Writing


def test_provenance_is_kept(tmp_path):
    for suffix in (".hea", ".csv", ".npz"):
        path = write(replace(noise(("I", "II", "V1")), provenance=MADE), tmp_path / f"a{suffix}")[-1]
        assert read(path).provenance == replace(MADE, condition="lead I, a line break – and a dash")
        assert read(write(noise(), tmp_path / f"b{suffix}")[-1]).provenance is None
    assert "contains SYNTHETIC leads" in (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()[2]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    leads=st.lists(st.sampled_from(STANDARD_LEADS), min_size=1, max_size=12, unique=True),
    fs=st.one_of(st.integers(50, 2000), st.floats(50, 2000)),
    samples=st.integers(1, 40),
    scale=st.sampled_from([1e-4, 0.1, 3.0, 9.0]),
    suffix=st.sampled_from([".hea", ".csv", ".npz"]),
    seed=st.integers(0, 99),
)
def test_round_trip(tmp_path, leads, fs, samples, scale, suffix, seed):
    signal = scale * torch.randn(1, len(leads), samples, generator=torch.manual_seed(seed)).clamp(-3, 3)
    ecg = ECG(signal, tuple(leads), fs)
    again = read(write(ecg, tmp_path / f"a{suffix}", overwrite=True)[-1], check=False)
    step = {".hea": 0.5e-3, ".csv": 0.5e-4, ".npz": 0.0}[suffix]
    assert (again.leads, again.fs, again.samples) == (ecg.leads, ecg.fs, ecg.samples)
    assert (again.signal - ecg.signal).abs().max() <= step + 1e-5 * (suffix != ".npz")


def test_wfdb_reads_written_files(tmp_path):
    ecg = read(SAMPLES / "00262_hr.hea").resample(333.5)
    assert write(ecg, tmp_path / "a.hea") == [tmp_path / "a.dat", tmp_path / "a.hea"]
    seen = wfdb.rdrecord(str(tmp_path / "a"), physical=False)
    assert (seen.fs, tuple(seen.sig_name), set(seen.adc_gain), set(seen.units)) == (333.5, ecg.leads, {1000.0}, {"mV"})
    assert seen.checksum == [int(total) for total in seen.d_signal.sum(0).astype(np.int16)]
    np.testing.assert_allclose(seen.d_signal.T / 1000, ecg.signal[0], atol=0.51e-3)


def test_lead_laws_hold_after_a_round_trip(tmp_path):
    drawn = noise(INDEPENDENT_LEADS, scale=1.5).signal.double()
    twelve = ECG(torch.einsum("kl,blt->bkt", torch.as_tensor(LEAD_MATRIX), drawn), STANDARD_LEADS, 500)
    for suffix, microvolts in ((".hea", 1.5), (".csv", 0.1), (".npz", 0.01)):
        signal = 1e3 * read(write(twelve, tmp_path / f"a{suffix}")[-1]).signal.double()[0]
        i, ii, iii, avr, avl, avf = signal[:6]
        for broken in (i + iii - ii, avr + (i + ii) / 2, avl - (i - iii) / 2, avf - (ii + iii) / 2):
            assert broken.abs().max() <= microvolts + 1e-3


def test_invalid_writes(tmp_path):
    loud = noise()
    loud.signal[0, 1, 3] = 32.768
    assert "lead II reaches 32.768 mV; at most 32.767 mV were expected" in refusal(write, loud, tmp_path / "a.hea")
    assert "a batch of 2 records; one record was expected for .csv" in refusal(
        write, noise(records=2), tmp_path / "a.csv"
    )
    assert "the suffix is '.xyz'; one of .hea, .mat, .csv, .npz, " in refusal(write, noise(), tmp_path / "a.xyz")
    assert "cannot be named 'my record'" in refusal(write, noise(), tmp_path / "my record.hea")
    assert "is empty or has gaps" in refusal(write, replace(loud, signal=loud.signal * np.nan), tmp_path / "a.npz")
    assert "a.csv cannot be written (No such file" in refusal(write, noise(), tmp_path / "absent" / "a.csv")
    assert not list(tmp_path.iterdir())


def test_files_are_overwritten_only_on_request(tmp_path):
    (tmp_path / "a.dat").write_bytes(b"precious")
    assert "a.dat exist already; choose another name, or pass overwrite=True" in refusal(
        write, noise(), tmp_path / "a.hea"
    )
    assert (tmp_path / "a.dat").read_bytes() == b"precious"
    write(noise(), tmp_path / "a.hea", overwrite=True)
    assert read(tmp_path / "a.hea").samples == 1200


@pytest.mark.parametrize("method", ["write_bytes", "replace"])
def test_full_disk_leaves_no_incomplete_file(tmp_path, monkeypatch, method):
    def fail(self, content):
        if method == "write_bytes":
            os.close(os.open(self, os.O_CREAT | os.O_WRONLY))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, method, fail)
    message = refusal(write, noise(), tmp_path / "a.hea")
    assert "a.hea cannot be written (No space left on device); a writable folder with room in it" in message
    assert not list(tmp_path.iterdir())


# Folders


def test_recordings_of_a_folder(tmp_path):
    assert "there is no folder" in refusal(records, tmp_path / "absent")
    (tmp_path / "b").mkdir()
    (tmp_path / ".hidden.csv").touch()
    assert "no recording was found in" in refusal(records, tmp_path)
    for name in ("c.npz", "b/a.hea", "b/a.dat", "a.csv"):
        (tmp_path / name).touch()
    assert records(str(tmp_path)) == [tmp_path / "a.csv", tmp_path / "b/a.hea", tmp_path / "c.npz"]


def test_importing_io_is_fast():
    code = "import sys, ecggen.io; print([name for name in ('wfdb', 'pandas', 'matplotlib') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
