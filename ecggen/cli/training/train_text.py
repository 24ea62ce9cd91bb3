"""``ecggen train-text``: pretrain the text encoder on reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from ecggen.cli import console


def train_text(
    data: Annotated[Path, Option(help="PTB-XL folder, or a CSV file with its columns (ptbxl_database.csv).")],
    out: Annotated[Path, Option(help="Output folder for the weights.")],
    num_steps: Annotated[int, Option(help="Number of training steps; 0 for the default.")] = 0,
    width: Annotated[
        int, Option(help="Width of a token; it must equal that of the generator that uses the encoder.")
    ] = 128,
    seed: Annotated[int, Option(help="Seed of the weights, the order and the generated texts.")] = 0,
    start: Annotated[
        str | None, Option("--from", help="Text encoder with initial weights: a folder, or a shipped name.")
    ] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace existing weights.")] = False,
    quiet: Annotated[bool, Option("--quiet", help="Show no progress bar.")] = False,
) -> None:
    """Pretrain the text encoder on reports of folds 1 to 8 and on generated texts.

    The encoder learns which of PTB-XL's 71 SCP statements a text makes and which it negates. Training takes a few
    minutes on one core.
    """
    from dataclasses import asdict, replace

    import torch

    from ecggen.conditioning import text_encoder
    from ecggen.core.errors import InputError
    from ecggen.training import text_pretraining

    if out.exists() and not overwrite:
        raise InputError(f"{out} exists", "a new folder was expected", "choose another, or pass --overwrite")
    if out.exists() and not (out / "config.json").is_file():
        raise InputError(
            f"{out} holds no text encoder", "a folder written by train-text was expected", "choose another"
        )
    initial = None if start is None else text_encoder.load(start)
    plan = text_pretraining.Plan(steps=num_steps or text_pretraining.Plan.steps, seed=seed, width=width)
    plan = plan if initial is None else replace(plan, **initial.sizes)
    reports = text_pretraining.read_reports(data)
    torch.set_num_threads(1)  # deterministic order of floating-point sums
    with console.progress("pretraining the text encoder", quiet) as share:
        encoder, losses = text_pretraining.pretrain(reports, plan, share, initial)
    last = losses[-max(1, len(losses) // 20) :]
    text_encoder.save(encoder, out, asdict(plan))
    console.print_text(f"loss: {losses[0]:.2f} at the start, {sum(last) / len(last):.2f} at the end\nweights: {out}")
