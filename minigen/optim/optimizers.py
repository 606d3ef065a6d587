"""Optimizers: rules that move parameters against their gradients.

The arithmetic of a step is a kernel (`minigen.kernels.reference.optimizers`): one call, and one pass over memory, for
all parameters of a group.  This module keeps the options of each group of parameters and the state of each parameter,
and saves and restores them.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from ..arguments import check_boolean, check_number
from ..backend import array_module, repeated, to_device
from ..kernels import find
from ..tensor import Tensor, inplace_all

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop"]

Params = Iterable[Tensor] | Iterable[dict[str, Any]]


class Optimizer:
    """Base of all optimizers.

    It holds groups of parameters with options, and the state of each parameter.  A subclass defines `_update`, the rule
    for a list of parameters.  ``state[p]`` holds the number of steps and the running averages of parameter `p`.  An
    average is made when an option first needs it: options may change between steps.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        A dict is a group: ``{"params": [...], "lr": ...}`` overrides the options for its parameters.  State is made
        on the parameter's device; if the parameter moves later, ``load_state_dict(state_dict())`` moves its state.
    defaults : dict
        The options.

    Raises
    ------
    ValueError
        If there are no parameters, one is listed twice, or an option has an impossible value.
    TypeError
        If a parameter is not a leaf Tensor, or an option has the wrong type.
    """

    _required: ClassVar[tuple[str, ...]] = ("step",)  # what the state of every parameter that has moved contains

    def __init__(self, params: Params, defaults: dict[str, Any]):
        name = type(self).__name__
        if isinstance(params, Tensor):
            raise TypeError(f"{name}: expected an iterable of Tensors, got one Tensor: put it in a list")
        listed: list[Any] = list(params)
        if not listed:
            raise ValueError(f"{name}: got no parameters")
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        for group in listed if isinstance(listed[0], dict) else [{"params": listed}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add a group of parameters, such as layers that begin to learn later.

        Parameters
        ----------
        param_group : dict
            ``{"params": [...]}``, and the options that differ from the defaults.

        Raises
        ------
        ValueError, TypeError
            As for the constructor.

        Examples
        --------
        >>> import minigen as mg
        >>> optimizer = SGD([mg.ones(2)], lr=0.1)
        >>> optimizer.add_param_group({"params": [mg.ones(3)], "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        name = type(self).__name__
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise TypeError(f"{name}: expected a group {{'params': [...], ...}}, got {type(param_group).__name__}")
        unknown = set(param_group) - {"params", "initial_lr", *self.defaults}
        if unknown:
            raise ValueError(f"{name}: unknown options {sorted(unknown)}; expected {sorted(self.defaults)}")
        members = param_group["params"]
        members = [members] if isinstance(members, Tensor) else list(members)
        seen = {id(p) for p in self._all()}
        for p in members:
            if not isinstance(p, Tensor) or not p.is_leaf:
                found = repr(p) if isinstance(p, Tensor) else type(p).__name__
                raise TypeError(f"{name}: expected leaf Tensors, got {found}")
            if id(p) in seen:
                raise ValueError(f"{name}: a parameter of shape {p.shape} is listed twice")
            seen.add(id(p))
        options = {**self.defaults, **param_group, "params": members}
        self._check(options)
        self.param_groups.append(options)

    def _check(self, options: Mapping[str, Any]) -> None:
        """Check the values of a group's options."""
        op = type(self).__name__
        for key in ("lr", "eps", "weight_decay", "momentum"):
            if key in options:
                check_number(op, key, options[key])
        for key in ("amsgrad", "centered", "maximize", "nesterov"):
            if key in options:
                check_boolean(op, key, options[key])
        if "dampening" in options:
            check_number(op, "dampening", options["dampening"], least=-math.inf)
        if "alpha" in options:
            check_number(op, "alpha", options["alpha"], below=1)
        if "betas" in options:
            betas = options["betas"]
            if not isinstance(betas, tuple | list) or len(betas) != 2:
                raise TypeError(f"{op}: argument 'betas': expected two numbers, got {betas!r}")
            for beta in betas:
                check_number(op, "betas", beta, below=1)

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to None."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for params in self._alike(group):
                grads = [p.grad._data for p in params if p.grad is not None]
                if group.get("maximize"):
                    grads = [array_module(grad).asarray(-grad) for grad in grads]  # of no dimension it is a number
                repeated(partial(self._move, params, grads, group))

    def _move(self, params: list[Tensor], grads: list[Any], group: dict[str, Any]) -> None:
        """Move parameters that are alike, and count the step."""
        states = [self.state[p] for p in params]
        with inplace_all(params) as arrays:
            self._update(arrays, grads, states, group)
        for state in states:
            state["step"] += 1

    def _alike(self, group: Mapping[str, Any]) -> Iterator[list[Tensor]]:
        """The parameters that have a gradient, in order, in lists of one dtype, one device, and state of one kind."""
        moving = [p for p in group["params"] if p.grad is not None]
        for p in moving:
            if p not in self.state:
                self.state[p] = {"step": 0}

        def kind(p: Tensor) -> tuple[Any, ...]:
            state = self.state[p]
            return p.dtype, type(p._data), state["step"], set(state)

        for _, params in itertools.groupby(moving, kind):
            yield list(params)

    def _update(self, params: list[Any], grads: list[Any], states: list[dict[str, Any]], group: dict[str, Any]) -> None:
        """Apply the rule to arrays, in place; all states have made as many steps before this one."""
        raise NotImplementedError(f"{type(self).__name__} does not define _update()")

    def _all(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def state_dict(self) -> dict[str, Any]:
        """Return the options and the state, with parameters by position.

        Returns
        -------
        dict
            ``{"state": {i: {...}}, "param_groups": [...]}``
        """
        positions = {p: i for i, p in enumerate(self._all())}
        state = {
            positions[p]: {k: v.copy() if hasattr(v, "copy") else v for k, v in entries.items()}
            for p, entries in self.state.items()
        }
        groups = [{**g, "params": [positions[p] for p in g["params"]]} for g in self.param_groups]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned, on the devices of the parameters.

        If it does not fit, nothing changes.

        Raises
        ------
        ValueError
            If it was saved from another optimizer or from other parameters; the message names the first difference.
        """
        name = type(self).__name__
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise ValueError(f"{name}: expected a state with 'state' and 'param_groups', as state_dict() returns it")
        saved_groups = state_dict["param_groups"]
        sizes = [len(g["params"]) for g in self.param_groups]
        saved = [len(g["params"]) for g in saved_groups]
        if sizes != saved:
            raise ValueError(f"{name}: state has groups of {saved} parameters, expected {sizes}")
        for group, options in zip(self.param_groups, saved_groups):
            self._check_saved_options(group, options)
        params = {int(i): p for i, p in zip((i for g in saved_groups for i in g["params"]), self._all())}
        state = {}
        for i, entries in state_dict["state"].items():
            if int(i) not in params:
                raise ValueError(f"{name}: state of parameter {i}, but the groups have {sorted(params)}")
            state[params[int(i)]] = self._restored(i, params[int(i)], entries)
        self.state = state
        for group, options in zip(self.param_groups, saved_groups):
            group.update({k: tuple(v) if k == "betas" else v for k, v in options.items() if k != "params"})

    def _check_saved_options(self, group: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
        """Check that a group was saved by this kind of optimizer."""
        name, besides = type(self).__name__, {"params", "initial_lr"}
        ours, theirs = set(self.defaults) - besides, set(saved) - besides
        if ours != theirs:
            raise ValueError(
                f"{name}: the state is of another optimizer: its options are {sorted(theirs)}, expected {sorted(ours)}"
            )
        decoupled = "decoupled_weight_decay"
        if decoupled in ours and saved[decoupled] != group[decoupled]:
            raise ValueError(
                f"{name}: the state is of another optimizer: {decoupled} is {saved[decoupled]}, "
                f"expected {group[decoupled]}"
            )
        self._check(saved)

    def _restored(self, i: Any, p: Tensor, entries: Mapping[str, Any]) -> dict[str, Any]:
        """Return the saved state of parameter `p` on its device, in its dtype."""
        name = type(self).__name__
        missing = [key for key in self._required if key not in entries]
        if missing:
            raise ValueError(f"{name}: state of parameter {i} lacks {missing}")
        for key, value in entries.items():
            if key != "step" and hasattr(value, "shape") and value.shape != p.shape:
                raise ValueError(f"{name}: {key} of parameter {i} has shape {value.shape}, expected {p.shape}")
        arrays = {
            k: to_device(v, p.device).astype(p.dtype, copy=True) if hasattr(v, "shape") else v
            for k, v in entries.items()
            if k != "step"
        }
        return {"step": int(entries["step"]), **arrays}

    def __repr__(self) -> str:
        groups = ", ".join(f"{k}={v}" for k, v in self.param_groups[0].items() if k != "params")
        return f"{type(self).__name__}({len(self._all())} parameters, {groups})"


def _averages(states: list[dict[str, Any]], name: str, params: list[Any]) -> list[Any]:
    """Return a running average for each parameter; it starts with zeros of the parameter's shape."""
    for state, param in zip(states, params):
        if name not in state:
            state[name] = array_module(param).zeros_like(param)
    return [state[name] for state in states]


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum (Polyak 1964).

    With the gradient ``g``::

        v = momentum * v + (1 - dampening) * g    (at the first step v = g)
        param -= lr * v                           (nesterov: lr * (g + momentum * v))

    Nesterov's form follows Sutskever et al. 2013.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
    lr, momentum, dampening, weight_decay : float
        ``weight_decay * param`` is added to the gradient.
    nesterov, maximize : bool

    Raises
    ------
    ValueError, TypeError
        If an option has an impossible value or type.

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
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
                                  "nesterov": nesterov, "maximize": maximize})  # fmt: skip

    def _check(self, options: Mapping[str, Any]) -> None:
        super()._check(options)
        if options["nesterov"] and (options["momentum"] <= 0 or options["dampening"] != 0):
            raise ValueError(
                "SGD: nesterov needs momentum above 0 and dampening 0, "
                f"got {options['momentum']} and {options['dampening']}"
            )

    def _update(self, params: list[Any], grads: list[Any], states: list[dict[str, Any]], group: dict[str, Any]) -> None:
        first = "momentum_buffer" not in states[0]
        velocities = _averages(states, "momentum_buffer", params) if group["momentum"] else None
        find("sgd_steps", params[0])(
            params, grads, velocities, group["lr"], group["momentum"], group["dampening"], group["weight_decay"],
            group["nesterov"], first,
        )  # fmt: skip


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1).

    With the gradient ``g``, the number of steps ``t`` and ``beta1, beta2 = betas``::

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        param -= lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)

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
    ValueError, TypeError
        If an option has an impossible value or type.

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

    _decoupled: ClassVar[bool] = False
    _required = ("step", "exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                                  "amsgrad": amsgrad, "maximize": maximize,
                                  "decoupled_weight_decay": self._decoupled})  # fmt: skip

    def _update(self, params: list[Any], grads: list[Any], states: list[dict[str, Any]], group: dict[str, Any]) -> None:
        averages = _averages(states, "exp_avg", params), _averages(states, "exp_avg_sq", params)
        largest = _averages(states, "max_exp_avg_sq", params) if group["amsgrad"] else None
        find("adam_steps", params[0])(
            params, grads, *averages, largest, states[0]["step"] + 1, group["lr"], *group["betas"], group["eps"],
            group["weight_decay"], group["decoupled_weight_decay"],
        )  # fmt: skip


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019).

    A step first shrinks the parameter, ``param *= 1 - lr * weight_decay``, and then follows `Adam`.

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
    ValueError, TypeError
        If an option has an impossible value or type.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.optim.AdamW([mg.ones(3)]).defaults["weight_decay"]
    0.01
    """

    _decoupled = True

    def __init__(
        self,
        params: Params,
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
    """RMSprop (Hinton 2012, lecture 6e).

    With the gradient ``g``::

        v = alpha * v + (1 - alpha) * g**2
        param -= lr * g / (sqrt(v) + eps)

    With `centered` the root is taken of the variance, v minus the square of the mean gradient (Graves 2013).

    Parameters
    ----------
    params : iterable of Tensor, or of dict
    lr, alpha, eps, weight_decay, momentum : float
        ``weight_decay * param`` is added to the gradient.
    centered, maximize : bool

    Raises
    ------
    ValueError, TypeError
        If an option has an impossible value or type.

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

    _required = ("step", "square_avg")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay,
                                  "momentum": momentum, "centered": centered, "maximize": maximize})  # fmt: skip

    def _update(self, params: list[Any], grads: list[Any], states: list[dict[str, Any]], group: dict[str, Any]) -> None:
        squares = _averages(states, "square_avg", params)
        means = _averages(states, "grad_avg", params) if group["centered"] else None
        velocities = _averages(states, "momentum_buffer", params) if group["momentum"] else None
        find("rmsprop_steps", params[0])(
            params, grads, squares, means, velocities, group["lr"], group["alpha"],
            group["eps"], group["weight_decay"], group["momentum"],
        )  # fmt: skip
