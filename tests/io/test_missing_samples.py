"""Files with gaps: what each format keeps, and what the commands say and do."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from ecggen import InputError, read, write
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, STANDARD_LEADS, Provenance
from ecggen.core.simulate import simulate
from ecggen.io.formats import GAPS, WRITE
from ecggen.io.quality import check_laws, check_quality, law_residual

ORIGIN = Provenance(recorded=("I",), generated=("I", "II"), model="m", seed=1, parts=(("I", 1.0, 2.5), ("I", 3.0, 4.0)))


def holed(*leads: str) -> ECG:
    """Simulated leads at 500 Hz without samples from 1 to 1.2 s (the first lead) and from 4.000 to 4.008 s (all)."""
    ecg = replace(simulate(1, seconds=5, fs=500, seed=1).standard().pick(*leads), provenance=None)
    ecg.signal[0, 0, 500:600] = ecg.signal[0, :, 2000:2004] = torch.nan
    return ecg


@pytest.mark.parametrize("leads", [STANDARD_LEADS, ("II",)])
@pytest.mark.parametrize("suffix", GAPS)
def test_missing_samples_are_written_and_read_back(suffix, leads, tmp_path):
    ecg = holed(*leads)
    again = read(write(ecg, tmp_path / f"a{suffix}")[-1], gaps=True)
    missing = torch.isnan(ecg.signal)
    assert torch.equal(torch.isnan(again.signal), missing) and again.fs == 500 and again.leads == leads
    torch.testing.assert_close(again.signal[~missing], ecg.signal[~missing], atol=6e-4, rtol=0)
    with pytest.raises(InputError, match="lacks"):
        read(tmp_path / f"a{suffix}")


def test_the_values_of_missing_samples_are_those_of_the_formats(tmp_path):
    import pydicom
    import wfdb

    ecg = holed("I", "V1")
    for suffix in (".hea", ".csv", ".dcm"):
        write(ecg, tmp_path / f"a{suffix}")
    assert (wfdb.rdrecord(str(tmp_path / "a"), physical=False).d_signal[500:600, 0] == -32768).all()
    assert np.isnan(wfdb.rdrecord(str(tmp_path / "a")).p_signal[500:600, 0]).all()
    group = pydicom.dcmread(tmp_path / "a.dcm").WaveformSequence[0]
    assert np.frombuffer(group.WaveformPaddingValue, "<i2").tolist() == [-32768]
    assert (tmp_path / "a.csv").read_text().splitlines()[-2500 + 550].startswith(",")
    assert ",\n" in (tmp_path / "a.csv").read_text()
    write(simulate(1, fs=500), tmp_path / "whole.dcm")
    assert "WaveformPaddingValue" not in pydicom.dcmread(tmp_path / "whole.dcm").WaveformSequence[0]


@pytest.mark.parametrize("suffix", WRITE)
def test_generated_parts_are_written_and_read_back(suffix, tmp_path):
    ecg = ECG(0.1 * torch.sin(torch.arange(2500) / 9).expand(2, -1), ("I", "II"), 500, ORIGIN)
    path = write(ecg, tmp_path / f"a{suffix}")[-1]
    assert read(path, check=False).provenance == ORIGIN
    part = read(path, start=2, seconds=1.5, check=False).provenance
    assert part.parts == (("I", 0.0, 0.5), ("I", 1.0, 1.5))
    assert read(path, start=4.2, seconds=0.8, check=False).provenance.generated == ("II",)


def test_quality_of_what_is_recorded_is_checked():
    ecg = holed("I", "II", "III")
    check_quality(ecg)
    check_laws(ecg)
    assert law_residual(ecg) < 1e-5
    flat = replace(ecg, signal=torch.where(torch.isnan(ecg.signal), torch.nan, 0.5))
    with pytest.raises(InputError, match=r"lead I is flat at 0\.5 mV"):
        check_quality(flat)
    wrong = replace(ecg, signal=ecg.signal.clone())
    wrong.signal[0, 1, 550] += 1  # only II and III are recorded there: no law holds between them
    check_laws(wrong)
    wrong.signal[0, 1, 1000] += 1
    with pytest.raises(InputError, match="contradict each other by up to"):
        check_laws(wrong)


def test_convert_keeps_gaps_and_says_where_they_are(run, tmp_path):
    write(holed("I", "V1"), tmp_path / "a.csv")
    code, out, _ = run("convert", tmp_path / "a.csv", tmp_path / "b.hea", "--resample", "250")
    assert code == 0
    assert "doubt: samples are missing: I from 1.00 to 1.20 s; I, V1 from 4.000 to 4.008 s" in out
    again = read(tmp_path / "b.hea", gaps=True)
    assert again.fs == 250 and torch.isnan(again.signal).sum((0, 2)).tolist() == [52, 2]
    code, _, err = run("convert", tmp_path / "a.csv", tmp_path / "b.edf")
    assert code != 0 and "write .hea, .mat, .csv, .npz or .dcm" in err and not (tmp_path / "b.edf").exists()


def test_derived_leads_miss_only_what_they_derive_from():
    eight = simulate(1, seconds=4, fs=250, seed=3).pick(*INDEPENDENT_LEADS)
    eight.signal[0, eight.leads.index("V1"), 100:200] = torch.nan
    eight.signal[0, eight.leads.index("I"), 300:310] = torch.nan
    missing = torch.isnan(eight.standard().signal).sum(-1)[0]
    assert dict(zip(STANDARD_LEADS, missing.tolist(), strict=True)) == dict.fromkeys(STANDARD_LEADS, 0) | {
        "V1": 100,
        **dict.fromkeys(("I", "III", "aVR", "aVL", "aVF"), 10),
    }


def test_reconstruct_says_which_parts_are_generated(run, tmp_path):
    ecg = replace(simulate(1, seconds=10, fs=250, seed=1).pick("I", "V1"), provenance=None)
    ecg.signal[0, 0, 1000:1500] = torch.nan
    ecg.signal[0, 1, 200:203] = torch.nan
    write(ecg, tmp_path / "a.csv")
    words = ("reconstruct", tmp_path / "a.csv", "--model", "vae", "--num-draws", "2", "--plot-format", "svg")
    code, out, err = run(*words, "--out", tmp_path / "out")
    assert code == 0, err
    assert "recorded:  V1\n" in out and "in part:   I: generated from 4 to 6 s\n" in out
    assert "note:      lead V1: 3 samples bridged (0.012 s at 0.800 s)\n" in out
    assert "note:      lead I: 2.0 s without samples were generated\n" in out
    about = json.loads((tmp_path / "out" / "a.json").read_text())
    assert about["generated_parts"] == {"I": [[4.0, 6.0]]} and "I" in about["interval_mv"]
    again = read(tmp_path / "out" / "a.hea")
    assert again.provenance.parts == (("I", 4.0, 6.0),)
    present = torch.isfinite(ecg.signal)
    assert (again.pick("I", "V1").signal - ecg.signal)[present].abs().max() < 6e-4
    page = (tmp_path / "out" / "a.svg").read_text()
    assert 'id="generated-I"' in page and 'id="lead-I"' in page and 'id="generated-V1"' not in page
    ecg.signal[0, :, 800:1600] = torch.nan
    write(ecg, tmp_path / "b.csv")
    code, _, err = run(words[0], tmp_path / "b.csv", *words[2:], "--start", "1", "--out", tmp_path / "more")
    assert code != 0 and "b.csv: no lead has samples from 2.20 to 5.40 s" in err
    assert "use a part, e.g. --start 6.4 --seconds 3.6" in err


def test_translate_leaves_gaps_of_a_ppg_to_the_model(run, tmp_path):
    from ecggen.core.simulate import simulate_ppg, simulated_peaks

    wave = simulate_ppg(simulated_peaks(10, 72), 10, 125, np.random.default_rng(0))
    wave[500:600] = np.nan
    np.savez(tmp_path / "a.npz", PLETH=wave, fs=125)
    code, out, err = run("translate", tmp_path / "a.npz", "--model", "vae", "--out", tmp_path / "out")
    assert code == 0, err
    assert "note:      PPG: 100 samples are missing: beats there are generated (0.800 s at 4.000 s)" in out
    assert torch.isfinite(read(tmp_path / "out" / "a.hea", check=False).signal).all()
