"""Reading and writing of recordings: signals are converted to float32 mV with standard lead names and a rate.

Example:
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ecggen.core.simulate import simulate
    >>> folder = tempfile.TemporaryDirectory()
    >>> paths = write(simulate(1, heart_rate=70), Path(folder.name) / "simulated.hea")
    >>> [path.name for path in paths]
    ['simulated.dat', 'simulated.hea']
    >>> ecg = read(paths[0], leads="I, II", seconds=5)
    >>> ecg.leads, ecg.fs, ecg.seconds, ecg.provenance.model
    (('I', 'II'), 100.0, 5.0, 'simulate')
    >>> folder.cleanup()
"""

from ecggen.io.files import Reading, contents, read, reading, records, rhythms, write
from ecggen.io.metadata import About
from ecggen.io.normalise import lead_name

__all__ = ["About", "Reading", "contents", "lead_name", "read", "reading", "records", "rhythms", "write"]
