"""PPGs: pulse times, files, patient-disjoint folds of BIDMC, translation to ECG and its scores."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import wfdb
from conftest import SAMPLES, tiny

from ecggen import ECG, InputError, data, read
from ecggen.benchmark import run, translation
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.rhythm import contradiction, heart_rate, pulse_delay, pulse_rises, r_peaks
from ecggen.core.simulate import PULSE_DELAY, simulate, simulate_ppg, simulated_peaks
from ecggen.data.bidmc import Pair, read_pair
from ecggen.data.challenges import patient_of_2015
from ecggen.data.pack import fold_of
from ecggen.generators import checkpoint
from ecggen.io.ppg import PPG, read_ppg
from ecggen.io.pulse_checks import lean

REGULAR = SAMPLES / "bidmc" / "bidmc_15_Signals.csv"
IRREGULAR = SAMPLES / "bidmc" / "bidmc_45_Signals.csv"
COLUMNS = ("RESP", "PLETH", "V", "AVR", "II")


def column(path, name="PLETH"):
    names = [cell.strip() for cell in path.read_text().split("\n", 1)[0].split(",")]
    return np.loadtxt(path, delimiter=",", skiprows=1)[:, names.index(name)]


def known(heart_rate=72.0, seed=0):
    """Simulated beats and their PPG, 60 s at 125 Hz."""
    beats = simulated_peaks(60, heart_rate)
    return beats, simulate_ppg(beats, 60, 125, np.random.default_rng(seed))


def irregular_beats(seed, seconds=60.0):
    """Beats as in atrial fibrillation: 95 per minute with irregular intervals."""
    rng = np.random.default_rng(seed)
    beats = np.cumsum(np.clip(rng.normal(0.63, 0.14, 200), 0.35, 1.3))
    return beats[beats < seconds]


# Pulses


@pytest.mark.parametrize("rate", [48, 72, 104, 150])
def test_pulses_of_a_simulated_ppg_are_timed(rate):
    for seed in range(3):
        beats, wave = known(rate, seed)
        assert heart_rate(pulse_rises(wave, 125)) == pytest.approx(rate, rel=0.02)
        assert pulse_delay(beats, wave, 125) == pytest.approx(PULSE_DELAY, abs=0.02)


@pytest.mark.parametrize("delay", [-0.3, 0.1, 0.45, 0.7, 1.1])
def test_any_delay_is_found_in_an_irregular_rhythm(delay):
    beats = irregular_beats(1)
    wave = simulate_ppg(beats + delay - PULSE_DELAY, 60, 64, np.random.default_rng(1))
    assert pulse_delay(beats, wave, 64) == pytest.approx(delay, abs=0.02)


def test_no_delay_without_beats():
    _, wave = known()
    assert pulse_delay(np.zeros(0), wave, 125) is None
    assert pulse_delay(simulated_peaks(60, 72), np.ones(7500), 125) is None
    assert not len(pulse_rises(np.ones(7500), 125)) and heart_rate(np.zeros(0)) is None


def test_given_heart_rate_that_contradicts_the_measured_one():
    assert "130 per minute was given and 60 is measured" in contradiction(130, 60)
    assert not contradiction(65, 60) and not contradiction(115, 102) and not contradiction(None, 60)


# Pairs and patients


@pytest.mark.parametrize(("path", "delay", "rate"), [(REGULAR, 0.457, 109), (IRREGULAR, 0.617, 58)])
def test_recorded_pair(path, delay, rate):
    pair = read_pair(path)
    assert pair.ecg.leads == ("II",) and pair.ecg.fs == 125 and len(pair.ppg) == pair.ecg.samples == 3750
    assert pair.delay == pytest.approx(delay, abs=0.02)  # of the whole eight minutes
    (peaks,) = r_peaks(Preprocessor().ecg(pair.ecg))
    moved = pair.in_time()
    assert len(moved.ppg) == len(pair.ppg) and torch.equal(moved.ecg.signal, pair.ecg.signal)
    assert pulse_delay(peaks, moved.ppg.numpy(), 125) == pytest.approx(PULSE_DELAY, abs=0.01)
    assert heart_rate(pulse_rises(pair.ppg.numpy(), 125)) == pytest.approx(
        heart_rate(peaks), rel=0.05
    )  # early beats may have no pulse
    assert heart_rate(peaks) == pytest.approx(rate, rel=0.05)


def test_shifts_do_not_wrap_around():
    ppg = torch.arange(1000.0)
    for delay in (0.6, -0.1):
        moved = Pair(ECG(torch.zeros(1, 1000), ("II",), 100), ppg, delay).in_time()
        assert len(moved.ppg) == 1000 and bool((moved.ppg.diff() >= 0).all()) and abs(moved.delay - PULSE_DELAY) < 0.005


def wfdb_copy(path, folder, name):
    """A BIDMC excerpt in PhysioNet's WFDB format, with a comma after each name."""
    names = [one for one in COLUMNS if one in path.read_text().split("\n", 1)[0]]
    samples = np.stack([column(path, one) for one in names], 1)
    units = ["NU" if one in ("RESP", "PLETH") else "mV" for one in names]
    size = len(names)
    wfdb.wrsamp(
        name,
        fs=125,
        units=units,
        sig_name=[f"{one}," for one in names],
        p_signal=samples,
        fmt=["16"] * size,
        adc_gain=[10000.0] * size,
        baseline=[0] * size,
        write_dir=str(folder),
    )
    return folder / f"{name}.hea"


