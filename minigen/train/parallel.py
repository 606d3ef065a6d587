r"""Data parallelism: training steps on the shards of a batch, the same to the last bit on any number of processes.

A batch is cut into S *shards*, always as many.  Each process (a *rank*, as MPI says) holds the whole model and computes
the gradient of its shards.  The gradient of the batch is the mean

$$g = \frac{1}{S} \left( \left( g_1 + g_2 \right) + \dots + g_S \right)$$

**The order of the sum.**  A sum of rounded numbers depends on its order: in float32, (1e8 + 1) - 1e8 is 0, and
(1e8 - 1e8) + 1 is 1.  If every rank added its own shards first, 2 and 4 ranks would add in different orders.  So the
gradients are always added in the order of the shards (see `sum_in_order`).  Random numbers are a function of the seed,
the step and the shard.  Then nothing depends on the number of ranks, which may even change between two halves of a
training.

**Lockstep.**  A GAN updates D, and then computes the loss of G with the updated D.  So all shards have to come to the
first update before any of them goes on.  The models know nothing of this: the `training_step` of each shard runs as a
`Coroutine`, which pauses where it calls ``optimizer.step()``.  When all shards are there, the optimizer makes one step
with the mean gradient, and all of them go on.

**What is not a weight.**  During a step each shard has its own copy of the buffers, such as the running statistics of
batch norm, and of weights that no optimizer updates, such as moving averages.  After the step, what all shards agree on
is kept, and of what differs the mean is taken, in the order of the shards.  Batch norm normalizes each shard by the
statistics of that shard alone (*ghost batches*, Hoffer et al. 2017, arXiv 1705.08741).  So S shards are not the same
training as one batch; they are the same training on any number of ranks.
"""

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import numpy as np

from .. import backend
from .._util.coroutine import Coroutine
from ..arguments import check_integer
from ..nn import Module
from ..tensor import Tensor, tensor
from .errors import OtherRankError, RunError

__all__ = [
    "Alone",
    "Communicator",
    "DataParallel",
    "check_agreement",
    "check_batches",
    "check_shards",
    "cut_batch",
    "fingerprint",
    "on_all_ranks",
    "sum_in_order",
]

T = TypeVar("T")


