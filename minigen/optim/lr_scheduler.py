"""Learning-rate schedules: each sets the ``lr`` of an optimizer's groups as a function of how many steps were taken.

A schedule's state is that number alone, so it can be saved, restored and computed for any moment.
"""

import math
from typing import Any

from .optimizers import Optimizer

__all__ = ["CosineAnnealingLR", "LinearLR", "StepLR"]


class _Schedule:
    """Multiply each group's starting rate by `factor`, a function of the number of steps."""

    def __init__(self, optimizer: Optimizer):
        self.optimizer = optimizer
        self.base_lrs = [group["lr"] for group in optimizer.param_groups]
        self.last_epoch = 0
        self._apply()

    def rate(self, base: float) -> float:
        """The learning rate after `last_epoch` steps, for a group that started with `base`."""
        raise NotImplementedError

    def _apply(self) -> None:
        for group, base in zip(self.optimizer.param_groups, self.base_lrs):
            group["lr"] = self.rate(base)

    def step(self) -> None:
        """Count one step and set the rates.  Call it after the optimizer's."""
        self.last_epoch += 1
        self._apply()

    def get_last_lr(self) -> list[float]:
        """The rates in force, one per group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on: the number of steps and the starting rates."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave, and set the rates."""
        self.last_epoch, self.base_lrs = state_dict["last_epoch"], list(state_dict["base_lrs"])
        self._apply()


class StepLR(_Schedule):
    """Multiply the rate by `gamma` every `step_size` steps.

    >>> import minigen as mg
    >>> optimizer = mg.optim.SGD([mg.ones(1)], lr=1.0)
    >>> schedule = mg.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4): schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        if step_size < 1:
            raise ValueError(f"StepLR: expected step_size of at least 1, got {step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def rate(self, base: float) -> float:
        """See `_Schedule.rate`."""
        return base * self.gamma ** (self.last_epoch // self.step_size)


class CosineAnnealingLR(_Schedule):
    """Follow half a cosine from the starting rate down to `eta_min` in `T_max` steps (Loshchilov & Hutter 2017, eq. 5).

    >>> import minigen as mg
    >>> optimizer = mg.optim.SGD([mg.ones(1)], lr=1.0)
    >>> schedule = mg.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    >>> for _ in range(5): schedule.step()
    >>> round(schedule.get_last_lr()[0], 6)
    0.5
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0):
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: expected T_max of at least 1, got {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def rate(self, base: float) -> float:
        """See `_Schedule.rate`."""
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2


class LinearLR(_Schedule):
    """Warm up: grow the rate linearly from `start_factor` to `end_factor` of itself in `total_iters` steps.

    >>> import minigen as mg
    >>> optimizer = mg.optim.SGD([mg.ones(1)], lr=1.0)
    >>> schedule = mg.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=4)
    >>> schedule.step(); schedule.get_last_lr()
    [0.625]
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ):
        if total_iters < 1:
            raise ValueError(f"LinearLR: expected total_iters of at least 1, got {total_iters}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

    def rate(self, base: float) -> float:
        """See `_Schedule.rate`."""
        done = min(self.last_epoch, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)
