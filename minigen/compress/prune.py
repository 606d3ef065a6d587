r"""Prune: set the smallest weights to 0.

**Why the smallest.**  Let $g$ and $H$ be the gradient and the Hessian of the loss.  Setting a weight $w_i$ to 0 changes
the loss by $-g_i w_i + \tfrac12 H_{ii} w_i^2$ to second order.  After training $g_i$ is about 0.  If the $H_{ii}$ are
equal, the change grows with $|w_i|$: the smallest weights cost least (LeCun, Denker & Solla 1990, *Optimal Brain
Damage*; the rule by magnitude alone: Han et al. 2015, arXiv 1506.02626).

**One threshold for all layers.**  A threshold for each layer, so that each loses the same share, takes too much from
small layers near the image, where each weight is used for every pixel.  One threshold for the whole network mostly
leaves these alone, because their weights are large.

Only matrices and filters are pruned: biases and the scales of batch norm are few.

**Training afterwards** must not bring the zeros back.  A gradient does not know of the mask, and neither do the moments
of Adam: where a moment is not 0, the next step moves the weight although its gradient is 0.  `Masks.apply` sets both to
0 after each step.
"""

from collections.abc import Iterable

import numpy as np

from ..arguments import check_choice, check_number
from ..backend import to_device
from ..nn.module import Module, Parameter
from ..optim import Optimizer

__all__ = ["Masks", "prune"]


class Masks:
    """Which weights of a Module are kept; made by `prune`.

    Parameters
    ----------
    kept : dict from Parameter to ndarray of bool
        Of the Parameter's shape: True for a weight that is kept.

    Examples
    --------
    >>> import minigen as mg
    >>> layer = mg.nn.Linear(2, 2, bias=False)
    >>> layer.weight.data = np.array([[1.0, -0.1], [0.2, 3.0]], np.float32)
    >>> masks = prune(layer, 0.5)
    >>> layer.weight
    tensor([[1., 0.],
            [0., 3.]], requires_grad=True)
    >>> layer.weight.data = layer.weight.data + 1  # training moves all weights
    >>> masks.apply()
    >>> layer.weight
    tensor([[2., 0.],
            [0., 4.]], requires_grad=True)
    """

    def __init__(self, kept: "dict[Parameter, np.ndarray]"):
        self._kept = kept
        self.kept: int = int(sum(mask.sum() for mask in kept.values()))
        self.total: int = sum(mask.size for mask in kept.values())

    def check(self, op: str, module: Module) -> None:
        """Check that these are weights of `module`.

        Raises
        ------
        ValueError
            If they are of another one, whose weights training would not keep at 0.
        """
        own = set(module.parameters())
        if not own.issuperset(self._kept):
            raise ValueError(f"{op}: argument 'masks': they are of another network than the one to train")

    def apply(self, optimizers: Iterable[Optimizer] = ()) -> None:
        """Set the pruned weights to 0 again, and their running averages in the optimizers: after each step."""
        optimizers = list(optimizers)
        for parameter, mask in self._kept.items():
            pruned = to_device(~mask, parameter.device)
            with parameter.inplace() as weight:
                weight[pruned] = 0
            for optimizer in optimizers:
                for value in optimizer.state.get(parameter, {}).values():
                    if getattr(value, "shape", None) == parameter.shape:
                        value[pruned] = 0


def prune(module: Module, amount: float, scope: str = "global") -> Masks:
    """Set the share `amount` of the weights to 0, those of the smallest absolute value, in place.

    Parameters
    ----------
    module : Module
        All its Parameters with at least two dimensions are pruned; a Parameter with several names counts once.
    amount : float
        In [0, 1).  Of n weights the ``int(amount * n)`` smallest become 0; of equal ones the first.
    scope : {"global", "layer"}
        Compare all weights with each other, or those of each Parameter.

    Returns
    -------
    Masks

    Raises
    ------
    ValueError
        If `amount` is out of range, there is nothing to prune, or a weight is NaN or infinite.

    Examples
    --------
    >>> import minigen as mg
    >>> network = mg.nn.Sequential(mg.nn.Linear(4, 8), mg.nn.ReLU(), mg.nn.Linear(8, 2))
    >>> masks = prune(network, 0.75)
    >>> masks.kept, masks.total, [p.shape for p in network.parameters()]
    (12, 48, [(8, 4), (8,), (2, 8), (2,)])
    """
    if not isinstance(module, Module):
        raise TypeError(f"prune: argument 'module': expected a Module, got {module!r}")
    check_number("prune", "amount", amount, below=1)
    check_choice("prune", "scope", scope, ("global", "layer"))
    weights = {}
    for name, parameter in module.named_parameters():
        if parameter.ndim > 1:
            weights[parameter] = np.abs(parameter.numpy())
            if not np.isfinite(weights[parameter]).all():
                raise ValueError(f"prune: the weight {name!r} contains NaN or infinite values")
    if not weights:
        raise ValueError(f"prune: {type(module).__name__} has no weights with two or more dimensions")
    groups = [list(weights)] if scope == "global" else [[parameter] for parameter in weights]
    kept: dict[Parameter, np.ndarray] = {}
    for group in groups:
        sizes = np.concatenate([weights[parameter].reshape(-1) for parameter in group])
        mask = np.ones(len(sizes), np.bool_)
        mask[np.argsort(sizes, kind="stable")[: int(amount * len(sizes))]] = False
        ends = np.cumsum([weights[parameter].size for parameter in group])
        kept |= {parameter: part.reshape(parameter.shape) for parameter, part in zip(group, np.split(mask, ends[:-1]))}
    masks = Masks(kept)
    masks.apply()
    return masks
