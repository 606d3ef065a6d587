"""Modules that hold other Modules."""

from collections.abc import Iterable, Iterator
from typing import Any

from .module import Module

__all__ = ["ModuleList", "Sequential"]


class ModuleList(Module):
    """A list of Modules, registered by their positions.

    >>> import minigen as mg
    >>> len(mg.nn.ModuleList([mg.nn.ReLU(), mg.nn.Tanh()]))
    2
    """

    def __init__(self, modules: Iterable[Module] = ()):
        super().__init__()
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> "ModuleList":
        """Add a Module at the end."""
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}: expected a Module, got {type(module).__name__}")
        self._modules[str(len(self._modules))] = module
        return self

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __getitem__(self, index: int | slice) -> Any:
        found = list(self._modules.values())[index]
        return type(self)(found) if isinstance(found, list) else found


class Sequential(ModuleList):
    """Modules applied one after another.

    Parameters
    ----------
    *modules : Module, or one dict from name to Module

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.Sequential(mg.nn.Linear(3, 2), mg.nn.ReLU())
    Sequential(
      (0): Linear(in_features=3, out_features=2, bias=True)
      (1): ReLU()
    )
    """

    def __init__(self, *modules: Any):
        only = modules[0] if len(modules) == 1 else None
        super().__init__(only if isinstance(only, list) else () if isinstance(only, dict) else modules)
        if isinstance(only, dict):
            for name, module in only.items():
                setattr(self, name, module)

    def forward(self, input: Any) -> Any:
        """Feed the input through."""
        for module in self:
            input = module(input)
        return input
