"""``ecggen train-evaluator``: a network that looks at ECGs, from one config file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ecggen.cli import console


def train_evaluator(
    config: Annotated[Path, Argument(help="A TOML file, as configs/classifier.toml.")],
    data: Annotated[Path, Option(help="A PTB-XL folder, or one of its form, with scp_codes.")],
    out: Annotated[Path, Option(help="Folder of the run: checkpoint, logs, loss plot, state to resume from.")],
    resume: Annotated[bool, Option("--resume", help="Go on with a run that was stopped.")] = False,
    look: Annotated[
        str | None, Option(help="A classifier whose ECG network an ECG-text encoder begins with, as classifier.")
    ] = None,
    text: Annotated[
        str | None, Option(help="A text encoder that an ECG-text encoder begins with, as text_encoder.")
    ] = None,
    set_: Annotated[
        list[str] | None, Option("--set", help="Change a value of the config, as --set training.epochs=3.")
    ] = None,
    cache: Annotated[Path | None, Option(help="Where packed data sets are kept (default ~/.cache/ecggen).")] = None,
    quiet: Annotated[bool, Option("--quiet", help="No progress bars.")] = False,
) -> None:
    """Train an evaluator on real ECGs: the classifier of statements, or the encoders of ECGs and texts.

    A generator must never be trained on what an evaluator says of it, or its scores mean nothing.
    """
    from lightning import seed_everything

    from ecggen import data as datasets
    from ecggen.core import config as configs
    from ecggen.core.errors import InputError
    from ecggen.evaluators import pretrained
    from ecggen.training.classifier import train as run
    from ecggen.training.trainer import Plan, plan_values

    values = configs.read_toml(config, set_ or ())
    if (out / "checkpoint").exists() and not resume:
        raise InputError(f"{out} holds a run already", "a new folder was expected", "choose another")
    plan = configs.build(Plan, plan_values(values, config), f"[training] of {config}")
    seed_everything(plan.seed, verbose=False)
    evaluator = pretrained.new(str(values.get("evaluator", values.get("judge"))), values.get("model", {}), str(config))
    pretrained.begin_with(evaluator, look, text)
    with console.progress(f"packing {data.name}", quiet) as share:
        pack = datasets.pack(datasets.recordings(data), evaluator.preprocessor, cache, share)
    console.print_text(f"evaluator: {run(evaluator, pack, plan, out, resume, not quiet)}\nlosses: {out / 'loss.png'}")
