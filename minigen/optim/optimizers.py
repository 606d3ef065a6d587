"""Optimizers: rules that move parameters against their gradients.

The arithmetic of a step is a kernel (`minigen.kernels.reference.optimizers`), one pass over memory per parameter.  What
is kept here is bookkeeping: options per group of parameters, running averages per parameter, saving and restoring.
"""

from collections.abc import Iterable
from typing import Any

from ..backend import array_module, to_device
from ..kernels import find
from ..tensor import Tensor

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop"]


class Optimizer:
    """What all optimizers share: groups of parameters with options, and state per parameter.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        A dict is a group: ``{"params": [...], "lr": ...}`` overrides the options for its parameters.  State is made
        where a parameter is at its first step; if it moves later, ``load_state_dict(state_dict())`` takes that along.
    defaults : dict
        The options.

    Raises
    ------
    ValueError
        If there are no parameters, one is listed twice, or an option has an impossible value.
    TypeError
        If a parameter is not a leaf Tensor.
    """

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], defaults: dict[str, Any]):
        name = type(self).__name__
        if isinstance(params, Tensor):
            raise TypeError(f"{name}: expected an iterable of Tensors, got one Tensor: put it in a list")
        listed: list[Any] = list(params)
        if not listed:
            raise ValueError(f"{name}: got no parameters")
        groups: list[dict[str, Any]] = listed if isinstance(listed[0], dict) else [{"params": listed}]
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[int, dict[str, Any]] = {}
        seen: set[int] = set()
        for group in groups:
            unknown = set(group) - {"params", *defaults}
            if unknown:
                raise ValueError(f"{name}: unknown options {sorted(unknown)}; expected {sorted(defaults)}")
            members = list(group["params"])
            for p in members:
                if not isinstance(p, Tensor) or not p.is_leaf:
                    found = repr(p) if isinstance(p, Tensor) else type(p).__name__
                    raise TypeError(f"{name}: expected leaf Tensors, got {found}")
                if id(p) in seen:
                    raise ValueError(f"{name}: a parameter of shape {p.shape} is listed twice")
                seen.add(id(p))
            options = {**defaults, **group, "params": members}
            self._check(options)
            self.param_groups.append(options)

    def _check(self, options: dict[str, Any]) -> None:
        for key in ("lr", "eps", "weight_decay", "momentum"):
            if key in options and not options[key] >= 0:
                raise ValueError(f"{type(self).__name__}: expected {key} of 0 or more, got {options[key]}")
        for beta in options.get("betas", ()):
            if not 0 <= beta < 1:
                raise ValueError(f"{type(self).__name__}: expected betas in [0, 1), got {options['betas']}")

    def zero_grad(self) -> None:
        """Forget the gradients: ``grad`` becomes None."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                grad = p.grad.data
                grad = -grad if group["maximize"] else grad
                state = self.state.setdefault(id(p), {})
                if not state:
                    state.update(self._fresh_state(p.data, group))
                with p.inplace() as param:
                    self._update(param, grad, state, group)

    def _fresh_state(self, param: Any, group: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def _update(self, param: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        raise NotImplementedError

    def _all(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def state_dict(self) -> dict[str, Any]:
        """Options and state: ``{"state": {i: {...}}, "param_groups": [...]}``, parameters by their position."""
        places = {id(p): i for i, p in enumerate(self._all())}
        state = {
            places[key]: {k: v.copy() if hasattr(v, "copy") else v for k, v in value.items()}
            for key, value in self.state.items()
        }
        groups = [{**g, "params": [places[id(p)] for p in g["params"]]} for g in self.param_groups]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave, to where the parameters are now.

        Raises
        ------
        ValueError
            If it was saved from other parameters; the message names the first that differs.
        """
        params = self._all()
        sizes = [len(g["params"]) for g in self.param_groups]
        saved = [len(g["params"]) for g in state_dict["param_groups"]]
        if sizes != saved:
            raise ValueError(f"{type(self).__name__}: state has groups of {saved} parameters, expected {sizes}")
        state = {}
        for i, entries in state_dict["state"].items():
            p = params[int(i)]
            for key, value in entries.items():
                if hasattr(value, "shape") and value.shape != p.shape:
                    raise ValueError(
                        f"{type(self).__name__}: {key} of parameter {i} has shape {value.shape}, expected {p.shape}"
                    )
            state[id(p)] = {
                k: to_device(v, p.device).astype(p.dtype, copy=True) if hasattr(v, "shape") else v
                for k, v in entries.items()
            }
        self.state = state
        for group, entries in zip(self.param_groups, state_dict["param_groups"]):
            group.update({k: v for k, v in entries.items() if k != "params"})

    def __repr__(self) -> str:
        groups = ", ".join(f"{k}={v}" for k, v in self.param_groups[0].items() if k != "params")
        return f"{type(self).__name__}({len(self._all())} parameters, {groups})"


def _zeros(param: Any) -> Any:
    return array_module(param).zeros_like(param)


