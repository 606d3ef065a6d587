"""Clip gradients, bound a layer's gain, and call a Module with other parameters.

`functional_call` is ``torch.func.functional_call``, `update_bn` is ``torch.optim.swa_utils.update_bn``.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from ..arguments import check_boolean, check_integer, check_number, normalize_dim
from ..backend import array_module, rng, to_device
from ..engine import Node, Primitive, is_grad_enabled, no_grad
from ..ops.elementwise import ones_like, zeros_like
from ..ops.shape import cat
from ..tensor import Tensor, tensor
from .module import HookHandle, Module, Parameter
from .norm import InstanceNorm2d, _BatchNorm

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "functional_call",
    "parameters_to_vector",
    "remove_spectral_norm",
    "spectral_norm",
    "update_bn",
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


class _SingularValue(Primitive):
    r"""The largest singular value $\sigma = u^\top W v$ of a weight, where u and v depend on the weight.

    Its gradient is $u v^\top$: u and v maximize $u^\top W v$ among vectors of length 1, so their own change adds
    nothing to first order.  To second order it does, and $u v^\top$ is no constant: the gradient of this gradient
    is refused.
    """

    def __init__(self, u: Any, v: Any, norm: "_SpectralNorm"):  # not in the table of primitives: one for each call
        self.name, self.arguments, self.variadic = "spectral_norm", ["weight"], None
        self.any_dtype, self.rules, self.rule_for_all = False, {}, None
        self.u, self.v, self.norm = u, v, norm

    def forward(self, weight: Any) -> Any:
        """Compute the singular value."""
        return array_module(weight).asarray(self.u @ self.norm.matrix(weight) @ self.v)

    def apply_vjps(
        self, needed: Iterable[int], g: Tensor, out: Tensor, inputs: tuple[Tensor, ...], params: dict[str, Any]
    ) -> Iterator[tuple[int, Tensor]]:
        """Compute the gradient in the weight."""
        direction = Tensor(self.norm.as_weight(array_module(self.u).outer(self.u, self.v), inputs[0].shape))
        if is_grad_enabled():  # a graph of the backward pass is asked for
            direction._requires_grad, direction.node = True, Node(_Refused(), inputs, {}, direction)
        yield 0, g * direction


class _Refused(Primitive):
    """Stands for u and v as functions of the weight in the graph of a backward pass."""

    def __init__(self) -> None:
        self.name, self.arguments, self.variadic = "spectral_norm", ["weight"], None

    def apply_vjps(self, *_: Any) -> Iterator[tuple[int, Tensor]]:
        """Refuse to go on."""
        raise RuntimeError(
            "spectral_norm: the second derivative in the weight would be wrong, because the singular vectors are taken "
            "as constants; call eval() first, which keeps them constant, or leave spectral_norm out"
        )


class _SpectralNorm:
    """The hook that divides a weight by an estimate of its largest singular value."""

    def __init__(self, name: str, n_power_iterations: int, eps: float, dim: int):
        self.name, self.n_power_iterations, self.eps, self.dim = name, n_power_iterations, eps, dim

    def matrix(self, weight: Any) -> Any:
        """Return the weight as a matrix whose rows are the slices along `dim`."""
        order = (self.dim, *(d for d in range(weight.ndim) if d != self.dim))
        moved = weight.permute(*order) if isinstance(weight, Tensor) else weight.transpose(order)
        return moved.reshape(weight.shape[self.dim], -1)

    def as_weight(self, matrix: Any, shape: tuple[int, ...]) -> Any:
        """Return a matrix like that of `matrix` in the shape of the weight."""
        rest = [size for d, size in enumerate(shape) if d != self.dim]
        return array_module(matrix).moveaxis(matrix.reshape(shape[self.dim], *rest), 0, self.dim)

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
        u, v = (getattr(module, f"{self.name}_{key}").data for key in "uv")
        if module.training:  # u and v follow the weight
            sigma = _SingularValue(u, v, self)(original)
        else:  # u and v are constants
            sigma = (Tensor(u) * (self.matrix(original) @ Tensor(v))).sum()
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
    are constants.  With $\bar W = W / \sigma$ and G the gradient in $\bar W$

    $$\frac{\partial L}{\partial W} = \frac{G - \langle G, \bar W \rangle\, u v^\top}{\sigma}$$

    which is the true gradient if the power method has converged: u and v maximize $u^\top W v$, so that their own
    derivative vanishes.  The *second* derivative in W would be wrong, and is refused in training mode (an unrolled step
    needs it).  A gradient penalty needs only the first, after one in the input.

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


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Mapping[str, Tensor],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
) -> Any:
    """Call a Module with other Tensors in the place of its parameters and buffers.

    The Tensors may be computed from others: gradients pass through them.  With it a training step can be written as a
    function of the weights, and differentiated.  The Module is unchanged afterwards, except for what its forward pass
    itself changes in a buffer that is not replaced (the running statistics of batch norm).

    Parameters
    ----------
    module : Module
    parameter_and_buffer_dicts : mapping of str to Tensor
        By the names of `Module.named_parameters` and `named_buffers`; those left out keep their values.
    args : object or tuple
        The argument of the call, or a tuple of all arguments.
    kwargs : mapping, optional

    Returns
    -------
    object
        What the Module returns.

    Raises
    ------
    ValueError
        If the Module has no Tensor of a name, or a Tensor has another shape.

    Examples
    --------
    >>> import minigen as mg
    >>> layer = mg.nn.Linear(1, 1)
    >>> w = mg.tensor([[3.0]], requires_grad=True)
    >>> y = functional_call(layer, {"weight": w * w, "bias": mg.zeros(1)}, mg.tensor([[2.0]]))
    >>> y.item(), mg.grad(y, w)[0].item()
    (18.0, 12.0)
    """
    named = module._state()
    places: dict[int, list[tuple[dict[str, Any], str]]] = {}  # a tied weight has several
    for owner in module.modules():
        for home in (owner._parameters, owner._buffers):
            for key, old in home.items():
                places.setdefault(id(old), []).append((home, key))
    kept: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for name, value in parameter_and_buffer_dicts.items():
            old = named.get(name)
            if old is None:
                raise ValueError(f"functional_call: {type(module).__name__} has no parameter or buffer {name!r}")
            if not isinstance(value, Tensor) or value.shape != old.shape:
                found = value.shape if isinstance(value, Tensor) else type(value).__name__
                raise ValueError(f"functional_call: {name!r}: expected a Tensor of shape {old.shape}, got {found}")
            for registry, key in places[id(old)]:
                kept.append((registry, key, old))
                registry[key] = value
        arguments = args if isinstance(args, tuple) else () if args is None else (args,)
        return module(*arguments, **(kwargs or {}))
    finally:
        for registry, key, old in kept:
            registry[key] = old


def update_bn(loader: Iterable[Any], model: Module) -> None:
    """Measure the running statistics of all batch norms anew, as plain means over batches.

    In training the running statistics are moving averages over the last ten batches or so.  While the weights move they
    are those of other weights, and even then of few examples.  A network in evaluation mode computes with them: a
    generator that is fine in training mode may make other samples there.

    Parameters
    ----------
    loader : iterable of Tensor
        Inputs of the model; of batches that are tuples or lists the first entry.
    model : Module
        Run in training mode, without gradients; its mode is the same afterwards.  A Module without batch norm is not
        run at all.

    Examples
    --------
    >>> import minigen as mg
    >>> layer = mg.nn.BatchNorm1d(1)
    >>> update_bn([mg.tensor([[1.0], [3.0]]), mg.tensor([[5.0], [7.0]])], layer)
    >>> layer.running_mean  # of the means 2 and 6
    tensor([4.])
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and not isinstance(m, InstanceNorm2d)]
    norms = [m for m in norms if m.running_mean is not None]
    if not norms:
        return
    momenta, modes = [m.momentum for m in norms], {m: m.training for m in model.modules()}
    for m in norms:
        assert m.running_mean is not None and m.running_var is not None and m.num_batches_tracked is not None
        m.running_mean, m.running_var = zeros_like(m.running_mean), ones_like(m.running_var)
        m.num_batches_tracked = tensor(np.asarray(0))
        m.momentum = None
    try:
        model.train()
        with no_grad():
            for batch in loader:
                model(batch[0] if isinstance(batch, tuple | list) else batch)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for module, mode in modes.items():
            object.__setattr__(module, "training", mode)
