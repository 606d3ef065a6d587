"""The samples of each epoch, one after the other, as an animated GIF."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .._util.optional import require
from ..plot import save_image
from ..plot.style import GREY
from ..train import Run, RunError

__all__ = ["FRAMES", "animate"]

FRAMES, _LEVELS = 30, 32  # limits that make the file small: frames, and gray levels or colors
_BAR, _TEXT = 20, 13  # height of the line with the epoch, size of its letters; in pixels


def animate(source: Run, path: str | os.PathLike[str], frames: int = FRAMES, seconds: float = 6.0) -> int:
    """Write the sample grids of a run, which are all made from the same noise, as an animated GIF.

    If the run has more epochs than frames, all early epochs are shown, because most changes happen there, and of the
    later epochs fewer and fewer.  The last frame stays for two seconds.

    Parameters
    ----------
    source : Run
    path : str or path
        Ending in .gif.
    frames : int
        How many at most.
    seconds : float
        How long all frames but the last take.

    Returns
    -------
    int
        How many frames there are.

    Raises
    ------
    RunError
        If the run has no pictures.
    ValueError
        If the suffix is not .gif, or a number is out of range.
    FileNotFoundError
        If the folder does not exist.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from minigen.plot import save_image_grid
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     mine = Run.create(Path(folder, "mine"), {})
    ...     for epoch in range(3):
    ...         save_image_grid(mine.samples(epoch), np.full((4, 1, 8, 8), epoch / 4))
    ...     animate(mine, Path(folder, "mine.gif"))
    3
    """
    if Path(path).suffix.lower() != ".gif":
        raise ValueError(f"{os.fspath(path)}: expected a name that ends in .gif")
    if frames < 2 or not seconds > 0:
        raise ValueError(f"gif: expected at least 2 frames and more than 0 seconds, got {frames} and {seconds}")
    Image, ImageDraw, ImageFont = (require(f"PIL.{name}") for name in ("Image", "ImageDraw", "ImageFont"))
    epochs = _epochs(source)
    shown = [epochs[i] for i in _chosen(len(epochs), frames)]
    font = ImageFont.load_default(_TEXT)
    pictures = []
    for epoch in shown:
        with Image.open(source.samples(epoch)) as grid:
            picture = Image.new(grid.mode, (grid.width, grid.height + _BAR), "white")
            picture.paste(grid, (0, 0))
        draw = ImageDraw.Draw(picture)
        draw.text((6, grid.height + _BAR / 2), f"epoch {epoch}", GREY, font, anchor="lm")
        pictures.append(picture)
    # One palette for all frames: else grays would flicker from one to the next.  No dithering: its specks do not
    # compress, and would look like noise of the generator.
    pictures = [picture.convert("RGB") for picture in pictures]
    palette = Image.fromarray(np.concatenate([np.asarray(picture) for picture in pictures])).quantize(_LEVELS)
    pictures = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    each = max(20, round(1000 * seconds / len(pictures) / 10) * 10)  # a GIF counts in hundredths of a second
    times = [each] * (len(pictures) - 1) + [2000]
    save_image(pictures[0], path, save_all=True, append_images=pictures[1:], duration=times, loop=0, optimize=True)
    return len(pictures)


def _epochs(source: Run) -> list[int]:
    """The epochs that there is a grid of samples of."""
    epochs = source.sampled_epochs()
    if len(epochs) < 2:
        raise RunError(f"{source.path / 'samples'} holds {len(epochs)} grids of samples, at least 2 are needed")
    return epochs


def _chosen(count: int, most: int) -> Sequence[int]:
    """At most `most` of range(count), first and last included: all at first, then in ever wider steps.

    >>> _chosen(5, 9)
    [0, 1, 2, 3, 4]
    >>> _chosen(100, 8)
    [0, 1, 3, 6, 13, 26, 51, 99]
    """
    if count <= most:
        return list(range(count))
    return sorted({round(place) - 1 for place in np.geomspace(1, count, most)})
