"""Baselines are generators: they keep the laws, one fit serves all conditions, and they find what they can."""

import laws
import numpy as np
import pandas
import pytest
import torch
from conftest import ROOT

from ecggen import InputError, data
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS
from ecggen.core.rhythm import heart_rate, r_peaks
from ecggen.core.simulate import simulate, simulate_ppg, simulated_peaks
from ecggen.generators.baselines.baselines import LaggedRegression, Nearest, baseline, baselines, independent, names
from ecggen.generators.sampling import Noise

COUNT = 50
RATES = np.linspace(45, 120, COUNT)


@pytest.fixture(scope="module")
def pack():
    """Simulated records of known heart rates; the codes of every other one include atrial fibrillation."""
    waves = [simulate(1, seconds=4, seed=i, heart_rate=RATES[i]).pick(*INDEPENDENT_LEADS).signal for i in range(COUNT)]
    index = pandas.DataFrame(
        {
            "name": [str(i) for i in range(COUNT)],
            "patient": [str(i) for i in range(COUNT)],
            "fold": 1,
            "age": np.linspace(20, 90, COUNT),
            "sex": np.arange(COUNT) % 2,
            "heart_rate": RATES,
            "codes": ["AFIB" if i % 2 == 0 else "NORM SR" for i in range(COUNT)],
        }
    )
    signal = (torch.cat(waves).numpy() * 1000).round().astype(np.int16)
    return data.Pack(signal, np.zeros((COUNT, 400), np.float16), index, Preprocessor(seconds=4), {})


def fitted(name, pack):
    made = baseline(name)
    made.fit(pack, np.arange(COUNT))
    return made


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize(
    "law",
    [
        laws.shape,
        laws.observed_leads_are_returned,
        laws.lead_laws,
        laws.many_draws_are_draws,
        laws.projection_is_idempotent,
    ],
)
def test_each_obeys_the_laws_of_generators(name, law, pack):
    law(fitted(name, pack))


@pytest.mark.parametrize("name", names())
def test_a_record_is_the_same_whatever_the_batch(name, pack):
    made = fitted(name, pack)
    condition = Condition.none(5, 4.0).with_metadata(heart_rate=[60, None, 80, None, 100])
    whole = made.sample(condition, seed=3).signal
    alone = [made.sample(condition[i : i + 1], seed=3, first=i).signal for i in range(5)]
    torch.testing.assert_close(whole, torch.cat(alone))


def test_provenance_names_the_baseline(pack):
    ecg = fitted("mean", pack).sample(laws.observed("I"))
    assert ecg.provenance.model == "training mean" and ecg.provenance.recorded == ("I",)


def brute_force(signal, rows, lags, reach):
    """Weights of least squares from given leads (rows of the lead matrix) at lags to the eight, as one big table."""
    given = rows @ signal
    shifts = np.unique(np.linspace(-reach, reach, lags).round().astype(int))
    time = signal.shape[-1]
    padded = np.pad(given, ((0, 0), (0, 0), (reach, reach)))
    table = [padded[:, lead, reach + s : reach + s + time] for lead in range(len(rows)) for s in shifts]
    x = np.stack([*table, np.ones((len(signal), time))]).reshape(len(table) + 1, -1)
    normal = x @ x.T
    normal += 1e-9 * np.trace(normal) * np.eye(len(normal))
    weights = np.linalg.solve(normal, x @ signal.transpose(1, 0, 2).reshape(8, -1).T)
    return (weights.T @ x).reshape(8, len(signal), time).transpose(1, 0, 2)


@pytest.mark.parametrize("given", [("I",), ("II", "V1", "V5"), ("aVR",), ("III", "V2"), INDEPENDENT_LEADS[1:]])
@pytest.mark.parametrize(("lags", "reach"), [(1, 0.0), (5, 0.1), (41, 0.4)])
def test_regression_is_the_plain_closed_form(given, lags, reach, pack):
    """Correlations by Fourier transform with corrections at the ends equal direct sums of products."""
    made = LaggedRegression(lags, reach)
    made.fit(pack, np.arange(COUNT), given)
    signal = pack.ecg(np.arange(COUNT)).signal.double().numpy()
    rows = LEAD_MATRIX[[STANDARD_LEADS.index(lead) for lead in given]]
    expected = brute_force(signal, rows, lags, round(100 * reach))
    np.testing.assert_allclose(made.predict(rows @ signal), expected, atol=2e-4)
    assert np.abs(expected).max() > 0.1


