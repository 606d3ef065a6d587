"""What must hold in Pyodide: `tests/test_pyodide.py` runs this file there.  It prints one line for each check."""

import json
import sys
import tempfile
import time
import warnings
from pathlib import Path

warnings.simplefilter("error")

import numpy as np  # noqa: E402

import minigen as mg  # noqa: E402

assert sys.platform == "emscripten" and np.dtype(np.intp) == np.int32
assert not {"numba", "llvmlite", "safetensors", "hypothesis"} & set(sys.modules)


def said(**values):
    print(json.dumps(values), flush=True)


# The engine: x^3 twice
x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
(g,) = mg.grad((x**3).sum(), x, create_graph=True)
(h,) = mg.grad(g.sum(), x)
said(engine=[g.numpy().tolist(), h.numpy().tolist()])

said(kernels=mg.kernels.available(), threads=mg.kernels.get_num_threads())
mg.kernels.set_num_threads(3)
assert mg.kernels.get_num_threads() == 1

# Checks of gradients: without Hypothesis
right = mg.check.check(np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2), like="tanh").verdict
wrong = mg.check.check(np.tanh, lambda g, x: g * (1 - np.tanh(x)), like="tanh").verdict
said(check=[right, wrong, mg.check.gradcheck(mg.sin, np.array([0.3, 2.0])).verdict])

# A training, its files, and going on
data = mg.data.load("ring8", count=512)
with tempfile.TemporaryDirectory() as folder:
    run = mg.train.Run.create(Path(folder, "ring"), {})
    ends = []
    for epochs, resume in ((1, False), (2, True)):
        loader = mg.data.Loader(data, batch_size=64)
        ends.append(mg.train.fit(mg.models.build("points"), loader, run, epochs, resume=resume).step)
    files = sorted(path.name for path in run.path.iterdir())
    step = run.load()["counters"]["step"]
said(fit=ends, files=files, checkpoint=step)

# Trained models that come with minigen
began = time.monotonic()
digits = mg.train.load_trained("pretrained:cgan").model.sample(2)
said(pretrained=list(digits.shape), finite=bool(np.isfinite(digits).all()), seconds=time.monotonic() - began)

# Judges are identified by a hash of their weights, which has their dtypes: those of a machine with 64 bits
said(judges=mg.metrics.load_judges().data)

# What does not exist here says so in one line
hints = {}
for name, ask in {
    "cuda": lambda: mg.ones(1, device="cuda"),
    "hypothesis": lambda: __import__("minigen.check.strategies"),
    "mnist5k": lambda: mg.data.load("mnist5k"),
    "numba": lambda: mg.kernels.load("cpu"),
    "torch": lambda: __import__("minigen.check.adapters.pytorch"),
}.items():
    try:
        ask()
        hints[name] = ""
    except Exception as error:
        hints[name] = str(error)
said(hints=hints)
