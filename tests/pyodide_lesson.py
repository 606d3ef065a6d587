"""Run the code cells of ``/lesson.ipynb`` in Pyodide, one after the other; `tests/test_pyodide.py` puts it there.

``/shorter.json``, if it is there, has pairs of a text and what takes its place, so that trainings end after a few steps.
"""

import ast
import json
import time
from pathlib import Path

import minigen.lessons

# The stored pictures that a lesson shows, where the lesson looks for them
minigen.lessons.FOLDER = Path("/")
Path("/pictures").mkdir()
for picture in Path("/").glob("*.png"):
    picture.rename(f"/pictures/{picture.name}")

notebook = json.loads(Path("/lesson.ipynb").read_text(encoding="utf-8"))
cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
shorter = Path("/shorter.json")
for old, new in json.loads(shorter.read_text(encoding="utf-8")) if shorter.is_file() else []:
    assert any(old in "".join(cell["source"]) for cell in cells), f"the lesson has no {old!r}"
    for cell in cells:
        cell["source"] = "".join(cell["source"]).replace(old, new)
space = {"__name__": "__main__"}
for number, cell in enumerate(cells):
    code, began = "".join(cell["source"]), time.monotonic()
    body = ast.parse(code).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), f"cell {number}", "exec"), space)
    if last is not None:  # what a notebook displays, it turns into text or a picture
        value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), space)
        getattr(value, "_repr_png_", value.__repr__)()
    print(json.dumps({"cell": number, "seconds": round(time.monotonic() - began, 1)}), flush=True)
print(json.dumps({"cells": len(cells)}), flush=True)
