"""Access to HDF5 files in a separate process, so that a broken file cannot crash or block the caller.

Malformed files can crash the C library or make it run forever. It therefore runs in ``process`` with limited time and
memory. Its answers are treated as untrusted input.
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
"""Time limit from the readiness of the process to its end."""

_LONGEST_LINE = 2**24

Attributes = dict[str, Any]


@dataclass(frozen=True)
class Hdf5:
    """An open file.

    Attributes:
        objects: For each path of a group or array: shape (None for a group), kind of numbers, attributes.
        ask: Sends a request and returns the answer and its bytes.
    """

    objects: dict[str, Attributes]
    ask: Callable[..., tuple[Attributes, bytes]]

    def shape(self, path: str) -> tuple[int, ...] | None:
        """Shape of an array of numbers; None if there is none at this path."""
        metadata = self.objects.get(path, {})
        return (
            tuple(metadata["shape"])
            if metadata.get("shape") is not None and metadata["kind"] in tuple("biuf")
            else None
        )

    def array(self, path: str, row: int | None = None) -> np.ndarray:
        """Values of an array, or of one row of it."""
        answer, content = self.ask(path=path, row=row)
        if "words" in answer:
            return np.array(answer["words"], dtype=np.str_)
        return np.frombuffer(content, answer["dtype"]).reshape(answer["shape"])


@contextmanager
def opened(path: Path) -> Iterator[Hdf5]:
    """Open a file in a separate process, which is always terminated at the end."""
    with optional("h5py", "hdf5"):
        if find_spec("h5py") is None:
            raise ImportError
    command = [sys.executable, "-P", hdf5_process.__file__, str(path.absolute()), str(MOST_SAMPLES)]
    # The threads of an unused linear algebra library would take address space.
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


def _ask(process: subprocess.Popen[bytes], **question: Any) -> tuple[Attributes, bytes]:
    """Send a request to the process; return its answer and the bytes that follow."""
    try:
        answer, content = _exchange(process, json.dumps(question).encode() + b"\n")
    except Exception as error:
        found = f"the HDF5 file crashes the library, or takes more than {SECONDS:g} s"
        raise InputError(found, "a valid file was expected", "save it again") from error
    refused = answer.get("refused")
    if refused == "size":
        found = f"the array holds more than {MOST_SAMPLES} samples"
        raise InputError(found, "a smaller array was expected", "split it")
    if refused == "elsewhere":
        found = "the array is stored outside the file, in huge chunks, or with an unsupported compression"
        raise InputError(found, "numbers in the file itself, compressed by gzip or LZF, were expected", "save it again")
    if refused:
        raise InputError("the HDF5 file is broken", "a valid file was expected", "save it again")
    return answer, content


def _exchange(process: subprocess.Popen[bytes], question: bytes) -> tuple[Attributes, bytes]:
    """Send a request and receive the answer."""
    assert process.stdin
    # Written without a buffer, so that nothing remains to be flushed into a terminated process.
    os.write(process.stdin.fileno(), question)
    return _answer(process)


def _answer(process: subprocess.Popen[bytes]) -> tuple[Attributes, bytes]:
    """Receive a line of JSON and the bytes that it declares; anything else is an error."""
    assert process.stdout
    answer = json.loads(process.stdout.readline(_LONGEST_LINE))
    size = answer["bytes"]
    content = process.stdout.read(size)
    if len(content) != size:
        raise EOFError
    return answer, content
