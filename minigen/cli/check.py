"""``minigen check``."""

import argparse
import html
import importlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .._util.tables import Table, html_page

__all__ = ["add_arguments", "run"]

EXAMPLES = """\
examples:
  minigen check                                  minigen's own gradients, every operation
  minigen check conv2d softmax                   only these
  minigen check --seeds 9                        the same at other points: 20 for each operation and seed
  minigen check --dtype float32                  the same in float32, against the float64 reference
  minigen check --export vectors                 write golden vectors to the folder vectors
  minigen check --against mycode:table           run golden vectors against {"conv2d": (fn, vjp), ...} in mycode.py
  minigen check --against minigen.check.adapters.pytorch:table --report html --output report.html
  minigen check --score --seeds 20               how many wrong gradients the checks see
  minigen check --score --seeds 20 --pytorch     the same, with PyTorch's gradcheck beside them
  minigen check --score --generated --sample 20  wrong gradients made by a rule, at most 20 of each kind
  minigen check --cuda conv2d --cc 80 90         machine code of the CUDA kernels: registers, spills, occupancy, bounds
  minigen check --cuda --report markdown         the convolutions of DCGANs, in one table
  minigen check --gpu                            kernels, gradients, training and speed on the GPU of this computer
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minigen check`` to a parser."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("ops", nargs="*", metavar="OP", help="only these operations (default: all)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--export", metavar="DIR", type=Path, help="write golden vectors to DIR")
    what.add_argument("--against", metavar="MODULE:TABLE", help="run golden vectors against a table of (fn, vjp) pairs")
    what.add_argument("--score", action="store_true", help="run the mutants: gradients that are wrong on purpose")
    what.add_argument("--cuda", action="store_true", help="compile the CUDA kernels and check their machine code")
    what.add_argument("--gpu", action="store_true", help="check everything on the GPU here, and write a report of it")
    parser.add_argument("--cc", metavar="CC", type=int, nargs="+", default=[80, 90], help="--cuda: for which GPUs")
    parser.add_argument(
        "--vectors", metavar="DIR", type=Path, help="golden vectors for --against (default: made afresh)"
    )
    parser.add_argument(
        "--examples", metavar="N", type=int, help="points per operation (default: 20; golden: what covers all)"
    )
    parser.add_argument("--dtype", default="float64", help="in which minigen's functions compute (default: float64)")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of the points (default: 0)")
    parser.add_argument("--seeds", metavar="N", type=int, help="how many seeds (default: 1, and 3 for --score)")
    parser.add_argument("--generated", action="store_true", help="--score: mutants made by a rule, thousands of them")
    parser.add_argument("--sample", metavar="N", type=int, help="--generated: at most N of each kind (default: all)")
    parser.add_argument("--held-back", action="store_true", help="--generated: the third that is kept for releases")
    parser.add_argument("--pytorch", action="store_true", help="--score: run PyTorch's gradcheck beside ours")
    parser.add_argument(
        "--report",
        choices=["text", "json", "html", "markdown"],
        default="text",
        help="how results are written; markdown: with --cuda, the convolutions of DCGANs in a table",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="where to (default: the terminal; with --gpu gpu-report.md, and .json)",
    )


def run(args: argparse.Namespace) -> int:
    """Do what the arguments say; 0 if everything is right, 1 if something is wrong."""
    if args.report == "markdown" and not args.cuda:
        raise ValueError("--report markdown is for --cuda; expected text, json or html")
    for asked, action in (
        (args.export, _export),
        (args.against, _against),
        (args.score, _score),
        (args.cuda, _cuda),
        (args.gpu, _gpu),
    ):
        if asked:
            return action(args)
    return _own(args)


def _ops(args: argparse.Namespace, known: Sequence[str]) -> list[str]:
    unknown = sorted(set(args.ops) - set(known))
    if unknown:
        raise ValueError(f"unknown operations {', '.join(unknown)}; expected some of {', '.join(known)}")
    return list(args.ops or known)


def _export(args: argparse.Namespace) -> int:
    from ..check import test_vectors

    print(test_vectors.export(args.export, args.ops or None, args.examples or test_vectors.CASES, args.seed))
    return 0


def _cuda(args: argparse.Namespace) -> int:
    from ..check.cuda import check_machine_code

    text, right = check_machine_code(args.ops, args.cc, args.report)
    _deliver(text, args.output)
    return 0 if right else 1


def _gpu(args: argparse.Namespace) -> int:
    from ..check.gpu import accept, why_not

    if reason := why_not():
        raise ValueError(f"--gpu: {reason}")
    output = args.output or Path("gpu-report.md")
    rows = accept(output, args.ops, args.examples or 20)
    bad = [row for row in rows if row.status != "pass"]
    print(f"{len(rows) - len(bad)} of {len(rows)} checks passed; wrote {output} and {output.with_suffix('.json')}")
    for row in bad:
        print(f"{row.status.upper()}  {row.section}: {row.name}: {row.detail}")
    return 1 if bad else 0


def _own(args: argparse.Namespace) -> int:
    from ..check.adapters.minigen import table
    from .processes import map_in_processes

    count = args.seeds or 1
    tasks = [
        _Task(op, seed, args.examples or 20, args.dtype)
        for op in _ops(args, list(table))
        for seed in range(args.seed, args.seed + count)
    ]
    rows = []
    for task, report in zip(tasks, map_in_processes(_check_own, tasks)):
        row: dict[str, Any] = {"op": task.op, "case": f"seed {task.seed}" if count > 1 else "", **report}
        if args.report != "json":
            del row["findings"], row["notes"]
        rows.append(row)
    return _write(rows, args, good="right")


class _Task(NamedTuple):
    """One of minigen's operations, to be checked at the points of one seed."""

    op: str
    seed: int
    examples: int
    dtype: str


