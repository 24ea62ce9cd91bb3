"""Text encoders: masked texts have no effect, any text is accepted, negations are recognised, weights are copied."""

import json
import re
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT
from torch.nn import functional as F

from ecggen import Condition, InputError
from ecggen.conditioning import statements, text_encoder
from ecggen.conditioning.condition_embedding import ConditionEncoder
from ecggen.networks import storage
from ecggen.networks.text import FolderEncoder, WordEncoder, words_of
from evaluation.scripts import text_encoder as figures

_CODES = """NDT NST_ DIG LNGQT NORM IMI ASMI LVH LAFB ISC_ IRBBB 1AVB IVCD ISCAL CRBBB CLBBB ILMI LAO/LAE AMI ALMI ISCIN
INJAS LMI ISCIL LPFB ISCAS INJAL ISCLA RVH ANEUR RAO/RAE EL WPW ILBBB IPLMI ISCAN IPMI SEHYP INJIN INJLA PMI 3AVB INJIL
2AVB ABQRS PVC STD_ VCLVH QWAVE LOWT NT_ PAC LPR INVT LVOLT HVOLT TAB_ STE_ PRC(S) SR AFIB STACH SARRH SBRAD PACE SVARR
BIGU AFLT SVTAC PSVT TRIGU"""
CODES = _CODES.split()

HOSTILE = [
    "",
    " \n\t ",
    "...?!;:",
    "___ --- +++ ***",
    "🫀💔👩🏽‍⚕️",
    "κολπική μαρμαρυγή",
    "фибрилляция предсердий",
    "心房颤动。窦性心律",
    "الرجفان الأذيني",
    "\x00\x01\ufffd\ud800",
    "a" * 100_000,
    "word " * 100_000,
    "́" * 5000,
    "1e999 -inf NaN 0x00 {} %s \\",
    "<script>'; DROP TABLE ecg;--",
    "ſtraße ﬁbrillation İI",
]

SIZES = {"width": 16, "vocabulary": 128, "layers": 1}


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return WordEncoder(16, 12, 256).eval()


@pytest.fixture(scope="module")
def shipped():
    torch.set_num_threads(1)
    return text_encoder.load("text_encoder")


def seen(*which):
    return torch.tensor(which, dtype=torch.bool)


def nearness(reader, *texts):
    """Cosines (text, text) of the summaries."""
    summaries = F.normalize(reader.read(list(texts))[0], dim=-1)
    return summaries @ summaries.T


def test_masked_texts_have_no_effect(encoder):
    with torch.no_grad():
        one, mask = encoder(["atrial fibrillation", "pacemaker"], seen(False, True))
        other, _ = encoder(["", "pacemaker"], seen(False, True))
        third, _ = encoder(["x " * 500, "pacemaker"], seen(False, True))
    assert torch.equal(one, other) and torch.equal(one, third)
    assert mask.tolist() == [[True, False], [True, True]]


def test_a_masked_text_is_one_token(encoder):
    tokens, mask = encoder(["AF", "LBBB"], seen(False, False))
    assert tokens.shape == (2, 1, 16) and mask.all() and torch.equal(tokens[0], tokens[1])


def test_the_encoding_of_a_text_does_not_depend_on_the_batch(encoder):
    texts = ["AF", "sinus rhythm. no ST elevation, otherwise normal ECG.", "", "left bundle branch block"]
    with torch.no_grad():
        together, mask = encoder(texts, seen(True, True, True, True))
        for i, text in enumerate(texts):
            alone, _ = encoder([text], seen(True))
            torch.testing.assert_close(together[i, mask[i]], alone[0], atol=1e-5, rtol=1e-5)


def test_word_order_and_punctuation_affect_the_encoding(encoder):
    with torch.no_grad():
        tokens, _ = encoder(["no AF, LBBB", "AF, no LBBB", "no AF LBBB"], seen(True, True, True))
    assert not torch.allclose(tokens[0, 0], tokens[1, 0], atol=1e-4)
    assert not torch.allclose(tokens[0, 0], tokens[2, 0], atol=1e-4)


def test_tokenisation():
    assert " ".join(words_of("ST-T: 2.5 mm, QRS(T) förlopp; 1AVB")) == "st t : 2.5 mm , qrs t forlopp ; 1avb"
    assert words_of("STE_") == ["ste"] and words_of("...") == [] and words_of("Straße") == ["strasse"]


