"""``minigen sample``."""

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.atomic_write import replace_file
from ..audio import write_wav
from ..models import SequenceGAN
from ..models.gan.points import PREVIEW, PointGAN
from ..plot import save_image_grid
from ..train import Trained
from ..visualize import sample, sample_images
from ..visualize.samples import MANY, OF_EACH
from .run_options import add_class, add_run, asked_classes, opened, save_table
from .types import at_least

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``minigen sample``."""
    parser.description = (
        "Make new images with a trained model: one picture of them all (--out FILE.png), an array for other programs\n"
        "(--out FILE.npz: images (N, C, H, W) in [-1, 1], and labels), or one file for each (--out FOLDER/).\n"
        "A model of points gives a picture of them, or the array points (N, 2); a model of sequences the array\n"
        "sequences (N, T, D), a picture, or with --wav the sounds one after the other."
    )
    add_run(parser, "sample.png", "the noise")
    text = f"how many, or how many of each class (default: {MANY}, or {OF_EACH} of each class)"
    parser.add_argument("-n", type=at_least(1), help=text)
    add_class(parser, "of a cgan or cvae: which classes, by name or number (default: all, a row each)")
    parser.add_argument("--wav", action="store_true", help="of a model of sound: write a WAV file (sample.wav)")


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen sample`` was asked."""
    trained = opened(arguments, points=True, sequences=True)
    if isinstance(trained.model, SequenceGAN):
        _sequences(trained.model, arguments, trained)
        return
    if arguments.wav:
        raise ValueError(f"--wav: {trained.model.name} makes no sound; train specgan or rcgan with --data notes")
    if isinstance(trained.model, PointGAN):
        _points(trained.model, arguments, trained)
        return
    asked = arguments.n, asked_classes(arguments, trained), arguments.seed, trained.class_names
    out = arguments.out or ""
    if out.endswith((".npz", "/", "\\")) or Path(out or ".png").is_dir():
        images, labels = sample_images(trained.model, *asked)
        _save_array(Path(out), images, labels) if out.endswith(".npz") else _save_files(Path(out), images, labels)
        print(f"{len(images)} samples of step {trained.step}: {out}")
    else:
        table = sample(trained.model, *asked)
        rows, columns = table.images.shape[:2]
        save_table(table, arguments, trained, f"{rows * columns if table.rows else arguments.n or MANY} samples")


def _points(model: PointGAN, arguments: argparse.Namespace, trained: Trained) -> None:
    """Save points as an array, or a picture of them."""
    if arguments.classes is not None:
        raise ValueError(f"--class: {model.name} knows no classes")
    points = model.sample(arguments.n or PREVIEW, np.random.default_rng(arguments.seed))
    path = Path(arguments.out or trained.run.output(arguments.file_name))
    if path.suffix == ".npz":
        memory = io.BytesIO()
        np.savez_compressed(memory, points=points)
        replace_file(path, memory.getvalue())
    else:
        picture = model.picture(points, trained.data("train").points)
        save_image_grid(path, picture[None], padding=0)
    print(f"{len(points)} samples of step {trained.step}: {path}")


def _sequences(model: SequenceGAN, arguments: argparse.Namespace, trained: Trained) -> None:
    """Save series or spectrograms as an array or a picture, or sounds as one WAV file."""
    asked = asked_classes(arguments, trained)
    sequences, labels = sample_images(model, arguments.n, asked, arguments.seed)
    file_name = "sample.wav" if arguments.wav else arguments.file_name
    path = Path(arguments.out or trained.run.output(file_name))
    if arguments.wav:
        write_wav(path, model.to_sound(sequences).reshape(-1), model.options.rate)
    elif path.suffix == ".npz":
        memory = io.BytesIO()
        assert labels is not None  # every family of sequences knows classes
        np.savez_compressed(memory, sequences=sequences, labels=labels)
        replace_file(path, memory.getvalue())
    else:
        save_image_grid(path, model.pictures(sequences))
    print(f"{len(sequences)} samples of step {trained.step}: {path}")


def _save_array(path: Path, images: "NDArray[Any]", labels: "NDArray[Any] | None") -> None:
    memory = io.BytesIO()
    if labels is None:
        np.savez_compressed(memory, images=images)
    else:
        np.savez_compressed(memory, images=images, labels=labels)
    replace_file(path, memory.getvalue())


def _save_files(folder: Path, images: "NDArray[Any]", labels: "NDArray[Any] | None") -> None:
    """One PNG file for each image; the class is in its name."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty: give a new folder")
    for i, image in enumerate(images):
        name = f"{i:05d}.png" if labels is None else f"{i:05d}-class-{labels[i]}.png"
        save_image_grid(folder / name, image[None], padding=0)
