"""The architecture holds: dependencies point one way, imports are late, families do not know each other."""

import ast
import subprocess
import sys

import pytest
from conftest import ROOT

LAYERS = [
    ("errors",),
    ("nn", "ecg", "stored"),
    ("rhythm", "flaws"),
    ("simulate", "paper", "io", "condition", "facts"),
    ("plot", "preprocessing"),
    ("exposure", "context", "beatwise"),
    ("beats", "reader"),
    ("people",),
    ("generator",),
    ("latent",),
    ("generators", "data"),
    ("config",),
    ("checkpoint",),
    ("finishing", "wording", "drawable"),
    ("training",),
    ("decoding", "sharpening"),
    ("judges", "delineation"),
    ("augmenting",),
    ("evaluation",),
    ("cli",),
    ("__main__",),
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
FILES = sorted((ROOT / "ecggen").rglob("*.py"))


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imports(path):
    """ecggen modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ecggen"):
            yield from ([f"ecggen.{name.name}" for name in node.names] if node.module == "ecggen" else [node.module])
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("ecggen"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_dependencies_point_one_way(path):
    inside = path.relative_to(ROOT / "ecggen").with_suffix("").parts
    here = inside[0]
    if here == "__init__":
        return
    for module in imports(path):
        there = part_of(module)
        assert there in RANK or module == "ecggen.__version__", f"{module} has no place in LAYERS"
        if there == here:
            assert here != "generators" or module == "ecggen.generators", "families never import each other"
            continue
        assert RANK.get(there, -1) < RANK[here], f"{here} imports {there}, which stands above or beside it"


def test_every_module_has_its_idea_on_top():
    for path in FILES:
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path} opens with no docstring"


@pytest.mark.parametrize("statement", ["import ecggen", "import ecggen.cli", "import ecggen.io"])
def test_heavy_libraries_wait(statement):
    """``ecggen --help`` must answer at once."""
    heavy = ["lightning", "torchmetrics", "matplotlib", "wfdb", "pandas", "pydicom", "h5py", "fastavro", "pyedflib"]
    if statement != "import ecggen.io":
        heavy.append("torch")
    code = f"{statement}; import sys; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_nothing_pickled_nothing_imported_by_name():
    for path in FILES:
        text = path.read_text()
        assert "allow_pickle=True" not in text and "torch.load" not in text, path
        assert "import_module" not in text or path.name in ("__init__.py", "config.py"), path
