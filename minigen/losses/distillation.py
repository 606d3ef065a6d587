r"""Distillation

Hinton, Vinyals & Dean 2015, *Distilling the Knowledge in a Neural Network* (arXiv 1503.02531), section 2.

## 1. The loss

A small classifier, the *student*, learns from the outputs of a trained one, the *teacher*.  The teacher's probabilities
say more than the label: of a 7 that looks like a 1 they say that it looks like a 1.  Most of them are close to 0, so
both networks' logits $s_{nk}$ and $t_{nk}$ are divided by a *temperature* $T$ first, which makes the probabilities more
equal.  With $K$ classes, $N$ images, labels $y_n$ and

$$q_{nk} = \mathrm{softmax}(t_n / T)_k, \qquad p_{nk} = \mathrm{softmax}(s_n / T)_k$$

$$L = -\frac{a\, T^2}{N} \sum_n \sum_k q_{nk} \log p_{nk}
  - \frac{1 - a}{N} \sum_n \log \mathrm{softmax}(s_n)_{y_n}$$

The first term is $T^2$ times the cross-entropy of the two, the second is the usual loss; $a$ is their `share`.  The
cross-entropy is the divergence $KL(q \| p)$ plus the entropy of $q$, which the student cannot change: both have the
same gradient in $s$.

## 2. The gradient

$\log p_{nk} = s_{nk}/T - \log \sum_j e^{s_{nj}/T}$, so with $\sum_k q_{nk} = 1$ the cross-entropy of one image has the
derivative $(p_{nk} - q_{nk})/T$, as every softmax with cross-entropy has.  Hence

$$\frac{\partial L}{\partial s_{nk}} = \frac{a\, T}{N} (p_{nk} - q_{nk})
  + \frac{1 - a}{N} \big(\mathrm{softmax}(s_n)_k - [k = y_n]\big), \qquad \frac{\partial L}{\partial t_{nk}} = 0$$

The teacher is a constant by definition.

**Why $T^2$.**  For a large $T$, $e^{s/T} \approx 1 + s/T$, and if the logits of each image have the mean 0,
$p_{nk} - q_{nk} \approx (s_{nk} - t_{nk}) / (K T)$.  Then the first gradient is $a (s_{nk} - t_{nk}) / (K N)$: it does
not depend on $T$, and the shares of the two terms stay what $a$ says.  Without the factor, a temperature of 4 divides
the first term by 16.

## 3. Sign, scale, detach

- **Sign.**  Both terms are cross-entropies that the student descends.
- **Scale.**  A sum over classes, a mean over images.  A mean over both (PyTorch's ``kl_div`` with reduction ``mean``)
  divides by $K$ too.
- **Softmax of one, log-softmax of the other.**  The logarithm belongs to the student's.
- **Detach.**  The teacher's logits.  And the teacher is in evaluation mode: with dropout or the statistics of the batch
  its answer to an image depends on chance and on the other images.
"""

from typing import Any

import numpy as np

from ..arguments import check_number
from ..functional import cross_entropy, log_softmax, softmax
from ..tensor import Tensor, as_tensor
from .arrays import Array
from .checks import check_scores
from .registry import gradient_of, loss

__all__ = ["distillation_loss"]


@loss
def distillation_loss(
    student_logits: Tensor, teacher_logits: Any, labels: Any = None, temperature: float = 4.0, share: float = 0.9
) -> Tensor:
    """Compute how far a student's answers are from its teacher's, and from the labels.

    Derived in ``derivation("distillation")``; Hinton et al. 2015, section 2.

    Parameters
    ----------
    student_logits : Tensor (N, K)
    teacher_logits : Tensor or ndarray (N, K)
        Constants: no gradient reaches the teacher.
    labels : Tensor or ndarray of int (N,), optional
        The true classes; without them `share` must be 1.
    temperature : float
        T, above 0.
    share : float
        Weight of the teacher, from 0 to 1; the labels have the rest.

    Returns
    -------
    Tensor ()

    Raises
    ------
    TypeError, ValueError
        If the logits are not of one shape (N, K), a number is out of range, or the labels are missing.

    Examples
    --------
    >>> import minigen as mg
    >>> student = mg.tensor([[2.0, 0.0]], requires_grad=True)
    >>> distillation_loss(student, mg.tensor([[2.0, 0.0]]), share=1.0).backward()
    >>> student.grad.abs().max().item() == 0
    True
    """
    op = "distillation_loss"
    check_scores(op, student_logits=student_logits)
    teacher_logits = as_tensor(teacher_logits, student_logits.dtype).detach()
    if student_logits.ndim != 2 or student_logits.shape != teacher_logits.shape:
        raise ValueError(
            f"{op}: expected logits of one shape (N, K), got {student_logits.shape} and {teacher_logits.shape}"
        )
    if not check_number(op, "temperature", temperature) > 0:
        raise ValueError(f"{op}: argument 'temperature': expected a number above 0, got {temperature}")
    if not 0 <= check_number(op, "share", share) <= 1:
        raise ValueError(f"{op}: argument 'share': expected a number from 0 to 1, got {share}")
    if labels is None and share < 1:
        raise ValueError(f"{op}: argument 'labels': they have a share of {1 - share:g}, and are missing")
    probabilities = softmax(teacher_logits / temperature, -1)
    taught = -(probabilities * log_softmax(student_logits / temperature, -1)).sum(1).mean() * temperature**2
    if labels is None:
        return share * taught
    return share * taught + (1 - share) * cross_entropy(student_logits, as_tensor(labels))


@gradient_of(distillation_loss)
def distillation_loss_gradient(
    student_logits: Array,
    teacher_logits: Array,
    labels: Any = None,
    temperature: float = 4.0,
    share: float = 0.9,
    *,
    g: float = 1.0,
) -> tuple[Array]:
    """Compute step 2: the difference of the probabilities, in the student's logits."""
    count = len(student_logits)
    soft = _softmax(student_logits / temperature) - _softmax(teacher_logits / temperature)
    d_student = share * temperature / count * soft
    if labels is not None:
        hard = _softmax(student_logits)
        hard[np.arange(count), np.asarray(labels)] -= 1
        d_student = d_student + (1 - share) / count * hard
    return ((g * d_student).astype(student_logits.dtype),)


def _softmax(logits: Array) -> Array:
    powers: Array = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)
