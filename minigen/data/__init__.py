"""Data: real images, drawn images, points in the plane, and batches of them.

Everything here is NumPy arrays; networks above turn batches into Tensors.

>>> import minigen.data as data
>>> digits = data.load("mnist5k", size=32)
>>> digits
Dataset('mnist5k', 4000 of shape (1, 32, 32), 10 classes)
>>> batch = next(data.Loader(digits, batch_size=64).epoch(0))
>>> batch["images"].shape, batch["labels"].shape
((64, 1, 32, 32), (64,))

`load` knows the sets of `DATASETS`; Pillow, pooch and the packages that ship data are imported when a set needs them.
"""

from .augmentation import random_affine
from .dataset import Batch, Dataset, from_levels, to_unit
from .download import cache_folder
from .loader import HeldOut, Loader
from .photos import photographs
from .picture import Picture, read_mask, read_picture
from .points import centres
from .registry import DATASETS, DataInfo, describe, load, table
from .shapes import FACTORS, render_shapes

__all__ = [
    "DATASETS",
    "FACTORS",
    "Batch",
    "DataInfo",
    "Dataset",
    "HeldOut",
    "Loader",
    "Picture",
    "cache_folder",
    "centres",
    "describe",
    "from_levels",
    "load",
    "photographs",
    "random_affine",
    "read_mask",
    "read_picture",
    "render_shapes",
    "table",
    "to_unit",
]
