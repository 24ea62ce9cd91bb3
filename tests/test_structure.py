"""The architecture holds: imports point one way without circles, folders stay small, heavy libraries wait."""

import ast
import graphlib
import subprocess
import sys

import pytest
from conftest import ROOT

LAYERS = [
    ("core",),
    ("io", "viz", "networks"),
    ("conditioning",),
    ("data",),
    ("generators", "evaluators"),
    ("training", "metrics"),
    ("augment", "report"),
    ("benchmark",),
    ("page",),
    ("cli",),
]
"""The import order, as in docs/concepts/architecture: a package imports only from the rows above its own."""

RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
FILES = {path.relative_to(ROOT).with_suffix(""): path for path in sorted((ROOT / "ecggen").rglob("*.py"))}
MODULES = {".".join(name.parts).removesuffix(".__init__"): path for name, path in FILES.items()}


def imports(path):
    """The ecggen modules that a file imports, wherever in it, type checking included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ecggen":
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if inner in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == "ecggen")


def package_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module):
    here = package_of(module)
    if here in ("", "__main__"):
        return
    for imported in imports(MODULES[module]):
        there = package_of(imported)
        if there not in ("", here):
            assert RANK[there] < RANK[here], f"{module} imports {imported}, which stands above or beside it"


def test_no_module_imports_itself_through_others():
    graph = {module: {found for found in imports(path) if found != module} for module, path in MODULES.items()}
    graph["ecggen"] = set()  # its public names are imported late, when they are used
    list(graphlib.TopologicalSorter(graph).static_order())


def test_generators_do_not_know_each_other():
    from ecggen.generators.registry import names

    for name in names():
        others = {f"ecggen.generators.{other}" for other in names() if other != name}
        assert not others & set(imports(MODULES[f"ecggen.generators.{name}"]))


def test_folders_stay_small():
    packages = {path.parent for path in MODULES.values()}
    assert len([path for path in packages if path.parent == ROOT / "ecggen"]) <= 15
    assert {path.name for path in packages if path.parent == ROOT / "ecggen"} == set(RANK)
    assert len(LAYERS) <= 10
    for folder in packages:
        assert len(list(folder.glob("*.py"))) <= 16, f"{folder} holds too many modules"


def test_every_module_opens_with_its_idea():
    for module, path in MODULES.items():
        assert ast.get_docstring(ast.parse(path.read_text())), f"{module} opens with no docstring"


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
    for module, path in MODULES.items():
        text = path.read_text()
        assert "allow_pickle=True" not in text and "torch.load" not in text, module
        assert "import_module" not in text or module in ("ecggen", "ecggen.generators.registry"), module
