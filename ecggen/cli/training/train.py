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
    out: Annotated[Path, Option(help="Folder of the run: best checkpoint, logs, loss plot, state for --resume.")],
    resume: Resume = False,
    start: Annotated[
        list[str] | None,
        Option("--from", help="Checkpoint with initial weights; repeatable, later ones take precedence."),
    ] = None,
    text: Annotated[
        str | None, Option(help="Pretrained text encoder with initial weights, e.g. the shipped one: text_encoder.")
    ] = None,
    impute_with: Annotated[
        str | None, Option(help="Generator that imputes the missing leads of recordings with a PPG.")
    ] = None,
    set_: Set = None,
    cache: Cache = None,
    quiet: Annotated[bool, Option("--quiet", help="Show no progress bars.")] = False,
) -> None:
    """Train a generator.

    The recordings are packed once (filtered, resampled, written to a memory-mapped file), then Lightning trains the
    generator. The checkpoint folder in the output folder always holds the best weights so far; pass it to other
    commands as --model. Use --resume to continue an interrupted run from its last epoch. With a table [hearts] in the
    config, the heart-first model is trained afterwards, or alone if the config has epochs = 0.
    """
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    from ecggen import data as datasets
    from ecggen.conditioning import text_encoder
    from ecggen.core.config import shipped_config
    from ecggen.core.errors import InputError
    from ecggen.generators import checkpoint
    from ecggen.generators.imputation import LeadImputer
    from ecggen.training.hearts import stages
    from ecggen.training.trainer import read
    from ecggen.training.trainer import train as run

    if (out / "checkpoint").exists() and not resume:
        raise InputError(f"{out} holds a run already", "a new folder was expected", "continue with --resume")
    generator, plan, masking = read(shipped_config(config), set_ or ())
    hearts = stages.read(shipped_config(config), set_ or ())
    for name in start or ():
        missing = checkpoint.copy_weights(name, generator)
        if missing:
            console.err.print(f"{len(missing)} weights are not in {name}, e.g. {missing[0]}", markup=False)
    if text is not None:
        text_encoder.copy_into(text, generator)
    imputer = None if impute_with is None else LeadImputer(checkpoint.load(impute_with))
    packs = []
    for folder in data:
        with console.progress(f"packing {folder.name}", quiet) as share:
            packs.append(datasets.pack(datasets.recordings(folder), generator.preprocessor, cache, share, imputer))
    pack = datasets.join(packs)
    for name, reason in list(pack.left_out.items())[:5]:
        console.err.print(f"left out {name}: {reason}", markup=False)
    console.err.print(f"{len(pack)} windows; {len(pack.left_out)} recordings left out", markup=False)
    best, plot = out / "checkpoint", ""
    if plan.epochs:
        best = run(generator, pack, plan, masking, out, resume, not quiet)
    if rank_zero_only.rank:  # of several processes only the first does what follows
        return
    if plan.epochs:
        generator, plot = checkpoint.load(best), f"\nloss plot: {out / 'loss.png'}"
    if hearts is not None and generator.heart_first is not None:
        with console.stages(quiet) as report:
            stages.train(generator.heart_first, pack, hearts, out / "hearts", cache, report)
        checkpoint.save(generator, best)
    console.print_text(f"best checkpoint: {best}{plot}")
