"""Assembled pages of the documentation equal their sources, and each table of results appears exactly once."""

import re

import pytest
from conftest import ROOT

from evaluation.scripts import docs_pages, tables

BENCHMARKS = [*sorted((ROOT / "docs" / "benchmarks").glob("*.md")), ROOT / "docs" / "guides" / "ppg.md"]


def test_pages_equal_their_sources():
    docs_pages.main(["--check"])


def test_a_changed_page_is_noticed(tmp_path, monkeypatch):
    page = tmp_path / "index.md"
    monkeypatch.setattr(docs_pages, "pages", lambda: {page: b"as the sources have it"})
    monkeypatch.setattr(docs_pages, "ROOT", tmp_path)
    for before in (None, "edited by hand"):
        if before is not None:
            page.write_text(before)
        with pytest.raises(SystemExit, match=r"index\.md is out of date; run python -m evaluation"):
            docs_pages.main(["--check"])
    docs_pages.main([])
    assert page.read_text() == "as the sources have it"
    docs_pages.main(["--check"])


def test_each_table_appears_once():
    named = [name for page in BENCHMARKS for name in re.findall(r"<!-- table: (\w+) -->", page.read_text())]
    assert sorted(named) == sorted(tables.TABLES)


@pytest.mark.parametrize("page", BENCHMARKS, ids=lambda page: page.stem)
def test_tables_equal_the_results(page):
    text = page.read_text()
    assert tables.written(text) == text


def test_each_checkpoint_has_a_section():
    page = (ROOT / "docs" / "models" / "index.md").read_text()
    folders = {path.parent.name for path in (ROOT / "checkpoints").glob("*/README.md")}
    assert set(re.findall(r"^## (\w+)$", page, re.M)) == folders == set(docs_pages.MODELS)


def test_headings_go_down_a_level_except_in_code():
    text = "# A\n\n```text\n# a comment\n```\n\n## B"
    assert docs_pages.shifted(text) == "## A\n\n```text\n# a comment\n```\n\n### B"


def test_links_of_a_card_lead_to_the_page():
    card = docs_pages.card("flow")
    assert "(#vae)" in card and "README.md)" not in card and "<!-- table" not in card
    assert card.startswith("## flow\n")
