"""The command line. ``ecggen COMMAND --help`` describes each command.

Exit codes: 0 success, 1 failure of the system (e.g. a full disk), 2 invalid input (one sentence says what was found,
what was expected and what to do), 130 interrupted. Heavy libraries are imported when a command runs, so ``--help`` is
fast.
"""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import typer

from ecggen.cli import console
from ecggen.cli.augment import augment
from ecggen.cli.calibrate import calibrate
from ecggen.cli.convert import convert
from ecggen.cli.evaluate import evaluate
from ecggen.cli.export import export
from ecggen.cli.generate import generate
from ecggen.cli.info import info
from ecggen.cli.options import of_command
from ecggen.cli.plot import plot
from ecggen.cli.reconstruct import reconstruct
from ecggen.cli.report import report
from ecggen.cli.serve import serve
from ecggen.cli.training.train import train
from ecggen.cli.training.train_evaluator import train_evaluator
from ecggen.cli.training.train_text import train_text
from ecggen.cli.translate import translate
from ecggen.cli.turing import turing
from ecggen.core.errors import InputError, InputWarning, spelled

app = typer.Typer(
    name="ecggen",
    help="Generate electrocardiograms and reconstruct leads. Every generated lead is marked SYNTHETIC: "
    "not for diagnosis.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
for command in (
    reconstruct,
    translate,
    generate,
    augment,
    plot,
    convert,
    info,
    evaluate,
    report,
    turing,
    serve,
    export,
    calibrate,
    train,
    train_text,
    train_evaluator,
):
    app.command()(command)


@app.callback()
def _before_a_command(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", is_eager=True, help="Print the version and exit."),
) -> None:
    if version:
        from ecggen import __version__

        print(f"ecggen {__version__}")
        raise typer.Exit
    context.with_resource(spelled(of_command(context)))


RENAMED = {
    "--form": "--format",
    "--forms": "--format",
    "--picture": "--plot-format",
    "--draws": "--num-draws",
    "--steps": "--num-steps",
    "--guidance": "--guidance-scale",
    "--tries": "--max-attempts",
    "--complete": "--impute-with",
    "--judge": "--classifier",
    "train-judge": "train-evaluator",
}
"""Options and commands of release 0.1 with their current names; old names work for one release, with a warning."""


def with_current_names(words: Sequence[str]) -> list[str]:
    """Replace old names of options and commands in a command line, with a warning for each.

    Example:
        >>> with_current_names(["reconstruct", "watch.csv", "--num-draws=8"])
        ['reconstruct', 'watch.csv', '--num-draws=8']
    """
    current = []
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in RENAMED and (name.startswith("--") or at == 0):
            console.warn(f"{name} is now called {RENAMED[name]}; the old name will be removed in the next release")
            name = RENAMED[name]
        current.append(name + equals + value)
    return current


COLLECTIONS = (50_000, 20, 50)
"""Thresholds of garbage collection. Those of Python look through all objects again and again while libraries are
imported, which takes a tenth of the time of a start."""


def main() -> None:
    """Run a command. Invalid input ends with one sentence and exit code 2; doubtful input gives a warning."""
    default, collections = warnings.showwarning, gc.get_threshold()

    def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if issubclass(category, InputWarning):
            console.warn(str(message))
        else:
            default(message, category, *place)

    warnings.showwarning = show
    gc.set_threshold(*COLLECTIONS)
    try:
        app(with_current_names(sys.argv[1:]))
    except InputError as error:
        console.fail(str(error))
        sys.exit(2)
    except OSError as error:
        console.fail(f"{error.filename or 'a file'}: {error.strerror or error}; no partial file was left")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        warnings.showwarning = default
        gc.set_threshold(*collections)
