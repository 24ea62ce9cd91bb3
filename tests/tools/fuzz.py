"""A fuzzing target for atheris: bytes that are guided to new branches of the readers, from a sample on.

    pip install atheris
    python tests/tools/fuzz.py muse.xml -runs=100000 -timeout=5 -rss_limit_mb=2048

The first word names a sample, as ``python tests/tools/mutate.py`` prints them; the others are libFuzzer's. What breaks a
reader is written to a file crash-…, which ``read_or_refuse`` reads again.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["ecggen.io"]):
    from mutations import prepare, read_or_refuse, samples


def main() -> None:
    """Fuzz the reader of one sample."""
    [sample] = [sample for sample in samples() if sample.name == sys.argv[1]]
    with tempfile.TemporaryDirectory() as name:
        path = prepare(sample, Path(name))
        corpus = Path(name) / "corpus"
        corpus.mkdir()
        (corpus / "whole").write_bytes(path.read_bytes())

        def target(content: bytes) -> None:
            path.write_bytes(content)
            read_or_refuse(path)

        atheris.Setup([sys.argv[0], *sys.argv[2:], str(corpus)], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
