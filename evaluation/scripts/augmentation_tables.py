"""Tables of the augmentation protocols."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ecggen.conditioning import statements
from evaluation.scripts.table_parts import made, read, stamp, table, within

ARMS = ("synthetic", "variations")


def augmentation(results: Path, name: str = "augmentation") -> str:
    """Gain of synthetic records by number of real ones, over no augmentation and over the best without a generator."""
    found = read(results, name)
    scores = dict(sorted(found["scores"].items(), key=lambda item: "@" in item[0]))
    arms = [arm for arm in ARMS if any(arm in score["transfer"] for score in scores.values())]
    rows, transfers = [], []
    for which, score in scores.items():
        rows += [
            [made(which, score), *_fraction(score["points"], best, arms)] for best in score["best_without_generator"]
        ]
        transfers += [[made(which, score), arm, *_transfer(moved)] for arm, moved in score["transfer"].items()]
    added = [f"{arm}{over}" for arm in arms for over in (": gain", ": gain over the best")]
    head = ["model", "real records", "AUROC without augmentation", "best without a generator: gain", *added]
    areas = ["model", "synthetic records", "TRTR", "TSTR", "TRTS", "TSTR / TRTR"]
    settings = found["settings"]
    about = f"{settings['repeats']} repeats, tested on {found['n_test']} records of {found['patients']} patients"
    about += "; AUROC, gains in thousandths"
    return f"{table(head, rows)}\n\n{table(areas, transfers)}\n\n*{about}; {stamp(found)}*"


def _fraction(points: Sequence[dict[str, Any]], best: dict[str, Any], arms: Sequence[str]) -> list[str]:
    """Cells for one number of real records: none added, best without a generator, and each arm of generated records."""
    at = {(point["arm"], point["share"]): point for point in points if point["fraction"] == best["fraction"]}
    plain, top = next(point for point in at.values() if "n_real" in point), at[best["arm"], best["share"]]
    gain = f"{top['arm']}, +{top['share']:.0%}: {_changed(top, 'gain')}" if top is not plain else "none"
    cells, most = [f"{plain['n_real']:,}", f"{plain['auroc']:.3f}", gain], max(share for _, share in at)
    for arm in arms:
        point = at.get((arm, most))
        if point is None:
            cells += ["", ""]
        else:
            cells += [f"+{point['n_added']:,}: {_changed(point, 'gain')}", _above_zero(point)]
    return cells


def _above_zero(point: dict[str, Any]) -> str:
    """Gain over the best without a generator, and the number of repeats with a gain over no augmentation."""
    return f"{_changed(point, 'over_best')}; gain in {point['seeds_above']} repeats"


def _changed(point: dict[str, Any], what: str) -> str:
    """A difference in thousandths with its interval."""
    value, low, high = (1000 * one for one in (point[what], *point[f"{what}_interval"]))
    return f"{value:+.0f} ({low:+.0f} to {high:+.0f})"


def _transfer(moved: dict[str, Any]) -> list[str]:
    """Train and test on real or synthetic records."""
    return [*(f"{moved[key]['auroc']:.3f}" for key in ("trtr", "tstr", "trts")), within(moved, "tstr_over_trtr")]


def rare_statements(results: Path, name: str = "augmentation_rare") -> str:
    """AUPRC of rare statements: their mean by what is added, and the gain of each statement."""
    found = read(results, name)
    return "\n\n".join([_by_arm(found), _by_statement(found), f"*{_about(found)}; {stamp(found)}*"])


def _by_arm(found: dict[str, Any]) -> str:
    """Mean over the statements, and the number of statements with a difference."""
    head = ["model", "added", "mean AUPRC", "gain", "gain by seed", "statements better", "worse"]
    rows = []
    for which, score in sorted(found["scores"].items(), key=lambda item: "@" in item[0]):
        for arm, one in score["arms"].items():
            model = made(which, score) if arm == "synthetic" else ""
            cells = [model, arm, f"{one['auprc']:.3f}"]
            if "gain" in one:
                seeds = ", ".join(f"{1000 * gain:+.0f}" for gain in one["by_seed"])
                cells += [_changed(one, "gain"), seeds, _listed(one["above"]), _listed(one["below"])]
            rows.append(cells + [""] * (len(head) - len(cells)))
    return table(head, rows)


def _listed(names: Sequence[str]) -> str:
    return f"{len(names)}: {', '.join(names)}" if names else "0"


def _by_statement(found: dict[str, Any]) -> str:
    """Gain of each statement by each arm."""
    _, score = max(found["scores"].items(), key=lambda item: "@" in item[0])
    arms = [arm for arm in score["arms"] if arm != "nothing"]
    head = ["statement", "training records (patients)", "test records", "AUPRC", *(f"{arm}: gain" for arm in arms)]
    rows = []
    for name, one in score["statements"].items():
        counts = found["rare"][name]
        own = [f"{counts['records']} ({counts['patients']})", str(one["n_test"]), f"{one['auprc']:.3f}"]
        rows.append([f"{name}, {statements.describe(name)}", *own, *(_changed(one[arm], "gain") for arm in arms)])
    return table(head, rows)


def _about(found: dict[str, Any]) -> str:
    settings = found["settings"]
    return (
        f"{settings['repeats']} seeds, {len(found['labels'])} of {len(found['rare'])} rare statements with 10 test "
        f"records; tested on {found['n_test']} records of {found['patients']} patients; gains in thousandths, "
        "intervals over test patients"
    )
