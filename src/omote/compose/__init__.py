"""Put the new face back: masks, colour, blending and paste-back."""

from omote.compose.blend import BLEND_METHODS, BlendMethod, blend
from omote.compose.colour import COLOUR_METHODS, ColourMethod, match_colour
from omote.compose.fading import visibility
from omote.compose.grain import match_grain
from omote.compose.mask_settings import MaskSettings, parse_padding
from omote.compose.masking import Masking
from omote.compose.masks import box_mask, hull_mask, polygon_mask, smooth_step
from omote.compose.paste import full_scale, paste, to_float

__all__ = [
    "BLEND_METHODS",
    "COLOUR_METHODS",
    "BlendMethod",
    "ColourMethod",
    "MaskSettings",
    "Masking",
    "blend",
    "box_mask",
    "full_scale",
    "hull_mask",
    "match_colour",
    "match_grain",
    "parse_padding",
    "paste",
    "polygon_mask",
    "smooth_step",
    "to_float",
    "visibility",
]
