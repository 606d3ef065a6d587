"""Learning-rate schedules: change the rates of an optimizer from step to step.

A schedule computes each rate from the one before, as in PyTorch.  So several schedules of one optimizer multiply, and
a schedule goes on from a rate that is set by hand.  The option ``initial_lr`` of a group keeps the rate from which the
first schedule started; it is the starting rate of the others too.

To resume, restore both the optimizer, which holds the rates, and the schedule, which holds the number of steps.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ..arguments import check_choice, check_integer, check_number
from .optimizers import Optimizer

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


class _Schedule:
    """What all schedules share: the optimizer, and saving and restoring."""

    _unsaved: ClassVar[tuple[str, ...]] = ("optimizer",)

    def __init__(self, optimizer: Optimizer):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: expected an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.last_epoch = 0
        self._last_lr = self._rates()

    def _rates(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self) -> list[float]:
        """Return the rates that this schedule set last, one for each group."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps and the settings; functions are left out."""
        return {key: value for key, value in vars(self).items() if key not in self._unsaved}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        The rates themselves are part of the optimizer's state.

        Raises
        ------
        ValueError
            If it is the state of another kind of schedule.
        """
        expected = set(self.state_dict())
        if set(state_dict) != expected:
            raise ValueError(
                f"{type(self).__name__}: the state is of another schedule: it has {sorted(state_dict)}, "
                f"expected {sorted(expected)}"
            )
        vars(self).update(state_dict)


class LRScheduler(_Schedule):
    """Base of the schedules that depend on the number of steps only.

    A subclass defines `next_lr`.

    Parameters
    ----------
    optimizer : Optimizer
        A group that is added to it later is included.

    Examples
    --------
    >>> import minigen as mg
    >>> class Halve(LRScheduler):
    ...     def next_lr(self, lr, base):
    ...         return lr / 2 if self.last_epoch > 0 else lr
    >>> schedule = Halve(mg.optim.SGD([mg.ones(1)], lr=1.0))
    >>> schedule.step(); schedule.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer):
        super().__init__(optimizer)
        self.base_lrs: list[float] = []
        self.last_epoch = -1
        self.step()

    def next_lr(self, lr: float, base: float) -> float:
        """Return the rate at step `last_epoch`.

        Parameters
        ----------
        lr : float
            The rate at the step before; at step 0 the rate from which the schedule starts.
        base : float
            The rate from which the group started.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define next_lr()")

    def get_lr(self) -> list[float]:
        """Return the rates at step `last_epoch`, one for each group."""
        return [self.next_lr(lr, base) for lr, base in zip(self._rates(), self.base_lrs, strict=True)]

    def step(self) -> None:
        """Count one step and set the rates.  Call it after the optimizer's `step`."""
        self.last_epoch += 1
        self._include_new_groups()
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = lr
        self._last_lr = self._rates()

    def _include_new_groups(self) -> None:
        for group in self.optimizer.param_groups[len(self.base_lrs) :]:
            self.base_lrs.append(group.setdefault("initial_lr", group["lr"]))

    def _restart(self) -> None:
        """Go back to step 0 and to the rates from which the groups started."""
        for group in self.optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"])
        self.last_epoch: int = -1
        self.step()


class LambdaLR(LRScheduler):
    """Multiply the starting rate by a function of the number of steps.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable, or list of callables, one for each group
        ``lr_lambda(step)`` is the factor.  It is not part of `state_dict`.

    Examples
    --------
    >>> import minigen as mg
    >>> optimizer = mg.optim.SGD([mg.ones(1)], lr=1.0)
    >>> schedule = LambdaLR(optimizer, lambda step: 1 / (1 + step))
    >>> schedule.step(); schedule.get_last_lr()
    [0.5]
    """

    _unsaved = ("optimizer", "lr_lambda")

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]]):
        self.lr_lambda = lr_lambda
        groups = len(getattr(optimizer, "param_groups", []))
        if not callable(lr_lambda) and len(lr_lambda) != groups:
            raise ValueError(f"LambdaLR: expected {groups} functions, one for each group, got {len(lr_lambda)}")
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        """Return the rates at step `last_epoch`, one for each group."""
        one = self.lr_lambda
        functions = [one] * len(self.base_lrs) if callable(one) else one
        return [base * function(self.last_epoch) for base, function in zip(self.base_lrs, functions, strict=True)]


