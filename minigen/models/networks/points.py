"""Dense networks for points in the plane, or in a space of any dimension."""

from ... import nn
from ...tensor import Tensor
from .gan import Networks

__all__ = ["Scale", "point_networks"]


class Scale(nn.Module):
    """Multiply by a fixed number, so that the layers after it get numbers of size 1.

    Parameters
    ----------
    factor : float
    """

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, input: Tensor) -> Tensor:
        """Multiply."""
        return input * self.factor

    def extra_repr(self) -> str:
        """Return the factor."""
        return f"{self.factor:g}"


def point_networks(
    dimensions: int,
    latent: int,
    width: int,
    layers: int,
    scale: float = 1.0,
    pack: int = 1,
    batch_norm: bool = True,
    layers_d: int | None = None,
) -> Networks:
    """Build dense networks for points, with leaky ReLU.

    The generator ends in a linear layer, because points have no bounds.  Its **batch norm** and depth make it steep.  A
    distribution of separate modes needs that: G is continuous, so between two modes it makes points on the way from one
    to the other, and the steeper it is there, the fewer they are.  The discriminator has no batch norm.

    Parameters
    ----------
    dimensions : int
        Of a point.
    latent : int
    width, layers : int
        Units in each hidden layer, and their number in G.
    scale : float
        About the standard deviation of the data.
    pack : int
        Points that D sees at a time.
    batch_norm : bool
        Of the generator.
    layers_d : int, optional
        Hidden layers of D; by default as many as G has.

    Returns
    -------
    generator : (N, latent) -> (N, dimensions)
    discriminator : (N, pack * dimensions) -> (N, 1) logits

    Examples
    --------
    >>> import minigen as mg
    >>> generator, discriminator = point_networks(2, latent=2, width=8, layers=1)
    >>> discriminator(generator(mg.randn(5, 2))).shape
    (5, 1)
    """
    up: list[nn.Module] = []
    down: list[nn.Module] = [Scale(1 / scale)]
    layers_d = layers if layers_d is None else layers_d
    for layer in range(max(layers, layers_d)):
        if layer < layers:
            up += [nn.Linear(width if layer else latent, width, bias=not batch_norm)]
            up += [nn.BatchNorm1d(width)] if batch_norm else []
            up += [nn.LeakyReLU(0.2)]
        if layer < layers_d:
            down += [nn.Linear(width if layer else pack * dimensions, width), nn.LeakyReLU(0.2)]
    up += [nn.Linear(width, dimensions), Scale(scale)]
    return nn.Sequential(*up), nn.Sequential(*down, nn.Linear(width, 1))
