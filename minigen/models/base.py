"""What all families share: `Model`, and below it `GenerativeModel` and `ImageModel`.

A `GenerativeModel` makes images of vectors, an `ImageModel` makes images of images.
`minigen.train.Trainable` is the part of `Model` that the training loop uses.
"""

import inspect
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ..creation import randn
from ..data import Dataset
from ..engine import grad, no_grad
from ..functional import one_hot
from ..losses import l1_penalty
from ..nn import Module
from ..optim import Optimizer
from ..tensor import Tensor, tensor
from .condition import broadcast_labels
from .options import Options as BaseOptions
from .options import option
from .sizes import parts

__all__ = ["GenerativeModel", "ImageModel", "Model", "image_rows"]

_SECTIONS = ("Parameters", "Attributes", "Raises", "Notes", "References", "Examples")


def _with_parameters(text: str, parameters: str) -> str:
    """Put the section "Parameters" into a docstring that has none."""
    lines = inspect.cleandoc(text).split("\n")
    if "Parameters" in lines:
        return text
    starts = [i for i, (line, rule) in enumerate(zip(lines, lines[1:])) if line in _SECTIONS and set(rule) == {"-"}]
    first = starts[0] if starts else len(lines)
    before, after = "\n".join(lines[:first]).rstrip(), "\n".join(lines[first:])
    return "\n\n".join(part for part in (before, parameters, after) if part) + "\n"


