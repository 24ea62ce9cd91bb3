"""A fuzzing target for atheris: coverage-guided fuzzing of the readers, starting from a sample.

    pip install atheris
    python tests/tools/fuzz.py muse.xml -runs=100000 -timeout=5 -rss_limit_mb=2048

The first argument is the name of a sample, as printed by ``python tests/tools/mutate.py``; the others are passed to
libFuzzer. Bytes that break a reader are written to a file crash-…, which ``read_or_refuse`` can read again.
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