@pytest.mark.parametrize("text", HOSTILE, ids=[ascii(text[:12]) for text in HOSTILE])
def test_any_text_is_accepted(encoder, text):
    with torch.no_grad():
        tokens, mask = encoder([text, "AF"], seen(True, True))
        silent, _ = encoder(["", "AF"], seen(False, True))
    assert tokens.isfinite().all() and tokens.shape[1] <= 13
    if not mask[0, 1:].any():  # no word: equal to a masked text
        torch.testing.assert_close(tokens[0, 0], silent[0, 0])


def test_every_statement_has_wordings():
    assert sorted(statements.codes()) == sorted(CODES) and len(CODES) == 71
    for code in CODES:
        assert statements.describe(code) == statements.wordings(code)[0]
        assert len(statements.wordings(code)) >= 4 and code in statements.wordings(code)
        for language in ("de", "sv"):
            assert statements.wordings(code, language)
        trained = {word.lower() for one in statements.LANGUAGES for word in statements.wordings(code, one)}
        assert statements.held_out(code).lower() not in trained
    assert statements.describe("AFIB") == "atrial fibrillation"
    with pytest.raises(InputError, match="there is no statement 'AFIBB'"):
        statements.describe("AFIBB")


def test_no_two_statements_share_a_wording():
    owner = {}
    for code in CODES:
        for word in {w.lower() for one in statements.LANGUAGES for w in statements.wordings(code, one)}:
            assert owner.setdefault(word, code) == code


@pytest.mark.parametrize("language", statements.LANGUAGES)
def test_the_same_seed_writes_the_same_text(language):
    def texts():
        rng = np.random.default_rng(7)
        return [statements.write(["AFIB", "CLBBB"], ["STE_", "NORM"], rng, language) for _ in range(30)]

    assert texts() == texts() and len(set(texts())) > 20


def test_negated_statements_are_written_as_negations():
    rng = np.random.default_rng(0)
    words = {"en": "no|not|without|absen|excluded|ruled out|free of|negative", "de": "kein|ohne|ausge|nicht"}
    for language, denies in (words | {"sv": "ing|utan|ej|utesl"}).items():
        for _ in range(50):
            assert re.search(denies, statements.write([], ["AFIB"], rng, language).lower())


def test_prompts_have_the_format_of_diffusets():
    assert statements.prompt(["sinus rhythm", "AF"]) == (
        "Most importantly, the 1st diagnosis is {sinus rhythm}. "
        "As a supplementary condition, the 2nd diagnosis is {AF}."
    )


def test_weights_are_copied_to_condition_encoders(tmp_path):
    reader = text_encoder.Reader(**SIZES)
    folder = text_encoder.save(reader, tmp_path / "words", card="# words\n")
    holder = torch.nn.ModuleDict({"a": ConditionEncoder(16, vocabulary=128), "b": torch.nn.Linear(2, 2)})
    with pytest.raises(InputError, match="16 wide with 128 rows, 48 words and 1 layers; 16 wide with 128 rows"):
        text_encoder.copy_into(folder, holder)
    folder = text_encoder.save(text_encoder.Reader(width=16, vocabulary=128), tmp_path / "words")
    assert text_encoder.copy_into(folder, holder) == 1
    with torch.no_grad():
        tokens, _ = holder["a"].eval().text(["AF"], seen(True))
        again, _ = text_encoder.load(folder).text(["AF"], seen(True))
    assert torch.equal(tokens, again)
    assert text_encoder.copy_into(folder, torch.nn.Linear(2, 2)) == 0
    assert (folder / "README.md").read_text() == "# words\n"
    assert sorted(path.name for path in folder.parent.iterdir()) == ["words"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x"), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[1]"), "a JSON object was expected"),
        (lambda folder: (folder / "config.json").write_text('{"format": 9, "kind": "text"}'), "no text encoder"),
        (
            lambda folder: (folder / "config.json").write_text('{"format": 1, "kind": "text"}'),
            "sizes in .* cannot be used",
        ),
    ],
)
def test_damaged_checkpoints_raise_an_input_error(tmp_path, spoil, message):
    folder = text_encoder.save(text_encoder.Reader(**SIZES), tmp_path / "words")
    spoil(folder)
    with pytest.raises(InputError, match=message):
        text_encoder.load(folder)


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match="there is no checkpoint 'txet'"):
        text_encoder.load("txet")
    with pytest.raises(InputError, match="holds no text encoder"):
        text_encoder.load("vae")


def test_shipped_weights_distinguish_negations(shipped):
    cosine = nearness(
        shipped, "atrial fibrillation", "no atrial fibrillation", "Vorhofflimmern", "förmaksflimmer", "AFIB"
    )
    assert cosine[0, 1] < 0.5
    assert (cosine[0, 2:] > 0.8).all()
    assert cosine[1, 2:].max() < 0.5


