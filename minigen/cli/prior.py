"""``minigen prior``."""

import argparse
from pathlib import Path

from ..data.picture import read_mask, read_picture
from ..models.single_image import image_prior
from .one_picture import add_flags, output_path, read_reduced, reduced, save
from .output import print_line
from .types import at_least

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``minigen prior``."""
    parser.description = (
        "Repair one picture with a network that has seen no other: remove noise, or fill the holes of a mask.\n"
        "For noise, the number of steps decides: too few leave out details, too many bring the noise back."
    )
    parser.add_argument("picture", metavar="IMAGE", help="a picture")
    parser.add_argument(
        "--mask", metavar="FILE", help="where the holes are: white is the hole; of the size of the picture"
    )
    parser.add_argument("--steps", type=at_least(1), help="steps of training (default: 200, with a mask 1000)")
    add_flags(parser, 128, "NAME-prior.png")


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen prior`` was asked."""
    path = Path(arguments.picture)
    out, mask = output_path(arguments.out, path, "prior"), None
    if arguments.mask:
        mask, grey = read_mask(arguments.mask, read_picture(path).image.shape[1:])
        if grey:
            print_line(f"note: {arguments.mask} has gray levels: 128 and more count as white")
        mask = (reduced(mask, arguments.size) > 0.5).astype("float32")
        if mask.mean() > 0.9:
            print_line(f"note: {arguments.mask} marks {mask.mean():.0%} of the picture as hole: is it inverted?")
    image = read_reduced(arguments.picture, arguments.size)
    result = image_prior(image, mask, arguments.steps, seed=arguments.seed)
    save(result.image, out)
    print_line(f"{len(result.losses)} steps, loss {result.losses[0]:.4f} to {result.losses[-1]:.4f}: {out}")
