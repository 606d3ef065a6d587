r"""Golden vectors: inputs and exact results on disk, for whoever cannot run Python or does not want to.

**The format** (version 1).  A folder with ``schema.json``, ``index.json`` and one ``<op>.safetensors`` per operation:

- ``index.json``: ``{"format": 1, "provenance": {...}, "cases": [...]}``; each case has ``op``, ``case`` (a number),
  ``inputs`` (names, in order), ``constant`` (inputs without a gradient), ``params`` and ``bound``;
- the tensors of a case are called ``<case>/<name>``:

  ==================== =======================================================================
  name                 what
  ==================== =======================================================================
  ``input/<name>``     an input, float64 (labels: int64)
  ``forward``          f(x)
  ``cotangent``        g, of the shape of f(x)
  ``vjp/<name>``       the gradient of <g, f(x)> in that input
  ``second/<name>``    u, a cotangent of that vjp
  ``double/<name>``    the gradient of $\sum \langle u, \mathrm{vjp} \rangle$ in that input
  ``double/cotangent`` the same in g
  ==================== =======================================================================

``params`` holds the arguments by PyTorch's names; an array among them is ``{"tensor": name}``.

**Where the numbers come from.** Each is computed from the specification (`minigen.check.reference_ops`) in mpmath with
`DIGITS` digits and rounded once to float64.  Derivatives are central differences with a step of $10^{-25}$: at 80
digits the truncation error is about $10^{-50}$ and the rounding error about $10^{-55}$ for first and $10^{-30}$ for
second derivatives, so no gradient rule has any part in them.  The point is kept off kinks.

**The bound** of a case, relative to the largest element of a result, is what a float64 implementation may be off by:
64 times what moving the inputs by an ulp or two does to the values, or 64 u times the number of elements if that is
more.  Derivatives are granted 64 times as much, since differentiation amplifies; both factors are conventions.
"""

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._util.optional import require
from .compare import draw
from .differences import U, jitter
from .op_registry import OP_REGISTRY, Case, Entry, RandomSource

__all__ = ["FORMAT", "against", "cases", "export", "load"]

Array = np.ndarray

FORMAT = 1
DIGITS = 80
STEP = "1e-25"
CASES = 3
"""Cases per operation."""

SIZE = 60
"""No input of a case has more elements: each costs a few evaluations at 80 digits."""


# ---- making them


def _mp(x: Array) -> Array:
    """An array of floats as mpmath numbers, exactly."""
    mpmath = require("mpmath")

    if x.dtype.kind != "f":
        return x
    out = np.empty(x.shape, object)
    for place in np.ndindex(x.shape):
        out[place] = mpmath.mpf(float(x[place]))
    return out


def _dot(a: Array, b: Array) -> Any:
    total = 0
    for x, y in zip(np.asarray(a, object).reshape(-1), np.asarray(b, object).reshape(-1)):
        total = total + x * y
    return total


def _rounded(x: Any) -> Array:
    x = np.asarray(x, object)
    return np.array([float(v) for v in x.reshape(-1)], np.float64).reshape(x.shape)


class _Exact:
    """The specification of one case and its derivatives, in high precision."""

    def __init__(self, entry: Entry, case: Case):
        mpmath = require("mpmath")

        self.entry = entry
        self.names = entry.inputs[: len(case.inputs)]
        self.params = {k: _mp(v) if isinstance(v, np.ndarray) else v for k, v in case.params.items()}
        self.point = [_mp(x) for x in case.inputs]
        self.h = mpmath.mpf(STEP)

    def value(self, point: Sequence[Array]) -> Array:
        return np.asarray(self.entry.spec(**dict(zip(self.names, point)), **self.params), object)

    def along(self, us: dict[int, Array], point: Sequence[Array]) -> Array:
        """The directional derivative of f along `us`."""

        def moved(h: Any) -> Array:
            return self.value([x + h * us[i] if i in us else x for i, x in enumerate(point)])

        return (moved(self.h) - moved(-self.h)) / (2 * self.h)

    def gradient(self, function: Callable[[Sequence[Array]], Any], i: int) -> Array:
        """The gradient of a number in the i-th input."""
        out = np.empty(self.point[i].shape, object)
        for place in np.ndindex(out.shape):
            sides = []
            for h in (self.h, -self.h):
                x = self.point[i].copy()
                x[place] = x[place] + h
                sides.append(function([*self.point[:i], x, *self.point[i + 1 :]]))
            out[place] = (sides[0] - sides[1]) / (2 * self.h)
        return out


