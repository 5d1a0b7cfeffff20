"""A mini Segment Anything model (Kirillov et al., 2023): transformers' `SamModel`, small.

Trained in stages. First the image encoder alone, through a light probe that is thrown away: what
class does each pixel have, and which pixels belong together with the one under a prompt. That is
cheap, and its features are what the mask decoder, which learns slowly, needs. Then everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import SamConfig, SamImageProcessor, SamModel

from ssa_backend.images import resized_hw
from ssa_backend.labels import CITYSCAPES
from ssa_export.scenes import UNLABELLED
from ssa_export.training.data import SceneStore
from ssa_export.training.growing import grow_into
from ssa_export.training.mask_losses import mask_iou, mask_loss
from ssa_export.training.prompts import PADDING, draw_prompts
from ssa_export.training.saving import save_network
from ssa_export.training.views import random_box, view_labels, view_pixels

PATCH_SIZE: Final = 8
EMBED_DIM: Final = 128


def sam_config(image_size: int) -> SamConfig:
    """3.2 M parameters; at 192 pixels 24 x 24 tokens, masks of 96 x 96."""
    return SamConfig(
        vision_config={
            "hidden_size": 192,
            "num_hidden_layers": 6,
            # Wide heads: attention maps, not matrix products, take the time on a CPU.
            "num_attention_heads": 3,
            "mlp_ratio": 3.0,
            "window_size": 8,
            "global_attn_indexes": [2, 5],
            "image_size": image_size,
            "patch_size": PATCH_SIZE,
            "output_channels": EMBED_DIM,
            "num_pos_feats": EMBED_DIM // 2,
            # The default, 1e-10, is meant for loading weights and does not train.
            "initializer_range": 0.02,
        },
        prompt_encoder_config={
            "hidden_size": EMBED_DIM,
            "image_size": image_size,
            "patch_size": PATCH_SIZE,
        },
        mask_decoder_config={
            "hidden_size": EMBED_DIM,
            "mlp_dim": 384,
            "num_attention_heads": 4,
            "iou_head_hidden_dim": 128,
        },
    )


def new_sam(image_size: int) -> SamModel:
    """A `SamModel` with weights that can be trained from."""
    # "eager": `sdpa` falls back to something slower where the relative positions need a gradient.
    sam = SamModel._from_config(sam_config(image_size), attn_implementation="eager")
    with torch.no_grad():
        sam.vision_encoder.pos_embed.normal_(std=0.02)
        # transformers draws this one for loading too. 1.0 is segment-anything's own: at a higher
        # frequency the decoder cannot tell where a prompt is.
        sam.shared_image_embedding.positional_embedding.normal_(std=1.0)
        for upscale in (sam.mask_decoder.upscale_conv1, sam.mask_decoder.upscale_conv2):
            nn.init.kaiming_normal_(upscale.weight, mode="fan_out")
    # A constant in segment-anything.
    sam.shared_image_embedding.positional_embedding.requires_grad_(False)
    return sam.train()


class Probe(nn.Module):
    """Classes and groups from an image embedding, at a quarter of the input's size."""

    def __init__(self, embed_dim: int, channels: int = 64) -> None:
        super().__init__()
        self.upscale = nn.ConvTranspose2d(embed_dim, channels, kernel_size=2, stride=2)
        self.features = nn.Sequential(nn.GELU(), nn.Conv2d(channels, channels, 1))
        self.classes = nn.Conv2d(channels, len(CITYSCAPES), 1)
        self.query = nn.Sequential(
            nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, channels + 1)
        )

    def forward(self, embedding: Tensor, points: Tensor, image_size: int) -> tuple[Tensor, Tensor]:
        """Class logits [B, 19, h, w]; logits of the prompts' groups [B, P, h, w].

        Args:
            embedding: [B, C, G, G].
            points: float32 [B, P, 2], pixels of a square of `image_size`.
        """
        features = self.features(self.upscale(embedding))
        batch, channels, height, width = features.shape
        flat = features.flatten(2)
        cells = (points * (width / image_size)).long().clamp(0, width - 1)
        at = (cells[..., 1] * width + cells[..., 0]).unsqueeze(1).expand(-1, channels, -1)
        query = self.query(flat.gather(2, at).transpose(1, 2))
        groups = query[..., :-1] @ flat / channels**0.5 + query[..., -1:]
        return self.classes(features), groups.reshape(batch, -1, height, width)


class SamWithProbe(nn.Module):
    """What is trained; only `sam` is kept."""

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.sam = new_sam(image_size)
        self.probe = Probe(EMBED_DIM)


@dataclass(frozen=True)
class PromptBatch:
    """B views of size S with P prompts each.

    Attributes:
        pixels: float32 [B, 3, S, S].
        instances: int64 [B, S, S], `PADDING` outside the image.
        classes: int64 [B, S / 4, S / 4], trainIds.
        points: float32 [B, P, 2], x and y in pixels of the view.
        targets: int64 [B, P], the instance that each point lies on.
    """

    pixels: Tensor
    instances: Tensor
    classes: Tensor
    points: Tensor
    targets: Tensor


class Stage(NamedTuple):
    """How one part of the run trains; it lasts until `until`, a share of the run."""

    until: float
    with_decoder: bool
    prompts: int
    object_share: float
    min_pixels: int


STAGES: Final[tuple[Stage, ...]] = (
    Stage(0.12, with_decoder=False, prompts=32, object_share=0.5, min_pixels=40),
    Stage(0.50, with_decoder=True, prompts=8, object_share=0.5, min_pixels=40),
    Stage(1.00, with_decoder=True, prompts=8, object_share=0.6, min_pixels=100),
)
GROWN_STAGES: Final[tuple[Stage, ...]] = (
    Stage(1.00, with_decoder=True, prompts=8, object_share=0.7, min_pixels=80),
)