class Model(Module):
    """Base of all families: networks (Modules among the attributes), their optimizers, and a training step.

    A family is registered by `minigen.models.register`.  It declares its options in a nested class `Options`, builds
    its networks and `optimizers` in ``__init__(self, **options)``, which calls ``super().__init__(**options)`` first,
    and defines `training_step` and `preview`.

    Parameters
    ----------
    **options
        The options; those not given have their defaults.

    Raises
    ------
    ValueError
        If an option is unknown or not allowed.
    """

    @dataclass(frozen=True)
    class Options(BaseOptions):
        """The options of the family; see `minigen.models.option`."""

    DATA: ClassVar[str] = "mnist5k"
    """Data set that ``minigen train`` takes by default."""

    EPOCHS: ClassVar[int] = 16
    """Epochs that ``minigen train`` takes by default."""

    LEAST_STEPS: ClassVar[int] = 0
    """Steps that ``minigen train`` takes by default at least: on few images these are more epochs."""

    BATCH_SIZE: ClassVar[int] = 32
    """Images in a batch that ``minigen train`` takes by default."""

    TRAINING_ONLY: ClassVar[tuple[str, ...]] = ()
    """Attributes that hold networks which only training needs; see `drop_training_parts`."""

    name: ClassVar[str] = "model"
    """The name of the family, for messages and the command line."""

    options: Any
    """The values of the options, an instance of the family's `Options`."""

    optimizers: dict[str, Optimizer]
    """Every optimizer by name; their state is part of a checkpoint."""

    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give the family the signature and the documentation of its options."""
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__name__.lower()
        cls.__signature__ = cls.Options.signature()
        cls.__doc__ = _with_parameters(cls.__doc__ or cls.__name__, cls.Options.documentation())

    def __init__(self, **options: Any):
        super().__init__()
        try:
            self.options = self.Options.from_mapping(options)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the family's docstring, without the full stop."""
        return (cls.__doc__ or cls.__name__).strip().partition("\n")[0].rstrip(".")

    @classmethod
    def data_options(cls, dataset: Dataset) -> dict[str, Any]:
        """Find the options that a data set decides.

        Of `size`, `channels`, `out_channels` and `classes` those that the family has.

        Parameters
        ----------
        dataset : Dataset

        Returns
        -------
        dict

        Raises
        ------
        ValueError
            If the data set does not suit the family: no labels, no partners, or images that are not square.
        """
        names = {each.name for each in cls.Options.specifications() if each.from_data}
        found: dict[str, Any] = {}
        if names & {"size", "channels"}:
            channels, height, width = dataset.images.shape[1:]
            if "size" in names and height != width:
                raise ValueError(
                    f"{cls.name}: expected square images, {dataset.name} has {height}x{width}: give a size"
                )
            found = {"size": height, "channels": channels}
        if "out_channels" in names:
            if dataset.partners is None:
                raise ValueError(
                    f"{cls.name}: learns from two images each, and {dataset.name} has no partners; of your own images, "
                    "use pairs:PATH or unpaired:PATH"
                )
            found["out_channels"] = dataset.partners.shape[1]
        if "classes" in names:
            if dataset.labels is None or not dataset.classes:
                raise ValueError(
                    f"{cls.name}: learns from classes, and {dataset.name} has none; of your own images, those of each "
                    "class go into a sub-folder"
                )
            found["classes"] = len(dataset.classes)
        return {name: value for name, value in found.items() if name in names}

    @property
    def device(self) -> str:
        """The device of the weights, ``"cpu"`` or ``"cuda"``: the model computes there."""
        return next(self.parameters()).device

    def to(self, target: Any) -> Self:
        """Move networks and optimizers to a device or a dtype, in place; see `minigen.nn.Module.to`."""
        super().to(target)
        for optimizer in self.optimizers.values():
            optimizer.load_state_dict(optimizer.state_dict())  # the state of the optimizer follows the weights
        return self

    def adopt_average(self) -> None:
        """Give the networks the moving averages of their weights, if the family keeps any, and keep these no more."""

    def drop_training_parts(self) -> Self:
        """Keep only what makes outputs: no optimizers, no `TRAINING_ONLY` networks, averages in place of last weights.

        The model makes the same outputs in evaluation mode, and cannot be trained any more.
        """
        self.adopt_average()
        for name in self.TRAINING_ONLY:
            if isinstance(getattr(self, name), Module):
                setattr(self, name, None)
        self.optimizers = {}
        return self

    def training_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Update the weights by one batch and return the numbers to log.

        Parameters
        ----------
        batch : mapping of str to ndarray
            The fields of the data set: ``images`` (N, C, H, W) in [-1, 1]; ``labels`` (N,) if there are classes;
            ``partners`` and others if the data set has them.

        Returns
        -------
        dict of str to Tensor
            Tensors of one element without a graph, on the model's device: reading one by ``float`` makes the CPU wait
            for the GPU.  Losses have names that begin with ``loss``.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define training_step()")

    def kind_of_step(self) -> Hashable:
        """Say of what kind the next step is: all steps of a kind, with batches of one shape, start the same kernels.

        A CUDA graph repeats the kernels of one step, so there is one for each kind; see `minigen.train.GraphedStep`.
        """
        return None

    def why_no_graph(self) -> str:
        """Say why a CUDA graph cannot repeat the training step; empty if it can.

        A family without this method has none: in its step nothing says what the CPU must do again before each replay
        (`minigen.backend.repeated`).
        """
        return "the training step of this family is not made for it"

    def preview(self, n: int, dataset: Dataset, generator: np.random.Generator) -> tuple[np.ndarray, int | None]:
        """Make images that show how far the training is.

        Parameters
        ----------
        n : int
            How many images at most.
        dataset : Dataset
            The data of the training; of a model from image to image, held-out images if there are any.
        generator : numpy.random.Generator
            The only source of randomness: the same generator and weights give the same images.

        Returns
        -------
        images : ndarray (M, C, H, W), float32, in [-1, 1]
        columns : int or None
            Images in a row of their grid; None for a grid that is about square.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define preview()")

    def schedule(self, done: float) -> None:
        """Prepare the next step, such as its learning rate; `done` is the share of the training, from 0 to 1."""

    def decay_learning_rates(self, done: float, share: float) -> None:
        """Let the learning rate of every optimizer fall linearly to 0 in the last `share` of the training.

        A family calls it in `schedule`.  The rates depend on `done` only, so a resumed run has the same ones; a run
        that is prolonged continues with the rate that the longer run has at that step.

        Parameters
        ----------
        done : float
            The share of the training that is done.
        share : float
            From 0, for constant rates, to 1.
        """
        left = min(1.0, (1 - done) / share) if share else 1.0
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * left

    def prepare(self, dataset: Dataset) -> None:
        """Look at the training data before the first step, also of a resumed run; ValueError if it does not suit."""

    def check_batch_size(self, size: int) -> None:
        """Raise ValueError if the model cannot learn from a batch of `size` examples; asked before the first step."""

    def reference_levels(self) -> dict[str, float]:
        """Return levels to compare logged numbers with, such as the loss of an undecided D."""
        return {}

    def diagnose(self, means: Mapping[str, float]) -> dict[str, str]:
        """Find what goes wrong in a training, from the numbers that it logs.

        Parameters
        ----------
        means : mapping of str to float
            The numbers that `training_step` returned, as means over the last steps.

        Returns
        -------
        dict of str to str
            For each kind of problem what is seen and what to try.
        """
        return {}

    def update(self, loss: Tensor, optimizer: Optimizer) -> None:
        """Do one step of `optimizer` along the gradient of `loss`, in its own parameters only.

        The loss of one network may run through another network.  ``loss.backward()`` would leave gradients in both, and
        one of them would have to be cleared by hand; `minigen.grad` computes only the gradients that are needed.
        """
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for p, g in zip(parameters, grad(loss, parameters)):
            p.grad = g
        optimizer.step()
        optimizer.zero_grad()

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Stay in evaluation mode and record no graph inside the block."""
        mode = self.training
        self.eval()
        try:
            with no_grad():
                yield
        finally:
            self.train(mode)

    def field(self, batch: Mapping[str, np.ndarray], name: str) -> np.ndarray:
        """Return one field of a batch; ValueError if the batch does not have it."""
        try:
            return np.asarray(batch[name])
        except (KeyError, IndexError, TypeError):
            given = (", ".join(batch) or "an empty batch") if isinstance(batch, Mapping) else type(batch).__name__
            raise ValueError(
                f"{self.name}: expected a batch with the field {name!r}, such as {{'{name}': ...}}, got {given}"
            ) from None

    def check_images(self, images: Any, shape: tuple[int | str, ...]) -> np.ndarray:
        """Check images of a batch and return them as float32.

        Parameters
        ----------
        images : ndarray (N, C, H, W)
        shape : tuple
            Expected size of each dimension behind N; a string for any size.

        Raises
        ------
        ValueError
            If the shape differs, or a value is NaN or outside [-1, 1].
        """
        images = np.asarray(images)
        fits = images.ndim == len(shape) + 1 and all(
            isinstance(size, str) or size == given for size, given in zip(shape, images.shape[1:])
        )
        if not fits:
            raise ValueError(f"{self.name}: expected images (N, {', '.join(map(str, shape))}), got {images.shape}")
        if images.size and not (images.min() >= -1 and images.max() <= 1):
            raise ValueError(f"{self.name}: expected images in [-1, 1], got {images.min():g} to {images.max():g}")
        checked: np.ndarray = images.astype(np.float32, copy=False)
        return checked