class Communicator(Protocol):
    """What data parallelism needs of the processes: `Alone` has it, `MPICommunicator` and `NCCLCommunicator`.

    Every rank makes the same calls in the same order.
    """

    @property
    def rank(self) -> int:
        """The number of this process, from 0; rank 0 writes the run."""

    @property
    def size(self) -> int:
        """The number of processes."""

    @property
    def rows_on(self) -> str | None:
        """The device, "cpu" or "cuda", where the arrays of `gather_rows` and `exchange_rows` are; None for any."""

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all ranks, in the order of the ranks, on every rank."""

    def gather_rows(self, rows: Any) -> Any:
        """Return the rows (n, length) of all ranks as (size * n, length), in the order of the ranks, on every rank."""

    def exchange_rows(self, rows: Any) -> Any:
        """Send row r of (size, ...) to rank r; return the rows that were sent here, in the order of the ranks."""


class Alone:
    """The communicator of one process.

    >>> Alone().gather("value")
    ['value']
    """

    rank: int = 0
    size: int = 1
    rows_on: str | None = None

    def gather(self, value: Any) -> list[Any]:
        """Return a list of the one value."""
        return [value]

    def gather_rows(self, rows: Any) -> Any:
        """Return the rows."""
        return rows

    def exchange_rows(self, rows: Any) -> Any:
        """Return the rows."""
        return rows


def sum_in_order(communicator: Communicator, rows: Any) -> Any:
    """Add the rows of all ranks, in the order of the ranks and of the rows: the same bits on any number of ranks.

    Each of R ranks adds 1/R of the columns: it gets these columns of all rows.  Then all ranks get all sums.  A rank
    with n rows sends (R - 1) / R * (n + 1) * length numbers.  A *ring all-reduce* sends as many as this for n = 1, but
    its order depends on R.

    Parameters
    ----------
    communicator : Communicator
    rows : array (n, length)
        As many on each rank.

    Returns
    -------
    array (length,)

    Examples
    --------
    >>> sum_in_order(Alone(), np.array([[1e8, 1], [1, 1], [-1e8, 1]], np.float32)).tolist()
    [0.0, 3.0]
    """
    count, length = rows.shape
    width = -(-length // communicator.size)
    if length % communicator.size:
        rows = backend.array_module(rows).pad(rows, ((0, 0), (0, communicator.size * width - length)))
    parts = rows.reshape(count, communicator.size, width).swapaxes(0, 1)
    mine = communicator.exchange_rows(parts).reshape(-1, width)
    total = mine[0].copy()
    for row in mine[1:]:
        total += row
    return communicator.gather_rows(total[None]).reshape(-1)[:length]


def on_all_ranks(communicator: Communicator, function: Callable[[], T]) -> list[T]:
    """Call a function on every rank and return all results, in the order of the ranks.

    Parameters
    ----------
    communicator : Communicator
    function : callable

    Raises
    ------
    Exception
        If the function raises on some ranks: its error on the first of these ranks, and `OtherRankError` on all others.
    """
    result, error = None, None
    try:
        result = function()
    except Exception as raised:
        error = raised
    found = communicator.gather((error is None, result))
    failed = [rank for rank, (fine, _) in enumerate(found) if not fine]
    if not failed:
        return [value for _, value in found]
    if error is not None and communicator.rank == failed[0]:
        raise error
    raise OtherRankError(f"rank {failed[0]} failed") from error


def check_agreement(communicator: Communicator, arguments: Mapping[str, Any]) -> None:
    """Check that all ranks were called with the same arguments.

    If not, they would wait for different exchanges, or each would learn from other batches.

    Parameters
    ----------
    communicator : Communicator
    arguments : mapping of str to object

    Raises
    ------
    ValueError
        On rank 0, if a rank has another value; the message names argument, rank and values.
    OtherRankError
        Then on the other ranks.

    Examples
    --------
    >>> check_agreement(Alone(), {"shards": 4})
    """
    found = communicator.gather(dict(arguments))
    for rank, others in enumerate(found):
        for name, value in found[0].items():
            if others[name] != value:
                values = f"{value} on rank 0 and {others[name]} on rank {rank}"
                message = f"parallel: expected the same {name} on all ranks, got {values}"
                raise ValueError(message) if communicator.rank == 0 else OtherRankError(message)


def check_shards(shards: int, ranks: int, *batch_sizes: int) -> None:
    """Check that the ranks can share the shards, and that batches can be cut into them.

    Parameters
    ----------
    shards, ranks : int
    *batch_sizes : int

    Raises
    ------
    TypeError
        If `shards` is no integer.
    ValueError
        If one does not divide the other.

    Examples
    --------
    >>> check_shards(4, 2, 32)
    >>> check_shards(4, 3, 32)
    Traceback (most recent call last):
        ...
    ValueError: shards: 3 ranks cannot share 4 shards equally; expected a number of ranks that divides it: 1, 2, 4
    """
    check_integer("parallel", "shards", shards, 1)
    if shards % ranks:
        fitting = ", ".join(str(n) for n in range(1, shards + 1) if shards % n == 0)
        raise ValueError(
            f"shards: {ranks} ranks cannot share {shards} shard{'s' * (shards > 1)} equally; expected a number of "
            f"ranks that divides it: {fitting}"
        )
    for size in batch_sizes:
        if size % shards:
            raise ValueError(f"shards: a batch of {size} cannot be cut into {shards} equal shards; expected a batch "
                             f"size that is a multiple of {shards}, or another number of shards")  # fmt: skip


def check_batches(model: Any, shards: int, ranks: int, *batch_sizes: int) -> None:
    """Check that the ranks can share the shards, and that the model can learn from a shard of the smallest batch.

    Parameters
    ----------
    model : Trainable
    shards, ranks : int
    *batch_sizes : int

    Raises
    ------
    TypeError, ValueError
        As `check_shards` and the model's `check_batch_size`.
    """
    check_shards(shards, ranks, *batch_sizes)
    smallest = min(batch_sizes)
    try:
        model.check_batch_size(smallest // shards)
    except ValueError as error:
        if shards == 1:
            raise
        raise ValueError(f"shards: each of the {shards} parts of a batch of {smallest}: {error}") from error


def cut_batch(batch: Mapping[str, np.ndarray], shards: int, index: int) -> dict[str, np.ndarray]:
    """Return the shard `index` of a batch: as many rows of each field as every other shard gets, in their order.

    Parameters
    ----------
    batch : mapping of str to ndarray
        A field with fewer rows than the others, such as held-out images, loses those that are left over.
    shards : int
    index : int
        From 0.

    Raises
    ------
    ValueError
        If a field has fewer rows than there are shards, or the largest field cannot be cut into equal shards.

    Examples
    --------
    >>> cut_batch({"images": np.arange(8), "heldout": np.arange(5)}, shards=4, index=1)
    {'images': array([2, 3]), 'heldout': array([1])}
    """
    check_shards(shards, 1, max(len(rows) for rows in batch.values()))
    found = {}
    for name, rows in batch.items():
        count = len(rows) // shards
        if not count:
            raise ValueError(f"shards: the field {name!r} of a batch has {len(rows)} rows, fewer than {shards} shards")
        found[name] = rows[index * count : (index + 1) * count]
    return found


def fingerprint(state: Mapping[str, np.ndarray]) -> str:
    """Return a digest of a `state_dict`: that of two equal models is the same.

    >>> fingerprint({"weight": np.zeros(2)}) == fingerprint({"weight": np.zeros(2)})
    True
    >>> fingerprint({"weight": np.zeros(2)}) == fingerprint({"weight": np.ones(2)})
    False
    """
    whole = hashlib.blake2b(digest_size=16)
    for name, value in state.items():
        whole.update(f"{name} {value.dtype} {value.shape}".encode())
        whole.update(np.ascontiguousarray(value).data)
    return whole.hexdigest()


class _Shard:
    """One shard during one step: its `training_step`, and all that this must not share with the other shards."""

    def __init__(self, model: Any, batch: Mapping[str, np.ndarray], seed: Sequence[int], own: list[Tensor]):
        self.coroutine = Coroutine(lambda: model.training_step(batch))
        self.rng: dict[str, Any] = dict(np.random.default_rng(list(seed)).bit_generator.state)
        self.own = own
        self.versions = [(t.version, t.version[0]) for t in own]
        self.gradients: dict[Tensor, Tensor] = {}

    def changed(self, slot: int) -> bool:
        """Whether the step has changed the Tensor at this place."""
        version, count = self.versions[slot]
        return self.own[slot].version is not version or version[0] != count


class DataParallel:
    """Do the steps of a model on the shards of each batch, with the other ranks.

    Parameters
    ----------
    model : Module
        It trains by `training_step` (see `Trainable`), and its weights change by ``optimizer.step()`` of its
        `optimizers` alone.  What else it changes is in buffers.  A change of the weights outside an optimizer must be
        one that does nothing the second time, such as clipping.
    shards : int
    seed : int
        Decides, with the step and the shard, the random numbers.
    communicator : Communicator

    Raises
    ------
    ValueError
        If the model is no Module, or the ranks cannot share the shards.

    Examples
    --------
    >>> import minigen as mg
    >>> model = mg.models.DCGAN(size=8, channels=1, width=4)
    >>> parallel = DataParallel(model, shards=2)
    >>> numbers = parallel.training_step({"images": np.zeros((8, 1, 8, 8), np.float32)}, step=0)
    >>> list(numbers)[:2]
    ['loss_d', 'loss_g']
    """

    def __init__(self, model: Any, shards: int, seed: int = 0, communicator: Communicator | None = None):
        if not isinstance(model, Module):
            raise ValueError(f"shards: expected a model that is a minigen.nn.Module, got a {type(model).__name__}")
        self.model: Any = model
        self.shards: int = shards
        self.seed: int = seed
        self.communicator: Communicator = Alone() if communicator is None else communicator
        check_shards(shards, self.communicator.size)
        self._running: _Shard | None = None
        self._steps: dict[str, Callable[[], None]] = {}
        self._scratch: dict[Any, Any] = {}
        self._updated: set[Tensor] = set()  # parameters of an optimizer
        self._slots: list[tuple[Module, str, Tensor]] = []

    def training_step(self, batch: Mapping[str, np.ndarray], step: int) -> dict[str, float]:
        """Do one step; the same call on every rank.

        Parameters
        ----------
        batch : mapping of str to ndarray
            The whole batch, the same on every rank.
        step : int
            Steps since the beginning of the training.

        Returns
        -------
        dict of str to float
            Of the numbers that the model returned for each shard the mean over all shards.

        Raises
        ------
        ValueError
            If the batch cannot be cut into equal shards.
        RunError
            If the shards do not make the same updates, or differ in a whole number.
        OtherRankError
            If another rank failed.
        """
        here = self.shards // self.communicator.size
        first = self.communicator.rank * here
        self._find_state()
        shards = [
            _Shard(
                self.model,
                cut_batch(batch, self.shards, index),
                (self.seed, step, index, 2),  # a Loader's streams end with 1
                copy.deepcopy([original for *_, original in self._slots]),
            )
            for index in range(first, first + here)
        ]
        try:
            with self._pausing():
                while (name := self._advance(shards)) is not None:
                    self._update(name, shards)
            return self._merge(shards)
        finally:
            for shard in shards:
                shard.coroutine.close()
            self._install([original for *_, original in self._slots])
            self.model.zero_grad()

    def _find_state(self) -> None:
        """Find what each shard has its own copy of: buffers, and Parameters of no optimizer."""
        groups = [group for optimizer in self.model.optimizers.values() for group in optimizer.param_groups]
        self._updated = {p for group in groups for p in group["params"]}
        self._slots = [
            (module, name, value)
            for module in self.model.modules()
            for named in (module.named_buffers(recurse=False), module.named_parameters(recurse=False))
            for name, value in named
            if value not in self._updated
        ]

    def _install(self, tensors: list[Tensor]) -> None:
        for (module, name, _), value in zip(self._slots, tensors):
            setattr(module, name, value)

    @contextmanager
    def _pausing(self) -> Iterator[None]:
        """Let every optimizer's `step` pause the shard that calls it."""
        optimizers = self.model.optimizers
        self._steps = {name: optimizer.step for name, optimizer in optimizers.items()}
        for name, optimizer in optimizers.items():
            optimizer.step = lambda name=name: self._pause(name)
        try:
            yield
        finally:
            for optimizer in optimizers.values():
                del optimizer.step

    def _pause(self, name: str) -> None:
        assert self._running is not None
        self._running.coroutine.pause(name)

    def _advance(self, shards: list[_Shard]) -> str | None:
        """Let every shard run to its next update; return the name of its optimizer, or None at the end of the step."""
        ways = [way for rank in on_all_ranks(self.communicator, lambda: [self._run(s) for s in shards]) for way in rank]
        other = next((index for index, way in enumerate(ways) if way != ways[0]), None)
        if other is not None:
            raise self._failure(
                "the shards of a batch must make the same updates, of the same weights: shard 0 "
                f"{_described(ways[0])}, shard {other} {_described(ways[other])}; train with --shards 1"
            )
        return ways[0][0]

    def _run(self, shard: _Shard) -> tuple[str | None, tuple[bool, ...]]:
        """Let one shard run to its next update: the name of the optimizer, and which of its weights have a gradient."""
        self._running = shard
        self._install(shard.own)
        for p, gradient in shard.gradients.items():
            p.grad = gradient
        random = backend.get_rng_state()
        backend.set_rng_state(shard.rng)
        try:
            name: str | None = shard.coroutine.resume()
            shard.rng = backend.get_rng_state()
        except SystemExit as error:  # would end this rank alone
            raise RunError(f"rank {self.communicator.rank}: the model called sys.exit({error.code!r})") from error
        finally:
            backend.set_rng_state(random)
        shard.own = [getattr(module, name) for module, name, _ in self._slots]
        shard.gradients = {p: p.grad for p in self._updated if p.grad is not None}
        self.model.zero_grad()
        return name, tuple(p in shard.gradients for p in self._parameters(name))

    def _parameters(self, name: str | None) -> list[Tensor]:
        if name is None:
            return []
        return [p for group in self.model.optimizers[name].param_groups for p in group["params"]]

    def _update(self, name: str, shards: list[_Shard]) -> None:
        """Do one step of an optimizer along the mean of the gradients of all shards."""
        moving = [p for p in self._parameters(name) if p in shards[0].gradients]
        means = self._means([[shard.gradients[p].data for p in moving] for shard in shards])
        for p, mean in zip(moving, means):
            p.grad = tensor(mean, device=p.device)
            for shard in shards:
                shard.gradients[p] = p.grad
        self._steps[name]()
        self.model.zero_grad()

    def _means(self, rows: list[list[Any]]) -> list[Any]:
        """Return for each place in the lists of arrays, one list for each shard here, the mean over all shards."""
        arrays = [[self._where_rows_are(array) for array in row] for row in rows]
        means = list(arrays[0])
        for dtype in sorted({array.dtype for array in means}, key=str):
            places = [i for i, array in enumerate(means) if array.dtype == dtype]
            length = sum(means[i].size for i in places)
            shape = len(arrays), length + -length % self.communicator.size  # what the ranks can divide
            xp = backend.array_module(means[places[0]])
            # The same memory in every step: fresh pages take longer than the copy.
            if (xp, dtype, shape) not in self._scratch:
                self._scratch[xp, dtype, shape] = xp.zeros(shape, dtype)
            flat = self._scratch[xp, dtype, shape]
            for row, line in zip(arrays, flat):
                xp.concatenate([row[i].reshape(-1) for i in places], out=line[:length])
            total = sum_in_order(self.communicator, flat)
            total /= dtype.type(self.shards)
            start = 0
            for i in places:
                end = start + means[i].size
                means[i], start = total[start:end].reshape(means[i].shape), end
        return means

    def _where_rows_are(self, array: Any) -> Any:
        """The array on the device that the ranks exchange from."""
        device = self.communicator.rows_on or backend.device_of(array)
        array = backend.to_device(array, device)
        return np.asarray(array) if device == "cpu" else array

    def _merge(self, shards: list[_Shard]) -> dict[str, float]:
        """Give the model what the shards have left in their copies; return the means of their numbers."""
        tokens = [_token([shard.own[slot] for shard in shards if shard.changed(slot)], len(shards))
                  for slot in range(len(self._slots))]  # fmt: skip
        numbers = [{name: float(value) for name, value in shard.coroutine.result.items()} for shard in shards]
        found = self.communicator.gather((tokens, numbers))
        differing = []
        for slot, (_, name, original) in enumerate(self._slots):
            everywhere = {rank_tokens[slot] for rank_tokens, _ in found}
            if everywhere == {_UNCHANGED}:
                continue
            if len(everywhere) == 1 and _DIFFERENT not in everywhere:
                original.data = shards[0].own[slot].data
            elif original.dtype.kind == "f":
                differing.append(slot)
            else:
                raise self._failure(f"the shards of a batch count differently in {name!r}; train with --shards 1")
        for slot, mean in zip(
            differing, self._means([[shard.own[slot].data for slot in differing] for shard in shards])
        ):
            original = self._slots[slot][2]
            original.data = backend.to_device(mean, original.device)
        logged = [row for _, rows in found for row in rows]
        if any(list(row) != list(logged[0]) for row in logged):
            raise self._failure("the shards of a batch do not return the same numbers; train with --shards 1")
        return {name: sum(row[name] for row in logged) / self.shards for name in logged[0]}

    def _failure(self, message: str) -> RunError:
        """An error that every rank finds: only rank 0 is to say it."""
        return RunError(message) if self.communicator.rank == 0 else OtherRankError(message)


_UNCHANGED, _DIFFERENT = "unchanged", "different"


def _token(changed: list[Tensor], shards: int) -> str:
    """What the shards of this rank have made of one Tensor: nothing, different values, or the digest of equal ones."""
    if not changed:
        return _UNCHANGED
    values = {t.numpy().tobytes() for t in changed}
    return (
        hashlib.blake2b(*values, digest_size=16).hexdigest()
        if len(values) == 1 and len(changed) == shards
        else _DIFFERENT
    )


def _described(way: tuple[str | None, tuple[bool, ...]]) -> str:
    """What a shard does next, in words.

    >>> _described(("generator", (True, False))), _described((None, ()))
    ("updates 'generator' (1 of 2 weights)", 'ends its step')
    """
    name, moving = way
    return "ends its step" if name is None else f"updates {name!r} ({sum(moving)} of {len(moving)} weights)"
