r"""Recurrent layers: the same small network at every time step, with a state that it hands to the next step.

Names, order of the gates, both biases, starting values and state dict are PyTorch's, so that each can be the other's
test.  The formulas of a step, and their gradients through time, are in `minigen.ops.recurrent`.

A layer takes a sequence (T, N, input_size): T time steps of N examples; with ``batch_first`` (N, T, input_size).  All
sequences of a batch have the same length.

**What it costs.**  $W_i x$ does not depend on the state, so it is one matrix product for all steps.  $W_h h$ needs the
step before, so it is T small products, one after the other: no processor can do these steps in parallel.
"""

import math
from typing import Any

from .. import functional as F
from ..arguments import check_boolean, check_number, check_sizes, check_tensor
from ..creation import zeros
from ..ops.recurrent import Kept, gru, lstm
from ..ops.shape import cat, flip, stack, transpose, unbind, unsqueeze
from ..tensor import Tensor
from .init import uniform_
from .module import Module, Parameter

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell"]

State = Any
"""A state: a Tensor h of a GRU, a pair (h, c) of an LSTM."""


def _start(module: Module, hidden_size: int) -> None:
    """Set PyTorch's starting values: all uniform within 1 / sqrt(hidden_size)."""
    bound = 1 / math.sqrt(hidden_size)
    for parameter in module.parameters():
        uniform_(parameter, -bound, bound)


def _check_state(name: str, argument: str, state: Any, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Check one Tensor of a given state."""
    check_tensor(name, argument, state)
    if state.shape != shape:
        raise ValueError(f"{name}: argument {argument!r}: expected shape {shape}, got {state.shape}")
    if state.dtype != like.dtype:
        raise TypeError(f"{name}: argument {argument!r}: expected dtype {like.dtype} like the input, got {state.dtype}")
    checked: Tensor = state
    return checked


class _Gated(Module):
    """What a GRU and an LSTM share: the number of gates, the states, and one time step."""

    input_size: int
    hidden_size: int

    def _name(self) -> str:
        return type(self).__name__

    def _initial(self, state: State, shape: tuple[int, ...], like: Tensor) -> State:
        """Return the state to begin with: zeros, or the one that was given, checked."""
        if state is None:
            return zeros(*shape, dtype=like.dtype, device=like.device)
        return _check_state(self._name(), "hx", state, shape, like)

    def _check_features(self, input: Tensor) -> None:
        if input.shape[-1] != self.input_size:
            raise ValueError(
                f"{self._name()}: expected {self.input_size} features in the last dimension (input_size), got input of "
                f"shape {input.shape}"
            )


class _Cell(_Gated):
    """One time step."""

    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(self, input_size: int, hidden_size: int, bias: bool, gates: int):
        super().__init__()
        check_sizes(self._name(), input_size=input_size, hidden_size=hidden_size)
        check_boolean(self._name(), "bias", bias)
        self.input_size, self.hidden_size = input_size, hidden_size
        rows = gates * hidden_size
        self.weight_ih: Parameter = Parameter(zeros(rows, input_size))
        self.weight_hh: Parameter = Parameter(zeros(rows, hidden_size))
        self.register_parameter("bias_ih", Parameter(zeros(rows)) if bias else None)
        self.register_parameter("bias_hh", Parameter(zeros(rows)) if bias else None)
        _start(self, hidden_size)

    def _input_product(self, input: Tensor, bias: Tensor | None) -> Tensor:
        """The input's product, as a sequence of one step."""
        return unsqueeze(F.linear(input, self.weight_ih, bias), 0)

    def _check(self, input: Any) -> tuple[int, int]:
        """Check the input, and return the shape of a state."""
        check_tensor(self._name(), "input", input)
        if input.ndim != 2:
            raise ValueError(f"{self._name()}: expected input (N, {self.input_size}), got shape {input.shape}")
        self._check_features(input)
        return (input.shape[0], self.hidden_size)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.input_size}, {self.hidden_size}, bias={self.bias_ih is not None}"


class GRUCell(_Cell):
    """Compute one time step of a GRU.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool

    Raises
    ------
    ValueError
        If a size is not positive; when called, if a shape does not fit.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.nn.GRUCell(3, 5)(mg.ones(2, 3)).shape
    (2, 5)
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True):
        super().__init__(input_size, hidden_size, bias, gates=3)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Compute the next state (N, hidden_size) from the input (N, input_size) and the state, zeros by default."""
        h: Tensor = self._initial(hx, self._check(input), input)
        a = self._input_product(input, self.bias_ih)
        return gru(a, self.weight_hh, _or_zeros(self.bias_hh, self.weight_hh), h, kept=Kept())[0]