def test_wfdb_and_csv_give_the_same_pair(tmp_path):
    one, other = read_pair(REGULAR), read_pair(wfdb_copy(REGULAR, tmp_path, "bidmc15"))
    assert (one.ecg.signal - other.ecg.signal).abs().max() < 1e-4 and (one.ppg - other.ppg).abs().max() < 1e-4
    assert one.delay == pytest.approx(other.delay, abs=1e-3)
    assert torch.allclose(read_ppg(REGULAR).wave, read_ppg(tmp_path / "bidmc15.hea").wave, atol=1e-2)


def with_gap(tmp_path, first, last):
    lines = REGULAR.read_text().split("\n")
    for at in range(first + 1, last + 1):
        cells = lines[at].split(",")
        lines[at] = ",".join([*cells[:-1], ""])
    (tmp_path / REGULAR.name).write_text("\n".join(lines))
    return tmp_path / REGULAR.name


def test_gaps_of_a_pair(tmp_path):
    whole = read_pair(REGULAR)
    bridged = read_pair(with_gap(tmp_path, 1000, 1020))
    assert bridged.ecg.samples == 3750 and torch.equal(bridged.ppg, whole.ppg)
    cut = read_pair(with_gap(tmp_path, 1000, 1100))
    assert cut.ecg.samples == 2650 == len(cut.ppg) and torch.equal(cut.ppg, whole.ppg[1100:])
    with pytest.raises(InputError, match="longest part without a gap"):
        read_pair(with_gap(tmp_path, 1000, 3000))


def bidmc(folder, patients, **metadata):
    """A folder in BIDMC's CSV format: recording i is of ``patients[i]``."""
    folder.mkdir(parents=True, exist_ok=True)
    for at, patient in enumerate(patients, 1):
        shutil.copy((REGULAR, IRREGULAR)[at % 2], folder / f"bidmc_{at:02d}_Signals.csv")
        age, sex = metadata.get(patient, ("64", "F"))
        text = f"bidmc_{at:02d}\nAge: {age}\nGender: {sex}\nMIMIC II matched wdb ID: {patient}\n"
        if patient:
            (folder / f"bidmc_{at:02d}_Fix.txt").write_text(text)
    return folder


def test_no_patient_is_in_two_folds(tmp_path):
    patients = [f"s{at % 23:05d}" for at in range(50)]
    found = data.recordings(bidmc(tmp_path / "bidmc_csv", patients))
    assert found == data.recordings(tmp_path)  # the folder around it
    folds = {}
    for one in found:
        folds.setdefault(one.patient, set()).add(one.fold)
    assert all(len(lies) == 1 for lies in folds.values()) and len(folds) == 23
    sizes = [sum(lies == {fold} for lies in folds.values()) for fold in range(1, 11)]
    assert max(sizes) - min(sizes) == 1 and all(one.paired for one in found)


def test_patient_metadata(tmp_path):
    found = data.recordings(bidmc(tmp_path, ["a", "b", ""], a=("90+", "M"), b=("NaN", "?")))
    assert [(one.name, one.patient, one.age, one.sex) for one in found] == [
        ("bidmc_01", "a", 90.0, 0.0),
        ("bidmc_02", "b", None, None),
        ("bidmc_03", "bidmc_03", None, None),
    ]


