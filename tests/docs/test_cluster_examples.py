"""The examples of the guide to clusters run with two processes on this machine, and give what one process gives."""

import json
import os
import runpy
import stat
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, tiny
from trainable import training_folder

import ecggen
from ecggen.generators import checkpoint

EXAMPLES = ROOT / "examples" / "cluster"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Folder of a tiny generator."""
    return checkpoint.save(tiny("gan"), tmp_path_factory.mktemp("model") / "gan")


def single(model, n, seed):
    """The records of one process."""
    condition = ecggen.Condition(text="atrial fibrillation", n=n, fs=500.0)
    return ecggen.load(model).sample(condition, seed=seed)


def written(folder):
    """The records in a folder by number, (record, lead, time) in mV."""
    names = sorted(folder.glob("0*.hea"))
    assert [name.stem for name in names] == [f"{number:05d}" for number in range(len(names))]
    return np.stack([ecggen.read(name, check=False).signal[0].numpy() for name in names])


def environment(**more):
    """Of a process that uses this checkout and one thread."""
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "110"} | more


def test_slurm_array(model, tmp_path):
    command = tmp_path / "bin" / "ecggen"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ecggen "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IEXEC)
    path = f"{command.parent}:{os.environ['PATH']}"
    words = ["bash", str(EXAMPLES / "generate.sbatch"), str(tmp_path / "out"), "4", "atrial fibrillation"]
    tasks = [
        subprocess.Popen(
            words,
            env=environment(
                PATH=path, ECGGEN_MODEL=str(model), SLURM_ARRAY_TASK_ID=str(task), SLURM_ARRAY_TASK_COUNT="2"
            ),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for task in (1, 2)
    ]
    for task in tasks:
        _, error = task.communicate(timeout=300)
        assert task.returncode == 0, error
    assert np.abs(written(tmp_path / "out") - single(model, 4, seed=1).signal.numpy()).max() < 2e-3


def test_a_ray_worker_draws_what_one_process_draws(model, tmp_path):
    """Without Ray: two workers, with the numbers of the records in any order."""
    example = runpy.run_path(str(EXAMPLES / "ray_generate.py"))
    for numbers in ([3, 0], [1, 2]):
        worker = example["Draw"](str(model), "atrial fibrillation", str(tmp_path), seed=1)
        assert worker({"id": np.array(numbers)})["id"].tolist() == numbers
    assert np.abs(written(tmp_path) - single(model, 4, seed=1).signal.numpy()).max() < 2e-3


def test_ray(model, tmp_path):
    pytest.importorskip("ray")
    words = ["--model", str(model), "--text", "atrial fibrillation", "-n", "4", "--batch", "1", "--seed", "1"]
    command = [sys.executable, str(EXAMPLES / "ray_generate.py"), *words, "--out", str(tmp_path / "out")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "4 records" in done.stdout
    assert np.abs(written(tmp_path / "out") - single(model, 4, seed=1).signal.numpy()).max() < 2e-3


def test_metrics_over_two_processes(tmp_path):
    folder = training_folder(tmp_path / "real", 40, seconds=4)
    model = checkpoint.save(tiny("vae"), tmp_path / "vae")
    found = []
    for processes in (1, 2):
        words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        options = ["--data", str(folder), "--model", str(model), "--limit", "3"]
        command = [sys.executable, *words, str(EXAMPLES / "score_torchrun.py"), *options]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        found.append(json.loads(done.stdout))
    assert [one.pop("processes") for one in found] == [1, 2]
    assert found[0]["n"] == 3 and found[1] == pytest.approx(found[0])
