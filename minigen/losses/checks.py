"""Checks of arguments that several losses have in common."""

from typing import Any

from .. import nn
from ..tensor import Tensor

__all__ = ["check_images", "check_latent", "check_prior", "check_scores", "check_separate_scores"]


def check_scores(op: str, **scores: Tensor) -> None:
    """Check that scores are Tensors with at least one element.

    Raises
    ------
    TypeError, ValueError
    """
    for name, score in scores.items():
        if not isinstance(score, Tensor):
            raise TypeError(f"{op}: argument {name!r}: expected a Tensor, got {type(score).__name__}")
        if not score.numel():
            raise ValueError(f"{op}: argument {name!r} is empty (shape {score.shape}); expected at least one score")


def check_images(op: str, name: str, output: Tensor, x: Tensor) -> tuple[int, ...]:
    """Check a decoder's output (..., N, ...) for images x (N, ...); return the pixel dims.

    Raises
    ------
    ValueError
    """
    if x.ndim < 2:
        raise ValueError(f"{op}: argument 'x': expected images (N, ...), got shape {x.shape}")
    if output.shape[-x.ndim :] != x.shape:
        raise ValueError(
            f"{op}: argument {name!r}: expected shape (..., {', '.join(map(str, x.shape))}) like x, got {output.shape}"
        )
    return tuple(range(output.ndim - x.ndim + 1, output.ndim))


def check_latent(op: str, mu: Tensor, log_var: Tensor, eps: Tensor | None = None) -> None:
    """Check mean and log-variance (N, latent) and noise (..., N, latent).

    Raises
    ------
    ValueError
    """
    if mu.ndim != 2 or mu.shape != log_var.shape:
        raise ValueError(
            f"{op}: expected mu and log_var of one shape (N, latent), got mu {mu.shape} and log_var {log_var.shape}"
        )
    if eps is not None and eps.shape[-2:] != mu.shape:
        raise ValueError(f"{op}: argument 'eps': expected (..., {mu.shape[0]}, {mu.shape[1]}) like mu, got {eps.shape}")


def check_prior(op: str, mu: Tensor, prior_mu: Any, prior_log_var: Any) -> None:
    """Check that both parameters of the prior are given, shaped like mu, or neither.

    Raises
    ------
    ValueError
    """
    given = {"prior_mu": prior_mu, "prior_log_var": prior_log_var}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == 1:
        raise ValueError(f"{op}: argument {missing[0]!r} is missing: give both of the prior's parameters or neither")
    for name, value in given.items():
        if not missing and value.shape != mu.shape:
            raise ValueError(f"{op}: argument {name!r}: expected shape {mu.shape} like mu, got {value.shape}")


def check_separate_scores(op: str, critic: object) -> None:
    """Check that the score of an image does not depend on other images: no batch norm in training mode.

    Raises
    ------
    ValueError
    """
    for name, module in critic.named_modules() if isinstance(critic, nn.Module) else ():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.training:
            raise ValueError(
                f"{op}: batch norm ({name!r}) makes the score of one image depend on the others, so that there is no "
                "gradient of an image's own; use layer norm, instance norm or none"
            )
