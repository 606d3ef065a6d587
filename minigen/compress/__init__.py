"""Make a trained network smaller: prune weights, store them as int8, fold batch norm, train a smaller student.

======================= ===========================================================================================
`prune`                 set the smallest weights to 0; `Masks` keep them at 0 in further training
`quantize`              round the weights to 255 levels a channel; `integer_activations` rounds what goes between layers
`fold_batch_norm`       compute a batch norm of evaluation mode inside the layer before it
`distill`               train a small network on the outputs of a large one
`save`, `load`          the file that holds the result; `sizes` says how many bytes each form takes
======================= ===========================================================================================

``minigen compress RUN`` does the same to a run.  What it saves is **bytes**: int8 weights are expanded to float32 when
the file is read, and zeros are multiplied like other numbers, so the network is not faster.  Only folding and a smaller
student save time.

>>> import minigen as mg
>>> mg.manual_seed(0)
>>> layer = mg.nn.Linear(100, 10)
>>> masks = prune(layer, 0.8)
>>> masks.kept, masks.total
(200, 1000)
"""

from .distill import distill, fine_tune
from .file import FORMAT, Sizes, load, save, sizes
from .fold import fold_batch_norm
from .prune import Masks, prune
from .quantize import Quantized, integer_activations, quantize, quantize_array

__all__ = [
    "FORMAT",
    "Masks",
    "Quantized",
    "Sizes",
    "distill",
    "fine_tune",
    "fold_batch_norm",
    "integer_activations",
    "load",
    "prune",
    "quantize",
    "quantize_array",
    "save",
    "sizes",
]
