"""Whether samples are of the class that was asked for, measured by classifiers.

There are two questions, and each needs the other:

1. *Are the samples what was asked for?*  A classifier trained on real images reads the samples: the class accuracy.
2. *Do the samples have the variety of the data?*  A classifier trained on samples only reads real images: the
   *classification accuracy score* (Ravuri & Vinyals 2019, arXiv 1905.10887).

The first measures **the class and nothing else**: a generator that draws one clear image of each class again and again
would reach 100 %.  The second finds this out, because a classifier cannot learn to read real images from ten images;
it is lower if samples lack something that real images have.  Neither says how good a sample looks.
"""

from dataclasses import dataclass

import numpy as np

from ..data import Dataset
from ..models import GenerativeModel
from .classifier import STEPS, Classifier, train_classifier

__all__ = ["ClassAccuracy", "class_accuracy"]


@dataclass(frozen=True, eq=False)
class ClassAccuracy:
    """How classifiers read the samples of a model, and how one trained on samples reads real images.

    Parameters
    ----------
    confusion : ndarray of int (classes, classes)
        Samples asked for as class i (row) and read as class j (column).
    classifier_accuracy : float
        Share of held-out real images that the classifier reads right: a bound on how far its reading can be trusted.
    classification_accuracy_score : float
        The same share for a classifier trained on the samples only.
    names : tuple of str
        Of the classes.
    """

    confusion: np.ndarray
    classifier_accuracy: float
    classification_accuracy_score: float
    names: tuple[str, ...]

    @property
    def class_accuracy(self) -> float:
        """Share of the samples that are read as the class they were asked for."""
        return float(self.confusion.trace() / self.confusion.sum())

    @property
    def per_class(self) -> np.ndarray:
        """The same of each class (classes,)."""
        shares: np.ndarray = self.confusion.diagonal() / self.confusion.sum(1)
        return shares

    def top_confusions(self, n: int) -> list[tuple[str, str, int]]:
        """Return the `n` (or fewer) most frequent confusions: class asked for, class read, how often."""
        wrong = self.confusion - np.diag(self.confusion.diagonal())
        places = np.argsort(-wrong, axis=None, kind="stable")[:n]
        pairs = zip(*np.unravel_index(places, wrong.shape))
        return [(self.names[i], self.names[j], int(wrong[i, j])) for i, j in pairs if wrong[i, j]]


def class_accuracy(
    model: GenerativeModel,
    train: Dataset,
    test: Dataset,
    n: int = 10_000,
    seed: int = 0,
    classifier: Classifier | None = None,
    steps: int = STEPS,
    progress: bool = False,
) -> ClassAccuracy:
    """Let classifiers read the samples of a model that knows classes.

    Parameters
    ----------
    model : GenerativeModel
        A `CGAN` or `CVAE`.
    train, test : Dataset
        Labeled images: the classifier of the samples learns from `train`, and both are put to the test on `test`.
    n : int
        Samples, of all classes in turn.
    seed : int
        Of the noise, and of the classifiers.
    classifier : Classifier, optional
        Trained before, on other images than `test`; by default it is trained here.
    steps : int
        Of training a classifier, see `train_classifier`.
    progress : bool
        Whether to show how far the classifiers are.

    Returns
    -------
    ClassAccuracy

    Raises
    ------
    ValueError
        If the model knows no classes, the images have no labels, `n` is less than the number of classes, or the three
        do not go together.

    Examples
    --------
    >>> import minigen as mg
    >>> train, test = (mg.data.load("digits", split) for split in ("train", "test"))
    >>> mg.manual_seed(0)
    >>> found = class_accuracy(mg.models.build("cgan", size=8, width=4), train, test, n=50, steps=20)
    >>> found.class_accuracy < 0.5, found.confusion.sum(1)  # a model that was not trained
    (True, array([5, 5, 5, 5, 5, 5, 5, 5, 5, 5]))
    """
    if not model.classes:
        raise ValueError(f"{model.name}: this model knows no classes that could be read: train a cgan or a cvae")
    for dataset in (train, test):
        if dataset.labels is None:
            raise ValueError(f"class_accuracy: expected labeled images, {dataset.name} has no labels")
        if len(dataset.classes) != model.classes:
            raise ValueError(
                f"class_accuracy: {model.name} knows {model.classes} classes, {dataset.name} has {len(dataset.classes)}"
            )
    if train.classes != test.classes:
        raise ValueError(
            f"class_accuracy: the classes to learn from, {', '.join(train.classes)}, are not those to be tested on, "
            f"{', '.join(test.classes)}"
        )
    if n < model.classes:
        raise ValueError(
            f"class_accuracy: expected at least one sample for each of {model.classes} classes, got n = {n}"
        )
    if classifier is None:
        classifier = train_classifier(train, steps, seed, progress=progress)
    elif classifier.classes != model.classes:
        raise ValueError(
            f"class_accuracy: expected a classifier of {model.classes} classes, got one of {classifier.classes}"
        )
    asked = np.arange(n) % model.classes
    samples = model.sample(n, np.random.default_rng(seed), asked)
    confusion = np.zeros((model.classes, model.classes), np.int64)
    np.add.at(confusion, (asked, classifier.predict(samples)), 1)
    of_samples = train_classifier(Dataset("samples", samples, asked, train.classes), steps, seed, progress=progress)
    accuracy, score = (float((one.predict(test.images) == test.labels).mean()) for one in (classifier, of_samples))
    return ClassAccuracy(confusion, accuracy, score, train.classes)
