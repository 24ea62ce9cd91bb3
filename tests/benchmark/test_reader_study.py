"""Reader study: blinding of the material, reading of answer sheets, and statistics with reference values."""

import csv
import io as text_io
import json
import re

import numpy as np
import pytest
import torch
from conftest import SAMPLES

from ecggen import io
from ecggen.benchmark.reader_study.pack import KEY, PAGES, SHEET, pack
from ecggen.benchmark.reader_study.scores import Answers, agreement, cohen, fleiss, read_key, read_sheet, score, wilson
from ecggen.core.ecg import ECG, STANDARD_LEADS, Provenance
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.report.inputs.discovery import Record
from ecggen.report.inputs.harmonise import SignalFormat, harmonised
from ecggen.report.render.ecg_svg import tracing

ORIGIN = Provenance((), STANDARD_LEADS, "secret-model@123", 4711, "secret words")


def ecg_set(n, seed, name, provenance=None):
    ecg = simulate(n, seed=seed)
    records = [Record(f"{name}-{row}", ECG(ecg.signal[row], ecg.leads, 100, provenance)) for row in range(n)]
    return harmonised(records, SignalFormat(STANDARD_LEADS, 100.0, 10.0), f"{name}.npz", {})


@pytest.fixture(scope="module")
def sets():
    return ecg_set(8, 1, "madeup", ORIGIN), ecg_set(9, 2, "hospital")


def drawings(pages):
    return re.findall(r"<svg.*?</svg>", pages, re.DOTALL)


# --- the material


def test_the_material_has_equal_numbers_and_a_correct_key(sets):
    made = pack(*sets, n=4, seed=1)
    answers = made.key["answers"]
    assert sorted(map(int, answers)) == list(range(1, 9))
    assert [one["answer"] for one in answers.values()].count("synthetic") == 4
    for number, drawing in enumerate(drawings(made.pages), 1):
        one = answers[str(number)]
        source = sets[0] if one["answer"] == "synthetic" else sets[1]
        row = source.names.index(one["name"])
        assert drawing == tracing(source.ecg, row, true_scale=True, label=f"ECG {number}")
    assert len({one["name"] for one in answers.values()}) == 8


def test_selection_and_order_depend_on_the_seed(sets):
    one, again = pack(*sets, n=2, seed=1), pack(*sets, n=2, seed=1)
    assert one == again
    others = [pack(*sets, n=2, seed=seed) for seed in range(2, 8)]
    assert all(one.pages != other.pages for other in others)
    assert len({tuple(a["answer"] for a in other.key["answers"].values()) for other in others}) > 2


def test_the_pages_are_blinded(sets):
    pages = pack(*sets, n=4, seed=1).pages
    for word in ("madeup", "hospital", "secret", "4711", "SYNTHETIC", "simulate"):
        assert word not in pages
    cards = re.findall(r"<article>.*?</article>", pages, re.DOTALL)
    assert "Some of these ECGs are synthetic. None of them is for diagnosis." in cards[0] and len(cards) == 9
    forms = {re.sub(r"<svg.*?</svg>|\d+", "", card, flags=re.DOTALL) for card in cards[1:]}
    assert len(forms) == 1
    tags = {tuple(re.findall(r"<(\w+)[ >]", drawing)) for drawing in drawings(pages)}
    assert len(tags) == 1
    assert not re.search(r"(src|href)=.https?:", pages) and "<script" not in pages


def test_bandwidth_does_not_reveal_the_origin():
    ecg = simulate(2, fs=500, seed=3)
    hum = 0.2 * torch.sin(2 * torch.pi * 120 * torch.arange(ecg.samples) / 500)
    drift = 2 * torch.sin(2 * torch.pi * 0.05 * torch.arange(ecg.samples) / 500)
    noisy = ECG(ecg.signal + hum + drift, ecg.leads, ecg.fs)
    plain, filtered = (tracing(one.pick("II")) for one in (ecg, noisy))
    assert abs(len(plain) - len(filtered)) < 0.15 * len(plain)


def test_records_with_artefacts_are_not_selected(sets):
    synthetic, real = sets
    broken = synthetic.at(range(8))
    broken.ecg.signal[:5, 3] = 0
    names = {one["name"] for one in pack(broken, real, n=3, seed=0).key["answers"].values()}
    assert names.isdisjoint(broken.names[:5])
    with pytest.raises(InputError, match="3 of 8 synthetic records have no artefacts; 4 were expected"):
        pack(broken, real, n=4, seed=0)


def test_the_sheet_has_one_line_per_page(sets):
    rows = list(csv.DictReader(text_io.StringIO(pack(*sets, n=2, seed=1).sheet)))
    assert [row["number"] for row in rows] == ["1", "2", "3", "4"]
    assert list(rows[0]) == ["number", "answer", "confidence", "reader"]