def test_bidmc_in_wfdb_format_is_detected(tmp_path):
    wfdb_copy(REGULAR, tmp_path, "bidmc15")
    wfdb_copy(REGULAR, tmp_path, "bidmc15n")
    (found,) = data.recordings(tmp_path)
    assert found.paired and found.name == "bidmc_15" and read_pair(found.path).ecg.leads == ("II",)


# Files with a PPG


def table(path, names, *columns, head=""):
    rows = "\n".join(",".join(f"{cell:.6g}" for cell in row) for row in zip(*columns, strict=True))
    path.write_text(f"{head}{names}\n{rows}\n" if names else f"{head}{rows}\n")
    return path


def test_every_format_gives_the_same_ppg(tmp_path):
    wave = column(REGULAR)
    time = np.arange(len(wave)) / 125
    e4 = "1550000000.00\n125.000000\n"
    np.savez(tmp_path / "a.npz", ppg=1e6 * wave, fs=125.0)
    made = [
        read_ppg(REGULAR),
        read_ppg(table(tmp_path / "one.csv", "", wave), fs=125),
        read_ppg(table(tmp_path / "named.csv", "time [s],II,Finger PPG", time, time, 3000 * wave - 7)),
        read_ppg(table(tmp_path / "two.csv", "time [s],PPG_red,PPG_ir", time, time, wave), channel="ppg_IR"),
        read_ppg(table(tmp_path / "bare.csv", "", time, wave), fs=125, channel="2"),
        read_ppg(table(tmp_path / "BVP.csv", "", wave, head=e4)),
        read_ppg(tmp_path / "a.npz"),
    ]
    for one in made:
        assert one.fs == 125 and one.wave.dtype == torch.float32 and not one.notes
        assert torch.allclose(one.wave, made[0].wave, atol=1e-3), one.origin
    assert made[0].origin == "bidmc_15_Signals.csv, PLETH"
    part = read_ppg(REGULAR, start=10, seconds=5)
    assert part.seconds == 5 and np.corrcoef(part.wave, wave[1250:1875])[0, 1] == pytest.approx(1)


@pytest.mark.parametrize("path", [REGULAR, IRREGULAR])
def test_inverted_ppg_is_detected_and_corrected(path, tmp_path):
    wave = column(path)
    right = read_ppg(path)
    turned = read_ppg(table(tmp_path / "down.csv", "PPG", -wave), fs=125)
    assert torch.allclose(turned.wave, right.wave, atol=1e-4)
    assert not right.notes and "has been inverted" in turned.notes[0]
    leans = [lean(wave[start : start + 1250], 125) for start in range(0, 3750, 1250)]
    assert min(leans) > 0.5 and lean(-wave, 125) < -0.5


def test_irregular_rhythms_are_accepted(tmp_path):
    for seed in range(5):
        wave = simulate_ppg(irregular_beats(seed, 30), 30, 64, np.random.default_rng(seed))
        assert isinstance(read_ppg(table(tmp_path / "af.csv", "PPG", wave), fs=64), PPG)


def pulses(fs=100.0, seconds=20.0, rate=72.0):
    return simulate_ppg(simulated_peaks(seconds, rate), seconds, fs, np.random.default_rng(0))


def clipped():
    wave = pulses()
    return np.clip(wave, *np.quantile(wave, [0, 0.55]))


def holed(samples):
    wave = pulses()
    wave[300 : 300 + samples] = np.nan
    return wave