class LSTMCell(_Cell):
    """Compute one time step of an LSTM.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool

    Raises
    ------
    ValueError
        If a size is not positive; when called, if a shape does not fit.

    Examples
    --------
    >>> import minigen as mg
    >>> h, c = mg.nn.LSTMCell(3, 5)(mg.ones(2, 3))
    >>> h.shape, c.shape
    ((2, 5), (2, 5))
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True):
        super().__init__(input_size, hidden_size, bias, gates=4)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Compute the next state (h, c), each (N, hidden_size), from the input and the state, zeros by default."""
        shape = self._check(input)
        h, c = (self._initial(one, shape, input) for one in _pair(self._name(), hx))
        bias = _both(self.bias_ih, self.bias_hh, self.weight_hh)
        h, c = unbind(lstm(self._input_product(input, None), self.weight_hh, bias, h, c, kept=Kept())[:, 0])
        return h, c


def _or_zeros(bias: Parameter | None, weight: Tensor) -> Tensor:
    """The bias of the rows of `weight`, zeros if there is none."""
    return zeros(weight.shape[0], dtype=weight.dtype, device=weight.device) if bias is None else bias


def _both(bias_ih: Parameter | None, bias_hh: Parameter | None, weight: Tensor) -> Tensor:
    """The sum of the two biases of an LSTM, which occur in no other way."""
    return _or_zeros(None, weight) if bias_ih is None or bias_hh is None else bias_ih + bias_hh


def _turned(x: Tensor, backwards: bool) -> Tensor:
    """The steps of x in reversed order, for a layer that runs from the last to the first."""
    return flip(x, 0) if backwards else x


def _pair(name: str, state: Any) -> tuple[Any, Any]:
    """Return the state of an LSTM as a pair."""
    if state is None:
        return None, None
    if not isinstance(state, tuple | list) or len(state) != 2:
        raise TypeError(f"{name}: argument 'hx': expected a pair (h, c), got {type(state).__name__}")
    return state[0], state[1]


