"""``ecggen train-text``: pretrain the encoder of reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from ecggen.cli import console


def train_text(
    data: Annotated[Path, Option(help="A PTB-XL folder, or a CSV with its columns (ptbxl_database.csv).")],
    out: Annotated[Path, Option(help="Folder of the weights.")],
    num_steps: Annotated[int, Option(help="Steps; 0 for the recipe's own number.")] = 0,
    width: Annotated[int, Option(help="Width of a token, as in the generator that will read with it.")] = 128,
    seed: Annotated[int, Option(help="Seed of weights, order and texts.")] = 0,
    start: Annotated[
        str | None, Option("--from", help="Weights to train on from: a folder, or a shipped name.")
    ] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace weights that are there already.")] = False,
    quiet: Annotated[bool, Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Pretrain the word encoder on reports of folds 1 to 8 and on generated texts.

    It learns which of PTB-XL's 71 SCP statements a text makes and which it denies; a few minutes on one core.
    """
    from dataclasses import replace

    import torch

    from ecggen.conditioning import text_encoder
    from ecggen.core.errors import InputError

    if out.exists() and not overwrite:
        raise InputError(f"{out} exists", "a new folder was expected", "choose another, or pass --overwrite")
    if out.exists() and not (out / "config.json").is_file():
        raise InputError(f"{out} holds no weights to replace", "a folder written by train-text was expected")
    begun = None if start is None else text_encoder.load(start)
    plan = text_encoder.Plan(steps=num_steps or text_encoder.Plan.steps, seed=seed, width=width)
    plan = plan if begun is None else replace(plan, **begun.sizes)
    reports = text_encoder.read_reports(data)
    torch.set_num_threads(1)  # the same sums in the same order on every run
    with console.progress("pretraining the text encoder", quiet) as share:
        reader, losses = text_encoder.pretrain(reports, plan, share, begun)
    last = losses[-max(1, len(losses) // 20) :]
    text_encoder.save(reader, out, plan)
    console.print_text(f"loss: {losses[0]:.2f} at first, {sum(last) / len(last):.2f} at last\nweights: {out}")
