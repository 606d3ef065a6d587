"""A training step on a GPU as a CUDA graph: recorded once, then started by one call.

The kernels of a small network are done before Python has started the next one, so the GPU waits for the CPU.  A *graph*
is a list of kernels with their arguments, which the driver starts by itself (CUDA C++ Programming Guide, "CUDA
Graphs").  `GraphedStep` records one, in CuPy's words *captures*: the model takes a step, and what it would start is
written down instead.

**A graph repeats itself to the last number.**  Whatever differs from step to step must be in the GPU's memory, at a
place that is written before each replay.  What the CPU does anew in each step is marked in the code by
`minigen.backend.repeated`: to draw noise, to count, to compute a learning rate.  A recording keeps these *actions*.
Each has its *slots*: arrays on the GPU for what it copies there, and for the numbers of the kernels that it starts.  A
replay does the actions again, which fills the slots and starts no kernel, and then launches the graph.

**The model's state stays in place.**  A step may give a Tensor a new array, as batch norm does with its averages.  The
graph would read the old one for ever; so at the end of a recording new arrays are copied back into the old ones.

**What is forgotten is noticed.**  Before the graph there are steps that are recorded and run as always.  If a kernel is
given another number in two of them, outside of the actions, or another array is copied to the GPU, or an attribute of
the model changes, the training ends with a line that names it.

A graph serves steps that start the same kernels: the model says of what kind a step is (`Model.kind_of_step`), and
batches of another size are of another kind.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np

from .. import backend
from ..tensor import Tensor
from .errors import RunError

__all__ = ["GraphedStep"]

T = TypeVar("T")

_REHEARSALS = 3
"""Steps of a kind before its graph: the first makes the optimizers' state, the two after it are compared."""


class GraphedStep:
    """The training step of a model on a GPU, from the fourth of each kind on by a CUDA graph.

    Parameters
    ----------
    model : Model
        On the GPU.

    Raises
    ------
    RunError
        If there is no graph of its step: it is on the CPU, or computes there what differs from step to step.

    Examples
    --------
    >>> import minigen as mg
    >>> GraphedStep(mg.models.DCGAN(size=8, width=4))
    Traceback (most recent call last):
    minigen.train.errors.RunError: dcgan: no CUDA graph: the model is on the device cpu, expected cuda
    """

    def __init__(self, model: Any):
        self.model = model
        reason = _why_not(model)
        if reason:
            raise self._refused(reason)
        from ..kernels.cuda.launch import current_device

        self._device = current_device()
        cuda = self._device.arrays.cuda
        # What a graph computes with must not be given to others between two replays.
        self._memory, self._stream = cuda.MemoryPool(), cuda.Stream(non_blocking=True)
        self._batch: dict[str, np.ndarray] = {}
        self._kinds: dict[Any, _Kind] = {}

    def __call__(self, batch: Mapping[str, np.ndarray]) -> Mapping[str, Tensor]:
        """Take a step as `Model.training_step` does, with the same results to the last bit.

        Parameters
        ----------
        batch : mapping of str to ndarray

        Returns
        -------
        mapping of str to Tensor
            The numbers to log.

        Raises
        ------
        RunError
            If something differs from step to step that a graph would not see; the line names it.
        """
        self._batch.clear()
        self._batch.update(batch)
        shapes = tuple((name, values.shape, values.dtype) for name, values in self._batch.items())
        kind = self._kinds.setdefault((self.model.kind_of_step(), shapes), _Kind())
        arrays = [array for _, array, _ in _state(self.model)]
        if kind.graph is not None and kind.graph.fits(arrays):
            return kind.graph.replay()
        if len(kind.rehearsals) < _REHEARSALS:
            return self._rehearse(kind)
        before = _host_state(self.model)
        kind.graph = self._capture(kind)
        # What the CPU did while the step was captured it does again now, as before every other replay.
        after = _host_state(self.model)
        _restore_host_state(self.model, before)
        numbers = kind.graph.replay()
        for (name, expected), (_, found) in zip(after, _host_state(self.model)):
            if found != expected:
                raise self._refused(f"the CPU changes {name} in each step, and a replay does not")
        return numbers

    def _rehearse(self, kind: "_Kind") -> Mapping[str, Tensor]:
        """Take a step as always, and note what a graph of it would hold."""
        recording = _Recording(self._device, self._batch, _attributes(self.model), capturing=False)
        with _recorded_by(recording):
            numbers: Mapping[str, Tensor] = self.model.training_step(self._batch)
            self._row(numbers)  # compiles what does it, which a capture must not wait for
        kind.rehearsals.append(recording)
        if len(kind.rehearsals) > 2:
            self._compare(kind.rehearsals[-2], recording)
        return numbers

    def _capture(self, kind: "_Kind") -> "_Graph":
        """Let the model take a step of which nothing is started, and write down what would be."""
        arrays = self._device.arrays
        recording = _Recording(self._device, self._batch, _attributes(self.model), capturing=True)
        before = list(_state(self.model))
        try:
            with _recorded_by(recording), arrays.cuda.using_allocator(self._memory.malloc), self._stream:
                self._stream.begin_capture()
                try:
                    numbers = self.model.training_step(self._batch)
                    self._bring_back(before)
                    row = self._row(numbers)
                finally:
                    graph = self._stream.end_capture()
        except arrays.cuda.runtime.CUDARuntimeError as error:
            raise self._refused(f"the step cannot be captured ({error})") from error
        self._compare(kind.rehearsals[-1], recording)
        recording.fill()
        return _Graph(graph, recording, tuple(numbers), row, [array for _, array, _ in before])

    def _bring_back(self, before: list[tuple[str, Any, Tensor | None]]) -> None:
        """Copy new arrays of the state into those that were there before, which take their places again."""
        for (name, old, _), (_, new, tensor) in zip(before, list(_state(self.model)), strict=True):
            if new is old:
                continue
            if tensor is None:
                raise self._refused(f"the step replaces an array of an optimizer ({name})")
            old[...] = new
            tensor.set_array(old)

    def _row(self, numbers: Mapping[str, Any]) -> Any:
        """What the step returned, in one array."""
        for name, value in numbers.items():
            if not isinstance(value, Tensor) or value.device == "cpu":
                raise self._refused(f"the number {name} is computed on the CPU, and a graph would not see it change")
        return self._device.arrays.stack([value.data.reshape(()) for value in numbers.values()])

    def _compare(self, one: "_Recording", other: "_Recording") -> None:
        found = _difference(one, other)
        if found:
            raise self._refused(found)

    def _refused(self, reason: str) -> RunError:
        return RunError(f"{getattr(self.model, 'name', type(self.model).__name__)}: no CUDA graph: {reason}")


