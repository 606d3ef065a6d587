r"""The inception score (IS): clear classes, and all of them.

$$\mathrm{IS} = \exp\, E_x\, \mathrm{KL}(p(y \mid x)\,\|\,p(y)), \qquad p(y) = E_x\, p(y \mid x)$$

*Derivation.* The mean divergence is the mutual information of image and class, $H(y) - E_x H(y \mid x)$: the entropy
of the classes over all images minus the mean entropy of the reading of one image.  It is large if the classes are
equally frequent and each image is read with certainty.  So it is at most $\log C$, and the score at most the number of
classes.  A reading of probability 0 adds 0, because $p \log p \to 0$.

Some implementations average over ten parts of the images.  If these are in the order of the classes, each part holds
one class, and the score falls to 1; here there are no parts.

Source: Salimans et al. 2016 (arXiv 1606.03498), section 4; Barratt & Sharma 2018 (arXiv 1801.01973).

**What it cannot see.** It never looks at real images: one clear image of each class gives the maximum.  It does not
see copies, repeated images, or what is missing within a class.
"""

from typing import Any

import numpy as np

__all__ = ["inception_score"]


def inception_score(probabilities: Any) -> float:
    """Compute the inception score of readings.

    Parameters
    ----------
    probabilities : ndarray (N, classes)
        Each row a distribution: not negative, with the sum 1.

    Returns
    -------
    float
        From 1 to the number of classes.

    Raises
    ------
    ValueError
        If the rows are not distributions, or there are none.

    Examples
    --------
    >>> round(inception_score(np.eye(3)), 9), inception_score(np.full((4, 3), 1 / 3))
    (3.0, 1.0)
    """
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or not p.size:
        raise ValueError(f"inception_score: expected probabilities (N, classes), got shape {p.shape}")
    if not (p >= 0).all() or not np.allclose(p.sum(1), 1, atol=1e-4):
        raise ValueError("inception_score: expected rows of probabilities with the sum 1; apply softmax to logits")
    marginal = p.mean(0)
    ratio = np.divide(p, marginal, out=np.ones_like(p), where=p > 0)
    return float(np.exp((p * np.log(ratio)).sum(1).mean()))
