"""What the README's tables are put together from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def read(results: Path, name: str) -> dict[str, Any]:
    """What was measured under a name."""
    return json.loads((results / f"{name}.json").read_text(encoding="utf-8"))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


HOW = {"num_steps": None, "guidance_scale": 1, "pag_scale": 0}
"""How draws are made, unless a score tells otherwise."""


def made(name: str, score: dict[str, Any]) -> str:
    """A checkpoint in bold, with its steps and without its hash."""
    if "@" not in name:
        return name
    sampling = score.get("sampling") or {}
    steps, guidance, coherence = (sampling.get(key, usual) for key, usual in HOW.items())
    how = [f"{steps} steps"] if steps else []
    how += [f"guidance {guidance:g}"] if guidance != 1 else []
    how += [f"coherence {coherence:g}"] if coherence else []
    return ", ".join([f"**{name.split('@')[0]}**", *how])


def within(score: dict[str, Any], measure: str, digits: int = 3) -> str:
    """A measure with its interval."""
    low, high = score[f"{measure}_interval"]
    return f"{score[measure]:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def stamp(results: dict[str, Any]) -> str:
    """Seed, and each model's weights, commit and date."""
    models = [(name, score) for name, score in results["scores"].items() if "@" in name]
    told = "; ".join(f"{name}, commit `{score['commit']}`, {score['date']}" for name, score in models)
    return f"n {results['n']}, seed {results['settings']['seed']}; {told}"
