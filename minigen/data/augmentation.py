"""Images turned, moved and scaled at random: more examples from few, where the class does not change."""

import numpy as np

__all__ = ["random_affine"]


def random_affine(
    images: np.ndarray,
    generator: np.random.Generator,
    degrees: float = 0.0,
    translate: tuple[float, float] = (0.0, 0.0),
    scale: tuple[float, float] = (1.0, 1.0),
    fill: float = -1.0,
) -> np.ndarray:
    r"""Turn, scale and move each image about its center, each by its own random amounts.

    The pixel at $p$ of the result is read at $q$ of the image, between its four neighbors (bilinear),

    $$q = c + \tfrac1s R^{-1}(p - c - t),$$

    with the center $c$, the scale $s$, the rotation $R$ and the translation $t$, each uniform in its range.

    Parameters
    ----------
    images : ndarray (N, C, H, W)
    generator : numpy.random.Generator
    degrees : float
        The largest angle, either way.
    translate : (float, float)
        The largest translation as a share of width and height, either way.
    scale : (float, float)
        The smallest and the largest factor, above 0.
    fill : float
        Value outside the image; -1 is black for images in [-1, 1].

    Returns
    -------
    ndarray (N, C, H, W), float32

    Raises
    ------
    ValueError
        If the shape is another one, or a range is not one.

    Notes
    -----
    Names and ranges are those of ``torchvision.transforms.RandomAffine``.  A whole batch is transformed at once, and a
    translation need not be a whole number of pixels.

    Examples
    --------
    >>> image = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> bool((random_affine(image, np.random.default_rng(0)) == image).all())
    True
    >>> random_affine(image, np.random.default_rng(0), degrees=10, translate=(0.1, 0.1), scale=(0.9, 1.1)).shape
    (1, 1, 3, 3)
    """
    images = np.asarray(images, np.float32)
    if images.ndim != 4:
        raise ValueError(f"random_affine: expected images (N, C, H, W), got {images.shape}")
    if not (degrees >= 0 and all(share >= 0 for share in translate) and 0 < scale[0] <= scale[1]):
        raise ValueError(
            "random_affine: expected degrees and translate of at least 0, and scale as two numbers above 0 in order, "
            f"got degrees {degrees}, translate {translate}, scale {scale}"
        )
    n, _, height, width = images.shape
    angle = np.deg2rad(generator.uniform(-degrees, degrees, (n, 1, 1)))
    factor = generator.uniform(*scale, (n, 1, 1))
    moved = generator.uniform(-1, 1, (2, n, 1, 1)) * np.reshape(
        [translate[1] * height, translate[0] * width], (2, 1, 1, 1)
    )
    middle = (height - 1) / 2, (width - 1) / 2
    y = np.arange(height)[:, None] - middle[0] - moved[0]
    x = np.arange(width) - middle[1] - moved[1]
    cosine, sine = np.cos(angle) / factor, np.sin(angle) / factor
    # One row and column of `fill` around the image: whatever is further away is read there.
    rows = (middle[0] + cosine * y - sine * x).clip(-1, height) + 1
    columns = (middle[1] + sine * y + cosine * x).clip(-1, width) + 1
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=fill)
    top, left = (np.minimum(place.astype(np.int64), end) for place, end in ((rows, height), (columns, width)))
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    which = np.arange(n)[:, None, None]

    def corner(below: int, beside: int) -> np.ndarray:
        return padded[which, :, top + below, left + beside]  # (N, H, W, C)

    above = corner(0, 0) * (1 - right) + corner(0, 1) * right
    under = corner(1, 0) * (1 - right) + corner(1, 1) * right
    return np.moveaxis(above * (1 - down) + under * down, 3, 1).astype(np.float32)
