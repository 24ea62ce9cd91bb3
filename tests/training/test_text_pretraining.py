"""Pretraining of the text encoder: targets, losses, reports that are read, and the command."""

import numpy as np
import pytest

from ecggen import InputError
from ecggen.conditioning import statements, text_encoder
from ecggen.training import text_pretraining


def corpus(n=60):
    """A few reports in memory, in the form of PTB-XL's."""
    kinds = [("atrial fibrillation", "AFIB"), ("sinus rhythm. normal ecg", "NORM"), ("linksschenkelblock", "CLBBB")]
    return text_pretraining.Reports(
        tuple(kinds[i % 3][0] for i in range(n)),
        np.stack([statements.vector([kinds[i % 3][1]]) for i in range(n)]),
        np.full(n, 1),
        np.arange(n),
    )


def test_negated_statements_are_not_targets():
    rng = np.random.default_rng(0)
    sets = text_pretraining.sample_statement_sets(corpus().labels, 64, rng)
    assert any(denied for _, denied in sets)
    for said, denied in sets:
        assert said or denied
        assert not set(said) & set(denied)
        assert not (statements.vector(said) * statements.vector(denied)).any()
    for (said, denied), (said_too, denied_too) in zip(sets[:32], sets[32:], strict=True):
        assert len(set(said) ^ set(said_too)) == 1 and set(said) | set(denied) == set(said_too) | set(denied_too)


def test_pretraining_reduces_the_loss_and_is_reproducible():
    plan = text_pretraining.Plan(
        width=16, words=16, vocabulary=256, layers=1, steps=40, reports=16, sets=8, lr=1e-2, folds=(1,)
    )
    reader, losses = text_pretraining.pretrain(corpus(), plan)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    short = text_pretraining.Plan(**{**vars(plan), "steps": 3})
    assert text_pretraining.pretrain(corpus(), short)[1] == text_pretraining.pretrain(corpus(), short)[1]
    assert not reader.training


def table(path, rows=12):
    lines = ["ecg_id,patient_id,report,scp_codes,strat_fold"]
    lines += [f"{i},{i},atrial fibrillation,\"{{'AFIB': 100.0, 'ABQRS': 0.0}}\",{1 + i % 8}" for i in range(rows)]
    lines += ["98,98,,\"{'NORM': 100.0}\",1", "99,99,normal ecg Edit: NORM,\"{'NORM': 80.0}\",9"]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_reports_are_read(tmp_path):
    reports = text_pretraining.read_reports(table(tmp_path / "ptbxl_database.csv").parent)
    assert len(reports) == 13 and reports.texts[-1] == "normal ecg"
    assert reports.labels[0].sum() == 2  # a likelihood of 0 counts as listed
    assert len(reports.of([9])) == 1
    with pytest.raises(InputError, match="hold no report"):
        reports.of([10])


def test_the_command(run, tmp_path):
    data, out = table(tmp_path / "reports.csv"), tmp_path / "words"
    words = ("train-text", "--data", data, "--out", out, "--num-steps", 2, "--width", 16, "--quiet")
    code, told, _ = run(*words)
    assert code == 0 and "loss:" in told
    assert text_encoder.load(out).sizes["width"] == 16
    code, _, err = run(*words)
    assert code == 2 and "--overwrite" in err
    assert run(*words, "--overwrite", "--from", out)[0] == 0
    code, _, err = run("train-text", "--data", tmp_path / "none", "--out", tmp_path / "new")
    assert code == 2 and "a PTB-XL folder or a CSV of its form was expected" in err
    data.write_text("report\nAF\n")
    code, _, err = run("train-text", "--data", data, "--out", tmp_path / "new")
    assert code == 2 and "lacks the columns scp_codes, strat_fold, patient_id" in err
    assert not (tmp_path / "new").exists()
