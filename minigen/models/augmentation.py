"""The options of augmentation, which GANs and VAEs share."""

from typing import Any

from ..augment import Adaptive, Compose, parse

__all__ = ["AUGMENT", "AUGMENT_P", "NO_GRAPH", "build_augmentation"]

AUGMENT = "random transforms {}, joined by +, such as translate+cutout; see minigen.augment"
AUGMENT_P = "probability that a transform changes an image, from 0 to 1 (default: 1)"


NO_GRAPH = "augment computes its transforms on the CPU, anew in each step"
"""Why a CUDA graph cannot repeat a step with augmentation."""


def build_augmentation(model: Any, adaptive: bool) -> tuple[Compose | None, float, Adaptive | None]:
    """Build what the options `augment` and `augment_p` of a model ask for.

    Parameters
    ----------
    model : Model
    adaptive : bool
        Whether `augment_p` may be ``"ada"``.

    Returns
    -------
    augmentation : Compose or None
    p : float
    ada : Adaptive or None

    Raises
    ------
    ValueError
        If a name is unknown or doubled, or the probability is out of range or given without `augment`.
    """
    names, p = model.options.augment, model.options.augment_p
    if names is None:
        if p is not None:
            raise ValueError(f"{model.name}: augment_p is the probability of augment, which is not given")
        return None, 1.0, None
    try:
        augmentation = parse(names)
    except ValueError as error:
        raise ValueError(f"{model.name}: {error}") from None
    if p == "ada":
        if not adaptive:
            raise ValueError(
                f"{model.name}: augment_p must be a number from 0 to 1, got ada: it needs a discriminator whose output "
                "says real or generated; a critic's score does not, and a model without a discriminator has none"
            )
        return augmentation, 1.0, Adaptive()
    p = 1.0 if p is None else p
    if isinstance(p, bool | str) or not 0 <= p <= 1:
        raise ValueError(f"{model.name}: augment_p must be a number from 0 to 1{' or ada' * adaptive}, got {p!r}")
    return augmentation, float(p), None
