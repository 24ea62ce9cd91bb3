"""What all commands share: progress on long work, results as text or JSON, and one sentence for an error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def progress(what: str, quiet: bool = False) -> Iterator[Callable[[float], None]]:
    """A bar on standard error; call what it yields with the share done."""
    with stages(quiet) as stage:
        yield lambda share: stage(what, share)


@contextmanager
def stages(quiet: bool = False) -> Iterator[Callable[[str, float], None]]:
    """A bar for work in several stages; call what it yields with the stage's name and the share of it done."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=err, transient=True, disable=quiet) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, share: bar.update(task, completed=share, description=what)


def print_text(text: str) -> None:
    """Print plain text; square brackets in it are no markup."""
    out.print(escape(text))


def print_json(value: Any) -> None:
    """Print JSON for a program."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def fail(message: str) -> None:
    """One sentence on standard error."""
    err.print(f"[bold red]error[/]: {escape(message)}")


def warn(message: str) -> None:
    """One sentence on standard error, about what was done although it is doubtful."""
    err.print(f"[bold yellow]warning[/]: {escape(message)}")
