"""The engine's three models in one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ssa_backend import specs
from ssa_backend.embedded.onnx_runner import OnnxRunner, model_file
from ssa_backend.engine.captioning import Captioner
from ssa_backend.engine.decision import Clip, ClipSeg
from ssa_backend.engine.text import CaptionTokenizer, NameEmbeddings, TextTokenizer
from ssa_backend.settings import RepositorySettings


def build_captioner(repository: Path, settings: RepositorySettings) -> Captioner:
    """BLIP."""
    assert settings.blip
    return Captioner(
        settings.blip,
        _network(repository, specs.BLIP_VISION_ENCODER),
        _network(repository, specs.BLIP_TEXT_DECODER),
        CaptionTokenizer(_file(repository, specs.CAPTIONING, "blip_tokenizer.json")).decode,
        specs.BLIP_VISION_ENCODER.max_batch_size,
    )


def build_clip(repository: Path, settings: RepositorySettings) -> Clip:
    """CLIP."""
    assert settings.clip
    tokenizer = TextTokenizer(
        _file(repository, specs.LABEL_DECISION, "clip_tokenizer.json"), settings.clip.context_length
    )
    return Clip(
        settings.clip,
        _network(repository, specs.CLIP_IMAGE_ENCODER),
        _names(repository, tokenizer, specs.CLIP_TEXT_ENCODER),
        specs.CLIP_IMAGE_ENCODER.max_batch_size,
    )


def build_clipseg(repository: Path, settings: RepositorySettings) -> ClipSeg:
    """CLIPSeg."""
    assert settings.clipseg
    tokenizer = TextTokenizer(
        _file(repository, specs.LABEL_DECISION, "clipseg_tokenizer.json"),
        settings.clipseg.context_length,
    )
    return ClipSeg(
        settings.clipseg,
        _network(repository, specs.CLIPSEG_VISION_ENCODER),
        _network(repository, specs.CLIPSEG_DECODER),
        _names(repository, tokenizer, specs.CLIPSEG_TEXT_ENCODER),
        specs.CLIPSEG_VISION_ENCODER.max_batch_size,
    )


def _names(repository: Path, tokenizer: TextTokenizer, model: specs.Model) -> NameEmbeddings:
    return NameEmbeddings(tokenizer, _network(repository, model), model.max_batch_size)


def _network(repository: Path, model: specs.Model) -> Callable[..., npt.NDArray[Any]]:
    runner = OnnxRunner(model_file(repository / model.name / "1"), batches=False)
    (output,) = (tensor.name for tensor in model.outputs)

    def run(*inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        request = {t.name: array for t, array in zip(model.inputs, inputs, strict=True)}
        return runner.run([request], [output])[0][output]

    return run


def _file(repository: Path, model: specs.Model, name: str) -> Path:
    return repository / model.name / "1" / name
