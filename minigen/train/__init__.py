"""Training: one loop for every model, and what it leaves on the disk.

The loop knows nothing of GANs: a model brings its own `training_step` (see `Trainable`), so the mathematics of a family
stands in the family's file, and progress, logs, checkpoints and their exact resumption stand here, once.
"""

from .checkpoint import load_checkpoint, save_checkpoint
from .errors import CheckpointError, RunError
from .graph import GraphedStep
from .load import Trained, build_model, load_split, load_trained, load_unseen, load_validation, open_run
from .loop import EpochReport, TrainingResult, check_training, fit, restore
from .run import PRETRAINED, Run, find_run, pretrained_names
from .trainable import Trainable

__all__ = [
    "CheckpointError",
    "PRETRAINED",
    "EpochReport",
    "GraphedStep",
    "Run",
    "RunError",
    "Trainable",
    "Trained",
    "TrainingResult",
    "build_model",
    "check_training",
    "find_run",
    "fit",
    "load_checkpoint",
    "load_split",
    "load_trained",
    "load_unseen",
    "load_validation",
    "open_run",
    "pretrained_names",
    "restore",
    "save_checkpoint",
]
