"""Numbers that measure a trained model.

`evaluate` measures a model of any family; the other functions are its parts, and `class_accuracy` for models that know
classes.
"""

from .accuracy import ClassAccuracy, class_accuracy
from .classifier import Classifier, train_classifier
from .likelihood import elbo, elbo_terms, log_likelihood
from .memorization import Memorization, memorization, nearest_distances
from .modes import Modes, StackedModes, count_modes, known_modes, stacked_modes
from .report import evaluate
from .similarity import psnr, ssim

__all__ = [
    "ClassAccuracy",
    "Classifier",
    "Memorization",
    "Modes",
    "StackedModes",
    "class_accuracy",
    "count_modes",
    "elbo",
    "elbo_terms",
    "evaluate",
    "known_modes",
    "log_likelihood",
    "memorization",
    "nearest_distances",
    "psnr",
    "ssim",
    "stacked_modes",
    "train_classifier",
]
