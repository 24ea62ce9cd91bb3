"""Tests of the report with known faults: each fault fails its section and no other; real against real passes.

The "real" ECGs are simulated here. If ECGGEN_PTBXL names a folder of PTB-XL, real ECGs are tested as well.
"""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from scipy.ndimage import uniform_filter1d

from ecggen.core import simulate as simulation
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS
from ecggen.core.rhythm import r_peaks
from ecggen.core.simulate import simulate
from ecggen.io import read
from ecggen.report import references
from ecggen.report.inputs.cohort import Cohorts, ECGSet, MeasuredSet
from ecggen.report.render import figures
from ecggen.report.scores import FAIL, NOT_MEASURED, PASS, WARN
from ecggen.report.sections.amplitude import amplitude
from ecggen.report.sections.distribution import distribution
from ecggen.report.sections.fidelity import fidelity
from ecggen.report.sections.intervals_and_beats import intervals
from ecggen.report.sections.memorisation import memorisation
from ecggen.report.sections.rhythm import rhythm
from ecggen.report.sections.validity import validity
from ecggen.report.sections.variability import variability

N = 200
SECTIONS = (validity, amplitude, rhythm, variability, intervals, distribution, memorisation)


@pytest.fixture(autouse=True, scope="module")
def quick():
    """Fewer resamples, which only affect intervals, and no figures, which have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(references, "REDRAWS", 6)
        patch.setattr(references, "HALVES", 6)
        for name in ("distributions", "lead_ranges", "curves_by_lead", "histogram", "wave_pairs", "overlaid_beats"):
            patch.setattr(figures, name, lambda *_, **__: "<svg/>")
        yield


def as_set(ecg: ECG, patients, source: str) -> ECGSet:
    unknown = np.full(len(ecg), np.nan)
    names = tuple(f"{source} {row}" for row in range(len(ecg)))
    return ECGSet(ecg, names, tuple(patients), ("",) * len(ecg), ("",) * len(ecg), unknown, unknown, unknown, source)


def records(n: int, seed: int) -> ECG:
    """Simulated ECGs of varying amplitude with breathing and electrode noise: 5 s, twelve leads that obey the laws."""
    rng = np.random.default_rng(seed)
    ecg = simulate(n, seconds=5, seed=seed)
    noise = rng.normal(0, 1, (n, 8, ecg.samples)) * rng.uniform(0.005, 0.03, (n, 1, 1))
    time = np.arange(ecg.samples) / ecg.fs
    depth, rate, start = rng.uniform(0.02, 0.12, (n, 1)), rng.uniform(0.2, 0.4, (n, 1)), rng.random((n, 1))
    breathing = 1 + depth * np.sin(2 * np.pi * (rate * time + start))
    signal = ecg.signal.numpy() * (rng.lognormal(0, 0.3, (n, 1, 1)) * breathing[:, None])
    signal = signal + np.einsum("ld,ndt->nlt", LEAD_MATRIX, noise)
    return replace(ecg, signal=torch.as_tensor(signal, dtype=torch.float32), provenance=None)


@dataclass
class Pool:
    """Records that are measured once; each test uses a part of them."""

    measured_set: MeasuredSet
    waves: dict | None = None

    def part(self, rows: np.ndarray, source: str) -> MeasuredSet:
        """A measured set of some rows, with the measurements of the pool."""
        whole = self.measured_set
        part = MeasuredSet(replace(whole.all.at(rows), source=source), None)
        part.__dict__["peaks"] = [whole.peaks[row] for row in rows]
        part.__dict__["beats"] = [whole.beats[row] for row in rows]
        part.__dict__["intervals"] = {name: values[rows] for name, values in whole.intervals.items()}
        return part


def measure(ecg: ECG, patients) -> Pool:
    pool = Pool(MeasuredSet(as_set(ecg, patients, "pool"), None))
    assert len(pool.measured_set.valid) == len(ecg)
    return pool


@pytest.fixture(scope="module")
def pool():
    return measure(records(3 * N, 1), [f"patient {row // 2}" for row in range(3 * N)])  # two records a patient


def thirds(pool: Pool, seed: int, n: int = N) -> list[MeasuredSet]:
    """Training, held-out and new records, patient-disjoint, ``n`` each."""
    patients = np.unique(pool.measured_set.all.patients)
    order = np.random.default_rng(seed).permutation(patients)
    parts = np.array_split(order, 3)
    rows = [np.flatnonzero(np.isin(pool.measured_set.all.patients, part))[:n] for part in parts]
    return [pool.part(of, name) for of, name in zip(rows, ("training", "held out", "new"), strict=True)]


def verdicts(synthetic: MeasuredSet, training: MeasuredSet, holdout: MeasuredSet | None) -> dict[str, str]:
    cohorts = Cohorts(synthetic, training, holdout, seed=3)
    return {made.key: made.verdict for made in (section(cohorts) for section in SECTIONS)}


Signal = np.ndarray


def shuffled_leads(new: Signal, _: Signal, rng) -> Signal:
    return np.stack([one[rng.permutation(12)] for one in new])


def shuffled_independent_leads(new: Signal, _: Signal, rng) -> Signal:
    free = new[:, [0, 1, *range(6, 12)]]
    return np.einsum("ld,ndt->nlt", LEAD_MATRIX, np.stack([one[rng.permutation(8)] for one in free]))


def reversed_time(new: Signal, _: Signal, rng) -> Signal:
    return new[..., ::-1].copy()


def duplicated(_: Signal, training: Signal, rng) -> Signal:
    return training.copy()


def constant_mean(new: Signal, training: Signal, rng) -> Signal:
    return np.repeat(training.mean(0, keepdims=True), len(new), 0)


def white_noise(new: Signal, training: Signal, rng) -> Signal:
    drawn = rng.normal(0, training.std(-1).mean(), (len(new), 8, new.shape[-1]))
    return np.einsum("ld,ndt->nlt", LEAD_MATRIX, drawn)


def microvolts(new: Signal, _: Signal, rng) -> Signal:
    return 1000 * new


def swapped_arms(new: Signal, _: Signal, rng) -> Signal:
    """Left and right arm exchanged: I is inverted, II and III, aVR and aVL change places."""
    swapped = new[:, [0, 2, 1, 4, 3, *range(5, 12)]]
    swapped[:, 0] *= -1
    return swapped


def few_patients(new: Signal, _: Signal, rng) -> Signal:
    return new[np.arange(len(new)) % 10]


def _of_beats(signal: Signal, make: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Signal:
    """Records whose beats, from the middle between two R peaks to the next, are changed by ``make(record, edges)``."""
    ecg = ECG(torch.as_tensor(signal), STANDARD_LEADS, 100)
    edges = [np.round(100 * (one[1:] + one[:-1]) / 2).astype(int) for one in r_peaks(ecg)]
    return np.stack([make(one, np.r_[0, at, signal.shape[-1]]) for one, at in zip(signal, edges, strict=True)])


def beats_of_different_size(new: Signal, _: Signal, rng) -> Signal:
    """Every beat has an amplitude of its own, as if the beats of several patients were mixed."""

    def make(one, edges):
        gain = np.repeat(rng.lognormal(0, 0.3, len(edges) - 1), np.diff(edges))
        return one * uniform_filter1d(gain, 9)

    return _of_beats(new, make).astype(np.float32)


def beats_without_variation(new: Signal, _: Signal, rng) -> Signal:
    """Every beat is the mean beat of its record: steadier than any heart."""

    def make(one, edges):
        around = np.arange(-32, 48)
        peaks = [int(np.abs(one[:, a:b]).sum(0).argmax()) + a for a, b in itertools.pairwise(edges)]
        whole = [at for at in peaks if at - 32 >= 0 and at + 48 <= one.shape[1]]
        mean = np.mean([one[:, at + around] for at in whole], 0)  # a median would violate the lead laws
        made = one.copy()
        for at in peaks:
            inside = (at + around >= 0) & (at + around < one.shape[1])
            made[:, at + around[inside]] = mean[:, inside]
        return made

    return _of_beats(new, make).astype(np.float32)


def one_stretched_beat(new: Signal, _: Signal, rng) -> Signal:
    """The second complete beat of each record is twice as wide about its R peak, as no other of its beats."""

    def make(one, edges):
        first, last = edges[2:4] if len(edges) > 3 else edges[:2]
        peak = first + int(np.abs(one[:, first:last]).sum(0).argmax())
        time = peak + (np.arange(first, last) - peak) / 2
        made = one.copy()
        made[:, first:last] = [np.interp(time, np.arange(one.shape[1]), lead) for lead in one]
        return made

    return _of_beats(new, make).astype(np.float32)


def long_pr(new: Signal, _: Signal, rng) -> Signal:
    """P waves 70 ms earlier than in the other sets."""
    with pytest.MonkeyPatch.context() as patch:
        centre, width, size = simulation.WAVES["P"]
        patch.setitem(simulation.WAVES, "P", (centre - 0.07, width, size))
        return records(len(new), 17).signal.numpy()


@dataclass
class Trap:
    """A change to real ECGs, and the sections that must and that may fail.

    ``silent`` are the sections that must neither pass nor fail.
    """

    make: Callable[[Signal, Signal, np.random.Generator], Signal]
    must: set[str]
    may: set[str]
    silent: set[str]
    why: str


TRAPS = [
    Trap(shuffled_leads, {"validity"}, {"amplitude", "intervals", "distribution", "variability"}, set(),
         "the lead laws are violated, and every lead has the amplitudes of another; rhythm is the same in all leads"),
    Trap(shuffled_independent_leads, {"amplitude", "distribution"}, {"intervals", "variability"}, set(),
         "the derived leads obey the lead laws, but amplitudes and shapes differ in every lead"),
    Trap(reversed_time, {"intervals"}, {"distribution", "variability"}, set(),
         "P follows QRS and T precedes it; amplitudes, spectrum and RR do not depend on the direction of time"),
    Trap(duplicated, {"memorisation"}, set(), {"distribution"},
         "copies have the distribution of the training set and are nearer than other patients; this must not pass"),
    Trap(constant_mean, {"amplitude", "distribution"}, {"rhythm", "intervals", "variability"}, {"memorisation"},
         "the mean of many records is flat, and there is one record only; one record cannot show memorisation"),
    Trap(white_noise, {"amplitude", "distribution"}, {"rhythm", "intervals", "variability"}, set(),
         "its spectrum is flat and has no beats"),
    Trap(microvolts, {"validity"}, set(),
         {"amplitude", "rhythm", "variability", "intervals", "distribution", "memorisation"},
         "amplitudes a thousand times too large are one fault: scores on valid records are not measured"),
    Trap(swapped_arms, {"intervals"}, {"amplitude", "distribution", "variability"}, set(),
         "the axis changes; lead laws, rhythm and chest leads are as before"),
    Trap(beats_of_different_size, {"variability"}, {"amplitude", "distribution"}, set(),
         "amplitudes vary within records, where they should vary between them; RR and intervals are as before"),
    Trap(beats_without_variation, {"variability"}, {"amplitude", "intervals", "distribution"}, set(),
         "no heart repeats itself exactly; the mean of the beats has less noise, too"),
    Trap(one_stretched_beat, {"variability"}, {"distribution"}, set(),
         "one beat of each record is unlike the others; medians of beats and RR are as before"),
    Trap(long_pr, {"intervals"}, {"distribution"}, set(),
         "only the P waves have moved"),
    Trap(few_patients, {"distribution"}, {"amplitude", "rhythm", "intervals", "variability"}, {"memorisation"},
         "twenty copies of each of ten records; ten records need not have the amplitudes and rates of all"),
]  # fmt: skip


def check(trap: Trap, training: MeasuredSet, holdout: MeasuredSet | None, new: MeasuredSet) -> None:
    made = trap.make(new.all.ecg.signal.numpy(), training.all.ecg.signal.numpy(), np.random.default_rng(7))
    ecg = replace(new.all.ecg, signal=torch.as_tensor(made, dtype=torch.float32))
    synthetic = MeasuredSet(as_set(ecg, [str(row) for row in range(len(ecg))], "synthetic"), new.classifier)
    found = verdicts(synthetic, training, holdout)
    failed = {key for key, verdict in found.items() if verdict == FAIL}
    assert trap.must <= failed <= trap.must | trap.may, (trap.why, found)
    assert not any(found[key] == PASS for key in trap.silent), (trap.why, found)
    untouched = set(found) - trap.must - trap.may - trap.silent
    assert {found[key] for key in untouched} <= {PASS}, (trap.why, found)
    assert {found[key] for key in trap.silent} <= {WARN, NOT_MEASURED}, (trap.why, found)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.make.__name__)
def test_a_fault_fails_its_section_and_no_other(pool, trap):
    check(trap, *thirds(pool, 0, N // 2))


@pytest.mark.parametrize("seed", range(3))
def test_real_against_real_passes(pool, seed):
    training, holdout, new = thirds(pool, seed)
    assert set(verdicts(new, training, holdout).values()) == {PASS}


def test_the_variance_is_found_where_it_is(pool):
    """Beats of different size raise the variance within records and hardly that between them."""
    training, _, new = thirds(pool, 0, N // 2)
    made = beats_of_different_size(new.all.ecg.signal.numpy(), np.zeros(0), np.random.default_rng(7))
    ecg = replace(new.all.ecg, signal=torch.as_tensor(made))
    found = variability(Cohorts(MeasuredSet(as_set(ecg, new.all.patients, "synthetic"), None), training, seed=3))
    ratios = {score.name: score for score in found.scores if score.name.endswith("/ real")}
    assert ratios["variance within records / real"].verdict == FAIL
    assert ratios["variance between records / real"].verdict in (PASS, WARN)


def fibrillating(n: int, seed: int) -> ECG:
    """Records without P waves and with irregular RR intervals."""

    def irregular(seconds, rate, rng):
        steps = 60 / rate * np.clip(1 + 0.25 * rng.standard_normal(int(2 * seconds * rate / 60) + 2), 0.6, 1.8)
        return 0.4 * rng.random() + np.cumsum(steps) - steps[0]

    centre, width, _ = simulation.WAVES["P"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(simulation.WAVES, "P", (centre, width, (0.0, 0.0, 0.0)))
        patch.setattr(simulation, "_peaks", irregular)
        return records(n, seed)


def with_p_waves(ecg: ECG) -> ECG:
    """The records with a P wave 160 ms before each R peak."""
    times = np.arange(ecg.samples) / ecg.fs
    vector = 0.12 * LEAD_MATRIX @ simulation.DOWER @ np.array([0.45, 0.9, 0.1])
    waves = [np.exp(-0.5 * ((times - peaks[:, None] + 0.16) / 0.022) ** 2).sum(0) for peaks in r_peaks(ecg)]
    added = vector[:, None] * np.stack(waves)[:, None]
    return replace(ecg, signal=ecg.signal + torch.as_tensor(added, dtype=torch.float32))


def half_fibrillating(source: str, seed: int, change: Callable[[ECG], ECG] = lambda ecg: ecg) -> MeasuredSet:
    """60 records with atrial fibrillation, to which ``change`` is applied, and 60 with sinus rhythm."""
    ecg = ECG.cat([change(fibrillating(60, seed)), records(60, seed + 1)])
    made = as_set(ecg, [f"{source} {row}" for row in range(len(ecg))], source)
    return MeasuredSet(replace(made, codes=("AFIB",) * 60 + ("SR",) * 60), None)


def test_p_waves_in_atrial_fibrillation_fail_the_criteria():
    """Of the other sections, only the intervals count P waves."""
    training = half_fibrillating("training", 31)
    for change, failing, may in ((lambda ecg: ecg, set(), set()), (with_p_waves, {"fidelity"}, {"intervals"})):
        cohorts = Cohorts(half_fibrillating("new", 41, change), training, seed=3)
        made = {one.key: one for one in (section(cohorts) for section in (*SECTIONS, fidelity))}
        shown = {key: one.verdict for key, one in made.items()}
        assert failing <= {key for key, verdict in shown.items() if verdict == FAIL} <= failing | may, shown
        assert {verdict for key, verdict in shown.items() if key not in failing | may} == {PASS}, shown
    (score,) = [score for score in made["fidelity"].scores if score.verdict == FAIL]
    assert score.name.startswith("diagnostic criteria") and score.note.endswith("AFIB")


def test_copies_are_found_without_held_out_records(pool):
    training, _, new = thirds(pool, 1)
    assert memorisation(Cohorts(new, training)).verdict == PASS
    copied = memorisation(Cohorts(training, training))
    assert copied.verdict == FAIL and copied.scores[0].value == 1
    nearer = next(score for score in copied.scores if score.name.startswith("nearer"))
    assert nearer.verdict == NOT_MEASURED and "--holdout" in nearer.note


# The same with real ECGs, which takes some minutes

REAL = pytest.mark.skipif("ECGGEN_PTBXL" not in os.environ, reason="ECGGEN_PTBXL names no folder of PTB-XL")


@pytest.fixture(scope="module")
def patients():
    folder = Path(os.environ["ECGGEN_PTBXL"])
    table = pandas.read_csv(folder / "ptbxl_database.csv").query("strat_fold == 9").sample(4 * N, random_state=1)
    signals = [read(folder / f"{name}.hea", check=False, allow_contradiction=True) for name in table.filename_lr]
    ecg = ECG.cat([one.standard() for one in signals])
    whole = MeasuredSet(as_set(ecg, table.patient_id.astype(str), "PTB-XL"), None)
    return Pool(MeasuredSet(whole.valid, None))


@REAL
@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.make.__name__)
def test_faults_in_real_ecgs(patients, trap):
    check(trap, *thirds(patients, 0))


@REAL
@pytest.mark.parametrize("seed", range(5))
def test_real_ecgs_against_real_ones_pass(patients, seed):
    training, holdout, new = thirds(patients, seed)
    assert set(verdicts(new, training, holdout).values()) == {PASS}


def test_shuffled_independent_leads_obey_the_lead_laws():
    """Otherwise the fault would be found by the lead laws and would test nothing else."""
    made = shuffled_independent_leads(records(3, 5).signal.numpy(), np.zeros(0), np.random.default_rng(0))
    assert ECG(torch.as_tensor(made, dtype=torch.float32), records(1, 5).leads, 100).law_residual().max() < 1e-5
    assert tuple(records(1, 5).leads[row] for row in (0, 1, *range(6, 12))) == INDEPENDENT_LEADS