class SamTask:
    """Masks of the instance under a point, and how good each of them is."""

    def __init__(
        self,
        store: SceneStore,
        image_size: int = 128,
        grow_from: Path | None = None,
        batch_size: int = 4,
    ) -> None:
        """`grow_from` is the state file of a run at a smaller `image_size`, to go on from."""
        self.module: nn.Module = SamWithProbe(image_size)
        self.learning_rate, self._stages = 1e-3, STAGES
        if grow_from:
            grow_into(self.module, grow_from)
            self.learning_rate, self._stages = 6e-4, GROWN_STAGES
        self._store = store
        self._image_size = image_size
        self._batch_size = batch_size

    def batch(self, rng: np.random.Generator, progress: float) -> PromptBatch:
        """Whole scenes and crops of them, longest side resized and padded as SAM does."""
        stage = stage_at(self._stages, progress)
        side = self._image_size
        pixels = np.zeros((self._batch_size, 3, side, side), np.float32)
        instances = np.full((self._batch_size, side, side), PADDING, np.int64)
        classes = np.full(instances.shape, UNLABELLED, np.int64)
        points, targets = [], []
        for row, index in enumerate(rng.integers(len(self._store), size=self._batch_size)):
            image, ids = self._store.images[index], self._store.instances[index]
            box = random_box(rng, ids.shape)
            height, width = resized_hw((box[3] - box[1], box[2] - box[0]), side)
            mirrored = bool(rng.random() < 0.5)
            pixels[row, :, :height, :width] = view_pixels(image, box, (height, width), mirrored)
            view = view_labels(ids, box, (height, width), mirrored)
            instances[row, :height, :width] = view
            classes[row, :height, :width] = self._store.classes[index][view]
            drawn = draw_prompts(
                rng, instances[row], stage.prompts, stage.object_share, stage.min_pixels
            )
            points.append(drawn[0])
            targets.append(drawn[1])
        return PromptBatch(
            torch.from_numpy(pixels),
            torch.from_numpy(instances),
            torch.from_numpy(classes[:, 2::4, 2::4].copy()),
            torch.from_numpy(np.stack(points)),
            torch.from_numpy(np.stack(targets)),
        )

    def loss(self, batch: PromptBatch, progress: float) -> tuple[Tensor, dict[str, float]]:
        """The probe's loss and, once the encoder has a start, the decoder's."""
        module = self.module
        assert isinstance(module, SamWithProbe)
        masks = (batch.instances.unsqueeze(1) == batch.targets[..., None, None]).float()
        with torch.autocast("cpu", torch.bfloat16):
            embedding = module.sam.vision_encoder(batch.pixels).last_hidden_state
            classes, groups = module.probe(embedding, batch.points, self._image_size)
        class_loss = F.cross_entropy(classes.float(), batch.classes, ignore_index=UNLABELLED)
        group_loss = mask_loss(groups.float(), F.avg_pool2d(masks, 4)).mean()
        figures = {"class": float(class_loss.detach()), "group": float(group_loss.detach())}
        probe_loss = class_loss + group_loss
        if not stage_at(self._stages, progress).with_decoder:
            return probe_loss, figures

        logits, iou_head = decode(module.sam, embedding, batch.points)
        # All three are asked for the same instance: the best learns the most, and the others keep
        # up so that none of them dies.
        losses = mask_loss(logits, F.avg_pool2d(masks, 2).unsqueeze(2))
        best = losses.min(-1).values.mean() + 0.1 * losses.mean()
        iou = mask_iou(logits.detach(), masks.unsqueeze(2))
        iou_loss = F.mse_loss(iou_head, iou)
        picked = iou.gather(-1, iou_head.detach().argmax(-1, keepdim=True))
        figures |= {
            "mask": float(best.detach()),
            "iou_mse": float(iou_loss.detach()),
            "best": float(iou.amax(-1).mean()),
            "picked": float(picked.mean()),
        }
        return best + 2 * iou_loss + 0.2 * probe_loss, figures

    def save(self, module: nn.Module, folder: Path) -> None:
        """Write the Hugging Face folder."""
        assert isinstance(module, SamWithProbe)
        save_network(module.sam, folder)
        side = self._image_size
        mask_side = side // PATCH_SIZE * 4
        SamImageProcessor(
            size={"longest_edge": side},
            pad_size={"height": side, "width": side},
            mask_size={"longest_edge": mask_side},
            mask_pad_size={"height": mask_side, "width": mask_side},
        ).save_pretrained(folder)


def stage_at(stages: tuple[Stage, ...], progress: float) -> Stage:
    """The stage that a run is in."""
    return next((stage for stage in stages if progress < stage.until), stages[-1])


def decode(sam: SamModel, embedding: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Three masks for each point, in bfloat16 but for the results.

    `SamModel.forward` would mix in float32 position and prompt embeddings, and with them double the
    memory that every layer of the decoder moves.

    Args:
        embedding: [B, C, G, G].
        points: float32 [B, P, 2].

    Returns:
        Mask logits float32 [B, P, 3, M, M] and predicted IoUs float32 [B, P, 3].
    """
    half = torch.bfloat16
    with torch.autocast("cpu", half):
        labels = torch.ones(points.shape[:2], dtype=torch.long).unsqueeze(-1)
        sparse, dense = sam.prompt_encoder(points.unsqueeze(2), labels, None, None)
        positions = sam.get_image_wide_positional_embeddings().to(half)
        logits, ious = sam.mask_decoder(
            image_embeddings=embedding.to(half),
            image_positional_embeddings=positions.expand(len(embedding), -1, -1, -1),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense.to(half),
            multimask_output=True,
        )
    return logits.float(), ious.float()
