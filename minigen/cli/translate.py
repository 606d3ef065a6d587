"""``minigen translate``."""

import argparse
from pathlib import Path

import numpy as np

from ..data.photos import LUMA
from ..data.picture import read_picture
from ..models import CycleGAN, Pix2Pix
from ..plot import save_image_grid
from ..train import RunError
from .one_picture import output_path
from .output import print_line
from .run_options import add_run, opened

__all__ = ["add_arguments", "run"]

_SMALLEST = 4  # pixels: the networks halve the sides once or twice


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``minigen translate``."""
    parser.usage = "minigen translate RUN IMAGE [IMAGE ...] [options]"
    parser.description = (
        "Translate pictures with a model that minigen train pix2pix or cyclegan made. Pictures may be of any size;\n"
        "best are those that look like the inputs of the training, in about their size."
    )
    parser.epilog = (
        "example:\n"
        "  minigen train cyclegan --data unpaired:FOLDER   learn from FOLDER/A and FOLDER/B\n"
        "  minigen translate cyclegan-FOLDER one.png       write one-translated.png"
    )
    add_run(parser, None, None)
    parser.add_argument("pictures", metavar="IMAGE", nargs="+", help="a picture")
    parser.add_argument("--back", action="store_true", help="of a cyclegan: from the second kind to the first")
    parser.add_argument(
        "--out", metavar="PATH", help="a file, or a folder that exists (default: NAME-translated.png in this folder)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen translate`` was asked."""
    trained = opened(arguments, from_images=True)
    model = trained.model
    if not isinstance(model, Pix2Pix | CycleGAN):
        raise RunError(
            f"{trained.run} is a {model.name}, not a translation: make one with minigen train pix2pix or cyclegan"
        )
    if arguments.back and not isinstance(model, CycleGAN):
        raise RunError(f"--back: {trained.run} is a pix2pix, which has no way back; train a cyclegan")
    channels = model.options.out_channels if arguments.back else model.options.channels
    for name in arguments.pictures:
        path = Path(name)
        out = output_path(arguments.out, path, "translated", len(arguments.pictures))
        picture = read_picture(path)
        image = picture.image
        if min(image.shape[1:]) < _SMALLEST:
            raise RunError(f"{path} has {image.shape[2]}x{image.shape[1]} pixels: expected at least {_SMALLEST} a side")
        if picture.alpha is not None:
            print_line(f"note: {path}: the transparency is ignored")
        if channels == 1 and len(image) == 3:
            print_line(f"note: {path} is in color; the model takes gray images, so its gray values are used")
            image = np.tensordot(LUMA, image, 1)[None]
        image = np.repeat(image, channels // len(image), axis=0)
        made = model.apply(image[None], True) if arguments.back else model.apply(image[None])
        save_image_grid(out, made, padding=0)
        print_line(f"{path}: {made.shape[3]}x{made.shape[2]}: {out}")
