"""Distill: train a small network on the outputs of a large one; and train a pruned network further.

**A classifier** learns the teacher's probabilities (``derivation("distillation")``).  **A generator** learns the
teacher's images: for the same z and the same class, the mean squared difference of the pixels is descended.  It needs
no data and no discriminator.  A student from random weights makes blurred images this way, because the mean of all
images that fit is the best answer where it cannot copy.  A pruned generator starts near its teacher.

The teacher is in evaluation mode, and no gradient reaches it.
"""

from itertools import chain, count
from typing import Any

import numpy as np

from .._util.progress import progress_bar
from ..arguments import check_integer, check_number
from ..backend import seeded
from ..creation import randn
from ..data import Dataset, Loader
from ..functional import mse_loss
from ..losses import distillation_loss
from ..metrics.classifier import fit_classifier
from ..models import BaseGAN
from ..models.base import Model
from ..optim import Adam
from ..optim.lr_scheduler import LinearLR
from ..tensor import Tensor, tensor
from .prune import Masks

__all__ = ["distill", "fine_tune"]

_BATCH = 64


def distill(
    teacher: Any,
    student: Any,
    dataset: Dataset | None = None,
    steps: int = 500,
    *,
    lr: float | None = None,
    temperature: float = 4.0,
    share: float = 0.9,
    masks: Masks | None = None,
    seed: int = 0,
    progress: str | None = None,
) -> None:
    """Train a student on the outputs of a teacher, in place; afterwards it is in evaluation mode.

    Parameters
    ----------
    teacher, student : Module
        Two GANs of the same family, latent vector, classes and images: only the student's generator learns.  Or two
        classifiers: Modules from images (N, C, H, W) to logits (N, K).
    dataset : Dataset, optional
        Labeled images, for classifiers.
    steps : int
        Batches of 64.
    lr : float, optional
        Learning rate of Adam at the start, 3e-3 for classifiers and 2e-3 for generators; it falls to 0.
    temperature, share : float
        For classifiers; see `minigen.losses.distillation_loss`.
    masks : Masks, optional
        Of a pruned student: applied after each step.
    seed : int
        Of everything random; the package's own random stream stays where it is.
    progress : str, optional
        Title of a bar on the standard error stream, if that is a terminal.

    Raises
    ------
    ValueError
        If the two do not fit each other, classifiers get no labeled images, or a number is out of range.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> teacher, student = (mg.models.DCGAN(size=8, channels=1, network="conv", width=width) for width in (8, 4))
    >>> before = np.square(teacher.decode(np.ones((4, 100))) - student.decode(np.ones((4, 100)))).mean()
    >>> distill(teacher, student, steps=20)
    >>> bool(np.square(teacher.decode(np.ones((4, 100))) - student.decode(np.ones((4, 100)))).mean() < before)
    True
    """
    check_integer("distill", "steps", steps, 1)
    check_integer("distill", "seed", seed, 0)
    if masks is not None:
        masks.check("distill", student)
    if lr is not None:
        check_number("distill", "lr", lr)
    if isinstance(teacher, Model) or isinstance(student, Model):
        _check_generators(teacher, student)
        _match_images(teacher, student, steps, 2e-3 if lr is None else lr, masks, seed, progress)
        return
    if dataset is None or dataset.labels is None:
        raise ValueError("distill: classifiers need a dataset with labels")
    mode = teacher.training
    teacher.eval()
    try:
        images = tensor(dataset.images[:2])
        given, made = (tuple(network(images).shape) for network in (teacher, student.eval()))
        if given != made:
            raise ValueError(
                f"distill: the teacher's outputs are {given}, the student's {made}; expected the same classes"
            )

        def loss(logits: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
            return distillation_loss(logits, teacher(inputs).detach(), targets, temperature, share)

        with seeded(seed):
            fit_classifier(
                student, dataset, steps, seed, 3e-3 if lr is None else lr, 0.05, None, progress,
                loss=loss, after_step=None if masks is None else lambda optimizer: masks.apply([optimizer]),
            )  # fmt: skip
    finally:
        teacher.train(mode)


def fine_tune(
    model: Model,
    dataset: Dataset,
    steps: int,
    *,
    masks: Masks,
    batch_size: int | None = None,
    seed: int = 0,
    progress: str | None = None,
) -> None:
    """Train a pruned model further by its own training steps, in place; afterwards it is in evaluation mode.

    The learning rates fall from those of the start of its training to 0.  (For a GAN, `distill` from the unpruned model
    is the better way: it has a fixed aim.)

    Parameters
    ----------
    model : Model
        With its optimizers, and pruned already.
    dataset : Dataset
        The training data.
    steps : int
    masks : Masks
        What `prune` returned; applied after each step.
    batch_size : int, optional
        By default that of the family.
    seed : int
        Of everything random; the package's own random stream stays where it is.
    progress : str, optional
        Title of a bar on the standard error stream, if that is a terminal.

    Raises
    ------
    ValueError
        If the data or the masks do not suit the model, or a number is out of range.

    Examples
    --------
    >>> import minigen as mg
    >>> from minigen.compress import prune
    >>> model = mg.models.VAE(size=8, channels=1, network="mlp", width=8)
    >>> masks = prune(model, 0.5)
    >>> fine_tune(model, mg.data.load("digits"), 5, masks=masks)
    >>> sum(int((p.numpy() == 0).sum()) for p in model.parameters() if p.ndim > 1) >= masks.total - masks.kept
    True
    """
    check_integer("fine_tune", "steps", steps, 1)
    check_integer("fine_tune", "seed", seed, 0)
    size = model.BATCH_SIZE if batch_size is None else check_integer("fine_tune", "batch_size", batch_size, 1)
    masks.check("fine_tune", model)
    model.prepare(dataset)
    loader = Loader(dataset, min(size, len(dataset)), seed=seed, drop_last=True)
    batches = chain.from_iterable(map(loader.epoch, count()))
    model.train()
    with seeded(seed):
        for i, batch in zip(_bar(steps, progress), batches):
            model.decay_learning_rates(i / steps, 1.0)
            model.training_step(batch)
            masks.apply(model.optimizers.values())
    model.eval()


def _check_generators(teacher: Any, student: Any) -> None:
    for model in (teacher, student):
        if not isinstance(model, BaseGAN):
            name = getattr(model, "name", type(model).__name__)
            raise ValueError(f"distill: expected two GANs or two classifiers, got {name}; train a smaller one instead")
    if type(teacher) is not type(student):
        raise ValueError(f"distill: the teacher is a {teacher.name}, the student a {student.name}; expected one family")
    for what in ("shape", "latent", "classes"):
        if getattr(teacher, what) != getattr(student, what):
            raise ValueError(
                f"distill: the teacher's {what} is {getattr(teacher, what)}, the student's {getattr(student, what)}"
            )


def _match_images(
    teacher: BaseGAN, student: BaseGAN, steps: int, lr: float, masks: Masks | None, seed: int, progress: str | None
) -> None:
    """Descend the mean squared difference of the images of the same z."""
    noise = np.random.default_rng(seed)
    optimizer = Adam(student.generator.parameters(), lr)
    rate = LinearLR(optimizer, 1.0, 0.0, steps)
    student.train()
    for _ in _bar(steps, progress):
        z = randn(_BATCH, teacher.latent, generator=noise, device=teacher.device)
        labels = noise.integers(teacher.classes, size=_BATCH) if teacher.classes else None
        condition = teacher.condition(labels, _BATCH)
        with teacher.evaluating():
            wanted = teacher.generate(z, condition)
        optimizer.zero_grad()
        mse_loss(student.generate(z, condition), wanted).backward()
        optimizer.step()
        rate.step()
        if masks is not None:
            masks.apply([optimizer])
    student.eval()


def _bar(steps: int, title: str | None) -> Any:
    return progress_bar(range(steps), title, leave=False, disable=None if title else True)
