"""Numbers that measure a trained model.

`evaluate` measures a model of any family; `class_accuracy` measures a model that knows classes.
"""

from .accuracy import ClassAccuracy, class_accuracy
from .classifier import Classifier, train_classifier
from .report import evaluate

__all__ = ["ClassAccuracy", "Classifier", "class_accuracy", "evaluate", "train_classifier"]