# --- the scores

KEY_OF_TEN = {str(number): "synthetic" if number <= 5 else "real" for number in range(1, 11)}


def sheet(path, answers, reader="", confidence="", separator=","):
    lines = [separator.join(("number", "answer", "confidence", "reader"))]
    lines += [separator.join((str(at), answer, str(confidence), reader)) for at, answer in enumerate(answers, 1)]
    path.write_text("\n".join(lines) + "\n")
    return path


def answers_of(*right, missing=0):
    opposite = {"real": "synthetic", "synthetic": "real"}
    answers = [KEY_OF_TEN[str(at)] if at in right else opposite[KEY_OF_TEN[str(at)]] for at in range(1, 11)]
    return answers[: 10 - missing] + [""] * missing


def test_a_perfect_reader(tmp_path):
    found = score([sheet(tmp_path / "a.csv", answers_of(*range(1, 11)), "Ann", 5)], KEY_OF_TEN)
    one = found["readers"]["Ann"]
    assert one["accuracy"] == 1 and one["sensitivity"]["accuracy"] == one["specificity"]["accuracy"] == 1
    assert one["missing"] == 0 and one["mean_confidence_when_right"] == 5 and one["mean_confidence_when_wrong"] is None
    assert one["verdict"] == "distinguishes real from synthetic" and found["agreement"]["kappa"] is None


def test_a_guessing_reader(tmp_path):
    found = score([sheet(tmp_path / "guess.csv", answers_of(1, 2, 3, 6, 7))], KEY_OF_TEN)["readers"]["guess"]
    assert (found["right"], found["accuracy"]) == (5, 0.5)
    assert found["sensitivity"]["accuracy"] == 0.6 and found["specificity"]["accuracy"] == 0.4
    assert found["verdict"] == "not significantly different from chance"


def test_a_reader_with_reversed_labels(tmp_path):
    one = score([sheet(tmp_path / "a.csv", answers_of())], KEY_OF_TEN)["readers"]["a"]
    assert one["verdict"] == "distinguishes them, with reversed labels"


def test_unanswered_ecgs_are_counted_and_not_guessed(tmp_path):
    one = score([sheet(tmp_path / "a.csv", answers_of(*range(1, 9), missing=2))], KEY_OF_TEN)["readers"]["a"]
    assert (one["answers"], one["missing"], one["accuracy"]) == (8, 2, 1.0)


def test_readers_are_pooled_and_may_share_a_sheet(tmp_path):
    one, two = sheet(tmp_path / "a.csv", answers_of(1, 2, 3), "Ann"), sheet(tmp_path / "b.csv", answers_of(4), "Bo")
    apart = score([one, two], KEY_OF_TEN)
    joint = tmp_path / "all.csv"
    joint.write_text(one.read_text() + "".join(two.read_text().splitlines(keepends=True)[1:]))
    assert score([joint], KEY_OF_TEN) == apart
    assert (apart["pooled"]["right"], apart["pooled"]["answers"]) == (4, 20)


def test_csv_dialects_of_spreadsheets_are_read(tmp_path):
    path = sheet(tmp_path / "a.csv", [" Real ", "SYNTHETIC", "r", "s"], "Ann", "3,5", ";")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_text().replace("\n", "\r\n").encode())
    [found] = read_sheet(path, KEY_OF_TEN)
    assert list(found.given.values()) == ["real", "synthetic", "real", "synthetic"] and found.confidence["1"] == 3.5


def test_wilson_has_parity_with_the_closed_form():
    n, k, z = 40, 27, 1.959963984540054
    centre, spread = (k + z * z / 2) / (n + z * z), z * np.sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
    assert wilson(k, n) == pytest.approx((centre - spread, centre + spread), abs=1e-9)


def test_cohens_kappa_has_parity_with_scikit_learn():
    from sklearn.metrics import cohen_kappa_score

    a, b = np.random.default_rng(0).integers(0, 2, (2, 50))
    assert cohen(a, b) == pytest.approx(cohen_kappa_score(a, b))
    assert cohen(a, a) == 1 and cohen(np.ones(5), np.ones(5)) is None


def test_fleiss_kappa_by_hand():
    answers = np.array([[1, 1, 0, 0], [1, 0, 0, 1], [1, 1, 0, 0]], float)
    # Agreeing pairs: 3/3, 1/3, 3/3, 1/3; fractions of ones and zeros: 6/12 each.
    assert fleiss(answers) == pytest.approx(((1 + 1 / 3 + 1 + 1 / 3) / 4 - 0.5) / 0.5)
    assert fleiss(np.array([[1, 0]] * 4, float)) == 1 and fleiss(np.ones((3, 4))) is None


