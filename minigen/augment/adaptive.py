r"""Adaptive discriminator augmentation (ADA): as much as the discriminator overfits.

Karras, Aittala, Hellsten, Laine, Lehtinen & Aila 2020, *Training Generative Adversarial Networks with Limited Data*
(arXiv 2006.06676), section 3.  Let D's output be a logit.  The sign of it says what D takes the image for, and

$$r = E\left[\operatorname{sign} D(T(x))\right]$$

over the real training images is 0 if D guesses, and 1 if D knows all of them.  Every few steps the probability p of
each transform grows by a small number if r is above a target (0.6), and falls by it if not.  p is at most 0.8: the
paper finds that beyond it augmentations leak into the generated images.
"""

import numpy as np

from ..arguments import check_integer, check_number
from ..nn import Module
from ..tensor import Tensor, tensor

__all__ = ["Adaptive"]


class Adaptive(Module):
    """The probability of augmentation, as state of a model: it is saved and resumed with the weights.

    Parameters
    ----------
    target : float
        r above which p grows, from -1 to 1.
    every : int
        Steps between two changes of p, at least 1.
    change : float
        By how much p changes, from 0 to 1.
    maximum : float
        From 0 to 1.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> import minigen as mg
    >>> ada = Adaptive(every=2)
    >>> for _ in range(2):
    ...     ada.update(mg.ones(8, 1))
    >>> round(ada.p, 4)
    0.01
    """

    target: float
    every: int
    change: float
    maximum: float
    state: Tensor

    def __init__(self, target: float = 0.6, every: int = 4, change: float = 0.01, maximum: float = 0.8) -> None:
        super().__init__()
        op = "Adaptive"
        self.target = check_number(op, "target", target, -1, most=1)
        self.every = check_integer(op, "every", every, 1)
        self.change = check_number(op, "change", change, most=1)
        self.maximum = check_number(op, "maximum", maximum, most=1)
        self.register_buffer("state", tensor(np.zeros(4)))  # p; sum of signs, their number, steps since the last change

    @property
    def p(self) -> float:
        """The probability with which a transform changes an image now."""
        return float(self.state.numpy()[0])

    def update(self, logits: Tensor) -> None:
        """Record D's outputs for augmented real images; change p after every few steps.

        Parameters
        ----------
        logits : Tensor (N, 1)
            Above 0 where D takes the image for real.
        """
        p, signs, count, steps = self.state.numpy()
        values = np.sign(logits.numpy())
        values = values[np.isfinite(values)]  # a training that broke down stops elsewhere
        signs, count, steps = signs + values.sum(), count + values.size, steps + 1
        if steps == self.every:
            if count:
                p = float(np.clip(p + self.change * np.sign(signs / count - self.target), 0, self.maximum))
            signs = count = steps = 0
        self.state = tensor(np.array([p, signs, count, steps]), device=self.state.device)
