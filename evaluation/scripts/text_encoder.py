"""Scores of the pretrained text encoder: ``python -m evaluation.scripts.text_encoder --data PTBXL --out FILE``.

The statements predicted from the reports of fold 9 are compared with the SCP codes of the records. The cosine
similarity of text embeddings is measured on wordings and sentences that were held out of pretraining.
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
from ecggen.training import text_pretraining

DEFINITIONS = {
    "macro_auroc": "area under the ROC curve, ties count half; mean over statements with at least one positive",
    "macro_auroc_of_common": "the same over statements with at least ten positives",
    "keywords": "baseline: a statement is predicted if the report contains one of its wordings in any language",
    "interval": "95 %, percentile bootstrap over patients; a resample leaves out statements without positives in it",
    "language": "language of which the report contains most common words",
    "cosine": "cosine similarity of two text embeddings (token 0); mean, 10 % and 90 % quantile over statements",
    "paraphrase": "description of a statement and its held-out wording",
    "paraphrase_in_new_form": "description of a statement and its held-out wording in a held-out sentence",
    "negation": "description of a statement and its negation in a held-out sentence",
    "unrelated": "descriptions of two statements",
    "german, swedish": "description of a statement and its first wording in that language (used in pretraining)",
    "german_negation": "description of a statement and its German wording after 'kein' (used in pretraining)",
    "paraphrase_above_negation": "share of statements whose held-out paraphrase is more similar than their negation",
    "said": "share of statements with a probability above 0.5 in the held-out paraphrase in a held-out sentence",
    "denied_not_said": "share of statements with a probability below 0.5 of being affirmed in the held-out negation",
    "denied": "share of statements with a probability above 0.5 of being negated in the held-out negation",
    "denied_not_said_by_form": "denied_not_said for each held-out sentence, over all statements",
    "two_clauses": "share of 500 random pairs 'X, no Y' (descriptions, sentence used in pretraining) in which X has a "
    "probability of being affirmed above 0.5 and Y below",
}

LANGUAGE_WORDS = {
    "en": r"\b(rhythm|ecg|is|the|of|left|right|in|axis|wave|waves|block|non|with|contractions?|only)\b",
    "de": r"(rhythmus|lagetyp|typ\b|normales ekg|abnorm\b|infarkt|flimmern|bericht|ableitung|schenkelblock|alter)",
    "sv": r"(rytm\b|förmaks|kammar|skänkelblock|normalt ekg|el-axel|förlopp|\bej\b|\bålder|\bmed\b|avvikande|sänkning)",
}


def measure(
    name: str | Path, folder: Path, folds: Sequence[int] = (9,), repeats: int = 200, seed: int = 0
) -> dict[str, Any]:
    """All figures of a text encoder.

    Args:
        name: Name of a shipped text encoder, or its folder.
        folder: PTB-XL folder.
        folds: Folds whose reports are scored.
        repeats: Resamples of the bootstrap.
        seed: Seed of the bootstrap.
    """
    encoder = text_encoder.load(name)
    reports = text_pretraining.read_reports(folder).of(folds)
    _, said, _ = encoder.read(reports.texts)
    scores = said.numpy()
    languages = np.array([language(text) for text in reports.texts])
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
                one: {
                    "n": int((languages == one).sum()),
                    **macro(scores[languages == one], reports.labels[languages == one]),
                }
                for one in statements.LANGUAGES
            },
            "per_statement": per_statement(scores, reports.labels),
        },
        "cosine": similarities(encoder),
    }


def macro(scores: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Macro AUROC over the statements that occur, and their number."""
    areas = auroc(scores, labels)
    common = areas[labels.sum(0) >= 10]
    return {
        "macro_auroc": float(np.nanmean(areas)),
        "classes": int(np.isfinite(areas).sum()),
        "macro_auroc_of_common": float(np.nanmean(common)) if np.isfinite(common).any() else None,
        "classes_common": int(np.isfinite(common).sum()),
    }


def per_statement(scores: np.ndarray, labels: np.ndarray) -> dict[str, dict[str, float]]:
    """AUROC and number of positives of each statement."""
    areas = auroc(scores, labels)
    return {
        code: {"auroc": round(float(areas[place]), 4), "positives": int(labels[:, place].sum())}
        for place, code in enumerate(statements.codes())
        if np.isfinite(areas[place])
    }