@pytest.mark.parametrize(
    ("names", "columns", "words", "message"),
    [
        ("RESP,II", [pulses(), pulses()], {"fs": 100}, "no channel is known to be a PPG"),
        ("II", [pulses()], {"fs": 100}, "no channel is known to be a PPG"),
        ("PPG1,PPG2", [pulses(), pulses()], {"fs": 100}, "several channels may be the PPG"),
        ("PPG", [pulses()], {"fs": 100, "channel": "green"}, "channel 'green' is not among"),
        ("PPG", [pulses()], {}, "the file does not state its sampling rate; give it with fs"),
        ("PPG", [pulses()], {"fs": 5}, "the sampling rate is 5 Hz; 20 to 2000 Hz"),
        ("PPG", [pulses()], {"fs": 5000}, "the sampling rate is 5000 Hz"),
        ("PPG", [pulses()], {"fs": 600}, "would be 4.. per minute; 25 to 300 were expected; correct the sampling rate"),
        ("PPG", [np.full(2000, 3.5)], {"fs": 100}, "the PPG is flat at 3.5"),
        ("PPG", [clipped()], {"fs": 100}, "the PPG is clipped: 4.% of it"),
        ("PPG", [pulses()[:150]], {"fs": 100}, "the PPG lasts 1.5 s; at least 2 s"),
        (
            "PPG",
            [holed(101)],
            {"fs": 100},
            "lacks 101 of 2000 samples, the first at 3.000 s.*start=4.01, seconds=15.99",
        ),
        ("PPG", [np.full(2000, np.nan)], {"fs": 100}, "lacks 2000 of 2000"),
        ("PPG", [np.random.default_rng(0).normal(size=2000)], {"fs": 100}, "no pulse is detected"),
        ("PPG", [1e20 * pulses()], {"fs": 100}, "the PPG reaches"),
        ("PPG", [pulses()], {"fs": 100, "start": 30}, "the recording lasts 20.000 s"),
        ("PPG", [pulses()], {"fs": 100, "start": float("nan")}, "finite numbers"),
        ("PPG", [pulses()], {"fs": float("inf")}, "a positive number of Hz"),
    ],
)
def test_invalid_ppgs(names, columns, words, message, tmp_path):
    path = table(tmp_path / "bad.csv", names, *columns)
    with pytest.raises(InputError, match=message) as caught:
        read_ppg(path, **words)
    assert str(caught.value).startswith("bad.csv: ")


