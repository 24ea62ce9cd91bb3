"""Channels of a file as leads: by the names of the file, by name or number, in order; and counts of a converter."""

import numpy as np
import pytest
import torch
import wfdb

from ecggen import read
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.io import reading
from ecggen.report.inputs.open import FileDefaults, open_recording

ONE, TWO, CHEST = (
    simulate(1, seconds=4, fs=200, seed=5).pick(lead).signal[0, 0].double().numpy() for lead in ("I", "II", "V1")
)
"""Leads I, II and V1, 4 s at 200 Hz, in mV."""


def table(path, names, columns, top=("# fs: 200 Hz", "# unit: mV")):
    rows = [",".join(f"{value:.6g}" for value in row) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([*top, *([",".join(names)] if names else []), *rows]) + "\n")
    return path


def refusal(path, **options):
    with pytest.raises(InputError) as error:
        read(path, check=False, **options)
    return str(error.value)


def assert_reads(ecg, **leads):
    assert ecg.leads == tuple(leads)
    for lead, wave in leads.items():
        assert np.abs(ecg.pick(lead).signal[0, 0].numpy() - wave).max() < 1e-5


@pytest.fixture
def three(tmp_path):
    """A table of a sleep recording: a respiration, an ECG whose lead is not named, and lead V1."""
    return table(tmp_path / "sleep.csv", ("RESP", "ECG 1", "V1"), (np.arange(len(ONE)) % 7, TWO, CHEST))


@pytest.mark.parametrize("leads", ["II=ECG 1", "II=ecg 1", "II=2", "II=02", " II = 2 ", ["II=ECG 1"], ("ii=2",)])
def test_a_channel_is_a_lead_by_its_name_or_number(three, leads):
    assert_reads(read(three, leads=leads), II=TWO)


def test_channels_by_name_and_number_mix_with_leads_that_the_file_names(three):
    assert_reads(read(three, leads="V1, II=ECG 1"), V1=CHEST, II=TWO)
    assert_reads(read(three, leads="II=2, V1=3"), II=TWO, V1=CHEST)


def test_what_was_chosen_is_said(three):
    changed = reading(three, leads="II=2").changes
    assert "leads renamed: ECG 1 → II" in changed and "channels left out: 'RESP', 'V1'" in changed


def test_channels_without_names_are_chosen_by_number(tmp_path):
    np.savez(tmp_path / "a.npz", signal=np.stack([ONE, CHEST, TWO]), fs=200, unit="mV")
    np.savez(tmp_path / "b.npz", signal=np.stack([ONE, CHEST, TWO]).T, fs=200, unit="mV")
    for name in ("a.npz", "b.npz"):
        assert_reads(read(tmp_path / name, leads="II=3,I=1"), II=TWO, I=ONE)
    bare = table(tmp_path / "bare.csv", (), (ONE, CHEST, TWO))
    assert_reads(read(bare, leads="II=3"), II=TWO)
    assert "leads renamed: channel 3 → II" in reading(bare, leads="II=3").changes


def test_the_number_counts_all_channels_of_the_file(tmp_path):
    path = table(tmp_path / "timed.csv", ("time", "ECG"), (np.arange(len(TWO)) / 200, TWO), ("# unit: mV",))
    assert_reads(read(path, leads="II=2"), II=TWO)
    assert "(channels 2 'ECG')" in refusal(path, leads="II=1")


def test_a_name_is_preferred_to_a_number(tmp_path):
    np.savez(tmp_path / "a.npz", signal=np.stack([ONE, TWO]), leads=["2", "1"], fs=200, unit="mV")
    assert_reads(read(tmp_path / "a.npz", leads="II=1"), II=TWO)


@pytest.mark.parametrize(
    ("leads", "expected"),
    [
        ("II=ECG", "channel 'ECG' is not in the file (channels 1 'RESP', 2 'ECG 1', 3 'V1')"),
        ("II=4", "channel '4' is not in the file (channels 1 'RESP', 2 'ECG 1', 3 'V1')"),
        ("II=0", "channel '0' is not in the file (channels"),
        ("II=-1", "channel '-1' is not in the file (channels"),
        ("II=2,I=ECG 1", "channel 2 ('ECG 1') is assigned to the leads II, I (channels 1 'RESP', 2 'ECG 1', 3 'V1')"),
        ("II=2,II=3", "lead II occurs twice"),
        ("II=2,I", "lead I is not in the file (channels 1 'RESP', 2 'ECG 1', 3 'V1')"),
        ("II=2,-", "'-' is among leads that channels are assigned to"),
        ("II=", "'II=' gives no channel"),
        ("ECG=II", "'ECG' is not a known lead"),
        ("II=V1", "a channel is 'V1' in the file and 'II' in leads (channels 1 'RESP', 2 'ECG 1', 3 'V1')"),
        ("I,II", "channels 1 'RESP', 2 'ECG 1', 3 'V1'"),
        (None, "'ECG 1' is not a known lead (channels 1 'RESP', 2 'ECG 1', 3 'V1')"),
    ],
)
def test_wrong_channels_are_refused_with_the_channels_of_the_file(three, leads, expected):
    assert expected in refusal(three, leads=leads)


def test_a_name_that_occurs_twice_is_chosen_by_number(tmp_path):
    path = table(tmp_path / "a.csv", ("V1", "ECG", "ECG"), (CHEST, ONE, TWO))
    message = refusal(path, leads="II=ECG")
    assert "channel 'ECG' is 2 times in the file" in message and "give its number, e.g. leads='II=2'" in message
    assert_reads(read(path, leads="II=3"), II=TWO)


