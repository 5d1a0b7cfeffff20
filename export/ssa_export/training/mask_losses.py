"""How far predicted masks are from the instances asked for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mask_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy plus the Dice loss (Milletari et al., 2016) of each mask.

    Args:
        logits: [..., h, w].
        targets: [..., h, w], the share of each pixel that the instance covers; broadcasts. Shares
            rather than zeros and ones put the outline between pixels where it belongs there.

    Returns:
        [...].
    """
    targets = targets.expand_as(logits)
    pixelwise = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean((-2, -1))
    shares = logits.sigmoid()
    overlap = (shares * targets).sum((-2, -1))
    dice = 1 - (2 * overlap + 1) / (shares.sum((-2, -1)) + targets.sum((-2, -1)) + 1)
    return pixelwise + dice


@torch.no_grad()
def mask_iou(logits: Tensor, masks: Tensor) -> Tensor:
    """Intersection over union of each mask at the size of the labels.

    Args:
        logits: [B, P, K, m, m], thresholded at 0 once they have grown to the labels' size.
        masks: [B, P, 1, S, S], zeros and ones.

    Returns:
        float32 [B, P, K].
    """
    full = F.interpolate(logits.flatten(0, 1), masks.shape[-2:], mode="bilinear")
    found = (full > 0).float().reshape(*logits.shape[:3], *masks.shape[-2:])
    overlap = (found * masks).sum((-2, -1))
    union = found.sum((-2, -1)) + masks.sum((-2, -1)) - overlap
    iou: Tensor = overlap / union.clamp(min=1)
    return iou