def cases(op: str, count: int = CASES, seed: int = 0) -> list[Case]:
    """The cases of an operation: the same on every machine.

    >>> [x.shape for x in cases("linear", 1)[0].inputs] == [x.shape for x in cases("linear", 1)[0].inputs]
    True
    """
    entry = OP_REGISTRY[op]
    rng = np.random.default_rng([FORMAT, seed, *op.encode()])
    found: list[Case] = []
    while len(found) < count:
        case = entry.make(RandomSource(rng, layouts=False))
        floats = [x for x in case.inputs if x.dtype.kind == "f"]
        ties = any(np.unique(x).size < x.size or np.any(x == 0) for x in floats[:1]) and op in _KINKED
        if not ties and all(0 < x.size <= SIZE for x in case.inputs) and sum(x.size for x in case.inputs) <= 2 * SIZE:
            found.append(case)
    return found


_KINKED = {"relu", "leaky_relu", "elu", "max_pool2d", "l1_loss"}


def _tensors(entry: Entry, case: Case, seed: int) -> tuple[dict[str, Array], float]:
    """Everything that is stored of one case, and its bound."""
    mpmath = require("mpmath")

    rng = np.random.default_rng([FORMAT, seed])
    which = [i for i in entry.differentiable if i < len(case.inputs)]
    names = {i: entry.inputs[i] for i in range(len(case.inputs))}
    out = {f"input/{names[i]}": x for i, x in enumerate(case.inputs)}
    with mpmath.workdps(DIGITS):
        exact = _Exact(entry, case)
        forward = exact.value(exact.point)
        g = draw(rng, forward.shape)
        us = {i: draw(rng, case.inputs[i].shape) for i in which}
        gm, um = _mp(g), {i: _mp(u) for i, u in us.items()}
        out |= {"forward": _rounded(forward), "cotangent": g}
        for i in which:
            out[f"vjp/{names[i]}"] = _rounded(exact.gradient(lambda p: _dot(gm, exact.value(p)), i))
            out[f"second/{names[i]}"] = us[i]
            out[f"double/{names[i]}"] = _rounded(exact.gradient(lambda p: _dot(gm, exact.along(um, p)), i))
        out["double/cotangent"] = _rounded(exact.along(um, exact.point))
    return {k: np.ascontiguousarray(v).reshape(v.shape) for k, v in out.items()}, _bound(entry, case, out["forward"])


def _bound(entry: Entry, case: Case, forward: Array) -> float:
    """Relative error that the conditioning of the case excuses in float64."""
    rng = np.random.default_rng(0)
    size = float(np.max(np.abs(forward), initial=0.0)) or 1.0
    names, worst = entry.inputs[: len(case.inputs)], 0.0
    for _ in range(8):
        moved = [jitter(x, rng) if x.dtype.kind == "f" else x for x in case.inputs]
        change = np.abs(np.asarray(entry.spec(**dict(zip(names, moved)), **case.params)) - forward)
        worst = max(worst, float(np.max(change, initial=0.0)) / size)
    return 64 * max(worst, U * max(x.size for x in case.inputs))


_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "minigen golden vectors, format 1",
    "type": "object",
    "required": ["format", "provenance", "cases"],
    "properties": {
        "format": {"const": FORMAT},
        "provenance": {"type": "object"},
        "cases": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["op", "case", "inputs", "constant", "params", "bound"],
                "properties": {
                    "op": {"type": "string", "description": "a function of torch.nn.functional, or of torch"},
                    "case": {"type": "integer", "minimum": 0},
                    "inputs": {"type": "array", "items": {"type": "string"}},
                    "constant": {"type": "array", "items": {"type": "string"}},
                    "params": {"type": "object"},
                    "bound": {"type": "number", "description": "relative to each result's largest element"},
                },
            },
        },
    },
}