def interval(scores: np.ndarray, reports: text_pretraining.Reports, repeats: int, seed: int) -> list[float]:
    """95 % interval of the macro AUROC, by bootstrap over patients."""
    rng = np.random.default_rng(seed)
    _, which = np.unique(reports.patients, return_inverse=True)
    rows_of = np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which))[:-1])
    found = []
    for _ in range(repeats):
        rows = np.concatenate([rows_of[one] for one in rng.integers(len(rows_of), size=len(rows_of))])
        found.append(macro(scores[rows], reports.labels[rows])["macro_auroc"])
    return [float(value) for value in np.quantile(found, [0.025, 0.975])]


def language(text: str) -> str:
    """Language of which the text contains most common words: "en", "de" or "sv" ("de" if none).

    Example:
        >>> language("sinus rhythm. normal ecg.")
        'en'
    """
    counts = {one: len(re.findall(pattern, text.lower())) for one, pattern in LANGUAGE_WORDS.items()}
    return max(("de", "en", "sv"), key=lambda one: counts[one])


def similarities(encoder: text_encoder.Reader) -> dict[str, Any]:
    """Cosine similarities of paraphrases, negations and translations, and how negations are classified."""
    codes = [code for code in statements.codes() if code != "NORM"]  # its negation is not "no ..."
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
    first = _summaries(encoder, says)
    cosines = {form: (first * _summaries(encoder, texts)).sum(-1) for form, texts in forms.items()}
    apart = ~torch.eye(len(codes), dtype=torch.bool)
    found: dict[str, Any] = {form: _quantiles(values) for form, values in cosines.items()}
    found["unrelated"] = _quantiles((first @ first.T)[apart])
    above = cosines["paraphrase_in_new_form"] > cosines["negation"]
    found["paraphrase_above_negation"] = float(above.float().mean())
    place = [statements.codes().index(code) for code in codes]
    rows = list(range(len(codes)))
    found["said"] = float((encoder.read(forms["paraphrase_in_new_form"])[1][rows, place] > 0.5).float().mean())
    _, said, denied = encoder.read(forms["negation"])
    found["denied_not_said"] = float((said[rows, place] < 0.5).float().mean())
    found["denied"] = float((denied[rows, place] > 0.5).float().mean())
    found["denied_not_said_by_form"] = {
        form: float((encoder.read(_in_turn([form], says))[1][rows, place] < 0.5).float().mean())
        for form in statements.HELD_DENIED
    }
    found["two_clauses"] = two_clauses(encoder, codes)
    return found


def two_clauses(encoder: text_encoder.Reader, codes: Sequence[str], pairs: int = 500, seed: int = 0) -> float:
    """Share of random pairs of statements for which "X, no Y" is classified correctly."""
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(codes, 2, replace=False) for _ in range(pairs)]
    _, said, _ = encoder.read([f"{statements.describe(x)}, no {statements.describe(y)}" for x, y in drawn])
    one, other = (torch.tensor([statements.codes().index(pair[i]) for pair in drawn]) for i in (0, 1))
    rows = torch.arange(pairs)
    return float(((said[rows, one] > 0.5) & (said[rows, other] < 0.5)).float().mean())


def _in_turn(forms: Sequence[str], words: Sequence[str]) -> list[str]:
    return [forms[place % len(forms)].format(x=word) for place, word in enumerate(words)]


def _summaries(encoder: text_encoder.Reader, texts: Sequence[str]) -> Tensor:
    return F.normalize(encoder.read(texts)[0], dim=-1)


def _quantiles(values: Tensor) -> dict[str, float]:
    low, high = values.quantile(torch.tensor([0.1, 0.9])).tolist()
    return {"mean": float(values.mean()), "q10": low, "q90": high, "pairs": len(values)}


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", default="text_encoder", help="name of a shipped text encoder, or its folder")
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = json.dumps(measure(arguments.text, arguments.data), indent=1)
    print(results)
    if arguments.out:
        unfinished = arguments.out.with_name(f".{arguments.out.name}.{os.getpid()}.part")
        unfinished.write_text(results + "\n", encoding="utf-8")
        unfinished.replace(arguments.out)


if __name__ == "__main__":
    main()
