"""Clip gradients, bound a layer's gain, treat all parameters as one vector."""

import math
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

from ..arguments import check_boolean, check_integer, check_number, normalize_dim
from ..backend import array_module, rng, to_device
from ..engine import no_grad
from ..ops.shape import cat
from ..tensor import Tensor, tensor
from .module import HookHandle, Module, Parameter

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "parameters_to_vector",
    "remove_spectral_norm",
    "spectral_norm",
    "vector_to_parameters",
]

AnyModule = TypeVar("AnyModule", bound=Module)


def _listed(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients by one factor that limits their norm to `max_norm`.

    The norm is that of one vector that holds all gradients (Pascanu et al. 2013).  Call it between ``backward`` and
    ``optimizer.step``.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are left out.
    max_norm : float
        ``math.inf`` only measures.
    norm_type : float
        p of the p-norm; ``math.inf`` is the largest absolute value.
    error_if_nonfinite : bool
        Raise an error where the norm is NaN or infinite.

    Returns
    -------
    Tensor ()
        The norm before clipping.

    Raises
    ------
    RuntimeError
        If `error_if_nonfinite` and the norm is NaN or infinite.

    Examples
    --------
    >>> import minigen as mg
    >>> p = mg.tensor([0.0, 0.0], requires_grad=True)
    >>> p.grad = mg.tensor([3.0, 4.0])
    >>> clip_grad_norm_([p], max_norm=1.0)
    tensor(5.)
    >>> [round(g, 4) for g in p.grad.numpy().tolist()]
    [0.6, 0.8]
    """
    op = "clip_grad_norm_"
    if max_norm != math.inf:
        check_number(op, "max_norm", max_norm)
    check_boolean(op, "error_if_nonfinite", error_if_nonfinite)
    if norm_type != math.inf:
        check_number(op, "norm_type", norm_type)
    gradients = [p.grad for p in _listed(parameters) if p.grad is not None]
    if not gradients:
        return tensor(0.0)
    xp = array_module(gradients[0].data)
    norms = xp.stack([_norm(xp, g.data, norm_type) for g in gradients])
    total = _norm(xp, norms, norm_type)
    if error_if_nonfinite and not bool(xp.isfinite(total)):
        raise RuntimeError(f"{op}: the norm of the gradients is {float(total)}")
    factor = xp.minimum(max_norm / (total + 1e-6), 1.0)
    for g in gradients:
        with g.inplace() as array:
            array *= factor.astype(array.dtype)
    return Tensor(xp.asarray(total, dtype=gradients[0].dtype))


def _norm(xp: Any, array: Any, p: float) -> Any:
    """Return the p-norm of all elements, in double precision."""
    sizes = xp.abs(array).astype(np.float64)
    if p == math.inf:
        return sizes.max() if sizes.size else sizes.sum()
    if p == 0:
        return (sizes != 0).sum().astype(np.float64)
    return (sizes**p).sum() ** (1 / p)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit every element of every gradient to [-clip_value, clip_value].

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are left out.
    clip_value : float

    Examples
    --------
    >>> import minigen as mg
    >>> p = mg.tensor([0.0, 0.0], requires_grad=True)
    >>> p.grad = mg.tensor([3.0, -0.5])
    >>> clip_grad_value_([p], 1.0)
    >>> p.grad
    tensor([ 1. , -0.5])
    """
    limit = check_number("clip_grad_value_", "clip_value", clip_value)
    for p in _listed(parameters):
        if p.grad is not None:
            with p.grad.inplace() as array:
                array_module(array).clip(array, -limit, limit, out=array)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Join all elements of all parameters in one vector; gradients flow through.

    Raises
    ------
    ValueError
        If there are no parameters.

    Examples
    --------
    >>> import minigen as mg
    >>> parameters_to_vector(mg.nn.Linear(3, 2).parameters()).shape
    (8,)
    """
    parts = [p.reshape(-1) for p in parameters]
    if not parts:
        raise ValueError("parameters_to_vector: got no parameters")
    joined: Tensor = cat(parts, 0)
    return joined


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give the parameters the values of a vector that `parameters_to_vector` made.

    Raises
    ------
    ValueError
        If the vector has another length.

    Examples
    --------
    >>> import minigen as mg
    >>> layer = mg.nn.Linear(1, 1)
    >>> vector_to_parameters(mg.tensor([2.0, 3.0]), layer.parameters())
    >>> layer(mg.ones(1, 1)).item()
    5.0
    """
    listed = list(parameters)
    count = sum(p.numel() for p in listed)
    if vec.shape != (count,):
        raise ValueError(f"vector_to_parameters: expected a vector of shape ({count},), got {vec.shape}")
    start = 0
    for p in listed:
        values = vec.data[start : start + p.numel()].reshape(p.shape)
        p.data = values.astype(p.dtype, copy=True)
        start += p.numel()


class _SpectralNorm:
    """The hook that divides a weight by an estimate of its largest singular value."""

    def __init__(self, name: str, n_power_iterations: int, eps: float, dim: int):
        self.name, self.n_power_iterations, self.eps, self.dim = name, n_power_iterations, eps, dim

    def matrix(self, weight: Any) -> Any:
        """Return the weight as a matrix whose rows are the slices along `dim`."""
        order = (self.dim, *(d for d in range(weight.ndim) if d != self.dim))
        moved = weight.permute(*order) if isinstance(weight, Tensor) else weight.transpose(order)
        return moved.reshape(weight.shape[self.dim], -1)

    def iterate(self, module: Module, steps: int) -> None:
        """Refine the singular vectors u and v by the power method."""
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = self.matrix(getattr(module, f"{self.name}_orig").data)
        left, right = u.data, v.data
        for _ in range(steps):
            right = self.unit(matrix.T @ left)
            left = self.unit(matrix @ right)
        u.data, v.data = left, right

    def unit(self, vector: Any) -> Any:
        """Return the vector with length 1."""
        xp = array_module(vector)
        return vector / xp.maximum(xp.sqrt((vector * vector).sum()), vector.dtype.type(self.eps))

    def __call__(self, module: Module, args: tuple[Any, ...]) -> None:
        """Set the weight before the forward pass."""
        if module.training:
            self.iterate(module, self.n_power_iterations)
        original: Tensor = getattr(module, f"{self.name}_orig")
        u, v = (Tensor(getattr(module, f"{self.name}_{key}").data) for key in "uv")
        sigma = (u * (self.matrix(original) @ v)).sum()
        setattr(module, self.name, original / sigma)

    def release(self, module: Module, args: tuple[Any, ...], output: Any) -> None:
        """Drop the weight's graph after the forward pass: then copies work."""
        setattr(module, self.name, getattr(module, self.name).detach())


def spectral_norm(
    module: AnyModule, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> AnyModule:
    r"""Divide a layer's weight by its largest singular value.

    This is the normalization of SNGAN (Miyato et al. 2018).  A linear layer then has the Lipschitz constant 1; of a
    convolution, the weight as a matrix has.

    The singular value is $\sigma = u^\top W v$.  Each forward pass in training refines the vectors by the power method,
    $v \leftarrow W^\top u / |W^\top u|$, $u \leftarrow W v / |W v|$.  The gradient flows through W in $\sigma$; u and v
    are constants.

    Parameters
    ----------
    module : Module
        Its Parameter `name` is renamed to ``name_orig``; the vectors are the buffers ``name_u`` and ``name_v``.  These
        are the names of ``torch.nn.utils.spectral_norm``.
    name : str
    n_power_iterations : int
    eps : float
        The smallest length by which a vector is divided.
    dim : int, optional
        The dimension of the outputs: by default 1 for transposed convolutions, 0 otherwise.

    Returns
    -------
    Module
        `module` itself.

    Raises
    ------
    AttributeError
        If the module has no Parameter of that name.
    ValueError
        If the weight has fewer than two dimensions.

    Examples
    --------
    >>> import minigen as mg
    >>> layer = spectral_norm(mg.nn.Linear(20, 40), n_power_iterations=30)
    >>> _ = layer(mg.ones(1, 20))
    >>> round(float(np.linalg.norm(layer.weight.numpy(), 2)), 2)
    1.0
    """
    op = "spectral_norm"
    check_integer(op, "n_power_iterations", n_power_iterations, 1)
    check_number(op, "eps", eps)
    weight = module._parameters.get(name)
    if weight is None:
        raise AttributeError(f"{op}: {type(module).__name__} has no Parameter {name!r}")
    if weight.ndim < 2:
        raise ValueError(f"{op}: expected a weight of at least two dimensions, got shape {weight.shape}")
    if dim is None:
        dim = 1 if getattr(module, "_transposed", False) else 0
    hook = _SpectralNorm(name, n_power_iterations, eps, normalize_dim(op, weight.shape, dim))
    matrix = hook.matrix(weight.data)
    del module._parameters[name]
    module.register_parameter(f"{name}_orig", weight)
    for key, size in zip("uv", matrix.shape):
        start = hook.unit(rng().standard_normal(size).astype(weight.dtype))
        module.register_buffer(f"{name}_{key}", Tensor(to_device(start, weight.device)))
    with no_grad():
        hook.iterate(module, 15)
    object.__setattr__(module, name, weight.detach())
    module._spectral_norms = {
        **module.__dict__.get("_spectral_norms", {}),
        name: (hook, module.register_forward_pre_hook(hook), module.register_forward_hook(hook.release)),
    }
    return module


def remove_spectral_norm(module: AnyModule, name: str = "weight") -> AnyModule:
    """Undo `spectral_norm`: the Parameter keeps the divided values.

    Raises
    ------
    ValueError
        If the weight has no spectral norm.
    """
    found: dict[str, tuple[_SpectralNorm, HookHandle, HookHandle]] = module.__dict__.get("_spectral_norms", {})
    if name not in found:
        raise ValueError(f"remove_spectral_norm: {name!r} of {type(module).__name__} has no spectral norm")
    hook, before, after = found.pop(name)
    with no_grad():
        hook(module, ())
    weight: Tensor = module.__dict__.pop(name)
    before.remove()
    after.remove()
    for key in ("orig", "u", "v"):
        delattr(module, f"{name}_{key}")
    module.register_parameter(name, Parameter(weight))
    return module
