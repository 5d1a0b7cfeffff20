"""A mini SAM that was trained at one input size goes on at a larger one.

A larger input shows small objects, but a step takes as much longer as there are more tokens; most
of what there is to learn is learned at the small size. Everything but positions carries over as it
is, and positions keep their meaning per token: what was learned of near and far still holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def grow_into(module: nn.Module, state_file: Path) -> None:
    """Fill `module` with the averaged weights of a run at a smaller input size.

    Args:
        module: the model at the larger size, freshly made.
        state_file: what `loop.Trainer` saved at the smaller size.
    """
    averaged = torch.load(state_file, weights_only=True)["averaged"]
    weights = {
        name.removeprefix("module."): tensor
        for name, tensor in averaged.items()
        if name.startswith("module.")
    }
    module.load_state_dict(grown(weights, module.state_dict()))


def grown(weights: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`weights` in the shapes of `like`, a model of a larger input size."""
    position = next(name for name in like if name.endswith("vision_encoder.pos_embed"))
    ratio = like[position].shape[1] / weights[position].shape[1]
    return {name: _grown(name, weights[name], like[name], ratio) for name in like}


def _grown(name: str, weight: Tensor, like: Tensor, ratio: float) -> Tensor:
    if name.endswith("vision_encoder.pos_embed"):
        # [1, G, G, C]: where in the picture a token is, the only position of the whole.
        size = like.shape[1:3]
        stretched = F.interpolate(weight.permute(0, 3, 1, 2), size, mode="bilinear")
        return stretched.permute(0, 2, 3, 1).contiguous()
    if "rel_pos" in name:
        # [2 G - 1, C]: distances that did not exist before look like the farthest that did.
        new = (like.shape[0] - weight.shape[0]) // 2
        return torch.cat([weight[:1].expand(new, -1), weight, weight[-1:].expand(new, -1)])
    if name.endswith("positional_embedding"):
        # Frequencies over the picture's side: raised so that those per token stay.
        return weight * ratio
    return weight
