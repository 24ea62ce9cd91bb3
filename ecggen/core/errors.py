"""The exception and the warning for invalid input, and how their messages name an argument.

A message tells what to do with an argument. A caller in Python writes ``fs=500``, and a user of the command line
``--fs 500``. Messages therefore name arguments with ``argument``; the command line sets its own spelling once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar


class InputError(ValueError):
    """Raised for any invalid input: files, arguments, configuration values.

    All readers, commands and constructors raise this exception and no other for invalid input.
    The message has the form ``found; expected; do``. Arguments in it are named with ``argument``.

    Args:
        found: What was found ("lead 'V9' is not in this ECG (it has I, II)").
        expected: What was expected; may be omitted if ``found`` already states it.
        do: How to solve the problem.

    Example:
        >>> str(InputError("the sampling rate is 0 Hz", "a positive number was expected", "give it with fs"))
        'the sampling rate is 0 Hz; a positive number was expected; give it with fs'
    """

    def __init__(self, found: str, expected: str = "", do: str = ""):
        self.found, self.expected, self.do = found, expected, do
        super().__init__("; ".join(part for part in (found, expected, do) if part))


class InputWarning(UserWarning):
    """Issued for questionable input that is used nevertheless, and for names that are deprecated."""


def argument(*names: str, **values: object) -> str:
    """How the caller gives arguments: ``start=3.2, seconds=10`` in Python, ``--start 3.2 --seconds 10`` in a command.

    Args:
        names: Arguments without a value.
        values: Arguments with a value.

    Returns:
        Text for a message; "" if the caller has no such argument.

    Example:
        >>> argument("fs"), argument(leads="I,II"), argument(start=3.2, seconds=10)
        ('fs', "leads='I,II'", 'start=3.2, seconds=10')
    """
    return _spelling.get()({**dict.fromkeys(names), **values})


@contextmanager
def spelled(spelling: Callable[[Mapping[str, object]], str]) -> Iterator[None]:
    """Context in which ``argument`` uses ``spelling``: a function from arguments (None without a value) to text."""
    token = _spelling.set(spelling)
    try:
        yield
    finally:
        _spelling.reset(token)


def rewritten(change: Callable[[Mapping[str, object]], Mapping[str, object]]) -> AbstractContextManager[None]:
    """Context in which ``argument`` names arguments as before, after ``change`` of their values."""
    outer = _spelling.get()
    return spelled(lambda values: outer(change(values)))


def after(start: float) -> AbstractContextManager[None]:
    """Context in which ``argument`` names starts in seconds that are counted from ``start``."""

    def change(values: Mapping[str, object]) -> Mapping[str, object]:
        begin = values.get("start")
        return {**values, "start": round(begin + start, 4)} if isinstance(begin, int | float) else values

    return rewritten(change)


def _as_keywords(values: Mapping[str, object]) -> str:
    """Arguments as keywords of a call in Python."""
    return ", ".join(name if value is None else f"{name}={_literal(value)}" for name, value in values.items())


def _literal(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else repr(value)


_spelling: ContextVar[Callable[[Mapping[str, object]], str]] = ContextVar("spelling", default=_as_keywords)
