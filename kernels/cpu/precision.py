"""How much accuracy the convolutions may trade for speed."""

from contextvars import ContextVar

__all__ = ["LEVELS", "precision"]

LEVELS = ("default", "fast", "direct")

_level: ContextVar[str] = ContextVar("minigen_precision", default="default")


class precision:  # noqa: N801  (a function to its users, like kernels.use)
    """Choose how the CPU convolutions of float32 may be computed, from here on or inside a ``with`` block.

    Winograd minimal filtering (`minigen.kernels.cpu.winograd`) saves multiplications and amplifies rounding errors.
    With float64 it is never used.

    Parameters
    ----------
    level : str
        - ``"default"``: tiles whose worst element stays within 3 times the error of a plain float32 sum.
        - ``"fast"``: a larger tile too, for large images.  The error in norm, relative to the result's, stays below
          2e-5 for inputs without strong correlation; see the note.
        - ``"direct"``: no Winograd minimal filtering.  Each element is within ``gamma_n * conv(|x|, |w|)``, where n
          is the number of terms and ``gamma_n = n u / (1 - n u)``, ``u = 2**-24``.

    Raises
    ------
    ValueError
        If there is no such level.

    Notes
    -----
    Errors measured on normal inputs with 16 to 256 channels: that of the worst element, in units of the worst of a
    float32 sum in plain order, which is the median of such draws and, since maxima scatter, their largest.

    ================= ======== ====== =======
    tile              level    median largest
    ================= ======== ====== =======
    F(2 x 2, 2 x 2)   default  1.0    1.4
    F(3 x 3, 2 x 2)   default  0.8    1.0
    F(4 x 4, 2 x 2)   default  1.7    3.1
    F(2 x 2, 3 x 3)   default  0.6    1.1
    F(4 x 4, 3 x 3)   default  2.1    4.0
    F(6 x 6, 3 x 3)   fast     12     18
    ================= ======== ====== =======

    (A blocked sum, such as a good direct kernel's, errs 2 to 5 times less than one in plain order.)

    Examples
    --------
    >>> with precision("direct"):
    ...     current()
    'direct'
    """

    def __init__(self, level: str):
        if level not in LEVELS:
            raise ValueError(f"precision: got {level!r}, expected one of {', '.join(LEVELS)}")
        self._token = _level.set(level)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exception: object) -> None:
        _level.reset(self._token)


def current() -> str:
    """The level in force."""
    return _level.get()
