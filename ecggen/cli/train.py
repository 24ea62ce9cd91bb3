"""``ecggen train``: a generator from one config file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ecggen.cli import console


def train(
    config: Annotated[Path, Argument(help="A TOML file, as configs/vae.toml.")],
    data: Annotated[
        list[Path], Option(help="A folder of PTB-XL, MIMIC-IV-ECG, BIDMC or any recordings; may be given again.")
    ],
    out: Annotated[Path, Option(help="Folder of the run: best checkpoint, logs, loss plot, state to resume from.")],
    resume: Annotated[bool, Option("--resume", help="Go on with a run that was stopped.")] = False,
    start: Annotated[
        list[str] | None,
        Option("--from", help="A checkpoint whose weights to begin with; given again, later ones add to it."),
    ] = None,
    text: Annotated[
        str | None, Option(help="A pretrained text encoder to begin with, as the shipped one: text.")
    ] = None,
    impute_with: Annotated[
        str | None, Option(help="A checkpoint that draws the leads which recordings with a PPG lack.")
    ] = None,
    set_: Annotated[
        list[str] | None, Option("--set", help="Change a value of the config, as --set training.epochs=3.")
    ] = None,
    cache: Annotated[Path | None, Option(help="Where packed data sets are kept (default ~/.cache/ecggen).")] = None,
    quiet: Annotated[bool, Option("--quiet", help="No progress bars.")] = False,
) -> None:
    """Train a generator.

    The recordings are packed once (filtered, resampled, one memory-mapped file); then Lightning trains. The best
    weights so far lie in OUT/checkpoint at any time and can be used as --model OUT/checkpoint. A run that was
    killed goes on with --resume, from the end of its last epoch.
    """
    from ecggen import data as datasets
    from ecggen.conditioning import text_encoder
    from ecggen.core.errors import InputError
    from ecggen.generators import checkpoint
    from ecggen.generators.imputation import LeadImputer
    from ecggen.training.trainer import read
    from ecggen.training.trainer import train as run

    if (out / "checkpoint").exists() and not resume:
        raise InputError(f"{out} holds a run already", "a new folder was expected", "go on with --resume")
    generator, plan, masking = read(config, set_ or ())
    for name in start or ():
        foreign = checkpoint.copy_weights(name, generator)
        if foreign:
            console.err.print(f"{len(foreign)} weights are not in {name}, {foreign[0]} for one", markup=False)
    if text is not None:
        text_encoder.copy_into(text, generator)
    completion = None if impute_with is None else LeadImputer(checkpoint.load(impute_with))
    packs = []
    for folder in data:
        with console.progress(f"packing {folder.name}", quiet) as share:
            packs.append(datasets.pack(datasets.recordings(folder), generator.preprocessor, cache, share, completion))
    pack = datasets.join(packs)
    for name, reason in list(pack.left_out.items())[:5]:
        console.err.print(f"left out {name}: {reason}", markup=False)
    console.err.print(f"{len(pack)} windows; {len(pack.left_out)} recordings left out", markup=False)
    best = run(generator, pack, plan, masking, out, resume, not quiet)
    console.print_text(f"best checkpoint: {best}\nlosses: {out / 'loss.png'}")