@dataclass
class _Kind:
    """Steps of one kind: the recordings of the first of them, and then a graph."""

    rehearsals: list["_Recording"] = field(default_factory=list)
    graph: "_Graph | None" = None


class _Graph:
    """A captured step, with all that it works on."""

    def __init__(self, graph: Any, recording: "_Recording", names: tuple[str, ...], row: Any, state: list[Any]):
        self._graph, self._recording, self._names, self._row, self._state = graph, recording, names, row, state

    def fits(self, state: list[Any]) -> bool:
        """Whether the model's state is in the arrays that the graph works on; to load weights replaces them."""
        return len(state) == len(self._state) and all(now is then for now, then in zip(state, self._state))

    def replay(self) -> Mapping[str, Tensor]:
        """Do the actions anew, and start the graph."""
        refill = _Refill(self._recording.device)
        with _recorded_by(refill):
            refill.run(self._recording.actions)
        self._graph.launch()
        row = self._row.copy()  # the next replay writes to the same place
        return {name: Tensor(row[i]) for i, name in enumerate(self._names)}


class _Recording:
    """What a step does: a recorder of its actions and copies, and the device of its kernels."""

    def __init__(self, device: Any, batch: Mapping[str, np.ndarray], attributes: dict[str, Any], capturing: bool):
        self.device, self.arrays, self.attributes = device, device.arrays, attributes
        self.actions: list[tuple[Callable[[], Any], list[Any]]] = []
        self.frozen: list[tuple[str, str, Any]] = []
        """What a graph keeps: a kernel or copy, its argument, and the value."""
        self._batch, self._capturing = batch, capturing
        self._slots: list[Any] | None = None  # of the action at hand
        self._constants: list[Any] = []  # must not be given to others as long as there is the graph
        self._fills: list[tuple[Any, np.ndarray]] = []

    def repeat(self, action: Callable[[], T]) -> T:
        """Do an action and keep it."""
        if self._slots is not None:  # a part of another one
            return action()
        self._slots = []
        self.actions.append((action, self._slots))
        try:
            return action()
        finally:
            self._slots = None

    def upload(self, array: np.ndarray) -> Any:
        """Copy an array to a slot; one that no action copies is a constant, unless it is a field of the batch."""
        if self._slots is None:
            for name, values in self._batch.items():
                if _is_same(array, values):
                    return self.repeat(partial(self._field, name))
            self.frozen.append(("a copy of an array to the GPU", f"{array.dtype}{list(array.shape)}", array.tobytes()))
        return self._slot(array)

    def _field(self, name: str) -> Any:
        return backend.to_device(self._batch[name], "cuda")

    def start(self, kernel: Any, blocks: int, arguments: list[Any]) -> None:
        """Start a kernel, which takes from slots what an action gives it."""
        name = f"the kernel {kernel.function.__name__}"
        self.frozen.append((name, "blocks", blocks))
        given = list(arguments)
        for i, (argument, value) in enumerate(zip(inspect.signature(kernel.function).parameters, arguments)):
            changing = _numbers(value)
            if changing is not None and self._slots is not None:
                given[i], kernel = self._slot(changing), kernel.from_memory
            elif changing is not None or isinstance(value, np.generic):
                self.frozen.append((name, argument, value))
        self.device.start(kernel, blocks, given)

    def _slot(self, values: np.ndarray) -> Any:
        slot = self.arrays.empty(values.shape, values.dtype)
        (self._constants if self._slots is None else self._slots).append(slot)
        self._fills.append((slot, values.copy()))
        if not self._capturing:
            self.fill()
        return slot

    def fill(self) -> None:
        """Write to the slots what the step was given: nothing can be copied there while it is captured."""
        for slot, values in self._fills:
            slot[...] = self.arrays.asarray(values)
        self._fills = []