class StepLR(LRScheduler):
    """Multiply the rate by `gamma` every `step_size` steps.

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
    gamma : float

    Examples
    --------
    >>> import minigen as mg
    >>> optimizer = mg.optim.SGD([mg.ones(1)], lr=1.0)
    >>> schedule = mg.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4): schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        self.step_size: int = check_integer("StepLR", "step_size", step_size, 1)
        self.gamma: float = check_number("StepLR", "gamma", gamma)
        super().__init__(optimizer)

    def next_lr(self, lr: float, base: float) -> float:
        """See `LRScheduler.next_lr`."""
        return lr * self.gamma if self.last_epoch > 0 and self.last_epoch % self.step_size == 0 else lr


class MultiStepLR(LRScheduler):
    """Multiply the rate by `gamma` at each of the steps in `milestones`.

    Parameters
    ----------
    optimizer : Optimizer
    milestones : sequence of int
    gamma : float

    Examples
    --------
    >>> import minigen as mg
    >>> optimizer = mg.optim.SGD([mg.ones(1)], lr=1.0)
    >>> schedule = MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> for _ in range(3): schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1):
        self.milestones: list[int] = sorted(check_integer("MultiStepLR", "milestones", m) for m in milestones)
        self.gamma: float = check_number("MultiStepLR", "gamma", gamma)
        super().__init__(optimizer)

    def next_lr(self, lr: float, base: float) -> float:
        """See `LRScheduler.next_lr`."""
        return lr * self.gamma ** self.milestones.count(self.last_epoch)


class ExponentialLR(LRScheduler):
    """Multiply the rate by `gamma` at every step.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float

    Examples
    --------
    >>> import minigen as mg
    >>> optimizer = mg.optim.SGD([mg.ones(1)], lr=1.0)
    >>> schedule = ExponentialLR(optimizer, gamma=0.5)
    >>> for _ in range(3): schedule.step()
    >>> schedule.get_last_lr()
    [0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float):
        self.gamma: float = check_number("ExponentialLR", "gamma", gamma)
        super().__init__(optimizer)

    def next_lr(self, lr: float, base: float) -> float:
        """See `LRScheduler.next_lr`."""
        return lr * self.gamma if self.last_epoch > 0 else lr


class LinearLR(LRScheduler):
    """Multiply the rate by a factor that changes linearly: the usual warm-up.

    The factor goes from `start_factor` to `end_factor` in `total_iters` steps and then stays.  `SequentialLR` goes on
    with another schedule.

    Parameters
    ----------
    optimizer : Optimizer
    start_factor : float
        Above 0, at most 1.
    end_factor : float
        From 0 to 1.
    total_iters : int

    Examples
    --------
    >>> import minigen as mg
    >>> optimizer = mg.optim.SGD([mg.ones(1)], lr=1.0)
    >>> schedule = mg.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=4)
    >>> schedule.step(); schedule.get_last_lr()
    [0.625]
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ):
        self.start_factor: float = check_number("LinearLR", "start_factor", start_factor, most=1)
        if not self.start_factor:
            raise ValueError(f"LinearLR: argument 'start_factor': expected a number above 0, got {start_factor}")
        self.end_factor: float = check_number("LinearLR", "end_factor", end_factor, most=1)
        self.total_iters: int = check_integer("LinearLR", "total_iters", total_iters, 1)
        super().__init__(optimizer)

    def next_lr(self, lr: float, base: float) -> float:
        """See `LRScheduler.next_lr`."""
        if self.last_epoch == 0:
            return lr * self.start_factor
        if self.last_epoch > self.total_iters:
            return lr
        growth = self.end_factor - self.start_factor
        return lr * (1 + growth / (self.total_iters * self.start_factor + (self.last_epoch - 1) * growth))


