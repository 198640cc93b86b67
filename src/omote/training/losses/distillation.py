"""What a student learns from its teacher beside the embedding itself: inner maps, and who is like whom."""

import torch
from torch import Tensor
from torch.nn import functional as F

from omote.training.losses._values import Embeddings, Maps, Values, as_list, per_sample, same_shape


def hint_loss(student: Maps, teacher: Maps) -> Values:
    """Mean over the maps of the squared distance to the teacher's, each channel of which is first scaled.

    A channel of the teacher is brought to mean 0 and variance 1 over the samples at hand, so that 1 is what a
    student reaches who knows nothing but the mean, whatever the layer.

    Args:
        student: maps (B, C, H, W), already of the teacher's channels.
        teacher: maps of the same shapes.

    Source: Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015, arXiv 1412.6550.
    """
    values: list[Tensor] = []
    for ours, theirs in zip(as_list(student), as_list(teacher), strict=True):
        same_shape(ours, theirs)
        wide = theirs.float()
        variance, mean = torch.var_mean(wide, (0, 2, 3), correction=0, keepdim=True)
        values.append(per_sample((ours.float() - (wide - mean) * (variance + 1e-5).rsqrt()).square()))
    return torch.stack(values).mean(0)


def relation_loss(student: Embeddings, teacher: Embeddings) -> Values:
    """Mean squared difference of each sample's cosines to all samples at hand, student's against teacher's.

    Source: Tung & Mori, "Similarity-Preserving Knowledge Distillation", ICCV 2019, arXiv 1907.09682.
    """
    same_shape(student, teacher)
    ours, theirs = F.normalize(student.float(), dim=1), F.normalize(teacher.float(), dim=1)
    return per_sample((ours @ ours.T - theirs @ theirs.T).square())
