"""The script for GPUs runs on a CPU in its small mode."""

import json
import sys

from evaluation.scripts import gpu


def test_the_small_mode_measures_everything(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "SMALL_BATCHES", (1,))
    words = ["gpu", "--device", "cpu", "--small", "--models", "vae", "--out", str(tmp_path / "gpu.json")]
    monkeypatch.setattr(sys, "argv", words)
    gpu.main()
    found = json.loads((tmp_path / "gpu.json").read_text())["models"]["vae"]
    assert found["parity"]["lead I"] == found["parity"]["text"] == {"largest_mv": 0.0, "within": True}
    assert [one["kind"] for one in found["sampling"]] == ["float32", "bfloat16"]
    assert all(one["lead_I_per_second"] > 0 and one["text_per_second"] > 0 for one in found["sampling"])
    assert all(one["records_per_second"] > 0 for one in found["training"])


def test_a_failure_is_stored():
    def fail():
        raise RuntimeError("out of memory\nmore")

    assert gpu.attempt(fail) == {"failed": "out of memory"}
