"""Numbers that measure a trained model.

`evaluate` measures a model of any family; the other functions are its parts, and `class_accuracy` for models that know
classes.
"""

from .accuracy import ClassAccuracy, class_accuracy
from .classifier import Classifier, train_classifier
from .likelihood import elbo, elbo_terms, log_likelihood
from .memorization import Memorization, memorization, nearest_distances
from .report import evaluate
from .similarity import psnr, ssim

__all__ = [
    "ClassAccuracy",
    "Classifier",
    "Memorization",
    "class_accuracy",
    "elbo",
    "elbo_terms",
    "evaluate",
    "log_likelihood",
    "memorization",
    "nearest_distances",
    "psnr",
    "ssim",
    "train_classifier",
]
