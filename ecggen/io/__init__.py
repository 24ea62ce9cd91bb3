"""The door between files and ECGs: what comes in is float32 mV, with standard lead names and a rate."""

from ecggen.io.files import Reading, contents, read, reading, records, write
from ecggen.io.metadata import About
from ecggen.io.normalise import lead_name

__all__ = ["About", "Reading", "contents", "lead_name", "read", "reading", "records", "write"]
