"""``ecggen train-evaluator``: train a classifier or an ECG-text encoder from a config file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ecggen.cli import console
from ecggen.cli.options import Cache, Resume, Set


def train_evaluator(
    config: Annotated[
        str, Argument(help="A TOML file, or a shipped config: classifier or ecg_text.", show_default=False)
    ],
    data: Annotated[Path, Option(help="PTB-XL folder, or a folder in its format, with scp_codes.")],
    out: Annotated[Path, Option(help="Folder of the run: checkpoint, logs, loss plot, state for --resume.")],
    resume: Resume = False,
    look: Annotated[
        str | None, Option(help="Classifier that initialises the ECG network of an ECG-text encoder, e.g. classifier.")
    ] = None,
    text: Annotated[
        str | None, Option(help="Text encoder that initialises an ECG-text encoder, e.g. text_encoder.")
    ] = None,
    set_: Set = None,
    cache: Cache = None,
    quiet: Annotated[bool, Option("--quiet", help="Show no progress bars.")] = False,
) -> None:
    """Train an evaluator on real ECGs: the classifier of SCP statements, or the ECG-text encoder.

    Never train a generator on the output of an evaluator: its scores would be meaningless.
    """
    from lightning import seed_everything

    from ecggen import data as datasets
    from ecggen.core import config as configs
    from ecggen.core.errors import InputError
    from ecggen.evaluators import pretrained
    from ecggen.training.classifier import train as run
    from ecggen.training.trainer import Plan, plan_values

    file = configs.shipped_config(config)
    values = configs.renamed(configs.read_toml(file, set_ or ()), {"judge": "evaluator"}, str(file))
    if (out / "checkpoint").exists() and not resume:
        raise InputError(f"{out} holds a run already", "a new folder was expected", "continue with --resume")
    plan = configs.build(Plan, plan_values(values, file), f"[training] of {file}")
    seed_everything(plan.seed, verbose=False)
    evaluator = pretrained.new(str(values.get("evaluator")), values.get("model", {}), str(file))
    pretrained.begin_with(evaluator, look, text)
    with console.progress(f"packing {data.name}", quiet) as share:
        pack = datasets.pack(datasets.recordings(data), evaluator.preprocessor, cache, share)
    console.print_text(
        f"evaluator: {run(evaluator, pack, plan, out, resume, not quiet)}\nloss plot: {out / 'loss.png'}"
    )