def test_a_channel_that_is_not_chosen_refuses_nothing(tmp_path):
    options = {"fmt": ["16"] * 3, "adc_gain": [1000] * 3, "baseline": [0] * 3, "write_dir": str(tmp_path)}
    names, units = ["II", "pressure", "I"], ["mV", "mmHg", "mV"]
    wfdb.wrsamp("a", 200, units, names, np.stack([TWO, np.full(len(TWO), np.nan), ONE], 1), **options)
    assert read(tmp_path / "a.hea", leads="I,II").leads == ("I", "II")
    assert read(tmp_path / "a.hea", leads="II,-,I").leads == ("II", "I")
    assert "the unit of channel 'pressure' is 'mmHg'" in refusal(tmp_path / "a.hea", leads="V1=pressure")


def test_the_advice_for_a_bad_lead_names_channels_as_the_user_did(tmp_path):
    path = table(tmp_path / "a.csv", ("ECG A", "ECG B"), (np.zeros(len(ONE)), TWO))
    with pytest.raises(InputError, match=r"lead I is flat at 0 mV.*read the other leads: leads='II=ECG B'"):
        read(path, leads="I=1,II=2")
    assert_reads(read(path, leads="II=ECG B"), II=TWO)


@pytest.mark.parametrize("name", ["ECG", "EKG", "ecg", "ch1", "signal", "ECG [mV]", "Channel 1"])
def test_the_only_channel_of_a_file_is_an_ecg_whose_lead_is_not_named(tmp_path, name):
    path = table(tmp_path / "a.csv", ("time", name), (np.arange(len(ONE)) / 200, ONE), ("# unit: mV",))
    message = refusal(path)
    assert message.endswith("e.g. leads='I'")
    assert_reads(read(path, leads="I"), I=ONE)


@pytest.mark.parametrize("name", ["ECG", "EKG"])
def test_an_ecg_whose_lead_is_not_named_in_wfdb(tmp_path, name):
    wfdb.wrsamp(
        "a", 200, ["mV"], [name], ONE[:, None], fmt=["16"], adc_gain=[1000], baseline=[0], write_dir=str(tmp_path)
    )
    assert "an ECG whose lead is not named" in refusal(tmp_path / "a.hea")
    assert read(tmp_path / "a.hea", leads="I").leads == ("I",)


def test_counts_are_read_with_gain_and_baseline(tmp_path):
    counts = np.rint(TWO * 200) + 1024
    path = table(tmp_path / "100.csv", ("'sample #'", "'MLII'"), (np.arange(len(TWO)), counts), ())
    ecg = read(path, fs=200, gain=200, baseline=1024)
    assert ecg.leads == ("II",) and np.abs(ecg.signal[0, 0].numpy() - TWO).max() <= 0.5 / 200 + 1e-6
    assert "counts → mV: 200 per mV, 1024 at 0 mV" in reading(path, fs=200, gain=200, baseline=1024).changes
    assert torch.equal(read(path, fs=200, gain=0.2, baseline=1024, unit="uV").signal, ecg.signal)
    lifted = read(path, fs=200, gain=200, check=False)
    assert torch.allclose(lifted.signal, ecg.signal + 5.12, atol=1e-5)


def test_counts_are_read_from_a_file_whose_unit_is_no_voltage(tmp_path):
    counts = np.rint(TWO * 200)
    wfdb.wrsamp(
        "a", 200, ["adu"], ["II"], counts[:, None], fmt=["16"], adc_gain=[1], baseline=[0], write_dir=str(tmp_path)
    )
    assert "give the number per mV with gain" in refusal(tmp_path / "a.hea")
    assert np.abs(read(tmp_path / "a.hea", gain=200).signal[0, 0].numpy() - TWO).max() <= 0.5 / 200 + 1e-6


@pytest.mark.parametrize(
    ("top", "options", "expected"),
    [
        (("# fs: 200 Hz", "# unit: mV"), {"gain": 200}, "channel 'II' is in 'mV' in the file, and gain is given"),
        (("# fs: 200 Hz",), {"baseline": 1024}, "baseline is given without gain"),
        (("# fs: 200 Hz",), {"baseline": 1024}, "give both, e.g. gain=200, baseline=1024"),
        (("# fs: 200 Hz",), {"gain": 0}, "gain is 0 and baseline is None"),
        (("# fs: 200 Hz",), {"gain": float("nan")}, "gain is nan"),
        (("# fs: 200 Hz",), {"gain": 1, "baseline": float("inf")}, "baseline is inf"),
        (("# fs: 200 Hz",), {"gain": 200, "unit": "mmHg"}, "the unit is 'mmHg'"),
        (("# fs: 200 Hz",), {}, "the file does not state its unit; give it with unit, or the counts per mV with gain"),
    ],
)
def test_counts_that_contradict_the_file_or_are_incomplete(tmp_path, top, options, expected):
    path = table(tmp_path / "a.csv", ("II",), (TWO,), top)
    assert expected in refusal(path, **options)


def test_channels_are_chosen_in_reports_as_well(three, tmp_path):
    assert_reads(open_recording(three, FileDefaults.of(None, None, "II=ECG 1, V1")), II=TWO, V1=CHEST)
