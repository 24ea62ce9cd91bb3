"""The suite judges itself: each trap turns the section red that it should, and no other; real against real is green.

The "real" ECGs are simulated hearts here; with ECGGEN_PTBXL, which names a folder of PTB-XL, they are real.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, LEAD_MATRIX
from ecggen.core.simulate import simulate
from ecggen.io import read
from ecggen.report import references
from ecggen.report.inputs.cohort import ECGSet, Material, Studied
from ecggen.report.render import figures
from ecggen.report.scores import FAIL, NOT_MEASURED, PASS, WARN
from ecggen.report.sections.amplitude import amplitude
from ecggen.report.sections.distribution import distribution
from ecggen.report.sections.intervals_and_beats import intervals
from ecggen.report.sections.memorisation import memorisation
from ecggen.report.sections.rhythm import rhythm
from ecggen.report.sections.validity import validity

N = 200
SECTIONS = (validity, amplitude, rhythm, intervals, distribution, memorisation)
FOUND = ("flaws", "valid", "peaks", "waves", "intervals", "plain", "shapes", "judgement")


@pytest.fixture(autouse=True, scope="module")
def quick():
    """Fewer redraws, which only set the width of intervals, and no figures, which have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(references, "REDRAWS", 6)
        patch.setattr(references, "HALVES", 6)
        for name in ("distributions", "lead_ranges", "curves_by_lead", "histogram", "wave_pairs"):
            patch.setattr(figures, name, lambda *_, **__: "<svg/>")
        yield


def as_set(ecg: ECG, patients, source: str) -> ECGSet:
    unknown = np.full(len(ecg), np.nan)
    names = tuple(f"{source} {row}" for row in range(len(ecg)))
    return ECGSet(ecg, names, tuple(patients), ("",) * len(ecg), ("",) * len(ecg), unknown, unknown, unknown, source)


def hearts(n: int, seed: int) -> ECG:
    """Simulated hearts of differing size, with the noise of electrodes: 5 s, twelve lawful leads."""
    rng = np.random.default_rng(seed)
    ecg = simulate(n, seconds=5, seed=seed)
    noise = rng.normal(0, 1, (n, 8, ecg.samples)) * rng.uniform(0.005, 0.03, (n, 1, 1))
    signal = ecg.signal.numpy() * rng.lognormal(0, 0.3, (n, 1, 1)) + np.einsum("ld,ndt->nlt", LEAD_MATRIX, noise)
    return replace(ecg, signal=torch.as_tensor(signal, dtype=torch.float32), provenance=None)


@dataclass
class Pool:
    """Records that are studied once, of which each test takes its own."""

    studied: Studied
    waves: dict | None = None

    def part(self, rows: np.ndarray, source: str) -> Studied:
        """A studied set of some rows, in which what was found is not looked for again."""
        whole = self.studied
        part = Studied(replace(whole.all.at(rows), source=source), None)
        part.__dict__["peaks"] = [whole.peaks[row] for row in rows]
        part.__dict__["intervals"] = {name: values[rows] for name, values in whole.intervals.items()}
        return part


def study(ecg: ECG, patients) -> Pool:
    pool = Pool(Studied(as_set(ecg, patients, "pool"), None))
    assert len(pool.studied.valid) == len(ecg)
    return pool


@pytest.fixture(scope="module")
def pool():
    return study(hearts(3 * N, 1), [f"patient {row // 2}" for row in range(3 * N)])  # two records a patient


def thirds(pool: Pool, seed: int, n: int = N) -> list[Studied]:
    """Training, held-out and unseen records, patient-disjoint, ``n`` each."""
    people = np.unique(pool.studied.all.patients)
    order = np.random.default_rng(seed).permutation(people)
    parts = np.array_split(order, 3)
    rows = [np.flatnonzero(np.isin(pool.studied.all.patients, part))[:n] for part in parts]
    return [pool.part(of, name) for of, name in zip(rows, ("training", "held out", "unseen"), strict=True)]


def verdicts(synthetic: Studied, training: Studied, holdout: Studied | None) -> dict[str, str]:
    material = Material(synthetic, training, holdout, seed=3)
    return {made.key: made.verdict for made in (section(material) for section in SECTIONS)}


Signal = np.ndarray


def shuffled_leads(unseen: Signal, _: Signal, rng) -> Signal:
    return np.stack([one[rng.permutation(12)] for one in unseen])


def shuffled_but_lawful(unseen: Signal, _: Signal, rng) -> Signal:
    free = unseen[:, [0, 1, *range(6, 12)]]
    return np.einsum("ld,ndt->nlt", LEAD_MATRIX, np.stack([one[rng.permutation(8)] for one in free]))


def reversed_time(unseen: Signal, _: Signal, rng) -> Signal:
    return unseen[..., ::-1].copy()


def duplicated(_: Signal, training: Signal, rng) -> Signal:
    return training.copy()


def constant_mean(unseen: Signal, training: Signal, rng) -> Signal:
    return np.repeat(training.mean(0, keepdims=True), len(unseen), 0)


def white_noise(unseen: Signal, training: Signal, rng) -> Signal:
    drawn = rng.normal(0, training.std(-1).mean(), (len(unseen), 8, unseen.shape[-1]))
    return np.einsum("ld,ndt->nlt", LEAD_MATRIX, drawn)


def microvolts(unseen: Signal, _: Signal, rng) -> Signal:
    return 1000 * unseen


def swapped_arms(unseen: Signal, _: Signal, rng) -> Signal:
    """Left and right arm exchanged: I is turned over, II and III, aVR and aVL change places."""
    swapped = unseen[:, [0, 2, 1, 4, 3, *range(5, 12)]]
    swapped[:, 0] *= -1
    return swapped


