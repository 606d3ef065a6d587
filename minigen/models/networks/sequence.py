"""A recurrent generator of sequences, and three critics for them.

The generator takes noise (N, latent), with a one-hot label beside it if `classes` is not 0, to (N, T, D) in [-1, 1].
A critic takes (N, T, D + classes), the label beside every step, to one number each, (N, 1).

Why the default critic is not recurrent, though the generator is: with a recurrent one the generator was ahead for
hundreds of steps, and its gradient penalty costs twelve times as much.  What was tried is on the page
``lessons/reference/sequences.md``.
"""

from ... import nn
from ...functional import linear
from ...ops.elementwise import tanh
from ...ops.shape import expand, transpose, unsqueeze
from ...tensor import Tensor
from .gan import Networks

__all__ = ["CRITICS", "RecurrentCritic", "RecurrentGenerator", "sequence_networks", "wave_networks"]

CRITICS = ("conv", "dense", "recurrent")


class RecurrentGenerator(nn.Module):
    """A GRU that gets noise and class at every step, and whose first state is made of them too.

    Parameters
    ----------
    steps, features : int
        T and D of the sequences.
    inputs : int
        Length of noise and class together.
    hidden : int
        Length of the state.
    """

    def __init__(self, steps: int, features: int, inputs: int, hidden: int):
        super().__init__()
        self.steps = steps
        self.start = nn.Linear(inputs, hidden)
        self.gru = nn.GRU(inputs, hidden)
        self.head = nn.Linear(hidden, features)

    def forward(self, z: Tensor) -> Tensor:
        """Make sequences (N, T, D) of noise and class (N, inputs)."""
        inputs = expand(unsqueeze(z, 0), self.steps, *z.shape)
        states, _ = self.gru(inputs, unsqueeze(tanh(self.start(z)), 0))
        return transpose(tanh(linear(states, self.head.weight, self.head.bias)), 0, 1)


class RecurrentCritic(nn.Module):
    """A GRU over the steps, and a number made of its last state.

    Parameters
    ----------
    features, hidden : int
    """

    def __init__(self, features: int, hidden: int):
        super().__init__()
        self.gru = nn.GRU(features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, sequences: Tensor) -> Tensor:
        """Compute one number (N, 1) of each sequence (N, T, features)."""
        _, last = self.gru(sequences)
        score: Tensor = self.head(last[0])
        return score


class _OverTime(nn.Module):
    """Turn (N, T, D) to (N, D, T): the numbers of a step are the channels of a convolution over time."""

    def forward(self, sequences: Tensor) -> Tensor:
        return transpose(sequences, 1, 2)


def sequence_networks(
    steps: int, features: int, latent: int, classes: int = 0, width: int = 128, critic: str = "conv", norm: bool = False
) -> Networks:
    """Build a recurrent generator and a critic.

    Parameters
    ----------
    steps, features : int
        T and D of the sequences.
    latent, classes : int
    width : int
        Length of the generator's state; units, channels or state of the critic.
    critic : {"conv", "dense", "recurrent"}
        conv: convolutions over time, kernel 4 and stride 2, while there are at least 6 steps; dense: two hidden layers
        on all steps together.
    norm : bool
        Layer norm in the conv critic.

    Returns
    -------
    generator : (N, latent + classes) -> (N, steps, features) in [-1, 1]
    critic : (N, steps, features + classes) -> (N, 1)

    Raises
    ------
    ValueError
        If there is no such critic.
    """
    if critic not in CRITICS:
        raise ValueError(f"critic must be one of {', '.join(CRITICS)}, got {critic!r}")
    generator = RecurrentGenerator(steps, features, latent + classes, width)
    inputs = features + classes
    if critic == "recurrent":
        return generator, RecurrentCritic(inputs, width)
    slope = nn.LeakyReLU(0.2)
    if critic == "dense":
        layers: list[nn.Module] = [nn.Flatten(), nn.Linear(steps * inputs, width), slope]
        layers += [nn.Linear(width, width), slope, nn.Linear(width, 1)]
        return generator, nn.Sequential(*layers)
    layers, channels, length = [_OverTime()], inputs, steps
    while length >= 6:
        layers += [nn.Conv1d(channels, width, 4, 2, 1), *([nn.GroupNorm(1, width)] if norm else []), slope]
        channels, length = width, length // 2
    return generator, nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * length, 1))


def wave_networks(samples: int, latent: int, width: int = 16, classes: int = 0, norm: str = "batch") -> Networks:
    """Build the networks of the WaveGAN: one-dimensional convolutions of kernel 25 and stride 4.

    The generator begins with 8 to 31 samples, and each layer has four times as many.  A layer of the critic has a
    quarter of the samples and twice the channels of the layer before.

    Parameters
    ----------
    samples : int
        8 to 31, times a power of 4.
    latent : int
    width : int
        Channels of the critic's first layer.
    classes : int
    norm : {"batch", "layer"}
        Of the critic; the generator has batch norm.

    Returns
    -------
    generator : (N, latent + classes) -> (N, samples, 1) in [-1, 1]
    critic : (N, samples, 1 + classes) -> (N, 1)

    Raises
    ------
    ValueError
        If `samples` cannot be divided by 4 down to 8 to 31.
    """
    base, depth = samples, 0
    while base >= 32 and base % 4 == 0:
        base, depth = base // 4, depth + 1
    if not 8 <= base < 32 or not depth:
        raise ValueError(f"the networks of waves need 8 to 31 samples times a power of 4, such as 2048, got {samples}")
    widths = [width * 2**i for i in range(depth)]
    up: list[nn.Module] = [nn.Linear(latent + classes, widths[-1] * base), nn.Unflatten(1, (widths[-1], base))]
    for wide, narrow in zip(widths[::-1], [*widths[-2::-1], 1]):
        up += [nn.BatchNorm1d(wide), nn.ReLU(), nn.ConvTranspose1d(wide, narrow, 25, 4, 11, output_padding=1)]
    up += [nn.Tanh(), _OverTime()]
    down: list[nn.Module] = [_OverTime()]
    for i, (narrow, wide) in enumerate(zip([1 + classes, *widths], widths)):
        normalized: list[nn.Module] = [nn.GroupNorm(1, wide) if norm == "layer" else nn.BatchNorm1d(wide)] if i else []
        down += [nn.Conv1d(narrow, wide, 25, 4, 11), *normalized, nn.LeakyReLU(0.2)]
    down += [nn.Flatten(), nn.Linear(widths[-1] * base, 1)]
    return nn.Sequential(*up), nn.Sequential(*down)
