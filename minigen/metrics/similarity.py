r"""How far an image is from the truth: PSNR and SSIM.

The *peak signal-to-noise ratio* is the mean squared error on a logarithmic scale:

$$\mathrm{PSNR} = 10 \log_{10} \frac{R^2}{\frac1n \sum (y - x)^2} \text{ dB}$$

with R the range of the values (2 for images in [-1, 1]).  3 dB more is half the error.

*Structural similarity* compares local means, variances and the covariance in a Gaussian window:

$$
\mathrm{SSIM} = \frac{(2 \mu_x \mu_y + c_1)(2 \sigma_{xy} + c_2)}
{(\mu_x^2 + \mu_y^2 + c_1)(\sigma_x^2 + \sigma_y^2 + c_2)}
$$

with $c_1 = (0.01 R)^2$ and $c_2 = (0.03 R)^2$; 1 for equal images.  Wang, Bovik, Sheikh and Simoncelli, "Image quality
assessment: from error visibility to structural similarity", IEEE Transactions on Image Processing 13, 2004.
"""

import math

import numpy as np

__all__ = ["psnr", "ssim"]

_SIGMA, _RADIUS = 1.5, 5  # of the window: 11 x 11 pixels, as in the paper


def psnr(images: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None, data_range: float = 2.0) -> float:
    """Compute the peak signal-to-noise ratio in dB; see `minigen.metrics.similarity`.

    Parameters
    ----------
    images, truth : ndarray (..., C, H, W)
    mask : ndarray (..., 1, H, W), optional
        1 where the error is measured, 0 elsewhere; by default everywhere.
    data_range : float
        Largest possible difference of two values: 2 for images in [-1, 1].

    Returns
    -------
    float
        Infinite for equal images.

    Raises
    ------
    ValueError
        If the shapes differ, the arrays are empty, or the mask is 0 everywhere.

    Examples
    --------
    >>> psnr(np.zeros((1, 8, 8)), np.full((1, 8, 8), 0.2))
    20.0
    """
    errors = np.square(_difference("psnr", images, truth, data_range))
    if mask is None:
        error = float(errors.mean())
    else:
        weights = np.broadcast_to(np.asarray(mask, np.float64), errors.shape)
        if not weights.any():
            raise ValueError("psnr: argument 'mask' is 0 everywhere: there is no pixel to measure")
        error = float((weights * errors).sum() / weights.sum())
    return 10 * math.log10(data_range**2 / error) if error else math.inf


def ssim(images: np.ndarray, truth: np.ndarray, data_range: float = 2.0) -> float:
    """Compute the mean structural similarity; see `minigen.metrics.similarity`.

    Each channel is compared by itself, with a Gaussian window of 11 x 11 pixels (sigma 1.5) and variances divided by n;
    windows that reach over the border are left out.  This is ``skimage.metrics.structural_similarity`` with
    ``gaussian_weights=True, use_sample_covariance=False``.

    Parameters
    ----------
    images, truth : ndarray (..., H, W)
        At least 11 pixels high and wide.
    data_range : float
        Largest possible difference of two values: 2 for images in [-1, 1].

    Returns
    -------
    float
        At most 1, which means equal.

    Raises
    ------
    ValueError
        If the shapes differ, or the images are smaller than the window.

    Examples
    --------
    >>> image = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16))
    >>> round(ssim(image, image), 6), ssim(image.clip(-0.5, 0.5), image) < 0.9
    (1.0, True)
    """
    _difference("ssim", images, truth, data_range)
    x, y = np.asarray(images, np.float64), np.asarray(truth, np.float64)
    side = 2 * _RADIUS + 1
    if min(x.shape[-2:]) < side:
        raise ValueError(f"ssim: expected images of at least {side}x{side} pixels, got shape {x.shape}")
    mean_x, mean_y = _window_means(x), _window_means(y)
    var_x, var_y = _window_means(x * x) - mean_x**2, _window_means(y * y) - mean_y**2
    covariance = _window_means(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    similar = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((similar / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean())


def _window_means(x: np.ndarray) -> np.ndarray:
    """Gaussian means of all windows that lie inside the image."""
    weights = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / _SIGMA) ** 2)
    weights /= weights.sum()
    windows = np.lib.stride_tricks.sliding_window_view
    rows: np.ndarray = windows(x, len(weights), axis=-2) @ weights
    means: np.ndarray = windows(rows, len(weights), axis=-1) @ weights
    return means


def _difference(op: str, images: np.ndarray, truth: np.ndarray, data_range: float) -> np.ndarray:
    images, truth = np.asarray(images, np.float64), np.asarray(truth, np.float64)
    if images.shape != truth.shape or images.ndim < 2 or not images.size:
        raise ValueError(f"{op}: expected two arrays of one shape, not empty, got {images.shape} and {truth.shape}")
    if not data_range > 0:
        raise ValueError(f"{op}: data_range must be above 0, got {data_range}")
    difference: np.ndarray = images - truth
    return difference
