"""``ecggen calibrate``: make prediction intervals hold for the records of one hospital."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ecggen.cli import console
from ecggen.cli.options import Json, Level, Overwrite, named_leads

if TYPE_CHECKING:
    from ecggen.generators.trust.margin import Margin


def calibrate(
    model: Annotated[str, Argument(help="Generator: gan, vae, flow, diffusion, or a checkpoint folder.")],
    data: Annotated[Path, Option(help="Folder of your own twelve-lead records, or an archive such as PTB-XL.")],
    out: Annotated[Path, Option(help="Output file, e.g. margin.json.")],
    leads: Annotated[str, Option(help="Leads that are given to the model later, e.g. I or II,V1,V5.")] = "I",
    level: Level = 0.9,
    limit: Annotated[int, Option(help="Maximum number of records, chosen at random.", min=1)] = 200,
    num_draws: Annotated[int, Option(help="Number of draws of each record.", min=2)] = 20,
    seed: Annotated[int, Option(help="Random seed of the choice of records.")] = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Calibrate prediction intervals on a few of your own twelve-lead records.

    Each record is reconstructed from the leads and compared with its other leads. The file holds one factor on the
    width of the interval, for `ecggen reconstruct --margin`, with which the interval holds its share in further records
    of this kind, on average over records. It holds no signals and no names. At least 20 records of different patients
    are needed; the fewer there are, the wider the interval. Not for diagnosis.
    """
    from ecggen.core.errors import InputError, argument
    from ecggen.generators.base import load
    from ecggen.generators.trust import calibrate as own

    if out.exists() and not overwrite:
        do = f"choose another name, or pass {argument(overwrite=True)}"
        raise InputError(f"{out} exists", "a new file was expected", do)
    generator, given = load(model), named_leads(leads) or ()
    own.check(given, level, num_draws)
    with console.stages(quiet=as_json) as stage:
        records, left_out = own.own_records(
            data, generator.preprocessor, limit, seed, lambda share: stage("reading", share)
        )
        for name, reason in list(left_out.items())[:1]:
            count = "1 record" if len(left_out) == 1 else f"{len(left_out)} records"
            console.warn(f"{count} cannot be used; the first, {name}: {reason}")
        margin = own.calibrate(
            generator, records, given, level, num_draws, lambda share: stage("reconstructing", share)
        )
    margin.write(out)
    if as_json:
        console.print_json(about(margin, len(left_out), out))
    else:
        console.print_text(as_text(margin, len(left_out), out))


def about(margin: Margin, left_out: int, out: Path) -> dict[str, Any]:
    """The result as JSON values."""
    return margin.as_dict() | {"left_out": left_out, "file": str(out)}


def as_text(margin: Margin, left_out: int, out: Path) -> str:
    """The result as text."""
    coverage = f"{margin.coverage_before:.3f} before, {margin.coverage:.3f} with the margin of the other records"
    return "\n".join(
        [
            f"model:     {margin.model}",
            f"leads:     {', '.join(margin.leads)}",
            f"records:   {margin.n}" + (f"; {left_out} could not be used" if left_out else ""),
            f"coverage:  {coverage}, of the {100 * margin.level:g}% interval",
            f"width:     {margin.width_before_mv:.3f} mV before, {margin.width_mv:.3f} mV after, mean",
            f"margin:    {margin.margin:.3f}: the interval becomes {margin.change()}",
            f"file:      {out}",
        ]
    )
