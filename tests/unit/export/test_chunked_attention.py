"""Attention in chunks of its queries against transformers' own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import SamImageProcessorPil, SamModel, SamVisionConfig
from transformers.models.sam.modeling_sam import SamVisionAttention

from ssa_export.checkpoints.sam import load_sam
from ssa_export.chunked_attention import QUERIES, ChunkedAttention
from ssa_export.networks import image_encoder
from tests.unit.export.tiny import randomise, sam_config

CHANNELS = 12


def attention(side: int, *, relative: bool = True) -> Any:
    """Over a whole embedding of `side` x `side` places."""
    config = SamVisionConfig(
        hidden_size=CHANNELS,
        num_attention_heads=3,
        image_size=side * 16,
        patch_size=16,
        use_rel_pos=relative,
    )
    return randomise(SamVisionAttention(config, window_size=0))


@pytest.mark.parametrize("side", [17, 20, 32], ids=lambda side: f"{side} rows")
@pytest.mark.parametrize("images", [1, 2])
def test_chunks_give_what_the_whole_gives(side: int, images: int) -> None:
    whole = attention(side)
    hidden = torch.randn(images, side, side, CHANNELS)

    with torch.inference_mode():
        expected, _ = whole(hidden)
        got, _ = ChunkedAttention(whole)(hidden)

    assert got.shape == expected.shape
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    assert expected.std() > 0.1


def test_no_chunk_holds_more_than_its_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    queries = []
    softmax = torch.softmax

    def recorded(scores: torch.Tensor, dim: int) -> torch.Tensor:
        queries.append(scores.shape[1])
        return softmax(scores, dim)

    monkeypatch.setattr(torch, "softmax", recorded)
    with torch.inference_mode():
        ChunkedAttention(attention(20))(torch.randn(1, 20, 20, CHANNELS))

    assert queries == [240, 160]
    assert max(queries) <= QUERIES


@pytest.mark.parametrize(
    ("side", "relative", "pays"), [(17, True, True), (16, True, False), (17, False, False)]
)
def test_only_large_attention_with_positions_is_replaced(
    side: int, relative: bool, pays: bool
) -> None:
    assert ChunkedAttention.pays(attention(side, relative=relative)) is pays


def test_the_checkpoint_stays_as_it_was(tmp_path: Path) -> None:
    config = sam_config()
    config.vision_config.image_size = config.prompt_encoder_config.image_size = 160
    randomise(SamModel(config)).save_pretrained(tmp_path)
    SamImageProcessorPil().save_pretrained(tmp_path)
    sam = load_sam(str(tmp_path))

    network = image_encoder(sam, {})
    encoder: Any = network.module.encoder

    replaced = [type(layer.attn) for layer in encoder.layers]
    assert replaced == [type(sam.model.vision_encoder.layers[0].attn), ChunkedAttention]
    held = {id(weights) for weights in sam.model.vision_encoder.parameters()}
    assert {id(weights) for weights in network.module.parameters()} <= held
    assert ChunkedAttention not in {type(part) for part in sam.model.modules()}
    pixels = torch.randn(2, 3, 160, 160)
    with torch.inference_mode():
        torch.testing.assert_close(
            network.module(pixels), network.source(pixels)[0], rtol=1e-4, atol=1e-4
        )