def test_invalid_files(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 and no more")
    np.savez(tmp_path / "batch.npz", ppg=np.zeros((3, 1000)), fs=100)
    for name in ("nothing.csv", "empty.csv", "binary.csv", "broken.npz", "batch.npz", "."):
        with pytest.raises(InputError):
            read_ppg(tmp_path / name)
        with pytest.raises(InputError):
            read_pair(tmp_path / name)
    with pytest.raises(InputError, match="no PPG is among the channels"):
        read_pair(SAMPLES / "00010_lr.hea")


def test_slight_clipping_gives_a_note_and_short_gaps_are_filled(tmp_path):
    wave = column(REGULAR)
    noted = read_ppg(table(tmp_path / "a.csv", "PPG", np.minimum(wave, np.quantile(wave, 0.92))), fs=125)
    assert noted.notes == ("8% of the PPG is clipped",)
    wave[500:520] = np.nan
    filled = read_ppg(table(tmp_path / "b.csv", "PPG", wave), fs=125)
    assert bool(torch.isfinite(filled.wave).all())
    assert filled.notes == ("PPG: 20 samples bridged (0.160 s at 4.000 s)",)


def test_longer_gaps_stay_missing_with_a_note(tmp_path):
    ppg = read_ppg(table(tmp_path / "a.csv", "PPG", holed(100)), fs=100)
    assert torch.isnan(ppg.wave).nonzero().ravel().tolist() == list(range(300, 400))
    assert ppg.notes == ("PPG: 100 samples are missing: beats there are generated (1.000 s at 3.000 s)",)
    whole = read_ppg(table(tmp_path / "b.csv", "PPG", pulses()), fs=100).wave
    present = torch.isfinite(ppg.wave)
    assert torch.corrcoef(torch.stack([ppg.wave[present], whole[present]]))[0, 1] > 0.9999
    assert torch.equal(ppg.longest_part, ppg.wave[400:])


# Scores


class Copies(translation.Translator):
    """The true ECG with a delay in seconds."""

    name = "copy"

    def __init__(self, late=0.0):
        self.late = late

    def draw(self, windows, first):
        samples = round(self.late * windows.lead.fs)
        moved = torch.zeros_like(windows.lead.signal[:, 0])
        moved[:, samples:] = windows.lead.signal[:, 0, : windows.lead.samples - samples]
        return moved


def simulated_windows(rate=72.0):
    ecg, (_, wave) = simulate(1, 60, 125, 0, rate).pick("II"), known(rate)
    truth = Preprocessor().ecg(ECG(ecg.signal[0].reshape(1, 6, 1250).transpose(0, 1), ("II",), 125))
    ppg = torch.tensor(wave, dtype=torch.float32).reshape(6, 1, 1250)
    return [translation.Windows("one", "a", ppg, 125, truth), translation.Windows("two", "b", ppg, 125, truth)]


def test_true_ecg_has_the_perfect_score_and_a_constant_delay_is_found():
    windows = simulated_windows()
    right = translation.score(Copies(), windows, Preprocessor(), 0)
    assert right["as_drawn"]["f1_50"] == 1 and right["as_drawn"]["r"] > 0.99 and right["no_rate"] == 0
    assert right["heart_rate_error"]["mean"] < 0.5 and right["delays"] == {"one": 0, "two": 0}
    late = translation.score(Copies(0.2), windows, Preprocessor(), 0)
    assert late["delays"]["one"] == pytest.approx(0.2, abs=0.02)
    assert late["delay_removed"]["f1_50"] == 1 and late["delay_removed"]["rmse_z"] < 0.3
    assert late["as_drawn"]["f1_50"] == 0 and late["as_drawn"]["f1_150"] == 0


def test_records_without_beats_are_counted():
    nothing = translation.score(translation.Zero(), simulated_windows(), Preprocessor(), 0)
    assert nothing["heart_rate_error"]["mean"] == pytest.approx(72, abs=1) and nothing["no_rate"] == 1
    assert nothing["delay_removed"]["f1_150"] == 0 and nothing["delays"] == {"one": None, "two": None}
    assert nothing["as_drawn"]["rmse_z"] == pytest.approx(1)
    assert nothing["heart_rate_error"]["within_5"] == 0 and nothing["same_rate"]["n"] == 12


def test_windows_without_a_reference_count_as_errors_and_are_told_apart():
    """Two of twelve windows have no R peak in lead II, one has a flat PPG."""
    whole, damaged = simulated_windows()
    lead, ppg = damaged.lead.signal.clone(), damaged.ppg.clone()
    lead[:2], ppg[2] = 0, 0
    damaged = replace(damaged, lead=replace(damaged.lead, signal=lead), ppg=ppg)
    assert damaged.same_rate.tolist() == [False, False, False, True, True, True]
    assert not damaged.accepted[2] and whole.accepted[1:].all(), "the PPG is flat"
    copy = translation.score(Copies(), [whole, damaged], Preprocessor(), 0)
    assert copy["heart_rate_error"]["within_5"] == 1 and copy["as_drawn"]["f1_50"] == 1, "no R peak on either side"
    beats = translation.PulseBeats()
    beats.beat = np.exp(-0.5 * ((np.arange(70) - 25) / 2) ** 2)
    drawn = translation.score(beats, [whole, damaged], Preprocessor(), 0)
    assert drawn["n"] == 12 and drawn["heart_rate_error"]["within_5"] == pytest.approx(9 / 12)
    assert drawn["heart_rate_error"]["mean"] == pytest.approx(72 * 3 / 12, abs=1), "the whole rate of the other side"
    assert drawn["delay_removed"]["f1_150"] < 0.95 < drawn["same_rate"]["delay_removed"]["f1_150"]
    same = drawn["same_rate"]
    assert (same["n"], same["patients"], same["heart_rate_error"]["within_5"]) == (9, 2, 1)


def test_beats_are_matched_one_to_one_except_at_the_ends():
    true = np.array([0.1, 1.0, 2.0, 3.0, 3.9])
    drawn = np.array([1.03, 2.2, 2.98, 3.04])
    counts = translation.beat_counts(drawn, true, 0.05, (0.3, 3.7))
    assert counts.tolist() == [2, 4, 2, 3]
    assert translation.f1(counts) == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))
    assert translation.f1(np.zeros(4)) == 0


def test_baseline_has_a_beat_at_each_pulse():
    ecg, (_, wave) = simulate(1, 60, 125, 0, 66).pick("II"), known(66)
    beats = translation.PulseBeats()
    beats.fit([Pair(ecg, torch.tensor(wave), PULSE_DELAY)], Preprocessor())
    found = translation.score(beats, simulated_windows(66), Preprocessor(), 0)
    assert found["as_drawn"]["f1_50"] > 0.99 and found["heart_rate_error"]["median"] < 1
    assert abs(found["delays"]["one"]) < 0.02


