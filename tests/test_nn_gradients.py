"""Every layer, found in `minigen.nn.__all__`: gradients of both orders in its input and in every parameter, in training
and in evaluation, with every option that its constructor takes."""

import inspect

import numpy as np
import pytest

import minigen as mg
from minigen.check import gradcheck

pytestmark = pytest.mark.usefixtures("reference_kernels")

nn = mg.nn
LAYERS = {
    name: kind
    for name in nn.__all__
    if isinstance(kind := getattr(nn, name), type) and issubclass(kind, nn.Module) and kind is not nn.Module
}

INSIDE = np.random.default_rng(1).uniform(0.1, 0.9, (2, 3, 4))  # probabilities
LABELS, WEIGHT = np.array([[0, 2, 1, 1], [2, 1, 0, 0]]), mg.tensor(np.array([1.0, 2.0, 0.5]))

CASES = [  # layer, the arguments of its constructor, the shape of an input or itself, and what forward takes besides
    ("AdaptiveAvgPool2d", {"output_size": (2, 3)}, (1, 2, 5, 4)),
    ("AvgPool2d", {"kernel_size": 2}, (1, 2, 4, 4)),
    ("AvgPool2d", {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}, (1, 1, 5, 4)),
    ("AvgPool2d", {"kernel_size": 2, "ceil_mode": True, "divisor_override": 3}, (1, 1, 5, 4)),
    ("BatchNorm1d", {"num_features": 3}, (5, 3)),
    ("BatchNorm1d", {"num_features": 2, "eps": 0.1, "momentum": None}, (4, 2, 3)),
    ("BatchNorm1d", {"num_features": 2, "affine": False, "track_running_stats": False}, (4, 2)),
    ("BatchNorm2d", {"num_features": 2}, (3, 2, 2, 2)),
    ("BatchNorm2d", {"num_features": 2, "eps": 0.1, "momentum": 0.5, "affine": False}, (3, 2, 2, 1)),
    ("BatchNorm2d", {"num_features": 2, "track_running_stats": False}, (3, 2, 1, 2)),
    ("Conv2d", {"in_channels": 2, "out_channels": 3, "kernel_size": 3, "stride": 2, "padding": 1}, (2, 2, 5, 4)),
    ("Conv2d", {"in_channels": 4, "out_channels": 2, "kernel_size": (1, 2), "stride": (3, 2), "padding": "same",
                "dilation": (1, 2), "groups": 2, "bias": False}, (2, 4, 4, 5)),
    ("ConvTranspose2d", {"in_channels": 2, "out_channels": 3, "kernel_size": 4, "stride": 2, "padding": 1},
     (1, 2, 3, 2)),
    ("ConvTranspose2d", {"in_channels": 4, "out_channels": 2, "kernel_size": (2, 1), "stride": 3, "output_padding": 2,
                         "groups": 2, "bias": False, "dilation": 2}, (2, 4, 2, 2)),
    ("BCELoss", {"weight": mg.tensor(INSIDE[0]), "reduction": "none"}, INSIDE, INSIDE[::-1]),
    ("BCEWithLogitsLoss", {"weight": mg.tensor(INSIDE[1]), "reduction": "sum", "pos_weight": mg.tensor(INSIDE[0])},
     (2, 3, 4), INSIDE),
    ("Conv1d", {"in_channels": 2, "out_channels": 3, "kernel_size": 3, "stride": 2, "padding": 1}, (2, 2, 5)),
    ("Conv1d", {"in_channels": 4, "out_channels": 2, "kernel_size": 2, "dilation": 2, "groups": 2, "bias": False},
     (1, 4, 4)),
    ("ConvTranspose1d", {"in_channels": 2, "out_channels": 3, "kernel_size": 4, "stride": 2, "padding": 1}, (1, 2, 3)),
    ("ConvTranspose1d", {"in_channels": 4, "out_channels": 2, "kernel_size": 2, "stride": 3, "output_padding": 2,
                         "groups": 2, "bias": False, "dilation": 2}, (2, 4, 2)),
    ("CrossEntropyLoss", {"weight": WEIGHT, "ignore_index": 0, "label_smoothing": 0.1}, (2, 3, 4), LABELS),
    ("CrossEntropyLoss", {"reduction": "none"}, (2, 3, 4), INSIDE),
    ("Dropout", {"p": 0.4}, (3, 4)),
    ("Dropout2d", {"p": 0.4}, (3, 4, 2, 2)),
    ("Embedding", {"num_embeddings": 4, "embedding_dim": 3}, np.array([[3, 1], [0, 3]])),
    ("ELU", {"alpha": 0.7}, (3, 4)),
    ("Flatten", {"start_dim": 0, "end_dim": 1}, (2, 3, 2)),
    ("GELU", {"approximate": "none"}, (3, 4)),
    ("GELU", {"approximate": "tanh"}, (3, 4)),
    ("GaussianNoise", {"std": 0.5}, (3, 4)),
    ("GRU", {"input_size": 2, "hidden_size": 3}, (4, 2, 2)),
    ("GRU", {"input_size": 2, "hidden_size": 2, "num_layers": 2, "bias": False, "batch_first": True, "dropout": 0.3,
             "bidirectional": True}, (2, 3, 2), np.random.default_rng(2).standard_normal((4, 2, 2))),
    ("GRUCell", {"input_size": 2, "hidden_size": 3}, (4, 2)),
    ("GRUCell", {"input_size": 2, "hidden_size": 3, "bias": False}, (2, 2), np.full((2, 3), 0.4)),
    ("GroupNorm", {"num_groups": 2, "num_channels": 4}, (2, 4, 3)),
    ("GroupNorm", {"num_groups": 1, "num_channels": 2, "eps": 0.1, "affine": False}, (2, 2, 2, 2)),
    ("HuberLoss", {"reduction": "sum", "delta": 0.5}, (2, 3, 4), INSIDE),
    ("Identity", {}, (3, 4)),
    ("InstanceNorm2d", {"num_features": 2}, (2, 2, 3, 2)),
    ("InstanceNorm2d", {"num_features": 2, "eps": 0.1, "momentum": 0.5, "affine": True, "track_running_stats": True},
     (2, 2, 2, 2)),
    ("L1Loss", {"reduction": "none"}, (2, 3, 4), INSIDE),
    ("LSTM", {"input_size": 2, "hidden_size": 2}, (3, 2, 2)),
    ("LSTM", {"input_size": 2, "hidden_size": 2, "num_layers": 2, "bias": False, "batch_first": True, "dropout": 0.3,
              "bidirectional": True}, (2, 3, 2)),
    ("LSTMCell", {"input_size": 2, "hidden_size": 3}, (4, 2)),
    ("LSTMCell", {"input_size": 2, "hidden_size": 3, "bias": False}, (2, 2)),
    ("LayerNorm", {"normalized_shape": (2, 3)}, (2, 2, 3)),
    ("LayerNorm", {"normalized_shape": 4, "eps": 0.1, "bias": False}, (3, 4)),
    ("LayerNorm", {"normalized_shape": 4, "elementwise_affine": False}, (3, 4)),
    ("LeakyReLU", {"negative_slope": 0.2}, (3, 4)),
    ("Linear", {"in_features": 4, "out_features": 3}, (2, 4)),
    ("Linear", {"in_features": 3, "out_features": 2, "bias": False}, (2, 2, 3)),
    ("LogSoftmax", {"dim": 1}, (3, 4)),
    ("MSELoss", {"reduction": "mean"}, (2, 3, 4), INSIDE),
    ("MaxPool2d", {"kernel_size": 2, "ceil_mode": True}, (1, 2, 5, 4)),
    ("MaxPool2d", {"kernel_size": 3, "stride": 1, "padding": 1, "dilation": 2}, (1, 1, 5, 4)),
    ("MinibatchDiscrimination", {"in_features": 3, "out_features": 2, "kernel_dims": 2}, (4, 3)),
    ("MinibatchStdDev", {}, (3, 2, 2)),
    ("MinibatchStdDev", {"eps": 0.1}, (4, 3)),
    ("ModuleDict", {"modules": {"only": nn.Linear(4, 3)}}, (2, 4)),
    ("ModuleList", {"modules": [nn.Linear(4, 3)]}, (2, 4)),
    ("NLLLoss", {"weight": WEIGHT, "ignore_index": 0, "reduction": "sum"}, (2, 3, 4), LABELS),
    ("PReLU", {"num_parameters": 4, "init": 0.2}, (3, 4)),
    ("PixelShuffle", {"upscale_factor": 2}, (1, 4, 2, 3)),
    ("PixelUnshuffle", {"downscale_factor": 2}, (1, 2, 4, 2)),
    ("ReLU", {}, (3, 4)),
    ("ReflectionPad2d", {"padding": (1, 2, 0, 1)}, (1, 2, 3, 3)),
    ("ReplicationPad2d", {"padding": 1}, (1, 2, 3, 3)),
    ("Sequential", {"modules": [nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 2)]}, (3, 4)),
    ("SiLU", {}, (3, 4)),
    ("Sigmoid", {}, (3, 4)),
    ("SmoothL1Loss", {"reduction": "mean", "beta": 0.5}, (2, 3, 4), INSIDE),
    ("Softmax", {"dim": 0}, (3, 4)),
    ("Softplus", {}, (3, 4)),
    ("Tanh", {}, (3, 4)),
    ("Unflatten", {"dim": 1, "unflattened_size": (2, 2)}, (3, 4)),
    ("Upsample", {"scale_factor": 2}, (1, 2, 3, 2)),
    ("Upsample", {"size": (5, 3), "mode": "bilinear", "align_corners": True}, (1, 1, 3, 2)),
    ("ZeroPad2d", {"padding": (1, -1, 0, 2)}, (1, 2, 3, 3)),
]  # fmt: skip

