"""How an image processor scales pixels, on the scale that the service uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssa_export.checkpoints.source import Source, read_processor

Channels = tuple[float, ...]


def normalisation(processor: Mapping[str, Any]) -> tuple[Channels, Channels]:
    """Mean and standard deviation of RGB on the scale 0..255.

    transformers multiplies pixels by `rescale_factor` first and then normalises, each of them
    optional; `(pixel - mean) / std` with what this returns is both in one.

    Args:
        processor: the settings of an image processor; without `do_rescale` or `do_normalize`
            it does neither.
    """
    scale = float(processor["rescale_factor"]) if processor.get("do_rescale") else 1.0
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if processor.get("do_normalize"):
        mean, std = tuple(processor["image_mean"]), tuple(processor["image_std"])
    # Rounded to what single precision holds, so that 0.485 * 255 is written as 123.675.
    return (
        tuple(round(value / scale, 4) for value in mean),
        tuple(round(value / scale, 4) for value in std),
    )


def read_normalisation(source: Source, mean: Channels, std: Channels) -> tuple[Channels, Channels]:
    """What the folder's image processor says, or `mean` and `std` of its family without one.

    Raises:
        CheckpointError: there is a processor that transformers cannot load.
    """
    processor = read_processor(source)
    return normalisation(processor) if processor else (mean, std)