# The commands


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return checkpoint.save(tiny("vae"), tmp_path_factory.mktemp("models") / "tiny")


def test_ppg_is_translated_to_an_ecg(run, model, tmp_path):
    words = ("translate", REGULAR, "--model", model, "--seconds", 20, "--out", tmp_path / "r")
    code, printed, err = run(*words, "--truth", REGULAR, "--unit", "mV", "--heart-rate", 60, "--age", 51)
    assert code == 0, err
    names = {path.name.removeprefix("bidmc_15_Signals") for path in (tmp_path / "r").iterdir()}
    assert names == {".hea", ".dat", ".csv", ".png", "_beats.png", ".txt", ".json"}
    for part in ("SYNTHETIC; not for diagnosis", "are typical only", "0.25 s from R peak", "1 draw", "SDNN"):
        assert part in printed
    assert re.search("60 per minute was given and 1.. is measured; the measured one is used", printed)
    assert "comparison with the true lead II" in printed
    about = json.loads((tmp_path / "r" / "bidmc_15_Signals.json").read_text())
    assert about["condition"] == "PPG; age 51" and about["heart_rate"]["ppg"] == pytest.approx(109, abs=2)
    beats = about["beats"]
    assert len(beats["times_s"]) == pytest.approx(36, abs=2) and np.median(beats["probability"]) > 0.9
    assert {len(beats[name]) for name in ("deviation_ms", "probability", "missed_before")} == {len(beats["times_s"])}
    assert about["rhythm"]["fibrillation_suspected"] is False and about["refused"] == []
    drawn = read(tmp_path / "r" / "bidmc_15_Signals.hea", check=False)
    assert drawn.seconds == 20 and drawn.provenance.recorded == () and len(drawn.provenance.generated) == 12
    assert (tmp_path / "r" / "bidmc_15_Signals.txt").read_text().strip() in printed


def test_several_draws_give_an_interval_and_slow_ppgs_are_accepted(run, model, tmp_path):
    path = table(tmp_path / "slow.csv", "PPG", column(REGULAR)[::5])
    words = ("translate", path, "--fs", 25, "--model", model, "--out", tmp_path / "r", "--num-draws", 2, "--json")
    code, printed, err = run(*words)
    assert code == 0, err
    about = json.loads(printed)
    assert about["num_draws"] == 2 and about["level"] == 0.9 and set(about["interval_mv"]) == set(about["generated"])
    assert (tmp_path / "r" / "slow_interval.npz").exists() and about["seconds"] == pytest.approx(30, abs=0.05)


def test_parts_without_certain_beats_are_refused(run, model, tmp_path):
    wave = column(REGULAR).copy()
    noise = np.convolve(np.random.default_rng(1).standard_normal(1289), np.ones(40) / 40, "valid")
    wave[1250:2500] = wave.mean() + 2 * wave.std() * noise / noise.std()
    words = ("translate", table(tmp_path / "moved.csv", "PPG", wave), "--fs", 125, "--model", model, "--json")
    code, printed, err = run(*words, "--out", tmp_path / "r")
    assert code == 0, err
    about = json.loads(printed)
    (part,) = about["refused"]
    assert (part["start"], part["end"]) == (10, 20) and "motion, noise or a detached sensor" in part["reason"]
    ecg = read(tmp_path / "r" / "moved.hea", check=False, gaps=True)
    missing = ecg.signal[0].isnan().all(0).numpy()
    assert missing[1000:2000].all() and not missing[:1000].any() and not missing[2000:].any()