class CosineAnnealingLR(LRScheduler):
    r"""Follow half a cosine from the starting rate down to `eta_min`.

    $\eta_t = \eta_{min} + (\eta_0 - \eta_{min}) (1 + \cos(\pi t / T_{max})) / 2$ (Loshchilov & Hutter 2017, eq. 5).
    After `T_max` steps the rate rises again.

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
    eta_min : float

    Examples
    --------
    >>> import minigen as mg
    >>> optimizer = mg.optim.SGD([mg.ones(1)], lr=1.0)
    >>> schedule = mg.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    >>> for _ in range(5): schedule.step()
    >>> round(schedule.get_last_lr()[0], 6)
    0.5
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0):
        self.T_max: int = check_integer("CosineAnnealingLR", "T_max", T_max, 1)
        self.eta_min: float = check_number("CosineAnnealingLR", "eta_min", eta_min)
        super().__init__(optimizer)

    def next_lr(self, lr: float, base: float) -> float:
        """See `LRScheduler.next_lr`."""
        t, T = self.last_epoch, self.T_max
        if t == 0:
            return lr
        if (t - 1 - T) % (2 * T) == 0:  # the step before was at the minimum, where the ratio below is 0 / 0
            return lr + (base - self.eta_min) * (1 - math.cos(math.pi / T)) / 2
        ratio = (1 + math.cos(math.pi * t / T)) / (1 + math.cos(math.pi * (t - 1) / T))
        return self.eta_min + (lr - self.eta_min) * ratio


class SequentialLR(LRScheduler):
    """Use one schedule after another.

    Each starts from the groups' starting rates, and counts its steps from its milestone.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : sequence of LRScheduler
    milestones : sequence of int
        The steps at which the second, third ... schedule begins.

    Raises
    ------
    ValueError
        If the numbers do not fit, or a schedule is of another optimizer.
    TypeError
        If a schedule needs more than the number of steps, as `ReduceLROnPlateau` does.

    Examples
    --------
    >>> import minigen as mg
    >>> optimizer = mg.optim.SGD([mg.ones(1)], lr=1.0)
    >>> warm_up = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> schedule = SequentialLR(optimizer, [warm_up, StepLR(optimizer, 1, gamma=0.1)], milestones=[2])
    >>> for _ in range(4): print(round(schedule.get_last_lr()[0], 4)); schedule.step()
    0.5
    0.75
    1.0
    0.1
    """

    last_epoch: int

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]):
        if not schedulers or len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: expected one milestone less than schedules, got {len(milestones)} and {len(schedulers)}"
            )
        for schedule in schedulers:
            if not isinstance(schedule, LRScheduler):
                raise TypeError(f"SequentialLR: expected schedules of steps, got {type(schedule).__name__}")
            if schedule.optimizer is not optimizer:
                raise ValueError(f"SequentialLR: {type(schedule).__name__} is of another optimizer")
        self._schedulers = list(schedulers)
        self._milestones = [check_integer("SequentialLR", "milestones", m) for m in milestones]
        if self._milestones != sorted(self._milestones):
            raise ValueError(f"SequentialLR: argument 'milestones': expected rising numbers, got {list(milestones)}")
        _Schedule.__init__(self, optimizer)
        self.base_lrs: list[float] = list(schedulers[0].base_lrs)
        self._restart()

    def _restart(self) -> None:
        self.last_epoch = -1
        self.step()

    def step(self) -> None:
        """Count one step and let the schedule of this step set the rates."""
        self.last_epoch += 1
        self._include_new_groups()
        active = bisect_right(self._milestones, self.last_epoch)
        begins = self._milestones[active - 1] if active else 0
        if self.last_epoch == begins:
            self._schedulers[active]._restart()
        else:
            self._schedulers[active].step()
        self._last_lr = self._schedulers[active].get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps, the settings and the states of the schedules."""
        return {**super().state_dict(), "_schedulers": [schedule.state_dict() for schedule in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        The rates themselves are part of the optimizer's state.

        Raises
        ------
        ValueError
            If it is the state of other schedules.
        """
        schedulers, states = self._schedulers, state_dict.get("_schedulers", [None] * len(self._schedulers))
        if len(states) != len(schedulers):
            raise ValueError(f"SequentialLR: the state is of {len(states)} schedules, expected {len(schedulers)}")
        super().load_state_dict(state_dict)
        self._schedulers = schedulers
        for schedule, state in zip(schedulers, states):
            schedule.load_state_dict(state)


class ReduceLROnPlateau(_Schedule):
    """Multiply the rate by `factor` when a measured number has stopped improving.

    Parameters
    ----------
    optimizer : Optimizer
    mode : {"min", "max"}
        Whether the number should fall or rise.
    factor : float
        Below 1.
    patience : int
        How many steps without an improvement are accepted.
    threshold : float
        How much better than the best number so far an improvement must be.
    threshold_mode : {"rel", "abs"}
        Whether `threshold` is a share of the best number or a difference.
    cooldown : int
        How many steps after a reduction are not counted.
    min_lr : float, or list of float, one for each group
    eps : float
        A smaller change of the rate is not made.

    Examples
    --------
    >>> import minigen as mg
    >>> optimizer = mg.optim.SGD([mg.ones(1)], lr=1.0)
    >>> schedule = ReduceLROnPlateau(optimizer, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0): schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.1]
    """

    best: float
    cooldown_counter: int
    num_bad_epochs: int

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ):
        super().__init__(optimizer)
        op = "ReduceLROnPlateau"
        self.mode: str = check_choice(op, "mode", mode, ("min", "max"))
        self.factor: float = check_number(op, "factor", factor, below=1)
        self.patience: int = check_integer(op, "patience", patience, 0)
        self.threshold: float = check_number(op, "threshold", threshold)
        self.threshold_mode: str = check_choice(op, "threshold_mode", threshold_mode, ("rel", "abs"))
        self.cooldown: int = check_integer(op, "cooldown", cooldown, 0)
        groups = len(optimizer.param_groups)
        lowest = list(min_lr) if isinstance(min_lr, list | tuple) else [min_lr] * groups
        self.min_lrs: list[float] = [check_number(op, "min_lr", value) for value in lowest]
        if len(self.min_lrs) != groups:
            raise ValueError(f"{op}: argument 'min_lr': expected {groups} numbers, one for each group, got {min_lr!r}")
        self.eps: float = check_number(op, "eps", eps)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0

    def step(self, metrics: Any) -> None:
        """Count one step.

        Parameters
        ----------
        metrics : float, or Tensor of one element
            The number that should improve, such as a loss on held-out data.
        """
        self.last_epoch += 1
        current = float(metrics)
        if self._is_better(current):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            self._reduce()
        self._last_lr = self._rates()

    def _is_better(self, current: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "abs":
            return sign * current > sign * self.best + self.threshold
        return sign * current > sign * self.best * (1 + sign * self.threshold)

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        lowest = self.min_lrs + self.min_lrs[-1:] * (len(groups) - len(self.min_lrs))  # groups that were added later
        for group, least in zip(groups, lowest):
            lr = max(group["lr"] * self.factor, least)
            if group["lr"] - lr > self.eps:
                group["lr"] = lr


_REPLACEMENTS = {
    "ChainedScheduler": "call step() of each schedule: their factors multiply",
    "ConstantLR": "use LambdaLR",
    "CosineAnnealingWarmRestarts": "use SequentialLR with several CosineAnnealingLR",
    "CyclicLR": "use LambdaLR",
    "MultiplicativeLR": "use LambdaLR or ExponentialLR",
    "OneCycleLR": "use SequentialLR with LinearLR and CosineAnnealingLR",
    "PolynomialLR": "use LambdaLR",
}


def __getattr__(name: str) -> Any:
    """Name the replacement of a PyTorch name that minigen leaves out."""
    hint = _REPLACEMENTS.get(name, f"there are {', '.join(__all__)}")
    raise AttributeError(f"minigen.optim.lr_scheduler has no {name!r}: {hint}")
