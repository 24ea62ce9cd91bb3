"""Values whose types are plain are checked without a library, with the same result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from ecggen.core import config
from ecggen.core.errors import InputError


@dataclass(frozen=True)
class Inner:
    size: int = 1
    rate: float = 2.0


@dataclass(frozen=True)
class Outer:
    name: str
    sizes: Sequence[int] | None = None
    rate: float = 1.0
    deep: bool = False
    inner: Inner | None = None
    table: Mapping[str, float] | None = None


PLAIN = [
    {"name": "a"},
    {"name": "a", "sizes": [1, 2], "rate": 3, "deep": True},
    {"name": "a", "inner": {"size": 4, "rate": 5}},
    {"name": "a", "inner": None, "rate": 1e-5},
]
OTHER = [{"name": "a", "table": {"x": 1.0}}, {"name": "a", "sizes": (1, 2)}]
WRONG = [{}, {"name": 1}, {"name": "a", "sizes": ["b"]}, {"name": "a", "deep": 1}, {"name": "a", "inner": {"sise": 1}}]


@pytest.mark.parametrize("values", PLAIN)
def test_plain_values_give_what_the_library_gives(values, monkeypatch):
    assert config._plain(Outer, values) is not None
    made = config.build(Outer, values, "here")
    monkeypatch.setattr(config, "_plain", lambda *_: None)
    assert repr(made) == repr(config.build(Outer, values, "here"))


@pytest.mark.parametrize("values", OTHER)
def test_the_library_looks_at_other_values(values):
    assert config._plain(Outer, values) is None
    assert config.build(Outer, values, "here").name == "a"


@pytest.mark.parametrize("values", WRONG)
def test_wrong_values_are_refused_by_the_library(values):
    assert config._plain(Outer, values) is None
    with pytest.raises(InputError, match="here"):
        config.build(Outer, values, "here")
