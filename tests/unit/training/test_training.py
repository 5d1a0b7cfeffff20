"""What the training of the mini models rests on; that they learn is seen by training them."""

from __future__ import annotations

import numpy as np
import torch

from ssa_export.training.growing import grown
from ssa_export.training.mask_losses import mask_iou, mask_loss
from ssa_export.training.mini_sam import SamWithProbe
from ssa_export.training.prompts import PADDING, draw_prompts


def test_a_grown_model_keeps_what_it_knows_of_near_and_far() -> None:
    small, large = SamWithProbe(128), SamWithProbe(192)
    weights = grown(small.state_dict(), large.state_dict())
    large.load_state_dict(weights)

    # The encoding of positions turns as much from one token to the next as it did.
    frequencies = "sam.shared_image_embedding.positional_embedding"
    per_token = [m.state_dict()[frequencies] / g for m, g in ((small, 16), (large, 24))]
    torch.testing.assert_close(*per_token)

    relative = "sam.vision_encoder.layers.2.attn.rel_pos_h"
    before, after = small.state_dict()[relative], large.state_dict()[relative]
    torch.testing.assert_close(after[8:-8], before)
    torch.testing.assert_close(after[:8], before[:1].expand(8, -1))


def test_prompts_lie_on_their_instances() -> None:
    rng = np.random.default_rng(0)
    instances = np.full((32, 32), PADDING, np.int64)
    instances[:24] = 0
    instances[4:12, 4:12] = 7
    instances[20, 20] = 9  # too small to be drawn as an object
    points, ids = draw_prompts(rng, instances, 200, object_share=0.5, min_pixels=10)
    x, y = points.T.astype(int)
    np.testing.assert_array_equal(instances[y, x], ids)
    assert PADDING not in ids
    # 64 of 768 pixels, but half of the points that are drawn by object.
    assert (ids == 7).sum() > 200 * 0.2


def test_the_mask_loss_prefers_the_mask_and_iou_measures_it() -> None:
    target = torch.zeros(1, 1, 1, 16, 16)
    target[..., 4:12, 4:12] = 1
    right = target * 20 - 10
    shifted = right.roll(4, dims=-1)
    assert mask_loss(right, target).item() < mask_loss(shifted, target).item()
    ious = mask_iou(torch.cat([right, shifted], dim=2), target)
    torch.testing.assert_close(ious, torch.tensor([[[1.0, 1 / 3]]]))
