"""Counts the rhythms of PTB-XL's training records by statement, for ``ecggen.generators.hearts.unnamed_rhythm``.

    python -m evaluation.scripts.rhythm_counts --data PTBXL --out ecggen/generators/hearts/rhythm_counts.toml

Folds 1–8; a statement with fewer than ten records is left out.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ecggen import data
from ecggen.conditioning import statements

TRAIN_FOLDS, FEWEST = range(1, 9), 10
HEAD = """# PTB-XL's training records (folds 1-8) with each statement, and how many of them have each rhythm: made by
# python -m evaluation.scripts.rhythm_counts
"""


def counted(records: Iterable[Sequence[str]]) -> dict[str, Counter[str]]:
    """Number of records and of their rhythms by statement, from the statements of each record.

    Example:
        >>> dict(counted([["LVH", "SR"], ["LVH", "SR", "AFIB"]])["LVH"])
        {'records': 2, 'SR': 1, 'AFIB': 1}
    """
    found: dict[str, Counter[str]] = {}
    for present in records:
        rhythm = next((code for code in statements.RHYTHMS if code in present), None)
        for code in present:
            if code in statements.codes() and code not in statements.RHYTHMS:
                found.setdefault(code, Counter())["records"] += 1
                if rhythm is not None:
                    found[code][rhythm] += 1
    return found


def as_toml(found: dict[str, Counter[str]]) -> str:
    """The counts of statements with at least ``FEWEST`` records."""
    parts = [HEAD]
    for code in statements.codes():
        counts = found.get(code, Counter())
        if counts["records"] >= FEWEST:
            lines = [f"{name} = {counts[name]}" for name in ("records", *statements.RHYTHMS) if counts[name]]
            parts.append("\n".join([f'["{code}"]', *lines]) + "\n")
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of PTB-XL")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    records = [one for one in data.recordings(args.data) if one.fold in TRAIN_FOLDS]
    args.out.write_text(as_toml(counted(one.codes.split() for one in records)), encoding="utf-8")


if __name__ == "__main__":
    main()
