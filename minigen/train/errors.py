"""What can be wrong with a run."""

__all__ = ["CheckpointError", "RunError"]


class RunError(Exception):
    """Something is wrong with a run that its user can put right; the message is one line that says what and how."""


class CheckpointError(RunError):
    """A checkpoint is damaged, or is none of ours, or does not fit the model."""