class _Recurrent(_Gated):
    """Layers of cells, each over all time steps, in one direction or in both."""

    _gates: int

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
    ):
        super().__init__()
        name = self._name()
        check_sizes(name, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        for argument, value in (("bias", bias), ("batch_first", batch_first), ("bidirectional", bidirectional)):
            check_boolean(name, argument, value)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.dropout: float = check_number(name, "dropout", dropout, 0, most=1)
        self._directions: tuple[str, ...] = ("", "_reverse") if bidirectional else ("",)
        rows = self._gates * hidden_size
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * len(self._directions)
            for direction in self._directions:
                end = f"_l{layer}{direction}"
                self.register_parameter(f"weight_ih{end}", Parameter(zeros(rows, width)))
                self.register_parameter(f"weight_hh{end}", Parameter(zeros(rows, hidden_size)))
                if bias:
                    self.register_parameter(f"bias_ih{end}", Parameter(zeros(rows)))
                    self.register_parameter(f"bias_hh{end}", Parameter(zeros(rows)))
        _start(self, hidden_size)

    def _weights(self, end: str) -> list[Parameter | None]:
        """The weights and biases of one layer in one direction, in the order of their registration."""
        return [self._parameters.get(f"{name}{end}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]

    def _states(self, state: State, shape: tuple[int, ...], like: Tensor) -> list[State]:
        """The state that each layer and direction begins with."""
        raise NotImplementedError

    def _joined(self, states: list[State]) -> State:
        """The last states of all layers and directions, as PyTorch returns them."""
        raise NotImplementedError

    def _sequence(self, x: Tensor, state: State, weights: list[Any], backwards: bool) -> tuple[Tensor, State]:
        """Run one layer over all time steps: the outputs (T, N, H), and the state after the last step."""
        raise NotImplementedError

    def _check(self, input: Any) -> None:
        name, order = self._name(), "(N, T, input_size)" if self.batch_first else "(T, N, input_size)"
        if isinstance(input, list | tuple):
            lengths = sorted({len(one) for one in input if hasattr(one, "__len__")})
            several = f" of lengths {', '.join(map(str, lengths))}" if lengths else ""
            raise TypeError(
                f"{name}: argument 'input': expected one Tensor {order}, got {len(input)} sequences{several}; all must "
                "have one length (cut or pad them), then minigen.stack joins them"
            )
        check_tensor(name, "input", input)
        if input.ndim != 3:
            raise ValueError(f"{name}: expected input {order}, got shape {input.shape}")
        if input.shape[1 if self.batch_first else 0] == 0:
            raise ValueError(f"{name}: expected at least one time step, got input of shape {input.shape}")
        self._check_features(input)

    def forward(self, input: Tensor, hx: State = None) -> tuple[Tensor, State]:
        """Compute the output of every time step, and the last state.

        Parameters
        ----------
        input : Tensor (T, N, input_size), or (N, T, input_size) with `batch_first`
        hx : Tensor, or pair of Tensors, (layers * directions, N, hidden_size), optional
            The state at the start; zeros by default.

        Returns
        -------
        output : Tensor (T, N, directions * hidden_size), or with N first
            Of the last layer.
        state : Tensor, or pair of Tensors, (layers * directions, N, hidden_size)

        Raises
        ------
        TypeError, ValueError
            If the input or the state has another type or shape.
        """
        self._check(input)
        x = transpose(input, 0, 1) if self.batch_first else input
        count = self.num_layers * len(self._directions)
        states = self._states(hx, (count, x.shape[1], self.hidden_size), x)
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
            outputs: list[Tensor] = []
            for direction in self._directions:
                k = layer * len(self._directions) + len(outputs)
                weights = self._weights(f"_l{layer}{direction}")
                output, states[k] = self._sequence(x, states[k], weights, direction == "_reverse")
                outputs.append(output)
            x = outputs[0] if len(outputs) == 1 else cat(outputs, 2)
        return transpose(x, 0, 1) if self.batch_first else x, self._joined(states)

    def extra_repr(self) -> str:
        """Return the sizes, and the options that are not the defaults."""
        shown = f"{self.input_size}, {self.hidden_size}"
        given: dict[str, Any] = {"num_layers": self.num_layers, "bias": self.bias, "batch_first": self.batch_first}
        given |= {"dropout": self.dropout, "bidirectional": self.bidirectional}
        usual: dict[str, Any] = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        return shown + "".join(f", {key}={value}" for key, value in given.items() if value != usual[key])


class GRU(_Recurrent):
    """Run a GRU over a sequence; the formulas of a step are in `minigen.ops.recurrent`.

    Parameters
    ----------
    input_size, hidden_size : int
    num_layers : int
        The output of a layer is the input of the next.
    bias : bool
    batch_first : bool
        Whether input and output are (N, T, ...) and not (T, N, ...).  The state has N second in both cases.
    dropout : float
        Between layers.
    bidirectional : bool
        Run a second GRU from the last step to the first, and join the outputs of both.

    Raises
    ------
    ValueError, TypeError
        If a size is not positive or an option is of another type.

    Examples
    --------
    >>> import minigen as mg
    >>> output, h = mg.nn.GRU(3, 5)(mg.ones(7, 2, 3))
    >>> output.shape, h.shape, bool((output[-1] == h[0]).all())
    ((7, 2, 5), (1, 2, 5), True)
    """

    _gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ):
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)

    def _states(self, state: State, shape: tuple[int, ...], like: Tensor) -> list[State]:
        return list(unbind(self._initial(state, shape, like)))

    def _joined(self, states: list[State]) -> State:
        return stack(states)

    def _sequence(self, x: Tensor, state: State, weights: list[Any], backwards: bool) -> tuple[Tensor, State]:
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        a = _turned(F.linear(x, weight_ih, bias_ih), backwards)
        states = gru(a, weight_hh, _or_zeros(bias_hh, weight_hh), state, kept=Kept())
        return _turned(states, backwards), states[-1]


class LSTM(_Recurrent):
    """Run an LSTM over a sequence; the formulas of a step are in `minigen.ops.recurrent`.

    Parameters
    ----------
    input_size, hidden_size : int
    num_layers : int
        The output of a layer is the input of the next.
    bias : bool
    batch_first : bool
        Whether input and output are (N, T, ...) and not (T, N, ...).  The states have N second in both cases.
    dropout : float
        Between layers.
    bidirectional : bool
        Run a second LSTM from the last step to the first, and join the outputs of both.

    Raises
    ------
    ValueError, TypeError
        If a size is not positive or an option is of another type.

    Examples
    --------
    >>> import minigen as mg
    >>> output, (h, c) = mg.nn.LSTM(3, 5, batch_first=True)(mg.ones(2, 7, 3))
    >>> output.shape, h.shape, c.shape
    ((2, 7, 5), (1, 2, 5), (1, 2, 5))
    """

    _gates = 4

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ):
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)

    def _states(self, state: State, shape: tuple[int, ...], like: Tensor) -> list[State]:
        h, c = (unbind(self._initial(one, shape, like)) for one in _pair(self._name(), state))
        return list(zip(h, c))

    def _joined(self, states: list[State]) -> State:
        return tuple(stack(each) for each in zip(*states))

    def _sequence(self, x: Tensor, state: State, weights: list[Any], backwards: bool) -> tuple[Tensor, State]:
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        a = _turned(F.linear(x, weight_ih), backwards)
        hs, cs = unbind(lstm(a, weight_hh, _both(bias_ih, bias_hh, weight_hh), *state, kept=Kept()))
        return _turned(hs, backwards), (hs[-1], cs[-1])