class GenerativeModel(Model):
    """Base of the families that make an image from a vector: noise of a GAN, a code of a VAE; a priori N(0, I).

    A family defines `training_step` and `generate`.

    Raises
    ------
    ValueError
        If an option is unknown or not allowed.
    """

    @dataclass(frozen=True)
    class Options(Model.Options):
        """Options of every generative model."""

        size: int = option(28, "side of the images in pixels", minimum=1, from_data=True)
        channels: int = option(1, "channels of the images", minimum=1, from_data=True)
        latent: int = option(100, "length of the vector that an image is made from", minimum=1)
        l1: float = option(
            0.0,
            "L1 regularization: add this times the sum of the absolute values of all matrices and filters to each loss",
            minimum=0,
        )

    latent: int
    """Length of the vector that an image is made from."""

    classes: int = 0
    """How many classes the model can be asked for; 0 if it does not use classes."""

    def __init__(self, size: int = 28, channels: int = 1, **options: Any):
        given = {
            name: value for name, value in (("size", size), ("channels", channels)) if name not in self.Options.WITHOUT
        }
        super().__init__(**given, **options)
        self.shape: tuple[int, ...] = self.example_shape()
        self.classes = getattr(self.options, "classes", 0)
        if self.options.latent is not None:
            self.latent = self.options.latent

    def update(self, loss: Tensor, optimizer: Optimizer) -> None:
        """Do one step as `Model.update`, with the L1 penalty of the optimizer's matrices and filters in the loss.

        The option `l1` is its weight; ``derivation("regularization")`` says what it does.  The losses that are logged
        do not contain it.
        """
        if self.options.l1:
            weights = [p for group in optimizer.param_groups for p in group["params"] if p.ndim > 1]
            loss = loss + l1_penalty(weights, self.options.l1)
        super().update(loss, optimizer)

    def example_shape(self) -> tuple[int, ...]:
        """Return the shape of one image; a family that makes something else has another."""
        return (self.options.channels, self.options.size, self.options.size)

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Compute the images of vectors, in the mode that the networks are in.

        Users call `sample` and `decode`.

        Parameters
        ----------
        z : Tensor (N, latent)
        condition : Tensor (N, classes) or None
            One-hot labels if the model uses classes.

        Returns
        -------
        Tensor (N, C, H, W), in [-1, 1]
        """
        raise NotImplementedError(f"{type(self).__name__} does not define generate()")

    def preview(self, n: int, dataset: Dataset, generator: np.random.Generator) -> tuple[np.ndarray, int | None]:
        """Make samples; a conditional model goes through the classes, one column for each."""
        columns = self.classes if self.classes <= n else 0
        return self.sample(n - n % max(columns, 1), generator), columns or None

    def sample(self, n: int, generator: np.random.Generator | None = None, labels: Any = None) -> np.ndarray:
        """Make new images, in evaluation mode: the same weights and noise give the same images.

        Parameters
        ----------
        n : int
        generator : numpy.random.Generator, optional
            Source of the noise; fresh by default.
        labels : int or ndarray of int (n,), optional
            The classes, for a model that uses classes; by default 0, 1, 2 ... in turn.

        Returns
        -------
        ndarray (n, C, H, W), float32, in [-1, 1]

        Raises
        ------
        ValueError
            If `n` is less than 1, or the labels do not fit the model.
        """
        if n < 1:
            raise ValueError(f"sample: n must be at least 1, got {n}")
        if labels is None and self.classes:
            labels = np.arange(n) % self.classes
        generator = np.random.default_rng() if generator is None else generator
        return self.decode(randn(n, self.latent, generator=generator).numpy(), labels)

    def decode(self, codes: np.ndarray, labels: Any = None) -> np.ndarray:
        """Make the image of each vector, in evaluation mode.

        It is G(z) of a GAN, and the mean of p(x | z) of a VAE.

        Parameters
        ----------
        codes : ndarray (N, latent)
        labels : int or ndarray of int (N,), optional
            The classes; required by a model that uses classes.

        Returns
        -------
        ndarray (N, C, H, W), float32, in [-1, 1]

        Raises
        ------
        ValueError
            If the codes or labels do not fit the model.
        """
        codes = np.asarray(codes, np.float32)
        if codes.ndim != 2 or codes.shape[1] != self.latent:
            raise ValueError(f"{self.name}: expected codes (N, {self.latent}), got {codes.shape}")
        if labels is not None and not self.classes:
            raise ValueError(f"{self.name}: this model knows no classes: leave labels out, or train a cgan or a cvae")
        condition = self.condition(labels, len(codes))
        images = [np.zeros((0, *self.shape), np.float32)]
        with self.evaluating():
            for part in parts(len(codes)):
                z = tensor(codes[part], device=self.device)
                images.append(self.generate(z, None if condition is None else condition[part]).numpy())
        return np.concatenate(images)

    def condition(self, labels: Any, n: int) -> Tensor | None:
        """Make the condition of `n` images: one-hot labels, because classes have no order.

        Parameters
        ----------
        labels : int or ndarray of int (n,)
        n : int

        Returns
        -------
        Tensor (n, classes), float32, or None
            None for a model that does not use classes.

        Raises
        ------
        ValueError
            If the labels are missing, not whole numbers, not `n`, or out of range.
        """
        if not self.classes:
            return None
        if labels is None:
            raise ValueError(f"{self.name}: the labels are missing: a conditional model needs one for each image")
        labels = broadcast_labels(labels, n)
        if n and not 0 <= labels.min() <= labels.max() < self.classes:
            raise ValueError(
                f"{self.name}: expected labels from 0 to {self.classes - 1}, got {labels.min()} to {labels.max()}"
            )
        return one_hot(tensor(labels, device=self.device), self.classes).to(np.float32)


class ImageModel(Model):
    """Base of the families that make an image from an image: repair, translation.  Any height and width.

    A family defines `training_step` and ``forward``, from a Tensor (N, C, H, W) to one of as many images.

    Raises
    ------
    ValueError
        If an option is unknown or not allowed.
    """

    @dataclass(frozen=True)
    class Options(Model.Options):
        """Options of every model from image to image."""

        channels: int = option(1, "channels of the images", minimum=1, from_data=True)

    smallest_side: int = 1
    """How many pixels each side of an image must have in training."""

    def __init__(self, channels: int = 1, **options: Any):
        super().__init__(channels=channels, **options)

    def prepare(self, dataset: Dataset) -> None:
        """Refuse images that are too small; see `Model.prepare`."""
        for images in (dataset.images, dataset.partners):
            if images is not None and min(images.shape[2:]) < self.smallest_side:
                raise ValueError(
                    f"{self.name}: expected images of at least {self.smallest_side} pixels a side, got "
                    f"{images.shape[3]}x{images.shape[2]}; --size makes them larger"
                )

    def apply(self, images: Any) -> Any:
        """Compute the output images of given images, in evaluation mode.

        (A function is applied to every sub-module instead, see `minigen.nn.Module.apply`.)

        Parameters
        ----------
        images : ndarray (N, C, H, W)
            In [-1, 1].

        Returns
        -------
        ndarray (N, C', H', W'), float32, in [-1, 1]

        Raises
        ------
        ValueError
            If the images have another number of channels, or a value is outside [-1, 1].
        """
        return super().apply(images) if callable(images) else self.apply_network(self, images, self.options.channels)

    def apply_network(self, network: Callable[[Tensor], Tensor], images: np.ndarray, channels: int) -> np.ndarray:
        """Compute the outputs of one network for images with that many channels; see `apply`."""
        images = self.check_images(images, (channels, "H", "W"))
        with self.evaluating():
            outputs = [network(tensor(images[part], device=self.device)).numpy() for part in parts(len(images))]
        return np.concatenate(outputs).clip(-1, 1) if outputs else images

    def preview(self, n: int, dataset: Dataset, generator: np.random.Generator) -> tuple[np.ndarray, int | None]:
        """Show in each row an image, the output for it, and its partner if it has one."""
        columns = 2 if dataset.partners is None else 3
        rows = dataset.subset(generator.permutation(len(dataset))[: max(n // columns, 1)])
        shown = [rows.images, self.apply(rows.images), *([] if rows.partners is None else [rows.partners])]
        return image_rows(*shown), columns


def image_rows(*columns: np.ndarray) -> np.ndarray:
    """Put images beside each other: the first of every column, then the second, ...; gray ones as colors if needed.

    >>> image_rows(np.zeros((2, 1, 4, 4)), np.zeros((2, 3, 4, 4))).shape
    (4, 3, 4, 4)
    """
    channels = max(column.shape[1] for column in columns)
    alike = [np.repeat(c, channels, axis=1) if c.shape[1] == 1 else c for c in columns]
    return np.stack(alike, 1).reshape(-1, *alike[0].shape[1:])
