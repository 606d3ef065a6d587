"""Golden vectors: inputs and exact results on disk, for whoever cannot run Python or does not want to.

``golden_vectors.md``, beside this file and in every exported folder, describes the format, the rule by which a result
is right, and where the numbers come from.
"""

import itertools
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._util.optional import require
from .._util.safetensors_file import read_safetensors, safetensors_bytes
from .compare import draw
from .covering import RecordingSource
from .differences import U, jitter
from .op_registry import OP_REGISTRY, Case, Entry

__all__ = ["FORMAT", "against", "cases", "export", "load"]

Array = np.ndarray

FORMAT = 2
PAGE = Path(__file__).with_name("golden_vectors.md")
DIGITS, STEP = 80, "1e-25"
TINY, MORE_DIGITS, SMALLER_STEP, NOTHING = 1e-12, 400, "1e-100", 1e-90
"""A derivative below `TINY` is computed again, with more digits and a smaller step; below `NOTHING` it is then zero."""

CASES = 3
"""The least number of cases per operation."""

SIZE = 60
"""No input of a case has more elements: each costs a few evaluations at 80 digits."""

DRAWS = 500
"""How many points are drawn in search of values of parameters that no case has."""


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


def _slope(function: Callable[[Any], Any], h: Any) -> Array:
    """The derivative at 0 of an array, or a number, that depends on a number."""
    return np.asarray((function(h) - function(-h)) / (2 * h), object)


def _measured(derivative: Callable[[Any], Any]) -> Array:
    """A derivative, as a function of the step of its differences, to the last bit of float64."""
    mpmath = require("mpmath")

    found = np.asarray(derivative(mpmath.mpf(STEP)), object)
    if any(abs(v) < TINY for v in found.reshape(-1)):
        with mpmath.workdps(MORE_DIGITS):
            again = np.asarray(derivative(mpmath.mpf(SMALLER_STEP)), object)
        for place in np.ndindex(found.shape):
            if abs(found[place]) < TINY:
                found[place] = again[place] if abs(again[place]) > NOTHING else 0
    return found


class _Exact:
    """The specification of one case and its derivatives, in high precision."""

    def __init__(self, entry: Entry, case: Case):
        self.entry = entry
        self.names = entry.inputs[: len(case.inputs)]
        self.params = {k: _mp(v) if isinstance(v, np.ndarray) else v for k, v in case.params.items()}
        self.point = [_mp(x) for x in case.inputs]

    def value(self, point: Sequence[Array]) -> Array:
        return np.asarray(self.entry.spec(**dict(zip(self.names, point)), **self.params), object)

    def along(self, us: dict[int, Array], point: Sequence[Array], h: Any) -> Array:
        """The directional derivative of f along `us`, by differences of step h."""
        return _slope(lambda t: self.value([x + t * us[i] if i in us else x for i, x in enumerate(point)]), h)

    def gradient(self, function: Callable[[Sequence[Array], Any], Any], i: int) -> Array:
        """The gradient in the i-th input of ``function(point, h)``, a number; h is the step of the differences."""
        out = np.empty(self.point[i].shape, object)
        for place in np.ndindex(out.shape):

            def at(h: Any, place: tuple[int, ...] = place) -> Array:
                def moved(t: Any) -> Any:
                    x = self.point[i].copy()
                    x[place] = x[place] + t
                    return function([*self.point[:i], x, *self.point[i + 1 :]], h)

                return _slope(moved, h)

            out[place] = _measured(at)[()]
        return out


def cases(op: str, count: int = CASES, seed: int = 0) -> list[Case]:
    """The cases of an operation: the same on every machine.

    The first has every parameter at its default.  The next ones have each value of each parameter once at least.

    >>> cases("mse_loss")[0].params
    {'reduction': 'mean'}
    >>> sorted({case.params["reduction"] for case in cases("mse_loss")})
    ['mean', 'none', 'sum']
    """
    entry = OP_REGISTRY[op]
    rng = np.random.default_rng([FORMAT, seed, *op.encode()])
    found: list[Case] = []
    seen: set[tuple[str, int]] = set()
    for draw_number in itertools.count():
        source = RecordingSource(rng, {} if found else dict(entry.defaults), layouts=False)
        source.tails = False
        case = entry.make(source)
        new = {(name, place) for name, (place, _) in source.drawn.items() if name in source.offered} - seen
        searching = draw_number < DRAWS
        if _fits(entry, case) and (new or not found or not searching):
            found.append(case)
            seen |= new
        if not searching and len(found) >= count:
            return found
    raise AssertionError


def _fits(entry: Entry, case: Case) -> bool:
    """Whether a case is small enough, off the kinks, and has finite values."""
    sizes = [x.size for x in case.inputs]
    first = case.inputs[0]
    if not 0 < min(sizes) <= max(sizes) <= SIZE or sum(sizes) > 2 * SIZE:
        return False
    if entry.name in _KINKED and (np.unique(first).size < first.size or np.any(first == 0)):
        return False
    names = entry.inputs[: len(case.inputs)]
    return bool(np.all(np.isfinite(entry.spec(**dict(zip(names, case.inputs)), **case.params))))


_KINKED = {"relu", "leaky_relu", "elu", "prelu", "max_pool2d", "l1_loss", "abs", "amax", "maximum"}


