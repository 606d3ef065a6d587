"""How much accuracy the convolutions may trade for speed."""

from contextvars import ContextVar

__all__ = ["LEVELS", "precision"]

LEVELS = ("default", "fast", "direct")

_level: ContextVar[str] = ContextVar("minigen_precision", default="default")


class precision:  # noqa: N801  (a function to its users, like kernels.use)
    r"""Choose how the CPU convolutions of float32 may be computed, from here on or inside a ``with`` block.

    Winograd minimal filtering (`minigen.kernels.cpu.winograd`) saves multiplications and amplifies rounding errors.
    With float64 it is never used.

    Parameters
    ----------
    level : str
        - ``"default"``: tiles up to F(4 x 4, 3 x 3).  For inputs of one size, the worst element errs about twice as
          much as a float32 sum in plain order; see the table.  Large outliers spoil their neighbors; see below.
        - ``"fast"``: F(6 x 6, 3 x 3) too, for large images.  The error in norm, relative to the result's, stays below
          2e-5 for inputs without strong correlation.
        - ``"direct"``: no Winograd minimal filtering, for outliers and for finding the source of a NaN.  Each element
          is within ``gamma_n * conv(|x|, |w|)``, where n is the number of terms, ``gamma_n = n u / (1 - n u)`` and
          ``u = 2**-24``.

    Raises
    ------
    ValueError
        If there is no such level.

    Notes
    -----
    **Inputs of one size.**  The error of the worst element, measured on normal inputs with 16 to 256 channels, in units
    of the worst error of a float32 sum in plain order: the median of such draws, and the largest of them.

    ================= ======== ====== ======= =====
    tile              level    median largest kappa
    ================= ======== ====== ======= =====
    F(2 x 2, 2 x 2)   default  1.0    1.4     9
    F(3 x 3, 2 x 2)   default  0.8    1.0     16
    F(4 x 4, 2 x 2)   default  1.7    3.1     65
    F(2 x 2, 3 x 3)   default  0.6    1.1     16
    F(4 x 4, 3 x 3)   default  2.1    4.0     175
    F(6 x 6, 3 x 3)   fast     12     18      1565
    ================= ======== ====== ======= =====

    (A blocked sum, such as a good direct kernel's, errs 2 to 5 times less than one in plain order.)

    **Any inputs.**  The outputs of a tile F(m x m, r x r) share all its inputs.  Let $M_c$ be the largest |x| of
    channel c in the window of an output and less than m + r - 1 strides outside it (steps of the dilation, where there
    is one).  Then the output is within

    $$ \kappa \, \gamma_{n + 6(m + r)} \sum_c M_c \sum_{r, s} |w_{c, r, s}| $$

    of the exact one, if nothing overflows (above 1e36 a transform may overflow where a direct sum does not).  "direct"
    has the window's own |x| in place of $M_c$, and no kappa.  So the error of an output grows with the largest pixel of
    its tiles, even one outside its window.  Measured, with one pixel of 1e4 among pixels of size 1, and 64 -> 64
    channels of 3 x 3 weights of size 1: outputs beside the reach of the pixel err by 0.02, with "direct" by 0.0001.
    The gradient in x has the same bound with the cotangent in place of x; that in w, with a sum over all pixels.

    **NaN and infinity** make every output NaN, or infinite, that has them in its window; in "default" and "fast" also
    outputs less than m + r - 1 strides outside, of all channels.  To find where the first NaN comes from, use "direct".

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
