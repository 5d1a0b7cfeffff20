"""How trained networks are written: half precision, which is all they need and half the file."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn


def save_network(module: nn.Module, folder: Path) -> None:
    """Write a transformers network as `config.json` and float16 `model.safetensors`.

    The config says float32, and so transformers loads it: networks run in single precision.
    """
    small = copy.deepcopy(module).half()
    small.save_pretrained(folder)  # type: ignore[operator]
    config = small.config
    for part in (
        config,
        *(getattr(config, name, None) for name in ("text_config", "vision_config")),
    ):
        if part is not None:
            part.dtype = torch.float32
    config.save_pretrained(folder)  # type: ignore[operator, union-attr]


def save_processor(processor: Any, folder: Path) -> None:
    """Write a processor of images and text as today's transformers reads it and, with
    `preprocessor_config.json`, as the published checkpoints have it."""
    processor.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)
