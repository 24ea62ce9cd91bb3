"""Compare ecggen's own decoders with the libraries for the same formats: time, memory and behaviour on damaged files.

    python -m evaluation.scripts.format_readers --out evaluation/results/format_readers.json

The intact samples are decoded ``--reads`` times by each decoder, in one process with one thread. Then each decoder
gets three damaged copies of each sample, every one in a process of its own with limits on time and memory. A library
that is not installed is skipped. pyedflib, sierraecg, pydicom and fastavro are development dependencies; edfio can be
added with ``pip install edfio``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ecggen.core.simulate import simulate
from ecggen.io import results, write
from ecggen.io.formats import known
from ecggen.io.source import Source

SAMPLES = Path(__file__).resolve().parents[2] / "tests" / "samples" / "formats"
OWN = "ecggen"
MOST_SECONDS = 20
MOST_MEGABYTES = 6144
"""Limits of a process that decodes a damaged copy: time, and address space."""


def read_own(path: Path) -> int:
    """Decode with ecggen; the number of values."""
    source = Source(path)
    return known(source).read(source).values.size


def read_pyedflib(path: Path) -> int:
    """Decode all signals of an EDF file with pyEDFlib."""
    from pyedflib import EdfReader

    with EdfReader(str(path)) as file:
        return sum(len(file.readSignal(index)) for index in range(file.signals_in_file))


def read_edfio(path: Path) -> int:
    """Decode all signals of an EDF file with edfio."""
    from edfio import read_edf  # type: ignore[import-not-found]

    return sum(len(signal.data) for signal in read_edf(path).signals)


def read_pydicom(path: Path) -> int:
    """Decode the first multiplex group of a DICOM file with pydicom."""
    from pydicom import dcmread

    return dcmread(path).waveform_array(0).size


def read_sierraecg(path: Path) -> int:
    """Decode the leads of a Philips XML file with sierraecg."""
    from sierraecg.lib import read_file

    return sum(len(lead.samples) for lead in read_file(str(path)).leads)


def read_fastavro(path: Path) -> int:
    """Decode the PPG of an EmbracePlus file with fastavro."""
    import fastavro

    with path.open("rb") as file:
        session = next(fastavro.reader(file))
    return len(np.asarray(session["rawData"]["bvp"]["values"]))  # type: ignore[index, call-overload]


DECODERS: dict[str, Callable[[Path], int]] = {
    OWN: read_own,
    "pyEDFlib": read_pyedflib,
    "edfio": read_edfio,
    "pydicom": read_pydicom,
    "sierraecg": read_sierraecg,
    "fastavro": read_fastavro,
}


@dataclass(frozen=True)
class Compared:
    """One sample file, the libraries that read its format, and how a size in it is falsified."""

    format: str
    file: str
    libraries: tuple[str, ...]
    falsify: Callable[[bytes], bytes]


def _many_data_records(content: bytes) -> bytes:
    """An EDF header that announces 99,999,999 data records."""
    return content[:236] + b"99999999" + content[244:]


def _deflated(content: bytes) -> bytes:
    """A DICOM file of 1 MB whose deflated data set holds one element of 1 GB."""
    meta = b"\x02\x00\x10\x00UI\x16\x00" + b"1.2.840.10008.1.2.1.99"
    head = bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", len(meta)) + meta
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = squeeze.compress(b"\x09\x00\x10\x00OB\x00\x00" + struct.pack("<I", 2**30))
    for _ in range(2**10):
        data += squeeze.compress(bytes(2**20))
    return head + data + squeeze.flush()


def _much_text(content: bytes) -> bytes:
    """A Philips file with 32 MB of characters between its samples, as a file that was written twice may hold."""
    at = content.index(b"</parsedwaveforms>")
    return content[:at] + b"A" * 2**25 + content[at:]


def _long_block(content: bytes) -> bytes:
    """An Avro file whose first block announces 2^40 bytes."""
    marker = content[-16:]
    at = content.index(marker) + 16
    return content[:at] + b"\x02" + b"\x80\x80\x80\x80\x80\x40" + content[at + 3 :]


COMPARED = (
    Compared("EDF+", "sleep.edf", ("pyEDFlib", "edfio"), _many_data_records),
    Compared("EDF+, 12 leads", "twelve.edf", ("pyEDFlib", "edfio"), _many_data_records),
    Compared("DICOM", "example.dcm", ("pydicom",), _deflated),
    Compared("Philips XML 1.03", "sierra.xml", ("sierraecg",), _much_text),
    Compared("Philips XML 1.04", "sierra_1_04.xml", ("sierraecg",), _much_text),
    Compared("Avro (EmbracePlus)", "embraceplus.avro", ("fastavro",), _long_block),
)


def cut(content: bytes) -> bytes:
    """The first 60 % of a file."""
    return content[: len(content) * 6 // 10]


def overwritten(content: bytes) -> bytes:
    """A file of which 64 bytes at 30 % are 0xFF."""
    at = len(content) * 3 // 10
    return content[:at] + b"\xff" * 64 + content[at + 64 :]


def installed() -> list[str]:
    """The decoders that can be imported here."""
    modules = {name: name.lower() for name in DECODERS}
    return [name for name, module in modules.items() if importlib.util.find_spec(module)]


def timed(decoder: str, path: Path, reads: int) -> dict[str, Any]:
    """Processor time of a read in ms: median over ``reads`` of them, after three that do not count."""
    decode, spent = DECODERS[decoder], []
    try:
        values = decode(path)
    except Exception as error:  # a library may not read an intact file
        return {"ms": None, "values": None, "error": type(error).__name__}
    for _ in range(reads + 3):
        begin = time.process_time()
        values = decode(path)
        spent.append(1000 * (time.process_time() - begin))
    return {"ms": round(float(np.median(spent[3:])), 3), "values": int(values)}


CHILD = r"""
import json, resource, sys, time
from pathlib import Path
from evaluation.scripts.format_readers import DECODERS
decode, intact, damaged, most = DECODERS[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
try:
    decode(intact)
except Exception:
    pass
resource.setrlimit(resource.RLIMIT_AS, (most * 2**20, most * 2**20))
before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
try:
    outcome = f"{decode(damaged)} values"
except Exception as error:
    outcome = type(error).__name__
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
taken = round(time.perf_counter() - begin, 3)
print("\nRESULT", json.dumps({"outcome": outcome, "seconds": taken, "grown_mb": round(grown)}), flush=True)
"""


def on_damaged(decoder: str, intact: Path, damaged: Path) -> dict[str, Any]:
    """What a decoder makes of a damaged copy, in a process of its own: values, the name of an error, or how it died."""
    words = [sys.executable, "-c", CHILD, decoder, str(intact), str(damaged), str(MOST_MEGABYTES)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=MOST_SECONDS, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return {"outcome": f"no answer within {MOST_SECONDS} s"}
    answer = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]  # pyEDFlib prints lines as well
    if done.returncode or not answer:
        return {"outcome": f"the process died (exit status {done.returncode})"}
    return json.loads(answer[0].removeprefix("RESULT "))


def compare(reads: int) -> dict[str, Any]:
    """Time and behaviour of all decoders on all samples."""
    here, found = installed(), {}
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "twelve.edf"
        write(simulate(1, seconds=10, fs=500, seed=0), made)
        for each in COMPARED:
            intact = SAMPLES / each.file if (SAMPLES / each.file).exists() else made
            content = intact.read_bytes()
            damaged = {}
            for name, change in (("cut", cut), ("overwritten", overwritten), ("false size", each.falsify)):
                damaged[name] = Path(folder) / f"{name.replace(' ', '_')}_{each.file}"
                damaged[name].write_bytes(change(content))
            decoders = [name for name in (OWN, *each.libraries) if name in here]
            found[each.file] = {
                "format": each.format,
                "bytes": len(content),
                "decoders": {
                    name: {
                        **timed(name, intact, reads),
                        "damaged": {how: on_damaged(name, intact, path) for how, path in damaged.items()},
                    }
                    for name in decoders
                },
            }
    return found


def versions() -> dict[str, str]:
    """Version of each library that took part."""
    return {name: metadata.version(name) for name in installed() if name != OWN}


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reads", type=int, default=200, help="reads of each intact sample by each decoder")
    parser.add_argument("--out", type=Path, required=True, help="the JSON to write")
    options = parser.parse_args()
    measured = {
        "definitions": {
            "ms": "median processor time of one read: file to arrays of numbers, in milliseconds",
            "cut": "the first 60 % of the file",
            "overwritten": "64 bytes at 30 % of the file are 0xFF",
            "false size": "EDF: 99,999,999 data records; DICOM: 1 GB in a deflated file of 1 MB; Philips XML: 32 MB of "
            "other characters among the samples; Avro: a block of 2^40 bytes",
            "outcome": "number of values returned, or the class of the error",
        },
        "limits": {"seconds": MOST_SECONDS, "address_space_mb": MOST_MEGABYTES},
        "n": options.reads,
        "command": f"python -m evaluation.scripts.format_readers --reads {options.reads} --out {options.out}",
        "platform": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, one thread",
        "versions": versions(),
        "commit": results.commit(),
        "date": date.today().isoformat(),
        "files": compare(options.reads),
    }
    results.store(measured, options.out, overwrite=True)


if __name__ == "__main__":
    main()
