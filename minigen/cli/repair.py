"""``minigen repair``."""

import argparse
from pathlib import Path

import numpy as np

from ..data.picture import Picture, read_mask, read_picture
from ..metrics import psnr
from ..models import Repair
from ..models.repair import Damaged
from ..models.repair.image import noise_level, repair_image
from ..plot import save_image
from ..train import RunError, Trained
from .one_picture import output_path
from .output import print_line
from .run_options import add_run, opened

__all__ = ["add_arguments", "run"]

_INVERTED = 0.9  # share of a mask from which it is probably inverted
_ALIKE = 0.4  # channels that differ by less than this share of the noise have nearly the same noise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``minigen repair``."""
    parser.usage = "minigen repair RUN IMAGE [IMAGE ...] [options]"
    parser.description = (
        "Repair pictures with a model that minigen train repair made: remove noise or blur, fill holes, or double the\n"
        "size. Pictures may be of any size, gray or in color."
    )
    parser.epilog = (
        "example:\n"
        "  minigen train repair --damage noise     learn to remove noise (one to two minutes)\n"
        "  minigen repair repair-photos old.jpg    write old-repaired.png"
    )
    add_run(parser, None, None)
    parser.add_argument("pictures", metavar="IMAGE", nargs="+", help="a picture")
    parser.add_argument(
        "--mask", metavar="FILE", help="where the holes are: white is the hole; of the size of the picture"
    )
    parser.add_argument("--invert", action="store_true", help="black is the hole in the mask")
    parser.add_argument(
        "--damage", action="store_true",
        help="first damage the (good) pictures as in training, and compare the repaired ones with them",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="PATH", help="a file, or a folder that exists (default: NAME-repaired.png in this folder)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen repair`` was asked."""
    trained = opened(arguments, from_images=True)
    model = trained.model
    if not isinstance(model, Repair):
        raise RunError(f"{trained.run} is a {model.name}, not a repair: make one with minigen train repair")
    _check_flags(arguments, model, trained)
    for name in arguments.pictures:
        path = Path(name)
        out = output_path(arguments.out, path, "repaired", len(arguments.pictures))
        picture = read_picture(path)
        if min(picture.image.shape[1:]) < 2 * model.network.reach + 1:
            _note(f"{path} is smaller than the {2 * model.network.reach + 1} pixels that the network looks at")
        if picture.bits > 8:
            _note(f"{path} has {picture.bits} bits a channel; 8 are used and written")
        if arguments.damage:
            _demonstrate(model, picture, path, out)
            continue
        mask = _mask(arguments, picture) if arguments.mask else None
        _warn_of_noise(model, picture.image, path)
        repaired = repair_image(model, picture.image, mask)
        _save(repaired, picture.alpha, out)
        print_line(f"{path}: {_change(model, picture.image, repaired, mask)}: {out}")


def _check_flags(arguments: argparse.Namespace, model: Repair, trained: Trained) -> None:
    """Refuse flags that contradict the damage of the run, or each other."""
    damage = model.options.damage
    if arguments.mask and not model.needs_mask:
        raise RunError(f"--mask: {trained.run} repairs {damage}, which has no mask: leave it out")
    if arguments.mask and arguments.damage:
        raise RunError("--mask and --damage contradict each other: --damage makes the holes itself")
    if model.needs_mask and not arguments.mask and not arguments.damage:
        raise RunError(f"--mask is missing: {trained.run} fills holes, and the mask says where they are")
    if arguments.invert and not arguments.mask:
        raise RunError("--invert inverts a mask: give --mask too")


def _mask(arguments: argparse.Namespace, picture: Picture) -> np.ndarray:
    mask, grey = read_mask(arguments.mask, picture.image.shape[1:])
    if arguments.invert:
        mask = 1 - mask
    if grey:
        _note(f"{arguments.mask} has gray levels: 128 and more count as white")
    share = float(mask.mean())
    if share > _INVERTED:
        hint = "leave --invert out" if arguments.invert else "add --invert"
        raise RunError(
            f"--mask: {arguments.mask} marks {share:.0%} of the picture as hole, too much to repair; if it is "
            f"inverted, {hint}"
        )
    return mask


def _demonstrate(model: Repair, picture: Picture, path: Path, out: Path) -> None:
    """Damage a good picture, repair it, and say how near the result is."""
    sides = picture.image.shape[1:]
    if model.factor > 1 and any(side % model.factor for side in sides):
        _note(f"{path}: {sides[1]}x{sides[0]} is cropped to multiples of {model.factor}")
    # The channels of a color picture share the place of a hole and the strength of the damage.
    damaged = model.damage.draw(picture.image[None], np.random.default_rng(0))
    mask = None if damaged.mask is None else damaged.mask[0]
    repaired = repair_image(model, damaged.images[0], mask)
    _save(repaired, None, out)
    spoiled = out.with_name(f"{path.stem}-damaged.png")
    _save(damaged.images[0].clip(-1, 1), None, spoiled)
    print_line(f"{path}: {_gain(damaged, repaired, mask)}: {spoiled}, {out}")


def _gain(damaged: Damaged, repaired: np.ndarray, mask: np.ndarray | None) -> str:
    truth = damaged.truth[0]
    where = " in the hole" if mask is not None else ""
    after = f"{psnr(repaired, truth, mask):.1f} dB{where}"
    if damaged.images.shape != damaged.truth.shape:
        return f"repaired {after}"
    return f"damaged {psnr(damaged.images[0], truth, mask):.1f} dB{where}, repaired {after}"


def _change(model: Repair, before: np.ndarray, after: np.ndarray, mask: np.ndarray | None) -> str:
    """Say what the repair changed, in numbers that need no truth."""
    if mask is not None:
        return f"{int(mask.sum())} pixels filled ({mask.mean():.1%})"
    if model.factor > 1:
        return f"{before.shape[2]}x{before.shape[1]} to {after.shape[2]}x{after.shape[1]}"
    if model.options.damage == "blur":
        return f"steepness of edges {_steepness(before):.1f} before, {_steepness(after):.1f} after"
    return f"noise of about {noise_level(before):.1f} levels before, {noise_level(after):.1f} after"


def _steepness(image: np.ndarray) -> float:
    """The 95 % quantile of the differences between neighbors, in levels of 0 to 255."""
    differences = [np.abs(np.diff(image, axis=axis)).ravel() for axis in (1, 2)]
    return float(np.quantile(np.concatenate(differences), 0.95) * 127.5)


def _warn_of_noise(model: Repair, image: np.ndarray, path: Path) -> None:
    if model.options.damage != "noise":
        return
    level, most = noise_level(image), model.damage.high
    if level > 1.2 * most + 2:
        _note(
            f"{path} has noise of about {level:.0f} levels, more than the {most:g} of the training: train with "
            f"--strength {most:g}-{2 * level:.0f}"
        )
    of_channels = noise_level(image - image.mean(axis=0))  # 0.8 of it if each channel has noise of itself
    if model.options.channels == 3 and of_channels < _ALIKE * level:
        _note(
            f"{path} has nearly the same noise in all channels, and this model learned different noise: a model of "
            "gray images (minigen train repair --damage noise) removes more"
        )


def _note(text: str) -> None:
    print_line(f"note: {text}")


def _save(image: np.ndarray, alpha: np.ndarray | None, out: Path) -> None:
    from PIL import Image

    levels = np.rint((image.clip(-1, 1) + 1) * 127.5).astype(np.uint8)
    picture = Image.fromarray(levels[0] if len(levels) == 1 else np.ascontiguousarray(levels.transpose(1, 2, 0)))
    if alpha is not None:
        picture.putalpha(Image.fromarray(alpha).resize(picture.size, Image.Resampling.BICUBIC))
    save_image(picture, out)
