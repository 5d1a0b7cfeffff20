"""Semantic segmenters, in whichever of the three slots."""

from __future__ import annotations

from torch import Tensor, nn

from ssa_backend import specs
from ssa_export.checkpoints import LoadedSegmenter
from ssa_export.networks.network import Lengths, Network


def semantic_segmenter(
    segmenter: LoadedSegmenter, axes: Lengths, spec: specs.Model = specs.SEMANTIC_SEGMENTER
) -> Network:
    """A semantic segmenter: `pixel_values` in RGB to `logits`.

    Args:
        segmenter: the checkpoint.
        axes: of the repository that it goes into.
        spec: the slot: `SEMANTIC_SEGMENTER`, `COCO_SEGMENTER` or `ADE20K_SEGMENTER`.
    """

    def source(pixel_values: Tensor) -> tuple[Tensor, ...]:
        channels = [2, 1, 0] if segmenter.reads_bgr else [0, 1, 2]
        return (segmenter.model(pixel_values=pixel_values[:, channels]).logits,)

    # Traced at a batch of two: some architectures take another path for a single image.
    return Network(
        spec,
        _Segmenter(segmenter.model, reads_bgr=segmenter.reads_bgr),
        source,
        axes,
        cases=({"batch": 2}, {"batch": 1}, {"batch": 3}),
    )


class _Segmenter(nn.Module):
    def __init__(self, model: nn.Module, *, reads_bgr: bool) -> None:
        super().__init__()
        self.model = model
        self.reads_bgr = reads_bgr

    def forward(self, pixel_values: Tensor) -> Tensor:
        if self.reads_bgr:
            pixel_values = pixel_values.flip(1)
        logits: Tensor = self.model(pixel_values=pixel_values).logits
        return logits
