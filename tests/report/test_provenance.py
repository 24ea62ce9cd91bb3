"""The commit that a report states: that of ecggen's own checkout, and none for an ecggen in another repository."""

import re
import shutil
import subprocess

import pytest

from ecggen.io import results
from ecggen.report import build

OWN = '[project]\nname = "ecggen"\n'
OTHER = '[project]\nname = "ward"\n'


def git(folder, *arguments):
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def repository(folder, pyproject=OWN, at="ecggen", ignored=""):
    """A git repository around a copy of the package, and the folder of that copy."""
    package = folder / at
    (package / "io").mkdir(parents=True)
    for name in ("__init__.py", "io/results.py"):
        shutil.copy(results.PACKAGE / name, package / name)
    if pyproject:
        (folder / "pyproject.toml").write_text(pyproject)
    (folder / ".gitignore").write_text(ignored)
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return package


pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def test_own_checkout_has_a_commit_that_marks_changes(tmp_path):
    package = repository(tmp_path)
    assert re.fullmatch("[0-9a-f]{12}", results.commit(package))
    (tmp_path / "notes.txt").write_text("outside the package")
    assert re.fullmatch("[0-9a-f]{12}", results.commit(package))
    (package / "io" / "results.py").write_text("changed = True")
    assert re.fullmatch("[0-9a-f]{12}[+]", results.commit(package))


@pytest.mark.parametrize(
    "about",
    [
        {"pyproject": OTHER},
        {"pyproject": None},
        {"pyproject": "not toml ["},
        {"pyproject": OTHER, "at": "vendor/ecggen"},
        {"pyproject": OTHER, "at": ".venv/lib/ecggen", "ignored": ".venv/"},
        {"pyproject": OWN, "at": ".venv/lib/ecggen", "ignored": ".venv/"},
        {"pyproject": OWN, "ignored": "ecggen/"},
    ],
    ids=["another project", "no project", "broken project", "vendored", "installed", "installed in own", "untracked"],
)
def test_another_repository_states_no_commit(tmp_path, about):
    assert results.commit(repository(tmp_path, **about)) == ""


def test_a_folder_without_git_states_no_commit(tmp_path):
    package = repository(tmp_path)
    shutil.rmtree(tmp_path / ".git")
    assert results.commit(package) == ""


def test_the_report_states_this_commit(monkeypatch):
    assert build.commit is results.commit
    monkeypatch.setattr(results.subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError("git")))
    assert results.commit() == ""
