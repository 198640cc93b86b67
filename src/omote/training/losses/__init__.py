"""Losses of the training room: pure functions of tensors, one file for each kind.

Every loss returns one float32 value per sample, (B,), the mean over everything else, whatever the precision
of its inputs and of autocast; so a term can be weighted, switched off and logged per sample, and the mean
over the global batch is the same on one process and on many. The fake comes first and its reference second,
or both by name where they could be mistaken; the gradient of the fake is never cut. Weights, and the choice
of samples (`where`), belong to the recipe. To average a term over the chosen samples alone, divide by the
share of them in the global batch.
"""

from omote.training.losses.adversarial import (
    clipped_hinge_generator_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
    least_squares_discriminator_loss,
    least_squares_generator_loss,
    non_saturating_discriminator_loss,
    non_saturating_generator_loss,
)
from omote.training.losses.attributes import attribute_loss
from omote.training.losses.colour import low_frequency_colour_loss
from omote.training.losses.cycle import CycleTriplet, cycle_triplet, cycle_triplet_loss
from omote.training.losses.distillation import hint_loss, relation_loss
from omote.training.losses.eyes import eye_heatmap_loss, eye_point_loss, heatmap_loss, point_heatmaps
from omote.training.losses.features import feature_matching_loss, weak_feature_matching_loss
from omote.training.losses.identity import capped_identity_loss, identity_loss, target_margin_loss
from omote.training.losses.landmarks import expression_loss, gaze_loss
from omote.training.losses.masks import area_loss, mask_variation_loss, parsing_loss, ring_loss
from omote.training.losses.penalties import approximate_r1_penalty, gradient_penalty, r1_penalty
from omote.training.losses.perceptual import feature_loss, ms_ssim_loss, perceptual_loss
from omote.training.losses.reconstruction import (
    half_l2_reconstruction_loss,
    l1_reconstruction_loss,
    l2_reconstruction_loss,
)
from omote.training.losses.regions import region_feature_loss, region_loss
from omote.training.losses.segmentation import cross_entropy_loss, dice_loss

__all__ = [
    "CycleTriplet",
    "approximate_r1_penalty",
    "area_loss",
    "attribute_loss",
    "capped_identity_loss",
    "clipped_hinge_generator_loss",
    "cross_entropy_loss",
    "cycle_triplet",
    "cycle_triplet_loss",
    "dice_loss",
    "expression_loss",
    "eye_heatmap_loss",
    "eye_point_loss",
    "feature_loss",
    "feature_matching_loss",
    "gaze_loss",
    "gradient_penalty",
    "half_l2_reconstruction_loss",
    "heatmap_loss",
    "hinge_discriminator_loss",
    "hinge_generator_loss",
    "hint_loss",
    "identity_loss",
    "l1_reconstruction_loss",
    "l2_reconstruction_loss",
    "least_squares_discriminator_loss",
    "least_squares_generator_loss",
    "low_frequency_colour_loss",
    "mask_variation_loss",
    "ms_ssim_loss",
    "non_saturating_discriminator_loss",
    "non_saturating_generator_loss",
    "parsing_loss",
    "perceptual_loss",
    "point_heatmaps",
    "r1_penalty",
    "region_feature_loss",
    "region_loss",
    "relation_loss",
    "ring_loss",
    "target_margin_loss",
    "weak_feature_matching_loss",
]
