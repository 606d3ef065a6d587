"""The Module: a function with parameters, made of other such functions."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from ..backend import FLOATS, to_device
from ..tensor import Tensor, tensor

__all__ = ["Module", "Parameter"]


class Parameter(Tensor):
    """A Tensor that is learned: assigned to a `Module` it is registered there.

    Parameters
    ----------
    data : Tensor or array
        Copied.
    requires_grad : bool

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.Parameter(mg.zeros(2))
    tensor([0., 0.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True):
        super().__init__(tensor(data).data, requires_grad)


class Module:
    """Base of all layers and networks.

    A subclass assigns Parameters and Modules to itself in ``__init__`` and computes in ``forward``.  They are
    registered in the order of assignment, which is the order of `parameters` and of `state_dict`.

    Examples
    --------
    >>> import minigen as mg
    >>> class Affine(mg.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.scale = mg.nn.Parameter(mg.ones(1))
    ...     def forward(self, x):
    ...         return x * self.scale
    >>> list(Affine().state_dict())
    ['scale']
    """

    training: bool

    def __init__(self) -> None:
        for name in ("_parameters", "_buffers", "_modules"):
            object.__setattr__(self, name, {})
        object.__setattr__(self, "_transient", set())
        object.__setattr__(self, "training", True)

    # ---- registration

    def __setattr__(self, name: str, value: Any) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__}: call super().__init__() before assigning {name!r}")
        kinds = {"_parameters": Parameter, "_modules": Module}
        home = next((kind for kind, cls in kinds.items() if isinstance(value, cls)), None)
        homes = ("_parameters", "_modules", "_buffers")
        registered = next((kind for kind in homes if name in self.__dict__[kind]), None)
        if registered == "_buffers" and (value is None or (home is None and isinstance(value, Tensor))):
            home = "_buffers"
        elif registered and home is None and value is None:
            home = registered
        elif registered and home != registered:
            raise TypeError(
                f"{type(self).__name__}.{name} is registered as a {registered[1:-1]} and cannot become "
                f"a {type(value).__name__}"
            )
        if home is None:
            object.__setattr__(self, name, value)
        else:
            self.__dict__.pop(name, None)
            self.__dict__[home][name] = value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by copy and pickle, when nothing is set up yet
            raise AttributeError(name)
        for kind in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(kind, ()):
                return self.__dict__[kind][name]
        close = difflib.get_close_matches(name, dir(self), 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{hint}")

    def __delattr__(self, name: str) -> None:
        for kind in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__[kind]:
                del self.__dict__[kind][name]
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self._parameters, *self._buffers, *self._modules]

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Keep a Tensor that is not learned, such as a running mean; part of `state_dict` if `persistent`."""
        if hasattr(self, name):
            raise KeyError(f"{type(self).__name__} already has an attribute {name!r}")
        self._buffers[name] = tensor
        if not persistent:
            self._transient.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Register a Parameter, or None in the place of one that this Module does without."""
        self._parameters[name] = param

    # ---- walking the tree

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This Module and all within, each once, with dotted names."""
        seen: set[int] = set()
        waiting: list[tuple[str, Module]] = [(prefix, self)]
        while waiting:
            name, module = waiting.pop(0)
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield name, module
            dot = f"{name}." if name else ""
            waiting[:0] = [(dot + key, child) for key, child in module._modules.items() if child is not None]

    def modules(self) -> Iterator["Module"]:
        """This Module and all within."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """The Modules directly within."""
        return ((name, child) for name, child in self._modules.items() if child is not None)

    def children(self) -> Iterator["Module"]:
        """The Modules directly within."""
        return (child for _, child in self.named_children())

    def _named(self, kind: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix):
            for name, value in module.__dict__[kind].items():
                if value is not None and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """All Parameters within, each once, with dotted names."""
        return self._named("_parameters", prefix)

    def parameters(self) -> Iterator[Parameter]:
        """All Parameters within, each once."""
        return (p for _, p in self.named_parameters())

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """All buffers within, with dotted names."""
        return self._named("_buffers", prefix)

    def buffers(self) -> Iterator[Tensor]:
        """All buffers within."""
        return (b for _, b in self.named_buffers())

    def apply(self, function: Callable[["Module"], Any]) -> Self:
        """Call `function` on every Module within and on this one, children first."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    # ---- modes

    def train(self, mode: bool = True) -> Self:
        """Set training mode: batch norm uses the batch's statistics, dropout drops."""
        for module in self.modules():
            object.__setattr__(module, "training", mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode: batch norm uses the running statistics, dropout does nothing."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Switch gradients on or off for every Parameter within."""
        for p in self.parameters():
            p.requires_grad = requires_grad
        return self

    def zero_grad(self) -> None:
        """Forget the gradients: ``grad`` becomes None."""
        for p in self.parameters():
            p.grad = None

    def to(self, target: Any) -> Self:
        """Move every Parameter and buffer to a device, or the floating ones to a dtype, in place.

        A whole number by itself, such as batch norm's count of batches, stays on the CPU: Python reads it, and would
        have to wait for a GPU.

        Parameters
        ----------
        target : dtype, "cpu" or "cuda"

        Examples
        --------
        >>> import minigen as mg
        >>> mg.nn.Linear(2, 1).to("float64").weight.dtype
        dtype('float64')
        """
        for t in [*self.parameters(), *self.buffers()]:
            if target in ("cpu", "cuda"):
                if t.shape or t.dtype in FLOATS:
                    t.set_array(to_device(t.data, target))
            elif t.dtype in FLOATS:
                t.set_array(t.data.astype(target))
        return self

    # ---- saving

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Parameters and persistent buffers by dotted name, as NumPy arrays of their own."""
        state = {}
        for path, module in self.named_modules():
            for name, value in [*module._parameters.items(), *module._buffers.items()]:
                if value is not None and name not in module._transient:
                    state[f"{path}.{name}" if path else name] = np.array(value.numpy())
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Take over the values that `state_dict` gave.  Nothing is changed unless everything fits.

        Parameters
        ----------
        state_dict : mapping from name to array or Tensor
        strict : bool
            Whether missing and unexpected names are errors.

        Raises
        ------
        ValueError
            Names what is missing, unexpected or of another shape.
        """
        own = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        kept = self.state_dict()
        own = {name: t for name, t in own.items() if name in kept}
        problems = []
        if strict:
            problems += [f"missing {name}" for name in own if name not in state_dict]
            problems += [f"unexpected {name}" for name in state_dict if name not in own]
        for name, t in own.items():
            if name in state_dict and tuple(state_dict[name].shape) != t.shape:
                problems.append(f"{name} has shape {tuple(state_dict[name].shape)}, expected {t.shape}")
        if problems:
            shown = "; ".join(problems[:8]) + (f"; and {len(problems) - 8} more" if len(problems) > 8 else "")
            raise ValueError(f"{type(self).__name__}: state does not fit: {shown}")
        for name, t in own.items():
            if name in state_dict:
                t.data = tensor(state_dict[name], dtype=t.dtype, device=t.device)

    # ---- calling and showing

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output.  Subclasses say how."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output: the same as `forward`."""
        return self.forward(*args, **kwargs)

    def extra_repr(self) -> str:
        """What stands between the brackets of the representation."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"
