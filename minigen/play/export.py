"""The page without a server: images that were computed before, in one HTML file."""

from typing import Any

import numpy as np

from .._util.data_url import data_url
from .local_server import page_source
from .session import PlaySession, png_bytes

__all__ = ["static_page"]

MAX_EPOCHS = 16


def static_page(session: PlaySession) -> str:
    """Make a page that needs neither Python nor a network.

    It holds the plane of the first two directions through a random code, for each class; of a model without classes
    also the planes of the next directions.  The middle of the latent space would be a bad code to go through: of 100
    components a draw has a length near 10, so that a GAN has never seen a code near 0.

    Of the stored samples it holds those of at most 16 epochs.  Nearest training images and drawings need the model:
    they are left out.

    Parameters
    ----------
    session : PlaySession

    Returns
    -------
    str
        HTML.
    """
    about = session.describe()
    latent, classes, count = about["latent"], about["classes"], len(about["directions"])
    base = np.zeros(2) if latent == 2 else np.random.default_rng(0).standard_normal(latent)
    side = 41 if latent == 2 and not classes else 21
    labels = range(len(classes)) if classes else (None,)
    pairs = [(i, i + 1) for i in range(0, count - 1, 2)][: 1 if classes else 3]
    planes = []
    for label in labels:
        for pair in pairs:
            picture = data_url(png_bytes(session.plane(base, label, side, pair), side))
            planes.append({"label": label, "axes": list(pair), "picture": picture})
    epochs = about["epochs"]
    chosen = sorted({epochs[round(i)] for i in np.linspace(0, len(epochs) - 1, min(MAX_EPOCHS, len(epochs)))})
    samples = {epoch: data_url(session.epoch_picture(epoch).read_bytes()) for epoch in chosen}
    content: dict[str, Any] = {
        "model": about | {"epochs": chosen, "training": 0, "missing": "", "draws": False},
        "base": [round(float(x), 6) for x in base],
        "side": side,
        "planes": planes,
        "samples": samples,
    }
    return page_source("page.html", STATIC=content)
