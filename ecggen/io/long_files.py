"""Files of long recordings, written and read in blocks: WFDB that can be continued, and its conversion to EDF and CSV.

Samples are appended to a WFDB signal file in format 16. The header, with its check sums, is written at the end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ecggen.core.ecg import ECG, Provenance
from ecggen.core.errors import InputError
from ecggen.io.formats.csv import table
from ecggen.io.formats.edf import writing as edf
from ecggen.io.formats.wfdb import record
from ecggen.io.formats.wfdb.comments import comment_lines
from ecggen.io.formats.wfdb.samples import NO_VALUE
from ecggen.io.metadata import About

SUFFIXES = (".hea", ".edf", ".csv")
"""Formats of long recordings."""
BLOCK = 2**16
"""Samples per lead that are converted at once."""


class LongFile:
    """A WFDB record that grows.

    Args:
        path: The header (.hea), which ``finish`` writes; the samples are in the .dat file beside it.
        leads: Names of the leads.
        fs: Sampling rate in Hz.
        samples: Number of samples per lead that are kept of an unfinished file; what follows is removed.

    Raises:
        InputError: If the unfinished file is shorter.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = LongFile(Path(folder.name) / "holter.hea", ("I",), 250)
        >>> for _ in range(3):
        ...     file.append(ECG(torch.ones(1, 500), ("I",), 250))
        >>> file.finish(Provenance(), About())
        >>> from ecggen.io import read
        >>> read(file.path, check=False).seconds
        6.0
        >>> folder.cleanup()
    """

    def __init__(self, path: Path, leads: tuple[str, ...], fs: float, samples: int = 0):
        self.path, self.leads, self.fs = path, leads, float(fs)
        self.data = path.with_suffix(".dat")
        size = 2 * len(leads) * samples
        self.data.touch()
        if self.data.stat().st_size < size:
            found = f"{self.data.name} holds {self.data.stat().st_size} bytes"
            raise InputError(found, f"at least {size} were expected", "begin the job again")
        os.truncate(self.data, size)

    def append(self, ecg: ECG) -> None:
        """Append the leads of one record; missing samples are NaN. The samples are on the disk when this returns."""
        steps = record.steps(ecg.pick(*self.leads), self.path)
        with self.data.open("ab") as file:
            file.write(np.ascontiguousarray(steps.T).tobytes())
            file.flush()
            os.fsync(file.fileno())

    def finish(self, origin: Provenance | None, about: About) -> None:
        """Write the header."""
        steps = self._steps()
        stored = f"16 {record.GAIN}(0)/mV"
        lines = record.header_lines(self.leads, self.fs, steps.T, self.data.name, stored)
        none = ECG(torch.zeros(len(self.leads), 1), self.leads, self.fs, origin)
        unfinished = self.path.with_name(f".{self.path.name}.part")
        unfinished.write_text("\n".join([*lines, *comment_lines(none, about)]) + "\n", encoding="utf-8")
        unfinished.replace(self.path)

    def part(self, first: int, last: int) -> ECG:
        """A range of samples, without provenance."""
        steps = self._steps()[first:last]
        values = np.where(steps == NO_VALUE, np.nan, steps / record.GAIN)
        return ECG(torch.from_numpy(np.ascontiguousarray(values.T, np.float32)), self.leads, self.fs)

    @property
    def samples(self) -> int:
        """Number of samples per lead."""
        return self.data.stat().st_size // (2 * len(self.leads))

    def blocks(self) -> Iterator[ECG]:
        """The whole record in parts of ``BLOCK`` samples."""
        samples = self.samples
        yield from (self.part(first, min(first + BLOCK, samples)) for first in range(0, samples, BLOCK))

    def convert(self, suffix: str, origin: Provenance | None, about: About) -> Path:
        """Write the record in another format beside it, block by block.

        Args:
            suffix: .edf or .csv.
            origin: Provenance of the leads.
            about: Metadata.

        Raises:
            InputError: If the format cannot hold the samples.
        """
        path = self.path.with_suffix(suffix)
        none = ECG(torch.zeros(len(self.leads), 1), self.leads, self.fs, origin)
        if suffix == ".edf":
            peaks = self._peaks()
            if not np.isfinite(peaks).all():
                found = f"{self.path.name} has parts without samples"
                raise InputError(found, "EDF has no value for a missing sample", "choose WFDB or CSV")
            pieces = edf.pieces(none, self.samples, peaks, self.part, about)
        else:
            pieces = table.pieces(none, self.blocks(), about)
        unfinished = path.with_name(f".{path.name}.part")
        with unfinished.open("wb") as file:
            file.writelines(pieces)
        unfinished.replace(path)
        return path

    def _steps(self) -> np.ndarray:
        """Stored values (time, lead), not in memory."""
        return np.memmap(self.data, "<i2", "r").reshape(-1, len(self.leads))

    def _peaks(self) -> np.ndarray:
        """Largest absolute value of each lead in mV; NaN if samples are missing."""
        return np.max([block.signal[0].abs().amax(-1).numpy() for block in self.blocks()], 0)
