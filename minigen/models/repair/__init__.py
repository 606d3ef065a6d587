"""Repair of images: the damages, and the family that learns to undo them."""

from .damage import DAMAGES, Blur, Damage, Damaged, Hole, Noise, Shrink, make_damage
from .image import noise_level, repair_image
from .repair import Repair, composite

__all__ = [
    "DAMAGES",
    "Blur",
    "Damage",
    "Damaged",
    "Hole",
    "Noise",
    "Repair",
    "Shrink",
    "composite",
    "make_damage",
    "noise_level",
    "repair_image",
]
