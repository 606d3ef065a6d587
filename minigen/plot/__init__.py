"""Pictures: image grids and tables, loss curves, computation graphs, and the style that all figures share.

A function here takes arrays (`graph` takes Tensors) and returns a picture.  A notebook displays the picture, and
`save_figure` writes it to a file.  No function changes matplotlib's global state: no window opens and no backend is
chosen.  matplotlib is imported on first use; grids and tables of images do not need it.
"""

from .comparison import comparison_curves
from .curves import loss_curves, training_curves
from .graph import graph, to_dot, to_mermaid
from .images import image_format, image_grid, save_image, save_image_grid, show_images
from .live import Live
from .points import draw_points
from .sound import SoundPicture, show_audio
from .style import COLORS, figure, save_figure, style
from .table import ImageTable

__all__ = [
    "COLORS",
    "ImageTable",
    "Live",
    "SoundPicture",
    "comparison_curves",
    "draw_points",
    "figure",
    "graph",
    "image_format",
    "image_grid",
    "loss_curves",
    "save_figure",
    "save_image",
    "save_image_grid",
    "show_audio",
    "show_images",
    "style",
    "training_curves",
    "to_dot",
    "to_mermaid",
]
