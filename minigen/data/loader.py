"""Batches in a shuffled order that is a function of seed and epoch."""

from collections.abc import Callable, Iterator

import numpy as np

from .dataset import Dataset

__all__ = ["HeldOut", "Loader"]

Transform = Callable[[dict[str, np.ndarray], np.random.Generator], dict[str, np.ndarray]]
"""A function of a batch and of a random generator to a batch."""


class HeldOut:
    """Add images that the model does not learn from to each batch: the `transform` of a `Loader`.

    A GAN logs what its discriminator says of them.

    Parameters
    ----------
    dataset : Dataset
        The held-out examples.

    Examples
    --------
    >>> rows = Dataset("rows", images=np.zeros((4, 1, 2, 2), np.float32))
    >>> batch = HeldOut(rows)({"images": np.ones((3, 1, 2, 2), np.float32)}, np.random.default_rng(0))
    >>> batch["images"].mean(), batch["heldout"].shape, batch["heldout"].mean()
    (np.float32(1.0), (3, 1, 2, 2), np.float32(0.0))
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __call__(self, batch: dict[str, np.ndarray], generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the batch with ``heldout`` and, if there are labels, ``heldout_labels``: as many as it has images."""
        size = min(len(batch["images"]), len(self.dataset))
        some = self.dataset.batch(generator.permutation(len(self.dataset))[:size])
        found = {"heldout": some["images"]}
        if "labels" in some:
            found["heldout_labels"] = some["labels"]
        return batch | found


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
        Leave out the last batch if it is smaller than the others.  ``minigen train`` does so: batch norm needs more
        than one image, and its statistics of few images are poor.
    transform : callable, optional
        Function (batch, generator) to a batch, applied to each batch: augmentation, damage.  It may change the batch, a
        copy, in place.  The generator is a new one for each batch, made from `seed`, the epoch and the number of the
        batch, so a resumed run draws the same random numbers.

    Raises
    ------
    ValueError
        If `batch_size` is not in 1..len(dataset), or `seed` is negative.

    Examples
    --------
    >>> five = Dataset("five", points=np.arange(10, dtype=np.float32).reshape(5, 2), labels=np.arange(5))
    >>> loader = Loader(five, batch_size=2, seed=3)
    >>> len(loader)
    3
    >>> seen = [batch["labels"].tolist() for batch in loader]  # epoch 0; the next loop would run epoch 1
    >>> [len(labels) for labels in seen], sorted(sum(seen, []))
    ([2, 2, 1], [0, 1, 2, 3, 4])
    >>> [batch["labels"].tolist() for batch in loader.epoch(0, start_batch=1)] == seen[1:]
    True
    >>> def noisy(batch, generator):
    ...     return batch | {"points": batch["points"] + generator.normal(size=batch["points"].shape)}
    >>> next(Loader(five, batch_size=2, transform=noisy).epoch(0))["points"].shape
    (2, 2)
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
        *,
        transform: Transform | None = None,
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
        self.transform = transform
        self._next_epoch = 0

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    @property
    def smallest_batch(self) -> int:
        """The number of examples in the smallest batch of an epoch, the last one."""
        rest = len(self.dataset) % self.batch_size
        return rest if rest and not self.drop_last else self.batch_size

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        """Run the next epoch: 0 at first, then 1, ..."""
        epoch = self._next_epoch
        self._next_epoch += 1
        return self.epoch(epoch)

    def order(self, epoch: int) -> np.ndarray:
        """Return the indices of the examples, in the order in which `epoch` takes them."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.dataset))

    def partner_order(self, epoch: int) -> np.ndarray:
        """Return the indices of unpaired partners for an epoch: an order of their own, as long as `order`.

        It is a function of the seed and the epoch too.  If there are fewer partners than images, they come several
        times, each time in a new order; if there are more, each epoch uses others.
        """
        count, partners = len(self.dataset), self.dataset["partners"]
        if not self.shuffle:
            return np.arange(count) % len(partners)
        rng = np.random.default_rng([self.seed, epoch, 1])
        rounds = -(-count // len(partners))
        return np.concatenate([rng.permutation(len(partners)) for _ in range(rounds)])[:count]

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[dict[str, np.ndarray]]:
        """Yield the batches of one epoch, from batch `start_batch` on.

        Parameters
        ----------
        epoch : int
            From 0.
        start_batch : int
            In 0..len(self); the last gives no batch.

        Yields
        ------
        dict of str to ndarray
            Each field of the data set, with one row for each example of the batch: ``images``, ``labels`` and others.
            Copies: they may be changed.

        Raises
        ------
        ValueError
            If either argument is out of range; at the call, not at the first batch.
        """
        if epoch < 0:
            raise ValueError(f"Loader: epoch must not be negative, got {epoch}")
        if not 0 <= start_batch <= len(self):
            raise ValueError(f"Loader: start_batch must be between 0 and {len(self)}, got {start_batch}")
        return self._batches(epoch, start_batch)

    def _batches(self, epoch: int, start_batch: int) -> Iterator[dict[str, np.ndarray]]:
        order = self.order(epoch)
        partners = None if self.dataset.paired else self.partner_order(epoch)
        for number in range(start_batch, len(self)):
            part = slice(number * self.batch_size, (number + 1) * self.batch_size)
            batch = self.dataset.batch(order[part], None if partners is None else partners[part])
            if self.transform is not None:
                batch = self.transform(batch, np.random.default_rng([self.seed, epoch, number, 1]))
            yield batch
