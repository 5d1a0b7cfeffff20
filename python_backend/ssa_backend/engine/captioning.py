"""What BLIP says of every mask's surroundings.

Source: the original SSA's `open_vocabulary_classification_blip`; there one mask at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssa_backend.batches import in_batches
from ssa_backend.engine.crops import CAPTION_SCALE, scaled_window
from ssa_backend.engine.pixels import blip_pixel_values
from ssa_backend.engine.resizing import FloatArray
from ssa_backend.settings import BlipSettings

TokenIds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Captioner:
    """BLIP over the masks of an image.

    The functions are called from two threads at a time.

    Attributes:
        blip: the checkpoint's sizes.
        see: pixels [B, 3, S, S] to image embeddings [B, P, D].
        write: image embeddings to token ids int64 [B, T].
        spell: token ids to texts.
        batch_size: masks of one call, at most.
    """

    blip: BlipSettings
    see: Callable[[FloatArray], FloatArray]
    write: Callable[[FloatArray], TokenIds]
    spell: Callable[[TokenIds], list[str]]
    batch_size: int

    def captions(self, rgb: npt.NDArray[np.uint8], boxes_xywh: npt.NDArray[np.int32]) -> list[str]:
        """A sentence on the image around each box.

        Args:
            rgb: [H, W, 3] uint8.
            boxes_xywh: [N, 4].
        """
        image = Image.fromarray(rgb)

        def caption(part: slice) -> list[str]:
            windows = [scaled_window(rgb.shape[:2], box, CAPTION_SCALE) for box in boxes_xywh[part]]
            return self.spell(self.write(self.see(blip_pixel_values(image, windows, self.blip))))

        return in_batches(caption, len(boxes_xywh), self.batch_size)