def test_one_fit_serves_every_choice_of_leads(pack):
    """Records of one batch may have different observed leads; derived leads have no effect."""
    made = fitted("regression", pack)
    condition = Condition.cat(
        [laws.observed(*leads)[:1] for leads in (("I",), ("II", "V1"), ("I", "II", "III", "aVF"))]
    )
    together = made.sample(condition).signal
    for row, leads in enumerate((("I",), ("II", "V1"), ("I", "II"))):
        alone = made.sample(laws.observed(*leads)[:1]).signal[0]
        torch.testing.assert_close(together[row], alone, atol=1e-5, rtol=1e-4)
    assert independent([0, 1, 2, 5]) == (0, 1) and independent([3]) == (3,) and independent([2, 3, 4]) == (2, 3)


def test_regression_without_leads_is_each_leads_mean(pack):
    flat = fitted("regression", pack).sample(Condition.none(2, 4.0)).pick(*INDEPENDENT_LEADS).signal[0].numpy()
    mean = pack.ecg(np.arange(COUNT)).signal.numpy().mean((0, 2))
    np.testing.assert_allclose(flat, np.broadcast_to(mean[:, None], flat.shape), atol=1e-5)


def test_nearest_returns_the_observed_record(pack):
    made = fitted("nearest", pack)
    shown = pack.ecg([7, 31])
    condition = Condition.none(2, 4.0).with_leads(shown.standard().pick("aVR", "V2"))
    torch.testing.assert_close(made.sample(condition).pick(*INDEPENDENT_LEADS).signal, shown.signal, atol=2e-3, rtol=0)
    spoilt = shown.standard().pick("aVR", "V2").signal.clone()
    spoilt[..., 200:] = 50.0
    seen = torch.ones_like(spoilt, dtype=torch.bool)
    seen[..., 200:] = False
    half = Condition.none(2, 4.0).with_leads(type(shown)(spoilt, ("aVR", "V2"), 100.0), seen)
    found = made.waves.nearest(half)
    assert found.tolist() == [7, 31]


def test_nearest_uses_metadata_text_and_pulse_rate(pack):
    made, many = fitted("nearest", pack), 40
    told = Condition.none(many, 4.0)
    everywhere = chosen(made, told)
    assert len(np.unique(everywhere)) > 15
    slow = chosen(made, told.with_metadata(heart_rate=50))
    assert RATES[slow].max() < 85 and len(np.unique(slow)) > 5
    words = chosen(made, told.with_text("atrial fibrillation"))
    assert np.all(words % 2 == 0) and len(np.unique(words)) > 10
    beats = simulated_peaks(4.0, 110)
    wave = simulate_ppg(beats, 4.0, 100.0, np.random.default_rng(0))
    pulse = chosen(made, told.with_ppg(torch.from_numpy(wave).float(), 100))
    assert RATES[pulse].min() > 75


def chosen(made: Nearest, condition: Condition) -> np.ndarray:
    """Which training records were copied."""
    drawn = made.draw(made.preprocessor.condition(condition), Noise(5, range(len(condition)))).numpy()
    known = made.pack.ecg(made.rows).signal.numpy()
    return np.array([np.abs(known - one).max((1, 2)).argmin() for one in drawn])


def test_the_simulator_has_the_given_heart_rate(pack):
    made = fitted("simulator", pack)
    told = made.sample(Condition.none(3, 4.0).with_metadata(heart_rate=[60, 75, 100]), seed=2)
    assert [heart_rate(peaks) for peaks in r_peaks(told)] == pytest.approx([60, 75, 100], abs=2)
    wave = simulate_ppg(simulated_peaks(4.0, 90), 4.0, 100.0, np.random.default_rng(1))
    pulsed = made.sample(Condition.none(1, 4.0).with_ppg(torch.from_numpy(wave).float(), 100), seed=2)
    assert heart_rate(r_peaks(pulsed)[0]) == pytest.approx(90, abs=6)
    free = made.sample(Condition.none(6, 4.0), seed=2)
    assert np.ptp([heart_rate(peaks) for peaks in r_peaks(free)]) > 10
    assert (made.sample(Condition.none(6, 4.0), seed=3).signal - free.signal).abs().max() > 0.1


def test_a_baseline_is_fitted_not_trained(pack):
    with pytest.raises(InputError, match="training mean is a baseline; it is fitted, not trained"):
        baseline("mean").loss(pack.ecg([0]), Condition.none(1), "generator")
    with pytest.raises(InputError, match="nearest training record was not fitted"):
        baseline("baseline:nearest").sample(laws.observed("I"))
    with pytest.raises(InputError, match="there is no baseline 'median'; one of zero, mean"):
        baseline("median")
    with pytest.raises(InputError, match="no window was given"):
        baseline("mean").fit(pack, np.zeros(0, int))


def test_baselines_are_not_in_the_registry():
    families = {path.stem for path in (ROOT / "ecggen" / "generators").glob("*.py")}
    assert not families & {"baselines", *names()}
    assert [one.name for one in baselines()] == [
        "zero",
        "training mean",
        "linear regression",
        "linear regression, 41 lags of ±0.4 s",
        "nearest training record",
    ]
