"""PyTorch judged by golden vectors, written from the page in the folder alone: ``python golden_consumer.py FOLDER``."""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file


def function(name):
    return getattr(torch.nn.functional, name, None) or getattr(torch, name)


def results(case, tensors):
    """What PyTorch gives for one case, by the names of the page."""
    inputs = {name: tensors[f"input/{name}"].clone() for name in case["inputs"]}
    moving = [name for name in case["inputs"] if name not in case["constant"]]
    for name in moving:
        inputs[name].requires_grad_()
    params = {key: tensors[f"param/{key}"] if isinstance(v, dict) else v for key, v in case["params"].items()}
    if case["op"] == "batch_norm":  # PyTorch has no defaults for these two
        params = {"running_mean": None, "running_var": None, **params}
    if case["op"] == "cat":
        y = torch.cat(list(inputs.values()), **params)
    elif case["op"] == "einsum":
        y = torch.einsum(params["equation"], *inputs.values())
    else:
        y = function(case["op"])(**inputs, **params)
    g = tensors["cotangent"].clone().requires_grad_()
    leaves = [inputs[name] for name in moving]
    found = {"forward": y}
    first = torch.autograd.grad(y, leaves, g, create_graph=True, materialize_grads=True)
    found |= {f"vjp/{name}": d for name, d in zip(moving, first)}
    total = sum((tensors[f"second/{name}"] * d).sum() for name, d in zip(moving, first))
    second = torch.autograd.grad(total, [g, *leaves], materialize_grads=True)
    return found | {f"double/{name}": d for name, d in zip(["cotangent", *moving], second)}


def main(folder):
    """Print each result that is not right; the number of results, and of those."""
    index = json.loads((Path(folder) / "index.json").read_text(encoding="utf-8"))
    files = {op: load_file(Path(folder) / f"{op}.safetensors") for op in {case["op"] for case in index["cases"]}}
    count, wrong = 0, []
    for case in index["cases"]:
        prefix = f"{case['case']}/"
        tensors = {k[len(prefix) :]: v for k, v in files[case["op"]].items() if k.startswith(prefix)}
        for name, r in results(case, tensors).items():
            e, count = tensors[name], count + 1
            if r.shape != e.shape or not bool(((r - e).abs() <= case["tolerance"][name]).all()):
                wrong.append((case["op"], case["case"], name))
                print(*wrong[-1], case["params"], (r - e).abs().max().item(), case["tolerance"][name])
    print(f"{count} results, {len(wrong)} wrong")
    return count, wrong


if __name__ == "__main__":
    main(sys.argv[1])
