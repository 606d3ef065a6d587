"""What to write in place of the PyTorch names that minigen does without.

An attribute that does not exist costs a beginner more time than any other error.  So the message names the replacement.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Never

__all__ = ["FUNCTIONS", "TENSOR", "LeftOut", "missing"]

TENSOR: Mapping[str, str] = {
    "addmm": "x + a @ b",
    "apply_": "minigen.tensor(function(t.numpy()))",
    "argsort": "minigen.tensor(t.numpy().argsort(dim))",
    "ceil": "minigen.tensor(numpy.ceil(t.numpy()))",
    "contiguous": "nothing: every method works on any layout",
    "cpu": "t.to('cpu')",
    "cross_entropy": "minigen.functional.cross_entropy(t, target)",
    "cuda": "t.to('cuda')",
    "diag": "t[range(n), range(n)]",
    "element_size": "t.dtype.itemsize",
    "eq": "t == other",
    "expand_as": "t.expand(other.shape)",
    "floor": "minigen.tensor(numpy.floor(t.numpy()))",
    "ge": "t >= other",
    "grad_fn": "t.node, the operation that made t",
    "gt": "t > other",
    "half": "t.float(): minigen computes in float32 and float64",
    "index_select": "t[indices] or t[:, indices]",
    "int": "t.long()",
    "is_cuda": "t.device == 'cuda'",
    "isinf": "abs(t) == float('inf')",
    "le": "t <= other",
    "lt": "t < other",
    "masked_select": "t[mask]",
    "narrow": "t[start : start + length]",
    "ne": "t != other",
    "nelement": "t.numel()",
    "nonzero": "minigen.tensor(numpy.argwhere(t.numpy()))",
    "normal_": "t.copy_(minigen.randn_like(t)) under minigen.no_grad()",
    "register_hook": "t.retain_grad(), or minigen.grad(loss, t)",
    "reciprocal": "1 / t",
    "round": "minigen.tensor(numpy.round(t.numpy()))",
    "rsqrt": "t ** -0.5",
    "scatter_": "minigen.where(mask, value, t), or minigen.functional.one_hot(labels, n)",
    "select": "t[:, i]",
    "sign": "minigen.tensor(numpy.sign(t.numpy()))",
    "swapaxes": "t.transpose(dim0, dim1)",
    "uniform_": "t.copy_(minigen.rand_like(t)) under minigen.no_grad()",
    "unique": "minigen.tensor(numpy.unique(t.numpy()))",
    "view_as": "t.reshape(other.shape)",
}
"""PyTorch's names of Tensor methods that minigen has not, and what to write."""

FUNCTIONS: Mapping[str, str] = {
    "autograd": "minigen.grad, minigen.no_grad and minigen.engine",
    "concat": "minigen.cat",
    "concatenate": "minigen.cat",
    "FloatTensor": "minigen.tensor",
    "LongTensor": "minigen.tensor",
    "cuda": "minigen.backend, and device='cuda'",
    "device": "the strings 'cpu' and 'cuda'",
    "distributions": "minigen.randn, and minigen.losses for divergences",
    "double": "minigen.float64",
    "empty": "minigen.zeros",
    "empty_like": "minigen.zeros_like",
    "eq": "a == b",
    "float": "minigen.float32",
    "float16": "minigen.float32",
    "from_numpy": "minigen.tensor, which copies",
    "ge": "a >= b",
    "gt": "a > b",
    "int": "minigen.int64",
    "le": "a <= b",
    "load": "minigen.train.checkpoint, or module.load_state_dict",
    "long": "minigen.int64",
    "lt": "a < b",
    "manual_seed_all": "minigen.manual_seed",
    "ne": "a != b",
    "normal": "minigen.randn(...) * std + mean",
    "save": "minigen.train.checkpoint, or module.state_dict",
    "set_grad_enabled": "minigen.no_grad and minigen.enable_grad",
    "sign": "minigen.tensor(numpy.sign(t.numpy()))",
    "utils": "minigen.data for data sets and loaders",
}
"""PyTorch's names of functions and modules that minigen has not, and what to write."""


def missing(owner: str, name: str, hints: Mapping[str, str], known: Iterable[str] = ()) -> str:
    """Say that `owner` has no attribute `name`, with the replacement if there is one.

    >>> missing("Tensor", "cuda", TENSOR)
    "Tensor has no attribute 'cuda'; use t.to('cuda')"
    """
    message = f"{owner} has no attribute {name!r}"
    if name in hints:
        return f"{message}; use {hints[name]}"
    near = get_close_matches(name, list(known), n=1, cutoff=0.75)
    return f"{message}; did you mean {near[0]!r}?" if near else message


class LeftOut:
    """An attribute that a class does not have: access raises an AttributeError that names the replacement.

    >>> class Number:
    ...     cuda = LeftOut("Number", "cuda", TENSOR)
    >>> hasattr(Number(), "cuda")
    False
    """

    def __init__(self, owner: str, name: str, hints: Mapping[str, str]):
        self.message: str = missing(owner, name, hints)

    def __get__(self, instance: object, owner: object = None) -> Never:
        raise AttributeError(self.message)