class _Refill:
    """Does the actions of a recording again: their copies and numbers go to the slots, and no kernel is started."""

    def __init__(self, device: Any):
        self.arrays = device.arrays
        self._slots: Iterator[Any] = iter(())

    def run(self, actions: list[tuple[Callable[[], Any], list[Any]]]) -> None:
        """Do all actions."""
        for action, slots in actions:
            self._slots = iter(slots)
            action()

    def repeat(self, action: Callable[[], T]) -> T:
        """Do a part of an action."""
        return action()

    def upload(self, array: np.ndarray) -> Any:
        """Copy an array to the next slot."""
        slot = next(self._slots)
        slot[...] = self.arrays.asarray(array)
        return slot

    def start(self, kernel: Any, blocks: int, arguments: list[Any]) -> None:
        """Write the numbers that a recorded kernel is to be given."""
        for value in arguments:
            numbers = _numbers(value)
            if numbers is not None:
                self.upload(numbers)


@contextmanager
def _recorded_by(recorder: Any) -> Iterator[None]:
    from ..kernels.cuda.launch import running_on

    with backend.recording(recorder), running_on(recorder):
        yield


def _numbers(argument: Any) -> np.ndarray | None:
    """The numbers of a kernel that may change (`minigen.kernels.cuda.target.changing`); None for other arguments."""
    if isinstance(argument, tuple) and isinstance(argument[0], np.generic):
        return np.array(argument)
    return None


def _is_same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays are the same memory, read in the same way."""
    a, b = ((x.ctypes.data, x.shape, x.strides, x.dtype) for x in (one, other))
    return a == b


def _why_not(model: Any) -> str:
    """Why there is no graph of a model's step, as far as that is known before the first one."""
    if not hasattr(model, "why_no_graph"):
        return "it does not say that its step may be replayed (Model.why_no_graph)"
    if model.device != "cuda":
        return f"the model is on the device {model.device}, expected cuda"
    reason: str = model.why_no_graph()
    return reason


def _state(model: Any) -> Iterator[tuple[str, Any, Tensor | None]]:
    """All arrays on the GPU that a step changes, with a name and their Tensors; those of optimizers have none."""
    for tensors in (model.named_parameters(), model.named_buffers()):
        for name, tensor in tensors:
            if tensor.device == "cuda":
                yield name, tensor.data, tensor
    for name, optimizer in model.optimizers.items():
        for state in optimizer.state.values():
            yield from ((f"{name}: {key}", value, None) for key, value in state.items() if hasattr(value, "shape"))


def _host_state(model: Any) -> list[tuple[str, Any]]:
    """What a step changes on the CPU: counts in buffers, the optimizers' steps, and the random stream."""
    counts = [(name, buffer.tolist()) for name, buffer in model.named_buffers() if buffer.device == "cpu"]
    steps = [
        (f"the count of steps of the optimizer {name}", state["step"])
        for name, optimizer in model.optimizers.items()
        for state in optimizer.state.values()
    ]
    return [*counts, *steps, ("the random stream", backend.get_rng_state())]


def _restore_host_state(model: Any, saved: list[tuple[str, Any]]) -> None:
    values = iter([value for _, value in saved])
    for buffer in model.buffers():
        if buffer.device == "cpu":
            buffer.set_array(np.array(next(values), buffer.dtype))
    for optimizer in model.optimizers.values():
        for state in optimizer.state.values():
            state["step"] = next(values)
    backend.set_rng_state(next(values))


def _attributes(model: Any) -> dict[str, Any]:
    """The numbers among the attributes of a model and its layers."""
    return {
        f"{path or model.name}.{name}": value
        for path, module in model.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, int | float)
    }


def _difference(one: _Recording, other: _Recording) -> str:
    """What differs between two steps of one kind; empty if nothing does."""
    for name, value in one.attributes.items():
        if other.attributes.get(name) != value:
            return f"the attribute {name} is {value} in one step and {other.attributes.get(name)} in another"
    if [entry[:2] for entry in one.frozen] != [entry[:2] for entry in other.frozen]:
        return "two steps of one kind start other kernels, or copy other arrays to the GPU"
    for (what, argument, value), (_, _, changed) in zip(one.frozen, other.frozen):
        if not np.array_equal(value, changed, equal_nan=not isinstance(value, bytes)):
            shown = "" if isinstance(value, bytes) else f": {value}, then {changed}"
            return f"{what} is given another value in each step (argument {argument}{shown})"
    return ""
