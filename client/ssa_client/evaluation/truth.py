"""From label files to class ids."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssa_client.evaluation.confusion import IGNORE
from ssa_client.evaluation.errors import SampleError
from ssa_client.evaluation.layouts import Layout, Sample

TruthMap = npt.NDArray[np.uint16]

# One channel of whole numbers. A palette's indices are the ids, its colours are for the eye.
_LABEL_MODES = {"L", "P", "I", "I;16"}
_NAMED_IDS = 10  # of unknown ids, in a message


def read_truth(sample: Sample, layout: Layout, classes: int) -> TruthMap:
    """The truth of an image: uint16 [H, W] of ids below `classes`, and `IGNORE`.

    Raises:
        SampleError: the file is missing, no label image, or has other ids.
    """
    ids = _read_ids(sample, layout)
    if layout.counted_from_one:
        ids = _from_one(ids)
    present = np.flatnonzero(np.bincount(ids.ravel()))
    unknown = present[(present >= classes) & (present != IGNORE)]
    if unknown.size:
        # As they stand in the file, where the reader will look for them.
        shown = unknown + layout.counted_from_one
        more = " and more" if unknown.size > _NAMED_IDS else ""
        first = int(layout.counted_from_one)
        ignored = "0 where there is no class" if layout.counted_from_one else f"{IGNORE} to ignore"
        raise SampleError(
            f"{sample.label} has the ids {', '.join(map(str, shown[:_NAMED_IDS]))}{more}; "
            f"expected {first} to {classes - 1 + first}, and {ignored}."
        )
    return ids


def _read_ids(sample: Sample, layout: Layout) -> TruthMap:
    try:
        with Image.open(sample.label) as label:
            if label.mode not in _LABEL_MODES:
                raise SampleError(
                    f"{sample.label} is {label.mode}; expected one channel of class ids, "
                    "8 or 16 bits."
                )
            return np.asarray(label).astype(np.uint16)
    except FileNotFoundError:
        hint = f"; {layout.hint}" if layout.hint else ""
        raise SampleError(f"no truth: expected {sample.label}{hint}.") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # all of them Pillow's
        raise SampleError(f"cannot read {sample.label}: {error}; expected a PNG.") from error


def _from_one(ids: TruthMap) -> TruthMap:
    """SceneParse150's ids, in which 0 is "no class", as class ids.

    255 stays ignored, as mmsegmentation's `reduce_zero_label` has it.
    """
    ignored = (ids == 0) | (ids == IGNORE)
    return cast("TruthMap", np.where(ignored, IGNORE, ids - np.uint16(1)).astype(np.uint16))