@pytest.mark.parametrize(
    ("text", "says", "denies"),
    [
        ("AFIB", "AFIB", None),
        ("a-fib with LBBB", "AFIB CLBBB", None),
        ("Patient in AF, 130 bpm. No ST elevation.", "AFIB", "STE_"),
        ("kein Vorhofflimmern", None, "AFIB"),
        ("Sinusrhythmus, kein Linksschenkelblock", "SR", "CLBBB"),
        ("no evidence of left bundle branch block", None, "CLBBB"),
        ("74-year-old woman with complete heart block", "3AVB", None),
        ("Most importantly, the 1st diagnosis is {inferior myocardial infarction}.", "IMI", None),
    ],
)
def test_shipped_weights_recognise_statements(shipped, text, says, denies):
    _, said, denied = (values[0] for values in shipped.read([text]))
    place = statements.codes().index
    assert all(said[place(code)] > 0.5 for code in (says or "").split())
    if denies:
        assert said[place(denies)] < 0.3 and denied[place(denies)] > 0.5


def test_every_code_is_recognised(shipped):
    _, said, _ = shipped.read(list(statements.codes()))
    assert (said.argmax(1) == torch.arange(71)).float().mean() > 0.9


def test_the_shipped_folder_is_small_and_has_results(shipped):
    folder = storage.find("text_encoder")
    assert (folder / "model.safetensors").stat().st_size < 8e6
    results = json.loads((ROOT / "evaluation" / "results" / "text_encoder.json").read_text())
    assert results["model"] == f"text_encoder@{storage.weights_hash(folder)}"
    assert "10.13026/kfzx-aw45" in (folder / "README.md").read_text()
    assert text_encoder.copy_into("text_encoder", ConditionEncoder()) == 1


def test_areas_by_ranks():
    scores = np.array([[0.1, 0.5], [0.4, 0.5], [0.35, 0.5], [0.8, 0.5]])
    labels = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    np.testing.assert_allclose(figures.auroc(scores, labels), [0.75, 0.5])
    assert np.isnan(figures.auroc(scores, np.zeros((4, 2)))).all()


def test_languages_are_distinguished():
    assert [
        figures.language(text) for text in ("sinus rhythm. normal ecg.", "sinusrhythmus lagetyp normal", "sinusrytm")
    ] == [
        "en",
        "de",
        "sv",
    ]


@pytest.fixture
def folder(tmp_path):
    """A tiny language model in a folder, as save_pretrained writes it."""
    transformers = pytest.importorskip("transformers")
    (tmp_path / "model").mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "no", "atrial", "fibrillation", "sinus", "rhythm"]
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(words) + "\n")
    tokenizer = transformers.BertTokenizer(str(vocabulary))
    tokenizer.save_pretrained(tmp_path / "model")
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    settings = transformers.BertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)
    transformers.BertModel(settings).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_language_model_from_a_folder(folder):
    encoder = ConditionEncoder(16, text=str(folder)).train()
    assert isinstance(encoder.text, FolderEncoder)
    condition = Condition.none(3).with_text(["atrial fibrillation", "", "sinus rhythm rhythm"])
    context = encoder(condition)
    assert context.tokens.shape[::2] == (3, 16) and context.tokens.isfinite().all()
    assert not torch.allclose(context.tokens[0, 0], context.tokens[2, 0])
    assert context.token_mask[1].tolist() == [True] + [False] * (context.tokens.shape[1] - 1)
    assert not any("embeddings" in name for name in encoder.state_dict())
    assert not any(parameter.requires_grad for parameter in encoder.text._frozen[0].parameters())
    text, here = ["atrial fibrillation", "sinus rhythm"], seen(True, False)
    first, mask = encoder.text(text, here)
    other, _ = encoder.text(["atrial fibrillation", "no no no no no"], here)
    assert torch.equal(first, other) and mask[1].sum() == 1
    assert encoder.text(["a", "b"], seen(False, False))[0].shape == (2, 1, 16)
    assert all(encoder.text([text], seen(True))[0].isfinite().all() for text in HOSTILE)
    alone, _ = encoder.text(text[:1], here[:1])
    torch.testing.assert_close(first[0, mask[0]], alone[0], atol=1e-5, rtol=1e-5)
    first.square().sum().backward()
    assert encoder.text.project.weight.grad.abs().sum() > 0
    assert text_encoder.copy_into("text_encoder", encoder) == 0
    again = ConditionEncoder(16, text=str(folder))
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again.text(text, here)[0], first)


def test_a_folder_that_holds_no_language_model(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="is not the folder of a language model"):
        ConditionEncoder(16, text=str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match="the package transformers is not installed"):
        ConditionEncoder(16, text=str(tmp_path))
