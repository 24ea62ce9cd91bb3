"""The door between files and ECGs: what comes in is float32 mV, with standard lead names and a rate."""

from ecggen.io.door import lead_name
from ecggen.io.files import read, records, write

__all__ = ["lead_name", "read", "records", "write"]