class SGD(Optimizer):
    r"""Stochastic gradient descent, optionally with momentum (Polyak 1964; Sutskever et al. 2013 for Nesterov's form).

    :math:`v \leftarrow \mu v + (1 - \tau) g`, :math:`\theta \leftarrow \theta - \alpha v`; with ``nesterov``
    :math:`\theta \leftarrow \theta - \alpha (g + \mu v)`.  The first :math:`v` is :math:`g`.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
    lr, momentum, dampening, weight_decay : float
        :math:`\alpha, \mu, \tau`, and the factor of :math:`\theta` added to g.
    nesterov, maximize : bool

    Raises
    ------
    ValueError
        If an option has an impossible value.

    Examples
    --------
    >>> import minigen as mg
    >>> x = mg.tensor([2.0], requires_grad=True)
    >>> optimizer = mg.optim.SGD([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.data
    array([1.6], dtype=float32)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ):
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(f"SGD: nesterov needs momentum above 0 and dampening 0, got {momentum} and {dampening}")
        super().__init__(params, {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
                                  "nesterov": nesterov, "maximize": maximize})  # fmt: skip

    def _fresh_state(self, param: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": 0, **({"momentum_buffer": _zeros(param)} if group["momentum"] else {})}

    def _update(self, param: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        find("sgd_step", param)(
            param, grad, state.get("momentum_buffer"), group["lr"], group["momentum"], group["dampening"],
            group["weight_decay"], group["nesterov"], state["step"] == 0,
        )  # fmt: skip
        state["step"] += 1


class Adam(Optimizer):
    r"""Adam (Kingma & Ba 2015, algorithm 1).

    :math:`m \leftarrow \beta_1 m + (1 - \beta_1) g`, :math:`v \leftarrow \beta_2 v + (1 - \beta_2) g^2`,
    :math:`\theta \leftarrow \theta - \alpha \hat m / (\sqrt{\hat v} + \epsilon)` with
    :math:`\hat m = m / (1 - \beta_1^t)`, :math:`\hat v = v / (1 - \beta_2^t)`: eps outside the root, after the
    correction.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
    lr : float
    betas : (float, float)
    eps, weight_decay : float
        The decay is added to the gradient (coupled).
    amsgrad : bool
        Use the running maximum of v (Reddi et al. 2018).
    maximize : bool

    Raises
    ------
    ValueError
        If an option has an impossible value.

    Examples
    --------
    >>> import minigen as mg
    >>> x = mg.tensor([2.0], requires_grad=True)
    >>> optimizer = mg.optim.Adam([x], lr=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.data
    array([1.5], dtype=float32)
    """

    _decoupled = False

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay,
                                  "amsgrad": amsgrad, "maximize": maximize})  # fmt: skip

    def _fresh_state(self, param: Any, group: dict[str, Any]) -> dict[str, Any]:
        state = {"step": 0, "exp_avg": _zeros(param), "exp_avg_sq": _zeros(param)}
        return {**state, "max_exp_avg_sq": _zeros(param)} if group["amsgrad"] else state

    def _update(self, param: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["step"] += 1
        find("adam_step", param)(
            param, grad, state["exp_avg"], state["exp_avg_sq"], state.get("max_exp_avg_sq"), state["step"],
            group["lr"], *group["betas"], group["eps"], group["weight_decay"], self._decoupled,
        )  # fmt: skip


class AdamW(Adam):
    r"""Adam with decoupled weight decay (Loshchilov & Hutter 2019).

    A step first shrinks the parameter, :math:`\theta \leftarrow (1 - \alpha \lambda) \theta`, and then follows `Adam`.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
    lr : float
    betas : (float, float)
    eps, weight_decay : float
        The decay shrinks the parameter itself and does not pass through the running averages.
    amsgrad, maximize : bool

    Raises
    ------
    ValueError
        If an option has an impossible value.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.optim.AdamW([mg.ones(3)]).defaults["weight_decay"]
    0.01
    """

    _decoupled = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


class RMSprop(Optimizer):
    r"""RMSprop (Hinton 2012, lecture 6e): :math:`\theta \leftarrow \theta - \alpha g / (\sqrt{v} + \epsilon)`.

    :math:`v \leftarrow \rho v + (1 - \rho) g^2`; ``centered`` takes the variance, :math:`v - \bar g^2` (Graves 2013).

    Parameters
    ----------
    params : iterable of Tensor, or of dict
    lr, alpha, eps, weight_decay, momentum : float
        `alpha` is :math:`\rho`.
    centered, maximize : bool

    Raises
    ------
    ValueError
        If an option has an impossible value.

    Examples
    --------
    >>> import minigen as mg
    >>> x = mg.tensor([2.0], requires_grad=True)
    >>> optimizer = mg.optim.RMSprop([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.data
    array([1.], dtype=float32)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ):
        if not 0 <= alpha < 1:
            raise ValueError(f"RMSprop: expected alpha in [0, 1), got {alpha}")
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay,
                                  "momentum": momentum, "centered": centered, "maximize": maximize})  # fmt: skip

    def _fresh_state(self, param: Any, group: dict[str, Any]) -> dict[str, Any]:
        state = {"step": 0, "square_avg": _zeros(param)}
        if group["centered"]:
            state["grad_avg"] = _zeros(param)
        if group["momentum"]:
            state["momentum_buffer"] = _zeros(param)
        return state

    def _update(self, param: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["step"] += 1
        find("rmsprop_step", param)(
            param, grad, state["square_avg"], state.get("grad_avg"), state.get("momentum_buffer"), group["lr"],
            group["alpha"], group["eps"], group["weight_decay"], group["momentum"],
        )  # fmt: skip
