"""What a model can draw, and whether it gives back what it learnt: known truths, files beside weights, cards."""

import json
from dataclasses import replace

import numpy as np
import pandas
import pytest
import torch
from conftest import ROOT, tiny

from ecggen import InputError, data
from ecggen.augment import capabilities
from ecggen.benchmark import diagnoses, matrix, memorisation
from ecggen.benchmark import run as protocols
from ecggen.benchmark.training_records import COPIES, Known
from ecggen.benchmark.variations import variations
from ecggen.cli.evaluate import table
from ecggen.conditioning import statements
from ecggen.conditioning.condition import METADATA
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.rhythm import heart_rate, r_peaks
from ecggen.core.simulate import simulate
from ecggen.data.population import Population
from ecggen.evaluators.classifier import Predictions, labels, targets
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.baselines.baselines import baseline
from ecggen.networks import storage
from evaluation.scripts import tables

SHIPPED = ROOT / "checkpoints"
MEASURED = ROOT / "evaluation" / "results" / "memorisation.json"
SAYS_NOTHING = lambda what, share: None  # noqa: E731


def hearts(rate=None, seed=0):
    """One simulated heart with a little noise, (1, 8, 1000) mV."""
    signal = simulate(1, seed=seed, heart_rate=rate).pick(*INDEPENDENT_LEADS).signal
    return signal + 0.05 * torch.randn(signal.shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def pack():
    """120 training and 120 held-out hearts: slow ones in bradycardia, fast ones in tachycardia with an infarction."""
    rates = [(50 if i % 2 else 105) + i % 120 / 20 + i // 120 / 50 for i in range(240)]
    index = pandas.DataFrame(
        {
            "name": [f"record {i}" for i in range(240)],
            "patient": [f"p{i // 4 * 2 + i % 2}" for i in range(240)],
            "fold": [1] * 120 + [9] * 120,
            "age": 30.0 + np.arange(240) / 4,
            "sex": np.arange(240.0) // 2 % 2,
            "heart_rate": rates,
            "report": "",
            "codes": ["SBRAD NORM" if i % 2 else "STACH IMI" for i in range(240)],
            "beats": "",
            "paired": False,
        }
    )
    waves = torch.cat([hearts(rate, seed) for seed, rate in enumerate(rates)])
    signal = (1000 * waves.numpy()).round().astype(np.int16)
    return data.Pack(signal, np.zeros((240, 1000), np.float16), index, Preprocessor(), {})


class Rates:
    """A classifier that knows nothing but rates: fast hearts are tachycardic and infarcted."""

    name = "rates"

    def predict(self, ecg, batch=64, progress=None):
        rates = np.array([heart_rate(peaks) or 80 for peaks in r_peaks(ecg)])
        fast = 1 / (1 + np.exp((80 - rates) / 10))
        probability = np.where(targets(["STACH IMI"]) > 0, fast[:, None], 1 - fast[:, None])
        return Predictions(ecg.signal.mean(-1).double().numpy(), probability, fast, rates)


@pytest.fixture(autouse=True)
def classifier(monkeypatch):
    monkeypatch.setattr("ecggen.evaluators.pretrained.load", lambda name, kind: Rates())


class Told(Generator):
    """Draws simulated hearts: of the rate that is told, or of any rate; remembers what it is given to remember."""

    def __init__(self, *, listens=True, memory=None):
        super().__init__()
        self.listens, self.memory, self.name = listens, memory or {}, "told"

    def loss(self, ecg, condition, group):
        return {}

    def draw(self, condition, noise):
        metadata = condition.metadata[:, [*METADATA].index("heart_rate")].tolist()
        rates = metadata if self.listens else [None] * len(metadata)
        return torch.cat([self._one(*one) for one in zip(rates, metadata, noise.indices, strict=True)])

    def _one(self, rate, fact, index):
        known = self.memory.get(round(fact, 2))
        return hearts(rate, 1000 + index) if known is None else known

    def draw_near(self, eight, strength, condition, noise):
        return (1 - strength) * eight + strength * self.draw(condition, noise)


def protocol(**changes):
    return diagnoses.Protocol("diagnoses", n=12, least=20, least_real=5, **changes)


def scores(pack, generator, **changes):
    return diagnoses.run(protocol(**changes), pack, generator, SAYS_NOTHING)


def test_every_statement_with_enough_records_is_asked_for_and_no_other(pack):
    index = pack.index.assign(codes=[*pack.index.codes[:-130], *["AFIB"] * 10, *pack.index.codes[-120:]])
    population = Population.of(replace(pack, index=index), np.arange(120))
    asks = diagnoses.requests(population, protocol())
    assert [one.index for one in asks] == list(range(12 * 4))
    assert list(dict.fromkeys(one.sought for one in asks)) == [
        code for code in statements.codes() if code in ("NORM", "IMI", "SBRAD", "STACH")
    ]
    assert all(one.sought in one.codes for one in asks)
    with pytest.raises(InputError, match="no statement is shown by 500 of 120 training records"):
        diagnoses.requests(population, replace(protocol(), least=500))


def test_a_model_that_draws_what_it_is_asked_can_draw_it(pack):
    about, found = scores(pack, Told())
    assert about["n"] == 48 and found["not_finite"] == 0
    for code in ("SBRAD", "STACH", "NORM", "IMI"):
        one = found["statements"][code]
        assert one["verdict"] == capabilities.CAN and one["auroc"] > 0.95 and one["real"] > 0.95, code
        assert one["training"] == 60 and one["requested"] == 24
        assert one["probability"]["requested"] > 0.5 > one["probability"]["not_requested"]
    assert found["overall"]["statements"]["verdicts"] == {
        "can draw": 4,
        "partly": 0,
        "cannot draw": 0,
        "not measured": 67,
    }
    assert found["superclasses"]["MI"]["verdict"] == found["subclasses"]["IMI"]["verdict"] == capabilities.CAN
    assert found["statements"]["AFIB"] == {
        "verdict": "not measured", "why": "0 training records, 20 needed", "training": 0, "requested": 0, "real_records": 0
    }  # fmt: skip


def test_a_model_that_does_not_listen_cannot_draw_it(pack):
    _, found = scores(pack, Told(listens=False))
    one = found["statements"]["STACH"]
    assert one["verdict"] == capabilities.CANNOT and abs(one["auroc"] - 0.5) < 0.25 and one["real"] > 0.95
    assert one["interval"][0] < one["auroc"] < one["interval"][1] and one["as_probable"] < 0.5


def test_what_the_classifier_does_not_know_is_not_measured(pack, monkeypatch):
    def unsure(self, ecg, batch=64, progress=None):
        probability = np.random.default_rng(0).random((len(ecg), len(labels())))
        return Predictions(np.zeros((len(ecg), 4)), probability, probability[:, 0], probability[:, 0])

    monkeypatch.setattr(Rates, "predict", unsure)
    one = scores(pack, Told())[1]["statements"]["STACH"]
    assert one["verdict"] == capabilities.NOT_MEASURED and one["why"].startswith(
        "the classifier hardly knows it: AUROC 0."
    )


def test_real_records_against_themselves_reach_what_is_real(pack):
    real = diagnoses._held_out(Rates(), pack, diagnoses.alike(pack, pack.rows([9]), protocol()))
    found = diagnoses.compared(real, real, np.full(len(labels()), 60), protocol())
    measured = [one for one in found["statements"].values() if "auroc" in one]
    assert len(measured) == 4 and all(
        one["verdict"] == capabilities.CAN and one["auroc"] == one["real"] for one in measured
    )
    assert all(one["as_probable"] == 0.5 for one in measured)


def test_real_records_are_mixed_as_the_draws_are(pack):
    rows = diagnoses.alike(pack, pack.rows([9]), replace(protocol(), n=7))
    assert len(set(rows)) == len(rows) and set(pack.index.fold.iloc[rows]) == {9}
    count = pack.index.codes.iloc[rows].value_counts()
    assert count.min() >= 7 and count.max() <= 14, "seven of each of two statements a record has"


def test_the_verdict_falls_with_the_area():
    order = [diagnoses.verdict(area, area - 0.05, 0.95, 0.5) for area in np.linspace(1, 0.4, 30)]
    assert order == sorted(order, key=capabilities.VERDICTS.index) and len(set(order)) == 3
    assert diagnoses.verdict(0.8, 0.49, 0.95, 0.5) == capabilities.CANNOT, "an interval that holds 0.5 tells nothing"
    assert diagnoses.verdict(0.8, 0.6, 0.8, 0.5) == capabilities.CAN, "the classifier finds no more in real records"
    assert diagnoses.verdict(0.95, 0.9, 0.95, 0.1) == capabilities.PARTLY, "in the right order, but hardly to be seen"


def test_draws_that_are_no_numbers_are_counted(pack):
    class Broken(Told):
        def draw(self, condition, noise):
            eight = super().draw(condition, noise)
            eight[::2] = float("nan")
            return eight

    _, found = scores(pack, Broken())
    assert found["not_finite"] == 24 and found["statements"]["STACH"]["requested"] == 12


@pytest.fixture
def measured(pack, tmp_path):
    """A tiny checkpoint in a folder, and results that name its weights."""
    folder = checkpoint.save(tiny("vae"), tmp_path / "vae")
    about, found = scores(pack, Told())
    name = f"vae@{storage.weights_hash(folder)}"
    found |= {"commit": "c0ffee", "date": "2026-01-01", "sampling": None}
    return folder, {"settings": {"n": 12, "seed": 1, "kind": "diagnoses"}, **about, "scores": {name: found}}


def test_the_outcome_lies_beside_the_weights_and_is_believed_for_them_only(measured):
    folder, results = measured
    assert capabilities.look_up(folder, "STACH").why == "not for these weights"
    diagnoses.keep(results, folder)
    found = capabilities.look_up(folder, "sinus tachycardia")
    score = next(iter(results["scores"].values()))["statements"]["STACH"]
    assert found.verdict == capabilities.CAN and (found.auroc, found.requested) == (score["auroc"], 24)
    assert capabilities.warning(folder, "STACH") is None and capabilities.warning(folder, "MI") is None
    assert capabilities.warning(folder, "AFIB") == (
        "AFIB: whether vae can draw it was not measured (0 training records, 20 needed)"
    )
    kept = (folder / capabilities.FILE).read_text()
    checkpoint.save(checkpoint.load(folder), folder)
    assert not (folder / capabilities.FILE).exists(), "weights that are saved anew were not measured"
    (folder / capabilities.FILE).write_text(kept.replace(storage.weights_hash(folder), "0" * 12))
    assert capabilities.warning(folder, "STACH") == (
        "STACH: whether vae can draw it was not measured (not for these weights)"
    )
    with pytest.raises(InputError, match=r"the results hold nothing; vae@.* was expected"):
        diagnoses.keep({"scores": {}}, folder)


def test_warnings_say_what_was_measured(measured):
    folder, results = measured
    entry = next(iter(results["scores"].values()))["statements"]["STACH"]
    entry |= {"verdict": "cannot draw", "auroc": 0.61, "interval": [0.52, 0.7], "real": 0.93}
    diagnoses.keep(results, folder)
    said = "STACH: the classifier tells requested from not requested draws of vae with AUROC 0.61 (0.52–0.70; 0.93 on real "
    assert (
        capabilities.warning(folder, "stach")
        == said + "records): asking for it changes little in what this model draws"
    )
    entry["verdict"] = "partly"
    diagnoses.keep(results, folder)
    assert capabilities.warning(folder, "STACH") == said + "records): this model draws it in part only"


def test_a_class_that_nobody_knows_and_a_broken_file(measured):
    folder, results = measured
    diagnoses.keep(results, folder)
    with pytest.raises(InputError, match="did you mean AFIB"):
        capabilities.warning(folder, "AFIBB")
    for text, said in (("{", "cannot be read"), ("[]", "holds list")):
        (folder / capabilities.FILE).write_text(text)
        with pytest.raises(InputError, match=said):
            capabilities.warning(folder, "STACH")
    weights = storage.weights_hash(folder)
    for entry in ({"STACH": {"verdict": "can draw", "aurok": 1}}, [1]):
        (folder / capabilities.FILE).write_text(json.dumps({"weights": weights, "statements": entry}))
        with pytest.raises(InputError, match=r"diagnoses\.json"):
            capabilities.warning(folder, "STACH")


def remembered(pack, fold):
    """A memory of a fold's records by the rate that they are asked for with."""
    rows = pack.rows([fold])
    rates = [round(float(np.float32(rate)), 2) for rate in pack.index.heart_rate.iloc[rows]]
    return dict(zip(rates, pack.ecg(rows).signal.split(1), strict=True))


def remembering(pack, generator, **changes):
    asked = memorisation.Protocol("memorisation", conditions=["heart_rate"], n=60, variations=12, **changes)
    return memorisation.run(asked, pack, generator, SAYS_NOTHING)


@pytest.fixture(scope="module")
def forgetful(pack):
    """What is found of a model without memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecggen.evaluators.pretrained.load", lambda name, kind: Rates())
        return remembering(pack, Told())


def test_a_model_without_memory_is_at_chance(forgetful):
    about, found = forgetful
    one = {score["name"]: score for score in found["scores"]}
    assert found["conditions"] == {"training records": 60, "held-out records": 60} and about["n"] == 60
    assert one[COPIES]["verdict"] == "pass" and one[COPIES]["n_real"] == 120
    for name, score in one.items():
        if name.startswith("own lender"):
            assert score["verdict"] == "pass" and abs(score["value"] - 0.5) < 0.2, name
            assert score["interval"][0] < 0.5 < score["interval"][1]


def test_a_model_that_gives_back_what_it_learnt_fails(pack):
    _, found = remembering(pack, Told(memory=remembered(pack, 1)))
    one = {score["name"]: score for score in found["scores"]}
    assert found["verdict"] == "fail" and one[COPIES]["verdict"] == "fail"
    assert one[COPIES]["value"] > 0.9 and one[COPIES]["floor"] < 0.6
    assert found["headline"].startswith(
        f"{one[COPIES]['value']:.1%} of the ECGs told of training records copy one of 120"
    )
    assert one["own lender, median beats"]["value"] > 0.9 and one["own lender, median beats"]["verdict"] == "fail"


def test_what_it_could_not_have_learnt_is_no_memory(pack):
    """The other way round: nearer to held-out records than chance would have it is no sign of training."""
    _, found = remembering(pack, Told(memory=remembered(pack, 9)))
    one = {score["name"]: score for score in found["scores"]}
    assert one["own lender, median beats"]["value"] < 0.1 and one["own lender, median beats"]["verdict"] == "pass"


def test_one_ecg_again_and_again_has_no_distances(pack):
    made = baseline("mean")
    made.fit(pack, pack.rows([1]))
    _, found = remembering(pack, made)
    assert {one["name"]: one["verdict"] for one in found["scores"]}[
        "nearer to training, median beats"
    ] == "not measured"
    assert found["variations"]["not_measured"].startswith("training mean cannot vary")


def test_too_few_records_are_not_measured(pack):
    asked = memorisation.Protocol("memorisation", conditions=["heart_rate"], n=10, variations=2)
    _, found = memorisation.run(asked, pack, Told(), SAYS_NOTHING)
    assert (
        found["verdict"] == "not measured"
        and "50 needed" in found["headline"]
        and all(score["value"] is None for score in found["scores"])
    )
    with pytest.raises(InputError, match="'memorisation'"):
        memorisation.Protocol("memorisation", conditions=["weather"])


def test_variations_leave_their_original_with_their_strength(pack):
    rows, known = pack.rows([1])[:12], Known.of(pack, pack.rows([1]))
    found = variations(Told(), pack, rows, ["heart_rate"], (0.01, 0.5, 1.0), 1, known, SAYS_NOTHING)["strengths"]
    near = [found[strength]["r"]["median"] for strength in ("0.01", "0.5", "1")]
    assert near == sorted(near, reverse=True) and near[0] > 0.99 > near[-1]
    assert found["0.01"]["copies"] == found["0.01"]["nearer_than_another"] == 1.0
    assert found["1"]["copies"] < 0.5 and found["1"]["n"] == 12
    assert len({json.dumps(one["r_other"]) for one in found.values()}) == 1


def test_a_model_that_cannot_vary_says_so(pack):
    known = Known.of(pack, pack.rows([1]))
    model = tiny("vae")
    model.preprocessor = Preprocessor()
    found = variations(model, pack, pack.rows([1])[:4], [], (0.8,), 1, known, SAYS_NOTHING)
    assert "cannot vary a given ECG" in found["not_measured"]


def test_the_own_patients_other_records_are_no_others(pack):
    known = Known.of(pack, pack.rows([1]))
    found = known.alike(known.traits, known.patients.tolist())
    assert all(len(few) for few in found)
    for row, few in enumerate(found):
        assert known.patients[row] not in known.patients[few]


def test_cards_hold_what_was_measured(measured, forgetful, monkeypatch):
    folder, results = measured
    monkeypatch.setattr(storage, "find", lambda name: folder)
    place = folder.parent
    (place / "diagnoses.json").write_text(json.dumps(results))
    found = forgetful[1] | {"commit": "c0ffee", "date": "2026-01-01"}
    about = {"n": 60, "settings": {"seed": 1}, "scores": {next(iter(results["scores"])): found}}
    (place / "memorisation.json").write_text(json.dumps(about))
    names = ("diagnoses", "diagnoses_vae", "memorisation", "memorisation_vae")
    card = tables.written("\n".join(f"<!-- table: {name} -->\n<!-- end -->" for name in names), place)
    one = next(iter(results["scores"].values()))["statements"]["STACH"]
    assert f"| STACH | {one['auroc']:.2f} ({one['interval'][0]:.2f}–" in card and "| can draw |" in card
    assert "AFIB (0 training records, 20 needed)" in card and "| superclass MI |" in card
    assert "| **vae** | 1.000 |" in card or f"| **vae** | {one['auroc']:.1f}" in card
    assert f"- **{found['verdict']}**: told of 60 training records" in card and "at strength 0.8: r 0." in card
    assert tables.written(card, place) == card
    about["scores"] = results["scores"] = {}
    (place / "diagnoses.json").write_text(json.dumps(results))
    assert "Not measured for these weights." in tables.written(card, place)


@pytest.mark.parametrize("name", ["diagnoses", "memorisation"])
def test_the_shipped_protocols_run_and_are_shown(name, pack, tmp_path, monkeypatch):
    monkeypatch.setattr(protocols, "opened", lambda *_: Told())
    monkeypatch.setattr(protocols, "_packed", lambda *_: pack)
    changes = {"n": 6} if name == "diagnoses" else {"n": 50, "variations": 4, "strengths": [0.5]}
    results = protocols.run(matrix.find(name), [tmp_path], "told", changes=changes)
    assert results["protocol"] == name and results["settings"]["kind"] == name
    assert 10 not in [*results["settings"]["train_folds"], *results["settings"]["folds"]]
    target = tmp_path / "results.json"
    matrix.keep(results, target)
    shown = table(json.loads(target.read_text()))
    cells = [cell for column in shown.columns for cell in column.cells]
    assert "told" in cells and len(shown.columns) > 5
    assert {"diagnoses": "4", "memorisation": "own lender, median beats"}[name] in cells


@pytest.mark.parametrize("card", sorted(SHIPPED.glob("*/README.md")), ids=lambda path: path.parent.name)
def test_shipped_cards_say_what_was_measured(card):
    text = card.read_text(encoding="utf-8")
    assert tables.written(text) == text


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*/diagnoses.json")), ids=lambda path: path.parent.name)
def test_what_shipped_models_can_draw_is_of_their_weights(file):
    assert capabilities.look_up(file.parent, "NORM").why != "not for these weights"


@pytest.mark.skipif(not MEASURED.is_file(), reason="memorisation was not measured")
@pytest.mark.parametrize("name", matrix.MODELS)
def test_no_shipped_model_copies_what_it_learnt(name):
    scores = json.loads(MEASURED.read_text(encoding="utf-8"))["scores"]
    found = scores[f"{name}@{storage.weights_hash(SHIPPED / name)}"]["scores"]
    assert next(one["verdict"] for one in found if one["name"] == COPIES) == "pass"