def test_agreement_uses_ecgs_that_all_answered():
    ann = Answers("Ann", {"1": "real", "2": "synthetic", "3": "real"}, {})
    bo = Answers("Bo", {"1": "real", "2": "synthetic"}, {})
    assert agreement([ann, bo]) == {"definition": "Cohen's kappa", "readers": 2, "ecgs": 2, "kappa": 1.0}
    assert agreement([ann, bo, bo])["definition"] == "Fleiss' kappa"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("number,verdict\n1,real\n", "lacks the column answer"),
        ("number,answer\n11,real\n", "answers ECG '11'; 1 to 10 were expected"),
        ("number,answer\n1,real\n1,real\n", "answers ECG 1 twice"),
        ("number,answer\n1,perhaps\n", "answers 'perhaps' for ECG 1; real or synthetic was expected"),
        ("number,answer,confidence\n1,real,6\n", "gives the confidence '6' for ECG 1; 1 to 5 was expected"),
        ("number,answer,confidence\n1,real,sure\n", "gives the confidence 'sure'"),
        ("number,answer\n1,\n", "has no answer"),
        ("", "lacks the column number"),
    ],
)
def test_invalid_sheets_are_reported_and_the_others_are_scored(tmp_path, text, words):
    bad = tmp_path / "bad.csv"
    bad.write_text(text)
    with pytest.raises(InputError, match=re.escape(words)):
        read_sheet(bad, KEY_OF_TEN)
    found = score([bad, sheet(tmp_path / "good.csv", answers_of(1))], KEY_OF_TEN)
    assert words in found["refused"]["bad.csv"] and list(found["readers"]) == ["good"]
    with pytest.raises(InputError, match="no sheet is valid; the first"):
        score([bad], KEY_OF_TEN)


def test_duplicate_readers_are_rejected(tmp_path):
    sheets = [sheet(tmp_path / f"{name}.csv", answers_of(1), "Ann") for name in "ab"]
    assert "has reader 'Ann' again" in score(sheets, KEY_OF_TEN)["refused"]["b.csv"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "answers": {"1": {"answer": "fake"}}}', "null"])
def test_invalid_keys_are_rejected(tmp_path, text):
    path = tmp_path / KEY
    path.write_text(text)
    with pytest.raises(InputError, match="is not a key"):
        read_key(path)


# --- the command


def test_the_command_from_two_folders_to_scores(tmp_path, run):
    made, real, out = tmp_path / "made", tmp_path / "real", tmp_path / "pack"
    for folder, seed in ((made, 1), (real, 2)):
        folder.mkdir()
        ecg = simulate(5, fs=100.0 * seed, seed=seed)
        noise = 0.01 * torch.randn(ecg.signal.shape, generator=torch.Generator().manual_seed(seed))
        for row in range(5):
            io.write(ECG((ecg.signal + noise)[row], ecg.leads, ecg.fs), folder / f"{folder.name}{row}.hea")
    words = ("turing", made, "--real", real, "-n", 3, "--seed", 1, "--out", out)
    code, output, error = run(*words)
    assert code == 0 and "keep separate" in output, error
    assert sorted(path.name for path in out.iterdir()) == [KEY, PAGES, SHEET]
    assert "made" not in (out / PAGES).read_text()
    code, _, error = run(*words)
    assert code == 2 and "already has pages.html, sheet.csv, key.json" in error
    answers = json.loads((out / KEY).read_text())["answers"]
    for reader in ("Ann", "Bo"):
        sheet(tmp_path / f"{reader}.csv", [answers[str(at)]["answer"] for at in range(1, 7)], reader)
    code, output, _ = run("turing", "--score", tmp_path / "Ann.csv", tmp_path / "Bo.csv", "--key", out / KEY)
    assert code == 0 and "Ann: 6 of 6 correct, 100 %" in output and "Cohen's kappa 1.00 on 6 ECGs" in output
    code, output, _ = run("turing", "--score", tmp_path / "Ann.csv", "--key", out / KEY, "--json")
    assert json.loads(output)["readers"]["Ann"]["accuracy"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--score", "x.csv"], "--score was given without a key"),
        (["--score", "x.csv", "--key", "nowhere.json"], "nowhere.json cannot be read"),
        ([], "SYNTHETIC, --real or --out is missing"),
        (["a", "b"], "2 paths were given"),
        (
            [SAMPLES / "00010_lr.hea", "--real", SAMPLES / "00627_lr.hea", "--out", "p"],
            "1 of 1 real records have no artefacts",
        ),
    ],
)
def test_invalid_arguments_are_one_message(tmp_path, run, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, _, error = run("turing", *words)
    assert code == 2 and message in error
