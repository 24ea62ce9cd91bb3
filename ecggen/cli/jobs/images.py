"""Pictures for the records of ``ecggen generate --images`` and ``ecggen augment --images``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ecggen.cli.jobs.resuming import mark_of

if TYPE_CHECKING:
    from ecggen.augment.image_set import ImageRequest

Images = Annotated[
    str | None,
    Option(
        help="Add a picture of its page (PNG), its intervals per lead and its text (JSON) to each record, in "
        "the folder images: clean, or random (realistic paper, layout and print)."
    ),
]


def check_style(style: str | None) -> None:
    """Check the option before a long job begins.

    Raises:
        InputError: If there is no such style.
    """
    from ecggen.viz.prints import PrintSettings

    if style is not None:
        PrintSettings.of(style, 0, 0)


def add_images(
    out: Path,
    rows: Sequence[dict[str, str]],
    record_of: Callable[[dict[str, str]], str],
    style: str | None,
    seed: int,
    shard: str | None,
    progress: Callable[[float], None],
) -> dict[str, Any]:
    """Add pictures to the records of a job, if ``style`` is given; return their style and table for its description.

    Args:
        out: Folder of the job.
        rows: Its table.
        record_of: Path of a record in ``out``, from its row.
        style: "clean" or "random".
        seed: Seed of the print settings.
        shard: The part of the job, whose table has a name of its own.
        progress: Receives the fraction done.
    """
    from ecggen.augment.image_set import write_images

    if style is None:
        return {}
    requests = [_request(row, record_of(row)) for row in rows]
    table = write_images(out, requests, style, seed, progress, mark_of(shard))
    return {"images": {"style": style, "table": str(table.relative_to(out)), "written": len(requests)}}


def _request(row: dict[str, str], record: str) -> ImageRequest:
    from ecggen.augment.image_set import ImageRequest

    about: dict[str, Any] = {name: float(row[name]) for name in ("age", "heart_rate") if row.get(name)}
    about |= {"sex": row["sex"]} if row.get("sex") else {}
    about |= {name: row[name].split() for name in ("codes", "statements") if row.get(name)}
    shown = {"criteria_met": row["criteria_met"].split(), "seed": int(row["seed"]), "index": int(row["index"])}
    return ImageRequest(Path(record).stem, int(row["index"]), record, row["text"], {"requested": about} | shown)
