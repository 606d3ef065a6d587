"""What can be done with one image and no training data: `image_prior` repairs it, `style_transfer` paints it anew."""

from .prior import Hourglass, PriorResult, image_prior
from .style import StyleResult, style_transfer

__all__ = ["Hourglass", "PriorResult", "StyleResult", "image_prior", "style_transfer"]