def few_hearts(unseen: Signal, _: Signal, rng) -> Signal:
    return unseen[np.arange(len(unseen)) % 10]


@dataclass
class Trap:
    """What is done to real ECGs, and which sections must and which may turn red for it.

    ``silent`` are those that must not say "pass", for that would be praise.
    """

    make: Callable[[Signal, Signal, np.random.Generator], Signal]
    must: set[str]
    may: set[str]
    silent: set[str]
    why: str


TRAPS = [
    Trap(shuffled_leads, {"validity"}, {"amplitude", "intervals", "distribution"}, set(),
         "the lead laws break, and every lead has another's amplitudes; rhythm is the same in all leads"),
    Trap(shuffled_but_lawful, {"amplitude", "distribution"}, {"intervals"}, set(),
         "derived leads hide it from the laws, not from sizes and shapes lead by lead"),
    Trap(reversed_time, {"intervals"}, {"distribution"}, set(),
         "P follows QRS and T goes before it; sizes, spectrum and RR are blind to time's direction"),
    Trap(duplicated, {"memorisation"}, set(), {"distribution"},
         "copies are distributed as the training set is, nearer than other patients: no praise for that"),
    Trap(constant_mean, {"amplitude", "distribution"}, {"rhythm", "intervals"}, {"memorisation"},
         "records cancel out in their mean, and it is one record only; one record shows no memory either way"),
    Trap(white_noise, {"amplitude", "distribution"}, {"rhythm", "intervals"}, set(),
         "its spectrum is flat and has no beats"),
    Trap(microvolts, {"validity"}, set(), {"amplitude", "rhythm", "intervals", "distribution", "memorisation"},
         "a thousand times too large is one fault: what rests on valid records is not measured"),
    Trap(swapped_arms, {"intervals"}, {"amplitude", "distribution"}, set(),
         "the axis is turned over; laws, rhythm and chest leads are as before"),
    Trap(few_hearts, {"distribution"}, {"amplitude", "rhythm", "intervals"}, {"memorisation"},
         "twenty records of each of ten hearts; ten hearts need not have the sizes and rates of all"),
]  # fmt: skip


def check(trap: Trap, training: Studied, holdout: Studied | None, unseen: Studied) -> None:
    made = trap.make(unseen.all.ecg.signal.numpy(), training.all.ecg.signal.numpy(), np.random.default_rng(7))
    ecg = replace(unseen.all.ecg, signal=torch.as_tensor(made, dtype=torch.float32))
    synthetic = Studied(as_set(ecg, [str(row) for row in range(len(ecg))], "synthetic"), unseen.classifier)
    found = verdicts(synthetic, training, holdout)
    red = {key for key, verdict in found.items() if verdict == FAIL}
    assert trap.must <= red <= trap.must | trap.may, (trap.why, found)
    assert not any(found[key] == PASS for key in trap.silent), (trap.why, found)
    untouched = set(found) - trap.must - trap.may - trap.silent
    assert {found[key] for key in untouched} <= {PASS}, (trap.why, found)
    assert {found[key] for key in trap.silent} <= {WARN, NOT_MEASURED}, (trap.why, found)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.make.__name__)
def test_a_trap_turns_its_section_red_and_no_other(pool, trap):
    check(trap, *thirds(pool, 0, N // 2))


@pytest.mark.parametrize("seed", range(3))
def test_real_against_real_is_green(pool, seed):
    training, holdout, unseen = thirds(pool, seed)
    assert set(verdicts(unseen, training, holdout).values()) == {PASS}


def test_without_held_out_records_copies_are_found_all_the_same(pool):
    training, _, unseen = thirds(pool, 1)
    assert memorisation(Material(unseen, training)).verdict == PASS
    copied = memorisation(Material(training, training))
    assert copied.verdict == FAIL and copied.scores[0].value == 1
    nearer = next(score for score in copied.scores if score.name.startswith("nearer"))
    assert nearer.verdict == NOT_MEASURED and "--holdout" in nearer.note


# The same with real ECGs: some minutes

REAL = pytest.mark.skipif("ECGGEN_PTBXL" not in os.environ, reason="ECGGEN_PTBXL names no folder of PTB-XL")


@pytest.fixture(scope="module")
def patients():
    folder = Path(os.environ["ECGGEN_PTBXL"])
    table = pandas.read_csv(folder / "ptbxl_database.csv").query("strat_fold == 9").sample(4 * N, random_state=1)
    signals = [read(folder / f"{name}.hea", check=False, allow_contradiction=True) for name in table.filename_lr]
    ecg = ECG.cat([one.standard() for one in signals])
    whole = Studied(as_set(ecg, table.patient_id.astype(str), "PTB-XL"), None)
    return Pool(Studied(whole.valid, None))


@REAL
@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.make.__name__)
def test_traps_made_of_real_ecgs(patients, trap):
    check(trap, *thirds(patients, 0))


@REAL
@pytest.mark.parametrize("seed", range(5))
def test_real_ecgs_against_real_ones_are_green(patients, seed):
    training, holdout, unseen = thirds(patients, seed)
    assert set(verdicts(unseen, training, holdout).values()) == {PASS}


def test_the_lawful_shuffle_is_lawful():
    """The trap that is meant to hide from the laws does; else it would test nothing new."""
    made = shuffled_but_lawful(hearts(3, 5).signal.numpy(), np.zeros(0), np.random.default_rng(0))
    assert ECG(torch.as_tensor(made, dtype=torch.float32), hearts(1, 5).leads, 100).law_residual().max() < 1e-5
    assert tuple(hearts(1, 5).leads[row] for row in (0, 1, *range(6, 12))) == INDEPENDENT_LEADS
