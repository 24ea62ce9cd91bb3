"""Console output of all commands: progress bars, results as text or JSON, errors and warnings."""

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
    """A progress bar on standard error; call the yielded function with the completed share, from 0 to 1."""
    with stages(quiet) as stage:
        yield lambda share: stage(what, share)


@contextmanager
def stages(quiet: bool = False) -> Iterator[Callable[[str, float], None]]:
    """A progress bar for work in several stages; call the yielded function with the stage and its completed share."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=err, transient=True, disable=quiet) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, share: bar.update(task, completed=share, description=what)


def print_text(text: str) -> None:
    """Print plain text; square brackets are not interpreted as markup."""
    out.print(escape(text))


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def fail(message: str) -> None:
    """Print an error on standard error."""
    err.print(f"[bold red]error[/]: {escape(message)}")


def warn(message: str) -> None:
    """Print a warning on standard error."""
    err.print(f"[bold yellow]warning[/]: {escape(message)}")
