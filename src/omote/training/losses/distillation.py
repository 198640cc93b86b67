"""What a student learns from its teacher beside the embedding itself: inner maps, and who is like whom."""

import torch
from torch.nn import functional as F

from omote.training.losses._values import Embeddings, Maps, Values, as_list, per_sample, same_shape


def hint_loss(student: Maps, teacher: Maps) -> Values:
    """Mean over the maps of the mean squared distance to the teacher's.

    Where each channel of the teacher has mean 0 and variance 1, a student who knows nothing reaches 1,
    whatever the layer.

    Args:
        student: maps (B, C, H, W), already of the teacher's channels.
        teacher: maps of the same shapes.

    Source: Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015, arXiv 1412.6550.
    """
    values = []
    for ours, theirs in zip(as_list(student), as_list(teacher), strict=True):
        same_shape(ours, theirs)
        values.append(per_sample((ours.float() - theirs.float()).square()))
    return torch.stack(values).mean(0)


def relation_loss(
    student: Embeddings, teacher: Embeddings, others: Embeddings, other_teacher: Embeddings
) -> Values:
    """Mean squared difference of each sample's cosines to others, student's against teacher's.

    Args:
        student: (B, D).
        teacher: (B, D), of the same samples.
        others: (N, D), by the student; the batch itself as a rule.
        other_teacher: (N, D), by the teacher.

    Source: Tung & Mori, "Similarity-Preserving Knowledge Distillation", ICCV 2019, arXiv 1907.09682.
    """
    same_shape(student, teacher)
    same_shape(others, other_teacher)
    with torch.autocast(student.device.type, enabled=False):
        ours = _unit(student) @ _unit(others).T
        theirs = _unit(teacher) @ _unit(other_teacher).T
    return per_sample((ours - theirs).square())


def _unit(embeddings: Embeddings) -> Embeddings:
    return F.normalize(embeddings.float(), dim=1)