def _tensors(entry: Entry, case: Case, seed: int) -> dict[str, Array]:
    """Everything that is stored of one case."""
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
            out[f"vjp/{names[i]}"] = _rounded(exact.gradient(lambda p, h: _dot(gm, exact.value(p)), i))
            out[f"second/{names[i]}"] = us[i]
            out[f"double/{names[i]}"] = _rounded(exact.gradient(lambda p, h: _dot(gm, exact.along(um, p, h)), i))
        out["double/cotangent"] = _rounded(_measured(lambda h: exact.along(um, exact.point, h)))
    return {k: np.ascontiguousarray(v).reshape(v.shape) for k, v in out.items()}


def _tolerance(entry: Entry, case: Case, tensors: dict[str, Array]) -> dict[str, float]:
    """For each result: how far float64 may be off, by the conditioning of the case."""
    rng = np.random.default_rng(0)
    forward = tensors["forward"]
    size = float(np.max(np.abs(forward), initial=0.0)) or 1.0
    names, worst = entry.inputs[: len(case.inputs)], 0.0
    for _ in range(8):
        moved = [jitter(x, rng) if x.dtype.kind == "f" else x for x in case.inputs]
        change = np.abs(np.asarray(entry.spec(**dict(zip(names, moved)), **case.params)) - forward)
        worst = max(worst, float(np.max(change, initial=0.0)) / size)
    relative = 64 * max(worst, U * max(x.size for x in case.inputs))
    tolerance = {"forward": relative * size}
    for name, x in tensors.items():
        if name.startswith(("vjp/", "double/")):
            tolerance[name] = 64 * relative * max(size, float(np.max(np.abs(x), initial=0.0)))
    return tolerance


_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": f"minigen golden vectors, format {FORMAT}",
    "type": "object",
    "required": ["format", "provenance", "cases"],
    "properties": {
        "format": {"const": FORMAT},
        "provenance": {"type": "object"},
        "cases": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["op", "case", "inputs", "constant", "params", "tolerance"],
                "properties": {
                    "op": {"type": "string", "description": "a function of torch.nn.functional, or of torch"},
                    "case": {"type": "integer", "minimum": 0},
                    "inputs": {"type": "array", "items": {"type": "string"}},
                    "constant": {"type": "array", "items": {"type": "string"}},
                    "params": {"type": "object"},
                    "tolerance": {
                        "type": "object",
                        "description": "for each result: how much an element may differ",
                        "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
                    },
                },
            },
        },
    },
}


def export(folder: str | Path, ops: Sequence[str] | None = None, count: int = CASES, seed: int = 0) -> Path:
    """Write golden vectors, and the page that describes them.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    ops : sequence of str, optional
        By default all of the catalog.
    count : int
        The least number of cases per operation.
    seed : int
        Other numbers, other cases.

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
    unknown = sorted(set(ops or []) - set(OP_REGISTRY))
    if unknown:
        raise ValueError(f"golden: unknown operations {', '.join(unknown)}; expected some of {', '.join(OP_REGISTRY)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    index: list[dict[str, Any]] = []
    for op in ops or OP_REGISTRY:
        entry = OP_REGISTRY[op]
        stored: dict[str, Array] = {}
        for number, case in enumerate(cases(op, count, seed)):
            tensors = _tensors(entry, case, number)
            tolerance = _tolerance(entry, case, tensors)
            params = {}
            for key, value in case.params.items():
                if isinstance(value, np.ndarray):
                    tensors[f"param/{key}"] = value
                    value = {"tensor": f"{number}/param/{key}"}
                params[key] = value
            stored |= {f"{number}/{key}": value for key, value in tensors.items()}
            names = list(entry.inputs[: len(case.inputs)])
            index.append({"op": op, "case": number, "inputs": names, "constant": list(entry.constant),
                          "params": params, "tolerance": tolerance})  # fmt: skip
        (folder / f"{op}.safetensors").write_bytes(safetensors_bytes(stored))
    provenance = {"by": "minigen.check.test_vectors", "seed": seed,
                  "arithmetic": f"mpmath, {DIGITS} digits, rounded once",
                  "derivatives": f"central differences of the specification, step {STEP}",
                  "mpmath": mpmath.__version__}  # fmt: skip
    (folder / "README.md").write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
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
    path = Path(folder) / "index.json"
    if not path.is_file():
        raise FileNotFoundError(f"golden: no index.json in {folder}; write one with: minigen check --export {folder}")
    index = json.loads(path.read_text(encoding="utf-8"))
    if index.get("format") != FORMAT:
        raise ValueError(f"golden: {path} has format {index.get('format')!r}, expected {FORMAT}")
    files = {op: read_safetensors(Path(folder) / f"{op}.safetensors")[1] for op in {c["op"] for c in index["cases"]}}
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
        One per case: ``op``, ``case``, ``params``, ``status`` ("pass", "fail", "unsupported") and ``reason``.
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
        params = {k: "given" if isinstance(v, np.ndarray) else v for k, v in case["params"].items()}
        rows.append({"op": case["op"], "case": case["case"], "params": params, "status": status, "reason": reason})
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
        off = np.abs(np.asarray(found, np.float64) - expected)
        limit = case["tolerance"][name]
        if not np.all(off <= limit):
            place = tuple(int(n) for n in np.unravel_index(int(np.argmax(np.nan_to_num(off, nan=np.inf))), off.shape))
            seen, exact = float(np.asarray(found)[place]), float(expected[place])
            return f"{name}{list(place)}: {seen!r}, exact {exact!r}, tolerance {limit:.1e}"
    return ""
