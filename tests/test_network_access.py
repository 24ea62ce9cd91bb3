"""Nothing is fetched at run time, and a reader opens the file it was given and no other."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SAMPLES
from mutations import Sample, prepare, read_or_refuse, samples

WATCHED = """
import sys
def refuse(event, values):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request", "ftplib.connect"):
        sys.stderr.write(f"network: {event} {values}\\n")
        sys.stderr.flush()
        import os
        os._exit(99)
sys.addaudithook(refuse)
from ecggen.cli import main
main()
"""

opened: list[str] | None = None
"""Names of the files that Python opens, while somebody listens."""


def listen(event, values):
    if event == "open" and opened is not None and isinstance(values[0], (str, bytes, Path)):
        opened.append(str(values[0]))


sys.addaudithook(listen)


def test_a_connection_is_a_failure():
    """The fixture that watches over all tests works."""
    with pytest.raises(AssertionError, match="a network connection was tried"):
        socket.create_connection(("127.0.0.1", 9))
    with socket.socket() as one, pytest.raises(AssertionError):
        one.connect(("127.0.0.1", 9))


@pytest.mark.parametrize(
    "words",
    [
        ("reconstruct", SAMPLES / "apple_watch_lead_I.csv", "--out", "out", "--num-draws", "2"),
        ("convert", SAMPLES / "00010_lr.hea", "a.csv"),
        ("info", SAMPLES / "00010_lr.hea"),
        ("generate", "--text", "sinus rhythm", "--out", "out"),
    ],
    ids=lambda words: words[0],
)
def test_commands_never_reach_for_the_network(words, tmp_path):
    """From the first import on, in a process of its own."""
    told = subprocess.run(
        [sys.executable, "-c", WATCHED, *map(str, words)], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert "network:" not in told.stderr
    assert told.returncode == 0, told.stderr


def test_the_watch_would_notice(tmp_path):
    program = WATCHED.replace(
        "from ecggen.cli import main\nmain()", "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9')"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert told.returncode == 99 and "network:" in told.stderr


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_a_reader_opens_no_other_file(tmp_path, sample: Sample):
    global opened
    path = prepare(sample, tmp_path)
    read_or_refuse(path)  # imports open files of their own
    opened = []
    try:
        read_or_refuse(path)
        found = [Path(name) for name in opened]
    finally:
        opened = None
    outside = [one for one in found if not one.is_relative_to(tmp_path) and one.suffix not in (".py", ".pyc")]
    assert [one for one in outside if not str(one).startswith(("/proc/", "/dev/null"))] == []
    assert any(one.is_relative_to(tmp_path) for one in found)
