"""The Module: a function with parameters, made of other such functions."""

import contextlib
import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Protocol, Self, TypeVar

import numpy as np

from ..arguments import shown
from ..backend import FLOATS, to_device
from ..tensor import Tensor, tensor

__all__ = ["Module", "Parameter"]

ForwardPreHook = Callable[["Module", tuple[Any, ...]], Any]
ForwardHook = Callable[["Module", tuple[Any, ...], Any], Any]

_P = ParamSpec("_P")
_R = TypeVar("_R", covariant=True)


class _HasForward(Protocol[_P, _R]):
    def forward(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Compute the output."""


class Parameter(Tensor):
    """A Tensor that is learned.

    A `Module` registers it when it is assigned to an attribute.

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


class IncompatibleKeys(NamedTuple):
    """The names that `Module.load_state_dict` did not find or did not use."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class HookHandle:
    """Removes a hook from its Module."""

    def __init__(self, hooks: dict[int, Any], key: int):
        self._hooks, self._key = hooks, key

    def remove(self) -> None:
        """Remove the hook; nothing happens the second time."""
        self._hooks.pop(self._key, None)


_REGISTRIES = ("_parameters", "_buffers", "_modules")

_REPLACEMENTS = {
    "cpu": 'use .to("cpu")',
    "cuda": 'use .to("cuda")',
    "double": 'use .to("float64")',
    "float": 'use .to("float32")',
    "half": "minigen computes in float32 and float64",
    "register_full_backward_hook": "minigen.grad(loss, tensor) gives the gradient in any Tensor of the graph",
    "to_empty": 'use .to("cuda")',
    "type": 'use .to("float64")',
}


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
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, "Module | None"]
    _non_persistent: set[str]
    _forward_pre_hooks: dict[int, ForwardPreHook]
    _forward_hooks: dict[int, ForwardHook]

    def __init__(self) -> None:
        for name in (*_REGISTRIES, "_forward_pre_hooks", "_forward_hooks"):
            object.__setattr__(self, name, {})
        object.__setattr__(self, "_non_persistent", set())
        object.__setattr__(self, "training", True)

    # ---- registration

    def __setattr__(self, name: str, value: Any) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__}: call super().__init__() before assigning {name!r}")
        home = "_parameters" if isinstance(value, Parameter) else "_modules" if isinstance(value, Module) else None
        registered = next((kind for kind in _REGISTRIES if name in self.__dict__[kind]), None)
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
        for kind in _REGISTRIES:
            if name in self.__dict__.get(kind, ()):
                return self.__dict__[kind][name]
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__}: call super().__init__() in __init__")
        if name in _REPLACEMENTS:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}: {_REPLACEMENTS[name]}")
        close = difflib.get_close_matches(name, dir(self), 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{hint}")

    def __delattr__(self, name: str) -> None:
        for kind in _REGISTRIES:
            if name in self.__dict__[kind]:
                del self.__dict__[kind][name]
                self._non_persistent.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self._parameters, *self._buffers, *self._modules]

    def _check_name(self, registry: str, name: str) -> None:
        """Check that `name` has no dot and is not used for something else."""
        kind = type(self).__name__
        if not isinstance(name, str) or not name or "." in name:
            raise KeyError(f"{kind}: expected a name that is not empty and has no dot, got {name!r}")
        others = [self.__dict__[other] for other in _REGISTRIES if other != registry]
        if hasattr(type(self), name) or name in self.__dict__ or any(name in other for other in others):
            raise KeyError(f"{kind} already has an attribute {name!r}")

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Register a Tensor that is not learned, such as a running mean.

        Parameters
        ----------
        name : str
        tensor : Tensor or None
        persistent : bool
            Whether `state_dict` contains it.

        Raises
        ------
        KeyError
            If the name is in use, is empty or has a dot.
        TypeError
            If `tensor` is something else.
        """
        self._check_name("_buffers", name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"{type(self).__name__}: buffer {name!r}: expected a Tensor, got {type(tensor).__name__}")
        self._buffers[name] = tensor
        (self._non_persistent.discard if persistent else self._non_persistent.add)(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Register a Parameter; None stands for one that this Module does without.

        Raises
        ------
        KeyError
            If the name is in use, is empty or has a dot.
        TypeError
            If `param` is something else.
        """
        self._check_name("_parameters", name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"{type(self).__name__}: {name!r}: expected a Parameter, got {type(param).__name__}")
        self._parameters[name] = param

    def add_module(self, name: str, module: "Module | None") -> None:
        """Register a Module under a name that need not be a Python identifier.

        Raises
        ------
        KeyError
            If the name is in use, is empty or has a dot.
        TypeError
            If `module` is something else.
        """
        self._check_name("_modules", name)
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}: expected a Module, got {type(module).__name__}")
        self._modules[name] = module

    # ---- walking the tree

    def named_modules(
        self, memo: set["Module"] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, "Module"]]:
        """Walk over this Module and all within, with dotted names.

        Parameters
        ----------
        memo : set of Module, optional
            Modules to leave out.
        prefix : str
            The name of this Module.
        remove_duplicate : bool
            Give a Module that is used in several places only once, under its first name.

        Raises
        ------
        ValueError
            If duplicates are kept and a Module contains itself.
        """
        memo = set() if memo is None else memo
        if self in memo:
            if remove_duplicate:
                return
            raise ValueError(f"{type(self).__name__} contains itself, as {prefix!r}")
        memo.add(self)
        yield prefix, self
        dot = f"{prefix}." if prefix else ""
        for name, child in self._modules.items():
            if child is not None:
                yield from child.named_modules(memo, dot + name, remove_duplicate)
        if not remove_duplicate:
            memo.remove(self)  # the memo then holds only the Modules around the present one

    def modules(self) -> Iterator["Module"]:
        """Walk over this Module and all within, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """Walk over the Modules directly within, each once, with their names."""
        seen: set[Module] = set()
        for name, child in self._modules.items():
            if child is not None and child not in seen:
                seen.add(child)
                yield name, child

    def children(self) -> Iterator["Module"]:
        """Walk over the Modules directly within, each once."""
        return (child for _, child in self.named_children())

    def _named(self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        """Walk over one kind of registered Tensor."""
        seen: set[Tensor] = set()
        walk = self.named_modules(None, prefix, remove_duplicate) if recurse else iter([(prefix, self)])
        for path, module in walk:
            for name, value in module.__dict__[kind].items():
                if value is None or value in seen:
                    continue
                if remove_duplicate:
                    seen.add(value)
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Walk over all Parameters within, with dotted names.

        Parameters
        ----------
        prefix : str
            The name of this Module.
        recurse : bool
            Include those of the Modules within.
        remove_duplicate : bool
            Give a Parameter that has several names (*tied weights*) only once, under its first name.
        """
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Walk over all Parameters within, each once."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Walk over all buffers within; the arguments are those of `named_parameters`."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Walk over all buffers within, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def apply(self, fn: Callable[["Module"], Any]) -> Self:
        """Call `fn` on every Module within and then on this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # ---- modes

    def train(self, mode: bool = True) -> Self:
        """Set training mode: the batch's statistics in batch norm, and dropout."""
        for module in self.modules():
            object.__setattr__(module, "training", mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode: running statistics in batch norm, no dropout."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Switch gradients on or off for every Parameter within."""
        for p in self.parameters():
            p.requires_grad = requires_grad
        return self

    def zero_grad(self) -> None:
        """Set the gradient of every Parameter to None."""
        for p in self.parameters():
            p.grad = None

    def to(self, target: Any) -> Self:
        """Move Parameters and buffers to a device or a dtype, in place.

        A dtype concerns only those that hold floats.

        A buffer of one integer, such as batch norm's count of batches, stays on the CPU: Python reads it, and would
        have to wait for a GPU.

        Parameters
        ----------
        target : dtype, "cpu" or "cuda"

        Raises
        ------
        ValueError
            If `target` is neither a device nor float32 or float64.

        Examples
        --------
        >>> import minigen as mg
        >>> mg.nn.Linear(2, 1).to("float64").weight.dtype
        dtype('float64')
        """
        dtype = None
        if not (isinstance(target, str) and target in ("cpu", "cuda")):
            with contextlib.suppress(TypeError):
                dtype = None if isinstance(target, np.ndarray) else np.dtype(target)
            if dtype is None or dtype not in FLOATS:  # NumPy: float64 == None
                raise ValueError(
                    f"{type(self).__name__}.to: expected 'cpu', 'cuda', 'float32' or 'float64', got {shown(target)}"
                )

        def moved(t: Tensor) -> Any:
            if dtype is not None:
                return t.data.astype(dtype) if t.dtype in FLOATS else t.data
            return to_device(t.data, target) if t.shape or t.dtype in FLOATS else t.data

        for p in self.parameters():
            p.set_array(moved(p))
        # A buffer may be the caller's own Tensor, such as a loss's weight: a new one takes its place.
        buffers = {b: Tensor(moved(b)) for b in self.buffers()}
        for module in self.modules():
            module._buffers.update({name: buffers[b] for name, b in module._buffers.items() if b is not None})
        return self

    # ---- saving

    def _state(self) -> dict[str, Tensor]:
        """Return Parameters and persistent buffers under every name that they have."""
        state = {}
        for path, module in self.named_modules(remove_duplicate=False):
            for name, value in [*module._parameters.items(), *module._buffers.items()]:
                if value is not None and name not in module._non_persistent:
                    state[f"{path}.{name}" if path else name] = value
        return state

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return copies of Parameters and persistent buffers, by dotted name.

        A Parameter or Module that is used in several places is saved under each of its names, as in PyTorch.
        """
        return {name: np.array(value.numpy()) for name, value in self._state().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Set the values that `state_dict` returned.

        If something does not fit, nothing changes.  Where a Parameter has several names, the last value counts, as in
        PyTorch.

        Parameters
        ----------
        state_dict : mapping from name to array or Tensor
            PyTorch's Tensors too.
        strict : bool
            Raise an error for missing and unexpected names.

        Returns
        -------
        IncompatibleKeys
            The names under `missing_keys` and `unexpected_keys`.

        Raises
        ------
        ValueError
            Names what is missing, unexpected or of another shape.

        Examples
        --------
        >>> import minigen as mg
        >>> layer = mg.nn.Linear(2, 1)
        >>> layer.load_state_dict({"bias": mg.zeros(1)}, strict=False)
        IncompatibleKeys(missing_keys=['weight'], unexpected_keys=[])
        """
        own = self._state()
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems = [f"missing {name}" for name in missing] + [f"unexpected {name}" for name in unexpected]
        problems = problems if strict else []
        values = {name: _array(state_dict[name]) for name in own if name in state_dict}
        for name, value in values.items():
            if value.shape != own[name].shape:
                problems.append(f"{name} has shape {value.shape}, expected {own[name].shape}")
        if problems:
            shown = "; ".join(problems[:8]) + (f"; and {len(problems) - 8} more" if len(problems) > 8 else "")
            raise ValueError(f"{type(self).__name__}: state does not fit: {shown}")
        for name, value in values.items():
            own[name].data = tensor(value, dtype=own[name].dtype, device=own[name].device)
        return IncompatibleKeys(missing, unexpected)

    # ---- calling and showing

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output.  A subclass defines how."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    if TYPE_CHECKING:  # the types of a call are those of `forward`

        def __call__(self: "_HasForward[_P, _R]", *args: _P.args, **kwargs: _P.kwargs) -> _R:
            """Call `forward`, and the hooks before and after it."""

    else:

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """Call `forward`, and the hooks before and after it."""
            if not self._forward_pre_hooks and not self._forward_hooks:
                return self.forward(*args, **kwargs)
            for before in tuple(self._forward_pre_hooks.values()):
                changed = before(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
            output = self.forward(*args, **kwargs)
            for after in tuple(self._forward_hooks.values()):
                changed = after(self, args, output)
                output = output if changed is None else changed
            return output

    def register_forward_pre_hook(self, hook: ForwardPreHook) -> HookHandle:
        """Call ``hook(module, args)`` before each `forward`.

        Parameters
        ----------
        hook : callable
            What it returns, unless it is None, replaces the positional arguments.

        Returns
        -------
        HookHandle
            Its ``remove()`` removes the hook.
        """
        return _add_hook(self._forward_pre_hooks, hook)

    def register_forward_hook(self, hook: ForwardHook) -> HookHandle:
        """Call ``hook(module, args, output)`` after each `forward`.

        Parameters
        ----------
        hook : callable
            What it returns, unless it is None, replaces the output.

        Returns
        -------
        HookHandle
            Its ``remove()`` removes the hook.

        Examples
        --------
        >>> import minigen as mg
        >>> layer = mg.nn.Linear(3, 2)
        >>> handle = layer.register_forward_hook(lambda module, args, output: print(output.shape))
        >>> _ = layer(mg.ones(5, 3))
        (5, 2)
        >>> handle.remove()
        """
        return _add_hook(self._forward_hooks, hook)

    def extra_repr(self) -> str:
        """Return the text between the brackets of the representation."""
        return ""

    def _tree(self) -> str:
        """Return this Module and those within, one a line."""
        children = [(name, child) for name, child in self._modules.items() if child is not None]
        lines = [f"({name}): {child._tree()}".replace("\n", "\n  ") for name, child in children]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"

    def __repr__(self) -> str:
        count = f"  # {sum(p.numel() for p in self.parameters()):,} parameters" if self._modules else ""
        return self._tree() + count


def _add_hook(hooks: dict[int, Any], hook: Any) -> HookHandle:
    key = max(hooks, default=-1) + 1
    hooks[key] = hook
    return HookHandle(hooks, key)


def _array(value: Any) -> Any:
    """Return the array of a Tensor, or of anything that NumPy makes an array of."""
    if isinstance(value, Tensor):
        return value.data
    return value if type(value).__module__.partition(".")[0] == "cupy" else np.asarray(value)
