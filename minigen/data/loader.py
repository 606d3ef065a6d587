"""Batches in a shuffled order that anyone can compute again."""

from collections.abc import Iterator

import numpy as np

from .dataset import Dataset

__all__ = ["Loader"]


class Loader:
    """Iterate over a data set in batches.

    The order of epoch k is a pure function of `seed` and k, so that a resumed run needs no saved state: it asks for
    ``epoch(k, start_batch=b)`` and continues with the very batches that an uninterrupted run would see.

    Parameters
    ----------
    dataset : Dataset
    batch_size : int
        At most the number of examples.
    shuffle : bool
        If False, every epoch runs in the set's order.
    seed : int
        Not negative.
    drop_last : bool
        Leave out the last batch if it is smaller than the others.

    Raises
    ------
    ValueError
        If `batch_size` is not in 1..len(dataset), or `seed` is negative.

    Examples
    --------
    >>> points = Dataset("five", np.arange(10, dtype=np.float32).reshape(5, 2), np.arange(5))
    >>> loader = Loader(points, batch_size=2, seed=3)
    >>> len(loader)
    3
    >>> seen = [labels.tolist() for batch, labels in loader]  # epoch 0; the next loop would run epoch 1
    >>> [len(labels) for labels in seen], sorted(sum(seen, []))
    ([2, 2, 1], [0, 1, 2, 3, 4])
    >>> [labels.tolist() for batch, labels in loader.epoch(0, start_batch=1)] == seen[1:]
    True
    """

    def __init__(
        self, dataset: Dataset, batch_size: int, shuffle: bool = True, seed: int = 0, drop_last: bool = False
    ) -> None:
        if not 1 <= batch_size <= len(dataset):
            raise ValueError(
                f"Loader: batch_size must be between 1 and {len(dataset)}, the number of examples "
                f"of {dataset.name}, got {batch_size}"
            )
        if seed < 0:
            raise ValueError(f"Loader: seed must not be negative, got {seed}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self._next_epoch = 0

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Run the next epoch: 0 at first, then 1, ..."""
        epoch = self._next_epoch
        self._next_epoch += 1
        return self.epoch(epoch)

    def order(self, epoch: int) -> np.ndarray:
        """Indices of the examples, in the order in which `epoch` takes them."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.dataset))

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Batches of one epoch, from batch `start_batch` on.

        Parameters
        ----------
        epoch : int
            From 0.
        start_batch : int
            In 0..len(self); the last gives no batch.

        Yields
        ------
        batch : ndarray (B, C, H, W) or (B, D), float32
            A copy: it may be changed.
        labels : ndarray of int64 (B,), or None if the set has none

        Raises
        ------
        ValueError
            If either argument is out of range; at the call, not at the first batch.
        """
        if epoch < 0:
            raise ValueError(f"Loader: epoch must not be negative, got {epoch}")
        if not 0 <= start_batch <= len(self):
            raise ValueError(f"Loader: start_batch must be between 0 and {len(self)}, got {start_batch}")
        order, data, labels = self.order(epoch), self.dataset.data, self.dataset.labels
        picks = (order[b * self.batch_size : (b + 1) * self.batch_size] for b in range(start_batch, len(self)))
        return ((data[pick], None if labels is None else labels[pick]) for pick in picks)