ELSEWHERE = {
    ("Embedding", "padding_idx"): "test_nn.py: the vector of the padding does not learn",
    ("Dropout", "generator"): "test_functional.py: dropout follows its generator",
    ("GaussianNoise", "generator"): "test_nn.py: noise follows its generator, in training only",
    ("Dropout2d", "generator"): "test_nn.py: whole channels are dropped",
}


def test_every_layer_has_a_case():
    assert sorted(set(LAYERS) - {name for name, *_ in CASES}) == [], "these layers have no case here"
    assert sorted({name for name, *_ in CASES} - set(LAYERS)) == [], "these are not public"


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_every_option_of_a_layer_is_used_in_a_case(name):
    taken = {p.name for p in inspect.signature(LAYERS[name]).parameters.values() if p.kind is not p.VAR_KEYWORD}
    used = {option for layer, arguments, *_ in CASES for option in arguments if layer == name}
    assert sorted(taken - used - {option for layer, option in ELSEWHERE if layer == name}) == []


def made(name, arguments):
    if name in ("ModuleDict", "ModuleList"):
        return LAYERS[name](arguments["modules"])["only" if name == "ModuleDict" else 0]
    return nn.Sequential(*arguments["modules"]) if name == "Sequential" else LAYERS[name](**arguments)


