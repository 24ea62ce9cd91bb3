"""``ecggen train``: train a generator from a config file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ecggen.cli import console
from ecggen.cli.options import Cache, Resume, Set


def train(
    config: Annotated[
        str, Argument(help="A TOML file, or a shipped config, e.g. vae or tiny/vae.", show_default=False)
    ],
    data: Annotated[list[Path], Option(help="Folder of PTB-XL, MIMIC-IV-ECG, BIDMC or any recordings; repeatable.")],
    out: Annotated[
        Path | None,
        Option(help="Folder of the run: checkpoint, logs, loss plot, state for --resume (default: runs/CONFIG)."),
    ] = None,
    resume: Resume = False,
    start: Annotated[
        list[str] | None,
        Option("--from", help="Checkpoint with initial weights; repeatable, later ones take precedence."),
    ] = None,
    text: Annotated[
        str | None, Option(help="Pretrained text encoder with initial weights, e.g. the shipped one: text_encoder.")
    ] = None,
    impute_with: Annotated[
        str | None,
        Option(
            help="Generator that imputes the missing leads of recordings with a PPG "
            "(default: the stage that a stage names with impute)."
        ),
    ] = None,
    stage: Annotated[
        list[str] | None, Option(help="Run this stage of the config only; repeatable (default: all).")
    ] = None,
    outside: Annotated[
        list[Path] | None,
        Option(help="Folder of another archive, for the margin of intervals in the stage trust; repeatable."),
    ] = None,
    set_: Set = None,
    cache: Cache = None,
    quiet: Annotated[bool, Option("--quiet", help="Show no progress bars.")] = False,
) -> None:
    """Train a generator.

    The recordings are packed once (filtered, resampled, written to a memory-mapped file), then the stages of the config
    are run one after another, from scratch to the calibrated checkpoint. The checkpoint folder in the output folder
    holds the weights of the last finished stage; pass it to other commands as --model. Use --resume to continue an
    interrupted run where it stopped.

    A config without stages is trained in one: the checkpoint folder holds the best weights so far. With a table
    [hearts], the heart-first model is trained afterwards, or alone if the config has epochs = 0.
    """
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    from ecggen.core.config import shipped_config
    from ecggen.generators import checkpoint
    from ecggen.generators.imputation import LeadImputer
    from ecggen.training.recipe import recipe as recipes
    from ecggen.training.recipe.material import Recordings

    file, rank = shipped_config(config), int(rank_zero_only.rank or 0)
    out = out or Path("runs") / file.stem
    recipe = recipes.read(file, set_ or ())
    for note in recipe.initialise(start or (), text):
        console.err.print(note, markup=False)
    imputer = None if impute_with is None else LeadImputer(checkpoint.load(impute_with))
    recordings = Recordings(
        data,
        cache,
        lambda line: None if rank else console.err.print(line, markup=False),
        lambda: console.stages(quiet),
        not quiet,
        outside or (),
    )
    if recipe.stages or stage:
        best = recipes.run(recipe, recordings, out, stage or (), resume, bool(start), imputer, rank)
    else:
        best = recipes.train(recipe, recordings, out, resume, imputer, rank)
    if not rank:
        plot = out / "loss.png"
        console.print_text(f"best checkpoint: {best}" + (f"\nloss plot: {plot}" if plot.is_file() else ""))