def test_acceleration_beside_a_ppg_tells_movement(tmp_path):
    assert len(read_ppg(REGULAR).moved) == 0
    assert all(read_ppg(SAMPLES / "formats" / "e4.zip").moved)
    stamp, beats = "1577880000.00", simulated_peaks(20, 72)
    wave = simulate_ppg(beats, 20, 64, np.random.default_rng(0))
    (tmp_path / "BVP.csv").write_text("\n".join([stamp, "64.000000", *(f"{value:.3f}" for value in wave)]))
    still = np.tile([3, 10, 63], (640, 1))
    still[320:] += (40 * np.sin(np.arange(320))[:, None]).astype(int)
    rows = [", ".join([stamp] * 3), "32.0, 32.0, 32.0", *(", ".join(map(str, row)) for row in still)]
    (tmp_path / "ACC.csv").write_text("\n".join(rows))
    assert read_ppg(tmp_path / "BVP.csv").moved == (False,) * 10 + (True,) * 10
    assert read_ppg(tmp_path / "BVP.csv", start=5, seconds=8).moved == (False,) * 5 + (True,) * 3
    (tmp_path / "ACC.csv").write_text("no numbers")
    assert read_ppg(tmp_path / "BVP.csv").moved == ()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--num-draws", 0), "0 draws; at least 1 was expected"),
        (("--channel", "AVR"), "is not among the channels"),
        (("--fs", 250), "its sampling rate is '125.0' in the file"),
        (("--num-steps", 5), "draws in one pass"),
        (("--truth", REGULAR), "the file does not state its unit"),
        (("--sex", "x"), "sex is 'x'"),
    ],
)
def test_invalid_input_gives_one_message_and_no_files(words, message, run, model, tmp_path):
    code, _, err = run("translate", REGULAR, "--model", model, "--out", tmp_path / "r", *words)
    assert code == 2 and err.startswith("error: ") and message in err
    assert not list(tmp_path.iterdir())


def test_translation_protocol(run, model, tmp_path):
    folder = bidmc(tmp_path / "bidmc", ["s1", "s2", "s3"])
    (tmp_path / "ppg.toml").write_text('kind = "translation"\ntrain_folds = [1]\nfolds = [2, 3]\n')
    out = tmp_path / "scores.json"
    code, printed, err = run("evaluate", tmp_path / "ppg.toml", "--data", folder, "--model", model, "--out", out)
    assert code == 0, err
    results = json.loads(out.read_text())
    assert results["n"] == 6 and results["patients"] == 2 and results["recordings"] == ["bidmc_02", "bidmc_03"]
    assert list(results["scores"])[:2] == ["zero", "mean beat at each pulse"] and "R peaks" in results["detectors"]
    beats = results["scores"]["mean beat at each pulse"]
    assert beats["delay_removed"]["f1_50"] > 0.95 > 0.2 > beats["as_drawn"]["f1_50"]
    assert beats["delays"]["bidmc_02"] == pytest.approx(0.457 - PULSE_DELAY, abs=0.03)
    assert "6 windows of 2 recordings" in " ".join(printed.split())
    assert beats["point_estimate"]["n"] == 6 and beats["has_pulse"]["n"] <= results["has_pulse"] <= 6
    assert beats["doubled"] == 0


def test_the_protocol_of_intensive_care_scores_readable_records_of_two_folds(run, model, tmp_path):
    names = [f"{kind}{number}l" for kind in "abftv" for number in range(100, 112)]
    folds = {name: fold_of(patient_of_2015(name)) for name in names}
    training = next(name for name in names if folds[name] <= 7)
    scored = [name for name in names if folds[name] > 8][:2]
    for name in (training, scored[0]):
        header = wfdb_copy(REGULAR, tmp_path, name)
        header.write_text(header.read_text().replace(",", ""))  # the names of the Challenge have no comma
    wfdb.wrsamp(
        scored[1], 125, ["NU", "mV"], ["PLETH", "II"], p_signal=np.random.default_rng(0).normal(size=(1000, 2)),
        fmt=["16"] * 2, write_dir=str(tmp_path),
    )  # fmt: skip
    out = tmp_path / "scores.json"
    code, _, err = run("evaluate", "ppg_icu", "--data", tmp_path, "--model", model, "--out", out)
    assert code == 0, err
    results = json.loads(out.read_text())
    assert results["recordings"] == scored[:1] and (results["n"], results["same_rate"]) == (1, 1)
    assert list(results["left_out"]) == scored[1:] and "at least 10 s" in results["left_out"][scored[1]]
    assert results["scores"]["mean beat at each pulse"]["heart_rate_error"]["within_5"] == 1


def test_unknown_kind_of_protocol(tmp_path):
    (tmp_path / "p.toml").write_text('kind = "guessing"\n')
    with pytest.raises(InputError, match="the protocol's kind is 'guessing'; one of reconstruction, panel"):
        run.run(tmp_path / "p.toml", [tmp_path], "vae")
    with pytest.raises(InputError, match="0 recordings with a PPG"):
        translation.run(translation.Protocol("translation"), [], None, Preprocessor())