def joined(outputs):
    """One Tensor of all outputs of a recurrent layer: those of every step, and its states."""
    if isinstance(outputs, mg.Tensor):
        return outputs
    return mg.cat([joined(output).flatten() for output in outputs])


def as_function(layer, *fixed):
    """The layer as a function of its input and its parameters, with the same random masks every time; its slots.

    Integers in the input's place are `fixed`: then the function is one of the parameters only.
    """
    slots = [(owner, key) for owner in layer.modules() for key, p in owner._parameters.items() if p is not None]

    def function(*values):
        kept = [owner._parameters[key] for owner, key in slots]
        try:
            inputs = values[: len(values) - len(slots)]
            for (owner, key), value in zip(slots, values[len(inputs) :], strict=True):
                owner._parameters[key] = value
            mg.manual_seed(1)
            return joined(layer(*inputs, *fixed))
        finally:
            for (owner, key), old in zip(slots, kept):
                owner._parameters[key] = old

    return function, slots


@pytest.mark.parametrize("case", CASES, ids=[name for name, *_ in CASES])
def test_a_layer_in_its_input_and_every_parameter(case):
    name, arguments, x, *others = case
    mg.manual_seed(1)
    rng = np.random.default_rng(0)
    layer = made(name, arguments).to("float64")
    x = rng.standard_normal(x) if isinstance(x, tuple) else x
    others = [mg.tensor(other) for other in others]
    layer(mg.tensor(x), *others)  # running statistics are no longer 0 and 1
    inputs, fixed = ([x], others) if x.dtype == np.float64 else ([], [mg.tensor(x)])
    function, slots = as_function(layer, *fixed)
    point = [*inputs, *(rng.standard_normal(owner._parameters[key].shape) for owner, key in slots)]
    names = ["input"] * len(inputs) + [key for _, key in slots]
    training, evaluation = (layer.train(mode) and function(*map(mg.tensor, point)).numpy() for mode in (True, False))
    for mode in [True] if np.array_equal(training, evaluation) else [True, False]:
        layer.train(mode)
        gradcheck(function, point, order=2, name=name, names=names, repeats=1).raise_if_wrong()