def export(folder: str | Path, ops: Sequence[str] | None = None, count: int = CASES) -> Path:
    """Write golden vectors.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    ops : sequence of str, optional
        By default all of the catalogue.
    count : int
        Cases per operation.

    Returns
    -------
    Path
        Of the index.

    Raises
    ------
    ValueError
        If an operation is unknown.
    ImportError
        If mpmath is missing.
    """
    try:
        mpmath = require("mpmath")
    except ImportError as error:
        raise ImportError('golden vectors need mpmath: python -m pip install "minigen-lab[test]"') from error
    from safetensors.numpy import save_file

    unknown = sorted(set(ops or []) - set(OP_REGISTRY))
    if unknown:
        raise ValueError(f"golden: unknown operations {', '.join(unknown)}; expected some of {', '.join(OP_REGISTRY)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    index: list[dict[str, Any]] = []
    for op in ops or OP_REGISTRY:
        entry = OP_REGISTRY[op]
        stored: dict[str, Array] = {}
        for number, case in enumerate(cases(op, count)):
            tensors, bound = _tensors(entry, case, number)
            params = {}
            for key, value in case.params.items():
                if isinstance(value, np.ndarray):
                    tensors[f"param/{key}"] = value
                    value = {"tensor": f"{number}/param/{key}"}
                params[key] = value
            stored |= {f"{number}/{key}": value for key, value in tensors.items()}
            names = list(entry.inputs[: len(case.inputs)])
            index.append({"op": op, "case": number, "inputs": names, "constant": list(entry.constant),
                          "params": params, "bound": bound})  # fmt: skip
        save_file(stored, str(folder / f"{op}.safetensors"))
    provenance = {"by": "minigen.check.test_vectors", "arithmetic": f"mpmath, {DIGITS} digits, rounded once",
                  "derivatives": f"central differences of the specification, step {STEP}",
                  "mpmath": mpmath.__version__}  # fmt: skip
    _write_json(folder / "schema.json", _SCHEMA)
    return _write_json(folder / "index.json", {"format": FORMAT, "provenance": provenance, "cases": index})


def _write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


# ---- using them


def load(folder: str | Path) -> list[tuple[dict[str, Any], dict[str, Array]]]:
    """Read golden vectors: each case's entry of the index, with its parameters whole, and its tensors by name.

    Raises
    ------
    FileNotFoundError
        If the folder holds no index.
    ValueError
        If it is of another format.
    """
    from safetensors.numpy import load_file

    path = Path(folder) / "index.json"
    if not path.is_file():
        raise FileNotFoundError(f"golden: no index.json in {folder}; write one with: minigen check --export {folder}")
    index = json.loads(path.read_text(encoding="utf-8"))
    if index.get("format") != FORMAT:
        raise ValueError(f"golden: {path} has format {index.get('format')!r}, expected {FORMAT}")
    files = {op: load_file(str(Path(folder) / f"{op}.safetensors")) for op in {c["op"] for c in index["cases"]}}
    loaded = []
    for case in index["cases"]:
        prefix = f"{case['case']}/"
        tensors = {k[len(prefix) :]: v for k, v in files[case["op"]].items() if k.startswith(prefix)}
        params = {}
        for key, value in case["params"].items():
            if isinstance(value, dict):
                value = files[case["op"]][value["tensor"]]
            params[key] = tuple(value) if isinstance(value, list) else value
        loaded.append(({**case, "params": params}, tensors))
    return loaded


def against(folder: str | Path, table: dict[str, tuple[Callable[..., Any], ...]]) -> list[dict[str, Any]]:
    """Run every golden vector against somebody's table.

    Parameters
    ----------
    folder : path
    table : dict
        Operation to ``(fn, vjp)`` or ``(fn, vjp, double)``, as `minigen.check.check` takes them.

    Returns
    -------
    list of dict
        One per case: ``op``, ``case``, ``status`` ("pass", "fail", "unsupported") and ``reason``.
    """
    rows = []
    for case, tensors in load(folder):
        status, reason = "unsupported", "not in the table"
        if case["op"] in table:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    reason = _first_difference(case, tensors, table[case["op"]])
                status = "fail" if reason else "pass"
            except NotImplementedError as error:
                reason = str(error) or "NotImplementedError"
            except Exception as error:
                status, reason = "fail", f"raises {type(error).__name__}: {error}"
        rows.append({"op": case["op"], "case": case["case"], "status": status, "reason": reason})
    return rows


def _first_difference(
    case: dict[str, Any], tensors: dict[str, Array], functions: tuple[Callable[..., Any], ...]
) -> str:
    inputs = [tensors[f"input/{name}"].copy() for name in case["inputs"]]
    names = [name for name in case["inputs"] if name not in case["constant"]]
    params, g = case["params"], tensors["cotangent"]
    results = {"forward": functions[0](*inputs, **params)}
    pulled = functions[1](g.copy(), *inputs, **params)
    pulled = list(pulled) if isinstance(pulled, list | tuple) else [pulled]
    if len(pulled) != len(names):
        return f"vjp returns {len(pulled)} arrays, expected {len(names)} ({', '.join(names)})"
    results |= {f"vjp/{name}": d for name, d in zip(names, pulled)}
    if len(functions) > 2:
        dg, *rest = functions[2]([tensors[f"second/{name}"].copy() for name in names], g.copy(), *inputs, **params)
        results |= {"double/cotangent": dg, **{f"double/{name}": d for name, d in zip(names, rest)}}
    for name, found in results.items():
        expected = tensors[name]
        if found is None or np.shape(found) != expected.shape:
            return f"{name}: shape {None if found is None else np.shape(found)}, expected {expected.shape}"
        size = max(float(np.max(np.abs(tensors[n]), initial=0.0)) for n in (name, _scale(name)))
        off = np.abs(np.asarray(found, np.float64) - expected)
        limit = case["bound"] * (1 if name == "forward" else 64) * (size or 1.0)
        if not np.all(off <= limit):
            place = tuple(int(n) for n in np.unravel_index(int(np.argmax(np.nan_to_num(off, nan=np.inf))), off.shape))
            seen, exact = float(np.asarray(found)[place]), float(expected[place])
            return f"{name}{list(place)}: {seen!r}, exact {exact!r}, bound {limit:.1e}"
    return ""


def _scale(name: str) -> str:
    """What a result of zero is compared with."""
    return "forward" if name.startswith(("vjp", "double")) else name
