"""Optimizers and learning-rate schedules, with PyTorch's names and rules."""

import difflib
from typing import Any

from . import lr_scheduler
from .optimizers import SGD, Adam, AdamW, Optimizer, RMSprop

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]

_REPLACEMENTS = {
    "ASGD": "use SGD and an average of the weights, minigen.models.ema.EMA",
    "Adadelta": "the nearest is Adam or RMSprop",
    "Adagrad": "the nearest is Adam or RMSprop",
    "Adamax": "the nearest is Adam",
    "LBFGS": "the nearest is Adam",
    "NAdam": "the nearest is Adam",
    "RAdam": "the nearest is Adam with a warm-up by minigen.optim.lr_scheduler.LinearLR",
    "Rprop": "the nearest is RMSprop",
    "swa_utils": "use minigen.models.ema.EMA",
}


def __getattr__(name: str) -> Any:
    """Name the replacement of a PyTorch name that minigen leaves out."""
    hint = _REPLACEMENTS.get(name)
    if hint is None:
        close = difflib.get_close_matches(name, __all__, 1)
        hint = f"did you mean {close[0]!r}?" if close else "derive it from minigen.optim.Optimizer"
    raise AttributeError(f"minigen.optim has no {name!r}: {hint}")
