"""The files of one visitor: in a folder of their own, which is deleted when the visitor leaves."""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from ecggen.core.errors import InputError
from ecggen.page.jobs import Job

MEGABYTE = 2**20
LARGEST_UPLOAD = 64
"""Default of the largest upload in MB."""
_OPEN: set[Session] = set()
"""The visitors of this server."""


class Session:
    """Files and running jobs of one visitor.

    Example:
        >>> session = Session()
        >>> folder = session.new_folder()
        >>> session.close()
        >>> folder.exists()
        False
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ecggen-page-", ignore_cleanup_errors=True)
        self._count = 0
        self.closed = False
        self.jobs: list[Job] = []
        self._at_end: list[Callable[[], None]] = []
        _OPEN.add(self)

    def new_folder(self) -> Path:
        """An empty folder."""
        self._count += 1
        folder = Path(self._folder.name) / str(self._count)
        folder.mkdir()
        return folder

    def at_end(self, action: Callable[[], None]) -> None:
        """Call ``action`` when the visitor leaves."""
        self._at_end.append(action)

    def close(self) -> None:
        """Cancel the jobs of the visitor and delete the files."""
        self.closed = True
        _OPEN.discard(self)
        for job in self.jobs:
            job.cancel()
        for action in self._at_end:
            action()
        self._folder.cleanup()


def close_all() -> None:
    """Close the sessions of all visitors, when the server stops; a terminated process deletes no temporary folders."""
    for session in list(_OPEN):
        session.close()


def safe_name(name: str, otherwise: str = "recording") -> str:
    """A file name without folders and unusual characters.

    Example:
        >>> safe_name("../../etc/pass wd"), safe_name("…")
        ('pass_wd', 'recording')
    """
    return re.sub(r"[^\w.-]+", "_", Path(name.replace("\\", "/")).name).strip("._") or otherwise


def recording_in(folder: Path) -> Path:
    """The file to read of those that were dropped together: the header of a WFDB record, or else the only file.

    Raises:
        InputError: If there is none, or it is not clear which.
    """
    files = sorted(folder.iterdir())
    headers = [path for path in files if path.suffix == ".hea"]
    chosen = headers or files
    if not chosen:
        raise InputError("no file was chosen", "a recording was expected", "drop a file, or choose an example")
    if len(chosen) > 1:
        names = ", ".join(path.name for path in chosen[:4])
        raise InputError(f"{len(chosen)} recordings were dropped ({names})", "one was expected", "drop one at a time")
    return chosen[0]


def as_one_file(paths: list[Path], name: str = "") -> Path:
    """The only path, or a zip archive of several beside them, with the name of the first one if no other is given."""
    if len(paths) == 1:
        return paths[0]
    archive = paths[0].with_name(f"{name or paths[0].stem}.zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for path in paths:
            out.write(path, path.name)
    return archive
