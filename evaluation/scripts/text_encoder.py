"""How well the pretrained text encoder reads: ``python -m evaluation.scripts.text_encoder --data PTBXL --out FILE``.

Fold 9's reports are judged against the statements they were coded as; the nearness of two texts (cosine of their
summaries) is judged on wordings and forms that pretraining never saw.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ecggen.conditioning import statements, text_encoder
from ecggen.io.results import commit
from ecggen.metrics.functional.ranking import auroc
from ecggen.networks import storage

DEFINITIONS = {
    "macro_auroc": "mean over statements with at least one positive of the area under the ROC curve, ties as half",
    "macro_auroc_of_common": "the same over statements with at least ten positives",
    "keywords": "baseline: a statement is found where one of its wordings (any language) stands in the report",
    "interval": "95 %, percentile bootstrap over patients; statements without positives in a redraw are left out of it",
    "language": "the one whose usual words a report holds most of",
    "cosine": "of the summaries (token 0) of two texts; mean, and the 10 % and 90 % quantiles over statements",
    "paraphrase": "a statement's description and its held-out wording",
    "paraphrase_in_new_form": "a statement's description and its held-out wording in a held-out sentence",
    "negation": "a statement's description and its denial in a held-out sentence",
    "unrelated": "descriptions of two statements",
    "german, swedish": "a statement's description and its first wording in that language (seen in pretraining)",
    "german_negation": "a statement's description and its German wording after 'kein' (seen in pretraining)",
    "paraphrase_above_negation": "share of statements whose held-out paraphrase lies nearer than their denial",
    "said": "share of statements given a probability above 0.5 in the held-out paraphrase, in a new sentence",
    "denied_not_said": "share of statements given a probability below 0.5 of being said in the held-out denial",
    "denied": "share of statements given a probability above 0.5 of being denied in the held-out denial",
    "denied_not_said_by_form": "denied_not_said for each held-out sentence, over all statements",
    "two_clauses": "share of 500 drawn pairs 'X, no Y' (descriptions, form seen in pretraining) of which X is said "
    "with a probability above 0.5 and Y below",
}

LANGUAGE_WORDS = {
    "en": r"\b(rhythm|ecg|is|the|of|left|right|in|axis|wave|waves|block|non|with|contractions?|only)\b",
    "de": r"(rhythmus|lagetyp|typ\b|normales ekg|abnorm\b|infarkt|flimmern|bericht|ableitung|schenkelblock|alter)",
    "sv": r"(rytm\b|förmaks|kammar|skänkelblock|normalt ekg|el-axel|förlopp|\bej\b|\bålder|\bmed\b|avvikande|sänkning)",
}


def measure(
    name: str | Path, folder: Path, folds: Sequence[int] = (9,), repeats: int = 200, seed: int = 0
) -> dict[str, Any]:
    """Every figure of a text encoder.

    Args:
        name: A shipped name, or a folder.
        folder: PTB-XL.
        folds: Folds whose reports are scored.
        repeats: Redraws of the bootstrap.
        seed: Seed of the redraws.
    """
    reader = text_encoder.load(name)
    reports = text_encoder.read_reports(folder).of(folds)
    _, said, _ = reader.read(reports.texts)
    scores = said.numpy()
    tongue = np.array([language(text) for text in reports.texts])
    return {
        "definitions": DEFINITIONS,
        "model": f"{Path(name).name}@{storage.weights_hash(storage.find(name))}",
        "folds": list(folds),
        "n": len(reports),
        "patients": len(np.unique(reports.patients)),
        "seed": seed,
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "statements": {
            **macro(scores, reports.labels),
            "interval": interval(scores, reports, repeats, seed),
            "keywords": macro(statements.keywords(reports.texts), reports.labels)["macro_auroc"],
            "per_language": {
                one: {"n": int((tongue == one).sum()), **macro(scores[tongue == one], reports.labels[tongue == one])}
                for one in statements.LANGUAGES
            },
            "per_statement": per_statement(scores, reports.labels),
        },
        "cosine": nearness(reader),
    }


def macro(scores: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Mean area over the statements that occur, and how many those are."""
    areas = auroc(scores, labels)
    common = areas[labels.sum(0) >= 10]
    return {
        "macro_auroc": float(np.nanmean(areas)),
        "classes": int(np.isfinite(areas).sum()),
        "macro_auroc_of_common": float(np.nanmean(common)) if np.isfinite(common).any() else None,
        "classes_common": int(np.isfinite(common).sum()),
    }


def per_statement(scores: np.ndarray, labels: np.ndarray) -> dict[str, dict[str, float]]:
    """Area and number of positives of each statement."""
    areas = auroc(scores, labels)
    return {
        code: {"auroc": round(float(areas[place]), 4), "positives": int(labels[:, place].sum())}
        for place, code in enumerate(statements.codes())
        if np.isfinite(areas[place])
    }


