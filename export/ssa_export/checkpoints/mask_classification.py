"""OneFormer and Mask2Former as semantic segmenters: a class for each of some masks, to logits."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from transformers import (
    AutoTokenizer,
    Mask2FormerForUniversalSegmentation,
    OneFormerForUniversalSegmentation,
)

from ssa_export.checkpoints.source import Source, read_config, reading
from ssa_export.checkpoints.tokenizer import check_tokenizer
from ssa_export.checkpoints.transformers_folder import load_pretrained

MODEL_CLASSES: Mapping[str, Any] = {
    "oneformer": OneFormerForUniversalSegmentation,
    "mask2former": Mask2FormerForUniversalSegmentation,
}

_TASK = "the task is semantic"
# The size that transformers brings every Mask2Former's masks to before it weighs them.
_MASK2FORMER_MASKS = (384, 384)


class MaskClassifier(nn.Module):
    """Logits as `post_process_semantic_segmentation` makes them of queries.

    Every query has a mask and a class; a pixel's score for a class is what all queries say
    together. Grown to the image's size without aligned corners, their best class is what
    transformers returns.
    """

    task_tokens: Tensor

    def __init__(
        self,
        model: nn.Module,
        task_tokens: Tensor | None = None,
        mask_size: tuple[int, int] | None = None,
    ) -> None:
        """Wrap `model`.

        Args:
            model: a OneFormer or a Mask2Former.
            task_tokens: of a OneFormer, int64 [1, T].
            mask_size: height and width that masks are brought to first.
        """
        super().__init__()
        self.model = model
        self.config: Any = model.config
        self.mask_size = mask_size
        if task_tokens is not None:
            self.register_buffer("task_tokens", task_tokens, persistent=False)
        self.has_task = task_tokens is not None

    def forward(self, pixel_values: Tensor) -> SimpleNamespace:
        """Float32 [B, 3, H, W] to an object with `logits`, float32 [B, classes, h, w]."""
        inputs = {"pixel_values": pixel_values}
        if self.has_task:
            inputs["task_inputs"] = self.task_tokens.expand(pixel_values.shape[0], -1)
        output = self.model(**inputs)
        masks = output.masks_queries_logits
        if self.mask_size is not None:
            masks = interpolate(masks, self.mask_size, mode="bilinear", align_corners=False)
        # The last class is the null class.
        classes = output.class_queries_logits.softmax(dim=-1)[..., :-1]
        return SimpleNamespace(logits=torch.einsum("bqc,bqhw->bchw", classes, masks.sigmoid()))


def load_mask_classifier(source: Source, model_type: str) -> tuple[MaskClassifier, list[str]]:
    """The segmenter of a folder whose config says `model_type`, a key of `MODEL_CLASSES`.

    Returns:
        The segmenter, and the names of weights in the file that it has no place for.

    Raises:
        CheckpointError: weights or, for a OneFormer, the tokenizer cannot be read.
    """
    tokens = _task_tokens(source) if model_type == "oneformer" else None
    model, unused = load_pretrained(MODEL_CLASSES[model_type], source)
    if model_type == "oneformer":
        # A checkpoint saved while it was trained would ask for texts beside the images.
        model.model.is_training = False
        return MaskClassifier(model, tokens).eval(), unused
    return MaskClassifier(model, mask_size=_MASK2FORMER_MASKS).eval(), unused


def _task_tokens(source: Source) -> Tensor:
    """How `OneFormerProcessor` says what it wants of the network, int64 [1, T]."""
    check_tokenizer(source)
    length = int(read_config(source).get("task_seq_len", 77))
    with reading(f"{source.name}'s tokenizer", "one as OneFormer's processor saves it"):
        tokenizer = AutoTokenizer.from_pretrained(source.path, local_files_only=True)
        tokens = tokenizer(_TASK, padding="max_length", max_length=length, truncation=True)
    ids, mask = torch.tensor(tokens["input_ids"]), torch.tensor(tokens["attention_mask"])
    return (ids * mask)[None]
