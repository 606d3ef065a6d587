"""Modules that hold other Modules."""

import math
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Self, cast, overload

from .activation import LeakyReLU, ReLU
from .conv import Conv2d, ConvTranspose2d
from .linear import Linear
from .module import Module
from .norm import BatchNorm1d, BatchNorm2d, InstanceNorm2d

__all__ = ["ModuleDict", "ModuleList", "Sequential"]


class _List(Module):
    """Modules by position, registered as "0", "1", ..."""

    def append(self, module: Module) -> Self:
        """Add a Module at the end."""
        self.add_module(str(len(self._modules)), _required(self, module))
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several Modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Add a Module before the one at `index`."""
        modules = list(self)
        modules.insert(index, _required(self, module))
        self._modules.clear()
        return self.extend(modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(cast("ValuesView[Module]", self._modules.values()))

    def __contains__(self, module: object) -> bool:
        return module in self._modules.values()

    def __setitem__(self, index: int, module: Module) -> None:
        name = list(self._modules)[index]
        self._modules[name] = _required(self, module)


class ModuleList(_List):
    """A list of Modules, registered by their positions.

    Parameters
    ----------
    modules : iterable of Module

    Examples
    --------
    >>> import minigen as mg
    >>> len(mg.nn.ModuleList([mg.nn.ReLU(), mg.nn.Tanh()]))
    2
    """

    def __init__(self, modules: Iterable[Module] = ()):
        super().__init__()
        self.extend(modules)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> "ModuleList": ...
    def __getitem__(self, index: int | slice) -> Any:
        found = list(self)[index]
        return ModuleList(found) if isinstance(found, list) else found


class Sequential(_List):
    """Apply Modules one after another.

    Parameters
    ----------
    *modules : Module, or one list, or one dict from name to Module

    Raises
    ------
    TypeError
        If one of them is not a Module.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.Sequential(mg.nn.Linear(3, 2), mg.nn.ReLU())
    Sequential(
      (0): Linear(in_features=3, out_features=2, bias=True)
      (1): ReLU()
    )  # 8 parameters
    """

    def __init__(self, *modules: Any):
        super().__init__()
        only = modules[0] if len(modules) == 1 else None
        if isinstance(only, Mapping):
            for name, module in only.items():
                self.add_module(name, _required(self, module))
        else:
            self.extend(only if isinstance(only, list) else modules)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> "Sequential": ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):  # the names stay, so that state_dict's names fit
            return Sequential(dict(list(self._modules.items())[index]))
        return list(self)[index]

    def forward(self, input: Any) -> Any:
        """Feed the input through.

        A layer or a normalization does the ReLU or leaky ReLU after it too: with the same result, in fewer passes over
        memory, and on a GPU with fewer kernels to launch.
        """
        for module, slope in self._with_slopes():
            input = module(input) if slope is None else module(input, negative_slope=slope)
        return input

    def _with_slopes(self) -> Iterator[tuple[Module, float | None]]:
        """The Modules, and for one that does the activation after it, and so replaces it, the slope."""
        modules = iter([*self, None])
        module = next(modules)
        while module is not None:
            after = next(modules)
            slope = _slope(after) if _takes_slope(module) else None
            yield module, slope
            module = after if slope is None else next(modules)


class ModuleDict(Module):
    """A dict of Modules, registered by their keys.

    Parameters
    ----------
    modules : mapping of str to Module

    Raises
    ------
    TypeError
        If a value is not a Module.
    KeyError
        If a key is not a string, is empty, has a dot or is the name of an attribute.

    Examples
    --------
    >>> import minigen as mg
    >>> heads = mg.nn.ModuleDict({"mean": mg.nn.Linear(4, 2), "log_var": mg.nn.Linear(4, 2)})
    >>> heads["mean"](mg.ones(1, 4)).shape
    (1, 2)
    """

    def __init__(self, modules: Mapping[str, Module] | None = None):
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add the Modules of a mapping; a key that is there already gets the new one."""
        for key, module in modules.items():
            self[key] = module

    def keys(self) -> KeysView[str]:
        """Return the keys."""
        return self._modules.keys()

    def values(self) -> ValuesView[Any]:
        """Return the Modules."""
        return self._modules.values()

    def items(self) -> ItemsView[str, Any]:
        """Return pairs of key and Module."""
        return self._modules.items()

    def pop(self, key: str) -> Module:
        """Remove a Module and return it."""
        module: Module = self[key]
        del self[key]
        return module

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, _required(self, module))

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules


_WITH_SLOPE = (BatchNorm1d, BatchNorm2d, InstanceNorm2d, Linear, Conv2d, ConvTranspose2d)
_OUR_FORWARD: dict[type, Any] = {kind: kind.forward for kind in (*_WITH_SLOPE, ReLU, LeakyReLU)}


def _does_as_ours(module: Module) -> bool:
    """Whether nothing but our `forward` runs: that of the class or of this one Module may have been replaced."""
    kind = type(module)
    return kind in _OUR_FORWARD and kind.forward is _OUR_FORWARD[kind] and "forward" not in vars(module)


def _takes_slope(module: Module) -> bool:
    """Whether it is a layer of ours that can.  One with a hook is left alone, for a hook sees what comes out of it."""
    return type(module) in _WITH_SLOPE and _does_as_ours(module) and not module._forward_hooks


def _slope(module: Module | None) -> float | None:
    """The slope, 0 or more, of a ReLU or leaky ReLU of ours without hooks."""
    if module is None or module._forward_pre_hooks or module._forward_hooks or not _does_as_ours(module):
        return None
    if type(module) is ReLU:
        return 0.0
    if type(module) is not LeakyReLU:
        return None
    slope = module.negative_slope  # may have been set since it was checked; the activation complains
    return slope if isinstance(slope, int | float) and 0 <= slope < math.inf else None


def _required(holder: Module, module: Any) -> Module:
    """Return a Module; None, which `add_module` accepts, is an error too."""
    if not isinstance(module, Module):
        raise TypeError(f"{type(holder).__name__}: expected a Module, got {type(module).__name__}")
    return module
