"""Run an ONNX file in a process in which torch and ecggen cannot be imported."""

import json
import subprocess
import sys

import numpy as np

CODE = """
import json, sys
sys.modules["torch"] = sys.modules["ecggen"] = None  # importing them fails
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
facts = session.get_modelmeta().custom_metadata_map
inputs = dict(np.load(sys.argv[2]))
outputs = session.run(None, inputs)
np.savez(sys.argv[3], **{one.name: value for one, value in zip(session.get_outputs(), outputs)})
print(json.dumps(facts))
"""


def run_without_torch(model, inputs, folder):
    """Outputs by name and metadata of the file ``model`` for ``inputs``, with temporary files in ``folder``."""
    np.savez(folder / "in.npz", **inputs)
    files = [str(path) for path in (model, folder / "in.npz", folder / "out.npz")]
    command = [sys.executable, "-c", CODE, *files]
    done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=True)
    return dict(np.load(folder / "out.npz")), json.loads(done.stdout)
