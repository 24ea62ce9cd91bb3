"""Parts of the generated Markdown tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def read(results: Path, name: str) -> dict[str, Any]:
    """The results of a protocol or script, by name."""
    return json.loads((results / f"{name}.json").read_text(encoding="utf-8"))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


DEFAULTS = {"num_steps": None, "guidance_scale": 1, "stronger_scale": None, "pag_scale": 0}
"""Sampling options that are not printed."""


def made(name: str, score: dict[str, Any]) -> str:
    """Name of a checkpoint in bold, without the hash of its weights and with its sampling options."""
    if "@" not in name:
        return name
    sampling = score.get("sampling") or {}
    num_steps, guidance_scale, stronger, pag_scale = (sampling.get(key, default) for key, default in DEFAULTS.items())
    options = [f"{num_steps} steps"] if num_steps else []
    scale = f"{guidance_scale:g}" + (f" to {stronger:g}" if stronger else "")
    options += [f"guidance scale {scale}"] if scale != "1" else []
    options += [f"PAG scale {pag_scale:g}"] if pag_scale else []
    return ", ".join([f"**{name.split('@')[0]}**", *options])


def within(score: dict[str, Any], measure: str, digits: int = 3) -> str:
    """A score with its interval."""
    low, high = score[f"{measure}_interval"]
    return f"{score[measure]:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def stamp(results: dict[str, Any]) -> str:
    """n, seed, and weights, commit and date of each model, with its own n if that is another one."""
    models = [(name, score) for name, score in results["scores"].items() if "@" in name]
    sizes = {name: f", n {score['n']}" for name, score in models if score.get("n", results["n"]) != results["n"]}
    runs = "; ".join(f"{name}{sizes.get(name, '')}, commit `{one['commit']}`, {one['date']}" for name, one in models)
    return f"n {results['n']}, seed {results['settings']['seed']}; {runs}"
