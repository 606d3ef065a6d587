"""The networks that the conditional and the Wasserstein families choose from."""

from collections.abc import Callable
from functools import partial

from .adversarial import Networks
from .dcgan import small_networks
from .dense_gan import dense_networks

__all__ = ["small_or_dense"]


def small_or_dense(
    name: str, network: str, width: int | None, classes: int = 0, norm: str = "batch"
) -> Callable[[int, int, int], Networks]:
    """The builder of the small networks of `DCGAN`, or of the dense ones of `DenseGAN`.

    Parameters
    ----------
    name : str
        The family's, for messages.
    network : {"small", "dense"}
    width : int or None
        None for 32 channels or 128 units.
    classes : int
    norm : str
        Of the small discriminator; the dense one has none.

    Returns
    -------
    callable
        (size, channels, latent) to a generator and a discriminator.

    Raises
    ------
    ValueError
        If there is no such network.
    """
    if network == "small":
        return partial(small_networks, width=32 if width is None else width, classes=classes, norm=norm)
    if network == "dense":
        return partial(dense_networks, width=128 if width is None else width, classes=classes)
    raise ValueError(f"{name}: network must be small or dense, got {network!r}")
