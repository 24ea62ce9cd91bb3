"""HDF5 read by a process of its own, so that a broken file can end or stall nothing else.

The C library has been ended, and kept busy for ever, by malformed files. It runs in ``process``, which is given
some seconds and some memory; what it answers is checked here as if a stranger had sent it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.hdf5 import process as hdf5_process
from ecggen.io.source import MOST_SAMPLES, optional, with_library

SECONDS = 4.0
"""Between the process being ready and its end."""

_LONGEST_LINE = 2**24

TextMetadata = dict[str, Any]


@dataclass(frozen=True)
class Hdf5:
    """An open file.

    Attributes:
        objects: Of each group and array, by its path: shape (None for a group), kind of numbers, attributes.
        ask: Gives the answer to a question, and bytes.
    """

    objects: dict[str, TextMetadata]
    ask: Callable[..., tuple[TextMetadata, bytes]]

    def shape(self, path: str) -> tuple[int, ...] | None:
        """The shape of an array of numbers; None where there is none of this path."""
        metadata = self.objects.get(path, {})
        return (
            tuple(metadata["shape"])
            if metadata.get("shape") is not None and metadata["kind"] in tuple("biuf")
            else None
        )

    def array(self, path: str, row: int | None = None) -> np.ndarray:
        """The values of an array, or of one row of it."""
        answer, content = self.ask(path=path, row=row)
        if "words" in answer:
            return np.array(answer["words"], dtype=np.str_)
        return np.frombuffer(content, answer["dtype"]).reshape(answer["shape"])


@contextmanager
def opened(path: Path) -> Iterator[Hdf5]:
    """The file, in a process that is ended whatever happens."""
    with optional("h5py", "hdf5"):
        if find_spec("h5py") is None:
            raise ImportError
    command = [sys.executable, "-P", hdf5_process.__file__, str(path.absolute()), str(MOST_SAMPLES)]
    # Threads of a linear algebra that is not used would take address space.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HDF5_")}
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}
    pipe, none = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=none, env=environment) as process:
        ask = partial(_ask, process)
        with_library("HDF5 file", _answer, process)
        watch = Timer(SECONDS, process.kill)
        watch.start()
        try:
            yield Hdf5(ask()[0]["objects"], ask)
        finally:
            watch.cancel()
            process.kill()


def _ask(process: subprocess.Popen[bytes], **question: Any) -> tuple[TextMetadata, bytes]:
    """The answer of the process, and the bytes behind it."""
    try:
        answer, content = _exchange(process, json.dumps(question).encode() + b"\n")
    except Exception as error:
        found = f"the HDF5 file ends its library, or keeps it busy for more than {SECONDS:g} s"
        raise InputError(found, "a whole one was expected", "save it again") from error
    refused = answer.get("refused")
    if refused == "size":
        raise InputError(f"the array holds more than {MOST_SAMPLES} samples", "a shorter one was expected", "split it")
    if refused == "elsewhere":
        found = "the array lies outside the file, in huge pieces, or is packed in a rare way"
        raise InputError(found, "numbers in the file itself, packed by gzip or LZF, were expected", "save it again")
    if refused:
        raise InputError("the HDF5 file is broken", "a whole one was expected", "save it again")
    return answer, content


def _exchange(process: subprocess.Popen[bytes], question: bytes) -> tuple[TextMetadata, bytes]:
    """A question put, its answer taken."""
    assert process.stdin
    # Written without a buffer: nothing is left to be flushed into a process that has ended.
    os.write(process.stdin.fileno(), question)
    return _answer(process)


def _answer(process: subprocess.Popen[bytes]) -> tuple[TextMetadata, bytes]:
    """A line of JSON and the bytes that it announces; anything else is an error."""
    assert process.stdout
    answer = json.loads(process.stdout.readline(_LONGEST_LINE))
    size = answer["bytes"]
    content = process.stdout.read(size)
    if len(content) != size:
        raise EOFError
    return answer, content
