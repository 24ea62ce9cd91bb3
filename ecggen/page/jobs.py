"""Heavy calls of the page: one at a time, in the order of their arrival, with progress; they can be cancelled."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ecggen.core.errors import InputError, InputWarning, spelled

T = TypeVar("T")

MOST_WAITING = 20
"""Most jobs that wait or run at a time."""
FIELDS = {
    "fs": "the field sampling rate",
    "unit": "the field unit",
    "leads": "the field leads",
    "channel": "the field channel",
    "record": "the field recording",
}
"""What the page calls an argument that an error message names."""


class CancelledError(Exception):
    """Raised inside of a job that was cancelled."""


@dataclass
class Job(Generic[T]):
    """A call that waits, runs or has ended.

    Attributes:
        work: The call; it receives this job, to report its progress.
        stage: What is being done.
        share: Completed share, 0 to 1.
        notes: Warnings on the input, one sentence each.
        future: The result.
    """

    work: Callable[[Job[T]], T]
    stage: str = ""
    share: float = 0.0
    notes: list[str] = field(default_factory=list)
    future: Future[T] = field(default_factory=Future)
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def progress(self, share: float) -> None:
        """Report the completed share; the call ends here if the job was cancelled."""
        if self._cancelled.is_set():
            raise CancelledError
        self.share = share

    def stages(self, stage: str, share: float) -> None:
        """Report a stage and its completed share."""
        self.progress(share)
        self.stage = stage

    def cancel(self) -> None:
        """End the job when it reports its progress next, or before it begins."""
        self._cancelled.set()

    def run(self) -> T:
        """Run the call; ``InputWarning`` becomes notes."""
        self.progress(0.0)
        with warnings.catch_warnings(record=True) as found, spelled(named_fields):
            warnings.simplefilter("always", InputWarning)
            result = self.work(self)
        self.notes = list(dict.fromkeys(str(one.message) for one in found if issubclass(one.category, InputWarning)))
        self.progress(1.0)
        return result


class Queue:
    """Runs jobs one at a time.

    Example:
        >>> queue = Queue()
        >>> queue.submit(lambda job: 6 * 7).future.result()
        42
    """

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, "ecggen-page")
        self._jobs: list[Job] = []
        self._lock = threading.Lock()

    def submit(self, work: Callable[[Job[T]], T]) -> Job[T]:
        """Add a call to the queue.

        Raises:
            InputError: If too many wait already.
        """
        with self._lock:
            if len(self._jobs) >= MOST_WAITING:
                raise InputError(f"{MOST_WAITING} jobs are waiting", do="try again when some of them have ended")
            job = Job(work)
            self._jobs.append(job)
        job.future = self._worker.submit(self._run, job)
        return job

    def ahead(self, job: Job) -> int:
        """Number of jobs that end before this one begins."""
        with self._lock:
            return self._jobs.index(job) if job in self._jobs else 0

    def _run(self, job: Job[T]) -> T:
        try:
            return job.run()
        finally:
            with self._lock:
                self._jobs.remove(job)


def named_fields(values) -> str:
    """Arguments in an error message, as fields of the page; "" if the page has no such field.

    Example:
        >>> named_fields({"fs": None}), named_fields({"allow_noise": True})
        ('the field sampling rate', '')
    """
    if not values or not values.keys() <= FIELDS.keys():
        return ""
    return " and ".join(FIELDS[name] + ("" if value is None else f" ({value})") for name, value in values.items())
