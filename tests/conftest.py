"""Fixtures: one torch thread, no network, tiny generators and simulated hearts."""

import socket
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from ecggen import cli
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core import config
from ecggen.core.simulate import simulate
from ecggen.generators import registry

collect_ignore = ["samples", "tools"]  # programs and makers of samples, not tests

settings.register_profile("fixed", derandomize=True)  # the same examples in every run
settings.load_profile("fixed")

ROOT = Path(__file__).parents[1]
SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Packed data sets of the tests are not left in the user's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache-home")))
        yield


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Nothing is fetched at run time: a connection is a failure."""

    def refuse(*_):
        raise AssertionError("a network connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def tiny(name: str):
    """The tiny twin of a generator, with random weights that are not at their quiet start."""
    values = config.read_toml(ROOT / "configs" / "tiny" / f"{name}.toml")
    torch.manual_seed(0)
    made = registry.generator(values["generator"], values["model"], "[model]")
    made.preprocessor = config.build(Preprocessor, values["preprocessing"], "[preprocessing]")
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made.eval()


@pytest.fixture
def hearts():
    """Four simulated hearts, twelve leads, 4 s at 100 Hz."""
    return simulate(4, seconds=4, seed=3)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command in this process: (exit code, standard output, standard error)."""

    def command(*words):
        monkeypatch.setattr(sys, "argv", ["ecggen", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        return code, out, " ".join(err.split())

    return command
