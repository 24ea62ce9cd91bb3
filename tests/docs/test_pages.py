"""What the README and the documentation show is run: Python blocks, and the commands of console blocks.

Blocks of one page run in order in one namespace and one folder, in which ``tests/samples`` and a small simulated
``ptb-xl`` lie. A command must print the lines that are shown below it, up to digits; lines with "…" are shortened. A
block after a line ``<!-- not run: REASON -->`` is left out.
"""

import contextlib
import io
import re
import shlex
import warnings
from pathlib import Path

import pytest
from conftest import ROOT
from trainable import training_folder

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?P<before><!-- not run:[^\n]*-->\n+)?^(?P<indent> *)```(?P<kind>python|console)[^\n]*\n(?P<text>.*?)^ *```",
    re.M | re.S,
)
MOST_NOT_RUN = 0.5
"""Share of a page set's blocks that may be left out."""


def blocks(page: Path):
    """(kind, text, whether it is run) of each block of a page."""
    for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
        text = re.sub(rf"^{found['indent']}", "", found["text"], flags=re.M)
        yield found["kind"], text, found["before"] is None


def commands(text: str):
    """(words, lines that are shown below) of the ecggen commands of a console block."""
    for part in re.split(r"^\$ ", re.sub(r"\\\n\s*", " ", text), flags=re.M)[1:]:
        line, *shown = part.splitlines()
        if line.startswith("ecggen "):
            yield shlex.split(line, comments=True)[1:], [one for one in shown if one.strip() and "…" not in one]


def plain(line: str) -> str:
    """A line without its digits and blanks: the last digits depend on the processor."""
    return re.sub(r"\d+", "0", re.sub(r"\s", "", line))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder as the pages presume it."""
    folder = tmp_path_factory.mktemp("pages")
    training_folder(folder / "ptb-xl", 60, seconds=10)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_shows_runs(page, place, tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "110")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    (tmp_path / "ptb-xl").symlink_to(place / "ptb-xl")
    namespace = {"__name__": "__main__"}
    for kind, text, runs in blocks(page):
        if not runs:
            continue
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(compile(text, f"{page.name}: {text[:40]}", "exec"), namespace)
        else:
            for words, shown in commands(text):
                code, out, err = run(*words)
                expected = 2 if shown and shown[0].startswith("error:") else 0
                assert code == expected, f"ecggen {' '.join(words)}\n{out}\n{err}"
                printed = plain(out + err)
                for line in shown:
                    assert plain(line) in printed, f"ecggen {' '.join(words)} does not print: {line}"


def test_most_of_what_is_shown_is_run():
    every = [runs for page in PAGES for _, _, runs in blocks(page)]
    assert sum(every) >= MOST_NOT_RUN * len(every) > 0


def test_every_page_is_in_the_navigation():
    listed = (ROOT / "mkdocs.yml").read_text()
    for page in PAGES[1:]:
        assert str(page.relative_to(ROOT / "docs")) in listed, page


def test_links_between_files_lead_somewhere():
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
        for link in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text):
            assert (page.parent / link).exists(), f"{page.relative_to(ROOT)} links to {link}"