def interval(scores: np.ndarray, reports: text_encoder.Reports, repeats: int, seed: int) -> list[float]:
    """95 % interval of the macro area, whole patients drawn again."""
    rng = np.random.default_rng(seed)
    _, which = np.unique(reports.patients, return_inverse=True)
    rows_of = np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which))[:-1])
    found = []
    for _ in range(repeats):
        rows = np.concatenate([rows_of[one] for one in rng.integers(len(rows_of), size=len(rows_of))])
        found.append(macro(scores[rows], reports.labels[rows])["macro_auroc"])
    return [float(value) for value in np.quantile(found, [0.025, 0.975])]


def language(text: str) -> str:
    """ "en", "de" or "sv": the language whose usual words the text holds most of (German where none)."""
    counts = {one: len(re.findall(pattern, text.lower())) for one, pattern in LANGUAGE_WORDS.items()}
    return max(("de", "en", "sv"), key=lambda one: counts[one])


def nearness(reader: text_encoder.Reader) -> dict[str, Any]:
    """How near wordings, denials, other statements and other languages lie, and whether denials are read."""
    codes = [code for code in statements.codes() if code != "NORM"]  # whose denial is no "no"
    says = [statements.describe(code) for code in codes]
    held = [statements.held_out(code) for code in codes]
    forms = {
        "paraphrase": held,
        "paraphrase_in_new_form": _in_turn(statements.HELD_SAID, held),
        "negation": _in_turn(statements.HELD_DENIED, says),
        "german": [statements.wordings(code, "de")[0] for code in codes],
        "swedish": [statements.wordings(code, "sv")[0] for code in codes],
    }
    forms["german_negation"] = [f"kein {word}" for word in forms["german"]]
    first = _summaries(reader, says)
    cosines = {form: (first * _summaries(reader, texts)).sum(-1) for form, texts in forms.items()}
    apart = ~torch.eye(len(codes), dtype=torch.bool)
    found: dict[str, Any] = {form: _spread(values) for form, values in cosines.items()}
    found["unrelated"] = _spread((first @ first.T)[apart])
    above = cosines["paraphrase_in_new_form"] > cosines["negation"]
    found["paraphrase_above_negation"] = float(above.float().mean())
    place = [statements.codes().index(code) for code in codes]
    rows = list(range(len(codes)))
    found["said"] = float((reader.read(forms["paraphrase_in_new_form"])[1][rows, place] > 0.5).float().mean())
    _, said, denied = reader.read(forms["negation"])
    found["denied_not_said"] = float((said[rows, place] < 0.5).float().mean())
    found["denied"] = float((denied[rows, place] > 0.5).float().mean())
    found["denied_not_said_by_form"] = {
        form: float((reader.read(_in_turn([form], says))[1][rows, place] < 0.5).float().mean())
        for form in statements.HELD_DENIED
    }
    found["two_clauses"] = two_clauses(reader, codes)
    return found


def two_clauses(reader: text_encoder.Reader, codes: Sequence[str], pairs: int = 500, seed: int = 0) -> float:
    """How often "X, no Y" is read as it is meant, over drawn pairs of statements."""
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(codes, 2, replace=False) for _ in range(pairs)]
    _, said, _ = reader.read([f"{statements.describe(x)}, no {statements.describe(y)}" for x, y in drawn])
    one, other = (torch.tensor([statements.codes().index(pair[i]) for pair in drawn]) for i in (0, 1))
    rows = torch.arange(pairs)
    return float(((said[rows, one] > 0.5) & (said[rows, other] < 0.5)).float().mean())


def _in_turn(forms: Sequence[str], words: Sequence[str]) -> list[str]:
    return [forms[place % len(forms)].format(x=word) for place, word in enumerate(words)]


def _summaries(reader: text_encoder.Reader, texts: Sequence[str]) -> Tensor:
    return F.normalize(reader.read(texts)[0], dim=-1)


def _spread(values: Tensor) -> dict[str, float]:
    low, high = values.quantile(torch.tensor([0.1, 0.9])).tolist()
    return {"mean": float(values.mean()), "q10": low, "q90": high, "pairs": len(values)}


def main() -> None:
    """Measure, print, and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", default="text_encoder", help="a shipped text encoder's name, or a folder")
    parser.add_argument("--data", type=Path, required=True, help="the PTB-XL folder")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    words = parser.parse_args()
    torch.set_num_threads(1)
    results = json.dumps(measure(words.text, words.data), indent=1)
    print(results)
    if words.out:
        unfinished = words.out.with_name(f".{words.out.name}.{os.getpid()}.part")
        unfinished.write_text(results + "\n", encoding="utf-8")
        unfinished.replace(words.out)


if __name__ == "__main__":
    main()
