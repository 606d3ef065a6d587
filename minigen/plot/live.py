"""A picture of a training that a notebook updates while it runs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from .._util.optional import require
from .curves import curve_look
from .images import image_grid
from .style import figure, style

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

__all__ = ["Live"]

MAX_IMAGES = 64


class Report(Protocol):
    """What the loop tells after an epoch: the part of `minigen.train.EpochReport` that is drawn."""

    @property
    def epoch(self) -> int: ...
    @property
    def step(self) -> int: ...
    @property
    def means(self) -> Mapping[str, float]: ...
    @property
    def images(self) -> "np.ndarray[Any, Any]": ...


class Live:
    """Show the losses so far and the newest samples in a notebook, and update this one picture after every epoch.

    It is called by the training loop: ``minigen.train.fit(..., on_epoch=Live())``.  There is one display, so a stored
    notebook holds the last picture only.  The samples are made from the same noise after every epoch.

    Parameters
    ----------
    columns : sequence of str, optional
        Which numbers to draw, each as its mean over an epoch; by default those with "loss" in their name.
    ncols : int, optional
        Images in a row.
    caption : str, optional

    Raises
    ------
    ModuleNotFoundError
        If IPython is not installed: a notebook brings it.
    ValueError
        On the first call, if the training does not log one of `columns`, or no loss.

    Attributes
    ----------
    history : list of (int, dict of str to float)
        The steps, and the means that were given with them.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import minigen as mg
    >>> data = mg.data.load("shapes", size=8, count=64)
    >>> live = mg.plot.Live()  # doctest: +SKIP
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     run = mg.train.Run.create(Path(folder, "mine"), {})
    ...     result = mg.train.fit(mg.models.build("dcgan", size=8), mg.data.Loader(data), run, 2, on_epoch=live)
    """

    def __init__(self, columns: Sequence[str] | None = None, ncols: int | None = None, caption: str | None = None):
        notebook = require("IPython.display")
        self._display: Any = notebook.display
        self._image: Any = notebook.Image  # encodes its bytes itself, which the kernel of JupyterLite does not
        self._columns = None if columns is None else list(columns)
        self._ncols, self._caption = ncols, caption
        self._handle: Any = None
        self.history: list[tuple[int, dict[str, float]]] = []

    def __call__(self, report: Report) -> None:
        """Draw what the loop reports, in place of the picture before."""
        self.history.append((report.step, dict(report.means)))
        picture = self._image(data=self.draw(report)._repr_png_(), format="png")  # type: ignore[attr-defined]
        if self._handle is None:
            self._handle = self._display(picture, display_id=True)
        else:
            self._handle.update(picture)

    def draw(self, report: Report) -> "Figure":
        """The picture: curves of the whole history on the left, the samples of `report` on the right."""
        found = self.history[-1][1]
        names = [name for name in found if "loss" in name] if self._columns is None else self._columns
        missing = [name for name in names if name not in found]
        if missing or not names:
            wanted = repr(missing[0]) if missing else "with 'loss' in its name"
            raise ValueError(f"Live: the training logs no number {wanted}; it logs {', '.join(found)}")
        with style():
            picture, (left, right) = figure(1, 2, caption=self._caption)
            steps = [step for step, _ in self.history]
            for i, name in enumerate(names):
                values = [means.get(name, float("nan")) for _, means in self.history]
                color, dashes = curve_look(i)
                marker = "o" if len(steps) < 12 else ""
                left.plot(steps, values, marker=marker, label=name, color=color, linestyle=dashes)
            left.set(xlabel="step", ylabel="mean over an epoch", title=f"epoch {report.epoch}, step {report.step}")
            left.legend()
            images = report.images[:MAX_IMAGES]
            right.imshow(image_grid(images, self._ncols), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            right.set_axis_off()
        return picture
