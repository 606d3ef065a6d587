"""What can be wrong with a run."""

__all__ = ["CheckpointError", "OtherRankError", "RunError"]


class RunError(Exception):
    """A mistake that the user of a run can correct; the message is one line that says what is wrong and what to do."""


class CheckpointError(RunError):
    """A checkpoint is damaged, or minigen did not write it, or it does not fit the model."""


class OtherRankError(RunError):
    """Another process of a data-parallel training has failed, and says why."""