def _check_own(task: _Task) -> dict[str, Any]:
    from ..check.adapters.minigen import table
    from ..check.check_function import check

    fn, vjp, double = table[task.op]
    points: dict[str, Any] = {"examples": task.examples, "seed": task.seed, "dtype": task.dtype}
    report = check(fn, vjp, like=task.op, double=double if task.dtype == "float64" else None, **points)
    return {"status": report.verdict, "reason": "" if report else str(report),
            "findings": report.as_dict()["findings"], "notes": list(report.notes)}  # fmt: skip


def _against(args: argparse.Namespace) -> int:
    from ..check import test_vectors
    from ..check.op_registry import OP_REGISTRY

    ops = _ops(args, list(OP_REGISTRY))
    table = _table(args.against)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.vectors
        if folder is None:
            count = args.examples or test_vectors.CASES
            test_vectors.export(scratch, [op for op in ops if op in table], count, args.seed)
            folder = Path(scratch)
        rows = [row for row in test_vectors.against(folder, table) if row["op"] in ops]
    known = {row["op"] for row in rows}
    rows += [
        {"op": op, "case": "", "status": "unsupported", "reason": "not in the table"} for op in ops if op not in known
    ]
    return _write(rows, args, good="pass")


def _table(where: str) -> dict[str, Any]:
    module, _, name = where.partition(":")
    if not module or not name:
        raise ValueError(f"--against: expected MODULE:TABLE, got {where!r}")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    table = getattr(importlib.import_module(module), name, None)
    if not isinstance(table, dict):
        raise ValueError(f"--against: {module} has no dictionary {name!r}")
    return table


def _score(args: argparse.Namespace) -> int:
    from ..check.mutants import score
    from ..check.mutants.generator import score_generated

    if args.generated:
        generated = score_generated(args.seeds or 3, args.sample, args.held_back, args.ops or None, args.seed)
        _deliver(str(generated), args.output)
        return int(any(0 == caught < reached for _, caught, reached in generated.rows.values()))
    others: list[Any] = []
    if args.pytorch:
        from ..check.mutants.pytorch_baseline import PyTorch

        others = [PyTorch(fast=False), PyTorch(fast=True)]
    result = score(seeds=args.seeds or 3, others=others)
    text = json.dumps(result.as_dict(), indent=1) if args.report == "json" else str(result)
    _deliver(f"<pre>{html.escape(text)}</pre>" if args.report == "html" else text, args.output)
    return 1 if result.missed else 0


# ---- reports


def _write(rows: list[dict[str, Any]], args: argparse.Namespace, good: str) -> int:
    """Results in the form asked for; 1 if a result is bad."""
    render = {"text": _text, "json": lambda rows: json.dumps(rows, indent=1), "html": _html}[args.report]
    _deliver(render(rows), args.output)
    return int(any(row["status"] not in (good, "unsupported") for row in rows))


def _deliver(text: str, output: Path | None) -> None:
    if output is None:
        print(text)
    else:
        output.write_text(text + "\n", encoding="utf-8")


def _text(rows: list[dict[str, Any]]) -> str:
    width = max((len(row["op"]) for row in rows), default=0)
    lines = []
    for op in dict.fromkeys(row["op"] for row in rows):
        mine = [row for row in rows if row["op"] == op]
        counts = {s: sum(row["status"] == s for row in mine) for s in dict.fromkeys(row["status"] for row in mine)}
        verdict = ", ".join(f"{s} {n}" if len(mine) > 1 else s for s, n in counts.items())
        lines.append(f"{op:{width}}  {verdict}")
        if "unsupported" not in counts:
            lines += [f"    {line}" for row in mine if row["reason"] for line in row["reason"].splitlines()]
    return "\n".join([*lines, _totals(rows)])


def _html(rows: list[dict[str, Any]]) -> str:
    style = (
        "body{font-family:sans-serif} td,th{padding:.2em .8em;text-align:left;white-space:pre-wrap;vertical-align:top}"
        " .fail,.wrong{background:#f6c9b7} .pass,.right{background:#cfe8f3} .inconclusive{background:#f5e6a8}"
    )
    rows = sorted(rows, key=lambda row: _WORST_FIRST.index(row["status"]))
    params = [", ".join(f"{k}={v}" for k, v in row.get("params", {}).items()) for row in rows]
    cells = [[row["op"], row["case"], p, row["status"], row["reason"]] for row, p in zip(rows, params)]
    table = Table(["operation", "case", "parameters", "result", "reason"], cells)
    classes = [str(row["status"]) for row in rows]
    body = f"<h1>minigen check</h1>\n<p>{_totals(rows)}</p>\n{table.html(classes)}"
    return html_page("minigen check", body, style).rstrip()


_WORST_FIRST = ("wrong", "fail", "inconclusive", "unsupported", "right", "pass")


def _totals(rows: list[dict[str, Any]]) -> str:
    """How many results of each kind there are, the worst kind first."""
    counts = [(status, sum(row["status"] == status for row in rows)) for status in _WORST_FIRST]
    operations = len({row["op"] for row in rows})
    return f"{operations} operations: " + ", ".join(f"{count} {status}" for status, count in counts if count)
