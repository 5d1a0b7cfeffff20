"""Candidates, CLIP's choice and CLIPSeg's verdict, with networks that are formulas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from ssa_backend.engine.captioning import Captioner
from ssa_backend.engine.crops import CAPTION_SCALE, CLIP_SCALE, CLIPSEG_SCALE, Window, scaled_window
from ssa_backend.engine.decision import (
    Clip,
    ClipSeg,
    Proposals,
    candidates,
    closed_set_votes,
    decide,
)
from ssa_backend.engine.pixels import (
    blip_pixel_values,
    clip_pixel_values,
    clipseg_pixel_values,
)
from ssa_backend.engine.requests import boxes_xywh
from ssa_backend.engine.text import FloatArray, NameEmbeddings, TextTokenizer, TokenIds
from ssa_backend.engine.verdict import count_winners
from ssa_backend.rle import Runs, runs_of_mask
from tests.reference.drawings import shapes
from tests.unit.backend.example_settings import BLIP, CLIP, CLIPSEG, COCO
from tests.unit.backend.random_masks import BoolImage, random_masks
from tests.unit.backend.tokenizer_files import END, WORDS, write_clip_tokenizer

SIZE_HW = (60, 90)
RGB = shapes(0, SIZE_HW)


@dataclass
class Formulas:
    """Networks that are formulas; each keeps the shapes that it was called with."""

    shapes: dict[str, list[tuple[int, ...]]] = field(default_factory=dict)

    def seen(self, name: str, *arrays: npt.NDArray[np.generic]) -> None:
        self.shapes.setdefault(name, []).append(arrays[-1].shape)

    def clip_image(self, pixels: FloatArray) -> FloatArray:
        self.seen("clip_image", pixels)
        # Uneven strips of it, so that every crop gives another vector.
        strips = [pixels[:, :, i : 2 * i + 1, i:].mean(axis=(1, 2, 3)) for i in range(6)]
        return unit(np.stack(strips, axis=1))

    def clip_text(self, ids: TokenIds) -> FloatArray:
        self.seen("clip_text", ids)
        return unit(self.embedded(ids, CLIP.embed_dim))

    def clipseg_text(self, ids: TokenIds) -> FloatArray:
        self.seen("clipseg_text", ids)
        return self.embedded(ids, CLIPSEG.embed_dim)

    def embedded(self, ids: TokenIds, dim: int) -> FloatArray:
        rows = []
        for row in ids.tolist():
            seed = row[: row.index(END) + 1]
            rows.append(np.random.default_rng(seed).normal(size=dim))
        return np.array(rows, np.float32)

    def clipseg_vision(self, pixels: FloatArray) -> FloatArray:
        self.seen("clipseg_vision", pixels)
        small = pixels[:, :, ::8, ::8].mean(axis=1).reshape(len(pixels), -1)  # [B, 16]
        activations: FloatArray = small[:, np.arange(2 * 5 * 3) % 16].reshape(-1, 2, 5, 3)
        return activations

    def clipseg_decode(self, activations: FloatArray, names: FloatArray) -> FloatArray:
        self.seen("clipseg_decode", names)
        assert len(activations) == len(names)
        rows, columns = np.mgrid[: CLIPSEG.image_size, : CLIPSEG.image_size] / 7.0
        a, b, c, d = np.moveaxis(names, -1, 0)[..., None, None]
        waves = np.sin(a * rows + b * columns + c) + 0.3 * d
        logits: FloatArray = waves * (1 + activations.mean(axis=(1, 2, 3))[:, None, None, None])
        return logits.astype(np.float32)


def unit(rows: FloatArray) -> FloatArray:
    result: FloatArray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return result


class Engine:
    """CLIP and CLIPSeg as the step sets them up."""

    def __init__(self, folder: Path, batch_size: int = 4) -> None:
        self.networks = Formulas()
        file = write_clip_tokenizer(folder / "t.json")

        def names(length: int, encode: object) -> NameEmbeddings:
            return NameEmbeddings(TextTokenizer(file, length), encode, 3)  # type: ignore[arg-type]

        self.clip = Clip(
            CLIP,
            self.networks.clip_image,
            names(CLIP.context_length, self.networks.clip_text),
            batch_size,
        )
        self.clipseg = ClipSeg(
            CLIPSEG,
            self.networks.clipseg_vision,
            self.networks.clipseg_decode,
            names(CLIPSEG.context_length, self.networks.clipseg_text),
            batch_size,
        )

    def decide(self, masks: Sequence[Runs], names: Sequence[Sequence[str]]) -> list[Proposals]:
        return decide(RGB, masks, boxes_xywh(masks, SIZE_HW[0]), names, self.clip, self.clipseg)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path)


def grown(logits: FloatArray, size_hw: tuple[int, int]) -> npt.NDArray[np.int64]:
    """The reference: logits [K, S, S] at the crop's size, argmax."""
    full = torch.nn.functional.interpolate(
        torch.from_numpy(logits)[None], size=size_hw, mode="bilinear", align_corners=False
    )
    return full[0].argmax(dim=0).numpy()


def one_by_one(mask: BoolImage, names: Sequence[str], engine: Engine) -> Proposals:
    """What `decide` should say of one mask, in the plainest way."""
    runs = runs_of_mask(mask)
    (box,) = boxes_xywh([runs], SIZE_HW[0])
    pixels = clip_pixel_values(
        Image.fromarray(RGB), [scaled_window(SIZE_HW, box, CLIP_SCALE)], CLIP
    )
    cosines = engine.networks.clip_image(pixels)[0] @ engine.clip.names.of(names).T
    scores = torch.from_numpy(cosines * np.float32(CLIP.logit_scale)).softmax(0).numpy()
    order = np.argsort(-scores, kind="stable")[:3]
    chosen = [names[i] for i in order]
    window = scaled_window(SIZE_HW, box, CLIPSEG_SCALE)
    activations = engine.networks.clipseg_vision(clipseg_pixel_values(RGB, [window], CLIPSEG))
    logits = engine.networks.clipseg_decode(activations, engine.clipseg.names.of(chosen)[None])[0]
    winners = grown(logits, window.size_hw)[window.of(mask)]
    counts = np.bincount(winners, minlength=len(chosen))
    return Proposals(chosen, scores[order], (counts / mask.sum()).astype(np.float32))


def test_every_mask_is_decided_as_if_it_were_alone(engine: Engine) -> None:
    masks = random_masks(1, 23, SIZE_HW)
    rng = np.random.default_rng(0)
    names = [list(rng.permutation(WORDS)[: rng.integers(1, 7)]) for _ in masks]
    found = engine.decide([runs_of_mask(mask) for mask in masks], names)
    winners = set()
    for mask, own, decided in zip(masks, names, found, strict=True):
        expected = one_by_one(mask, own, engine)
        assert decided.names == expected.names
        np.testing.assert_allclose(decided.scores, expected.scores, atol=1e-6)
        np.testing.assert_allclose(decided.shares, expected.shares, atol=1e-6)
        assert decided.winner == expected.winner
        winners.add(decided.names.index(decided.winner))
    assert winners == {0, 1, 2}


def test_batches_have_one_shape_and_no_more_masks_than_allowed(engine: Engine) -> None:
    masks = [runs_of_mask(mask) for mask in random_masks(2, 10, SIZE_HW)]
    engine.decide(masks, [["car", "tree"]] * 9 + [list(WORDS)])
    shapes = engine.networks.shapes
    assert sorted(shape[0] for shape in shapes["clip_image"]) == [3, 3, 4]
    assert sorted(shapes["clipseg_decode"]) == [(3, 3, 4), (3, 3, 4), (4, 3, 4)]
    assert [shape[0] for shape in shapes["clip_text"]] == [3, 3, 3, 2]


def test_one_candidate_wins_unseen(engine: Engine) -> None:
    masks = [runs_of_mask(mask) for mask in random_masks(2, 3, SIZE_HW)]
    decided = engine.decide(masks, [["car"]] * 3)
    assert [p.winner for p in decided] == ["car"] * 3
    assert all(p.scores.tolist() == p.shares.tolist() == [1.0] for p in decided)
    assert "clipseg_vision" not in engine.networks.shapes


def test_no_masks_call_no_network(engine: Engine) -> None:
    assert engine.decide([], []) == []
    assert closed_set_votes(np.zeros((5, 8, 12), np.float32), [], SIZE_HW, COCO).names == []
    assert engine.networks.shapes == {}


def test_equal_scores_keep_the_candidates_order(engine: Engine) -> None:
    """Names of unknown words all have the same tokens."""
    masks = [runs_of_mask(random_masks(2, 1, SIZE_HW)[0])]
    (decided,) = engine.decide(masks, [["zebra", "狗", "собака", "yak"]])
    assert decided.names == ["zebra", "狗", "собака"]
    np.testing.assert_allclose(decided.scores, 0.25)
    assert decided.shares.tolist() == [1.0, 0.0, 0.0]


def test_many_masks_share_one_vocabulary(engine: Engine) -> None:
    masks = random_masks(4, 6, SIZE_HW)
    vocabulary = ["car", "tree", "a road", "wall"]
    shared = engine.decide([runs_of_mask(mask) for mask in masks], [vocabulary] * 6)
    apart = engine.decide([runs_of_mask(mask) for mask in masks], [list(vocabulary) for _ in masks])
    for one, other in zip(shared, apart, strict=True):
        assert one.names == other.names
        np.testing.assert_array_equal(one.shares, other.shares)


@pytest.mark.parametrize("names", [1, 2, 3])
@pytest.mark.parametrize("low", [4, 31, 200])
def test_counting_is_growing_and_argmax(names: int, low: int) -> None:
    rng = np.random.default_rng(low)
    for mask in random_masks(low, 30, SIZE_HW):
        logits = rng.normal(size=(names, low, low)).astype(np.float32)
        runs = runs_of_mask(mask)
        window = scaled_window(SIZE_HW, boxes_xywh([runs], SIZE_HW[0])[0], CLIPSEG_SCALE)
        inside = window.of(mask)
        winners = grown(logits, window.size_hw)[inside]
        found = count_winners(logits, runs, window, SIZE_HW[0])
        np.testing.assert_array_equal(found, np.bincount(winners, minlength=names))


def test_a_name_that_is_nowhere_beaten_wins_every_pixel() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 9, 9)).astype(np.float32)
    logits[1] += 20
    (mask,) = random_masks(5, 1, SIZE_HW)
    window = Window(0, 0, SIZE_HW[1], SIZE_HW[0])
    found = count_winners(logits, runs_of_mask(mask), window, SIZE_HW[0])
    assert found.tolist() == [0, np.count_nonzero(mask), 0]


def test_large_masks_are_counted_in_tiles() -> None:
    size_hw = (700, 1100)
    mask = np.ones(size_hw, np.bool_)
    mask[100:300, 50:60] = False
    logits = np.random.default_rng(0).normal(size=(3, 20, 20)).astype(np.float32)
    window = Window(0, 0, size_hw[1], size_hw[0])
    expected = np.bincount(grown(logits, size_hw)[mask], minlength=3)
    found = count_winners(logits, runs_of_mask(mask), window, size_hw[0])
    # Two names may come within rounding of each other somewhere among so many pixels.
    np.testing.assert_allclose(found, expected, atol=3)
    assert found.sum() == mask.sum()


def test_votes_are_by_class_id_though_names_repeat() -> None:
    # 2 pixels of "person" against 3 of either kind of tree and one more of "car".
    classes = np.array([[0, 0, 2, 2, 2, 3, 3, 3, 1, 1, 1, 1]])
    logits = (np.arange(5)[:, None, None] == classes).astype(np.float32)
    mask = runs_of_mask(np.ones((1, 12), np.bool_))
    votes = closed_set_votes(logits, [mask], (1, 12), COCO)
    assert votes.names == ["car"]
    np.testing.assert_allclose(votes.shares, 4 / 12, rtol=1e-6)


def test_candidates_come_once_each_in_order() -> None:
    phrases = [["a tree", "wall", "a tree"], []]
    assert candidates(["tree", "car"], ["wall", "car"], phrases) == [
        ["tree", "wall", "a tree"],
        ["car"],
    ]


def test_captions_are_made_in_batches() -> None:
    seen: list[FloatArray] = []

    def see(pixels: FloatArray) -> FloatArray:
        seen.append(pixels)
        embeds: FloatArray = pixels.mean(axis=(2, 3))
        return embeds

    def write(embeds: FloatArray) -> TokenIds:
        return (embeds * 1000).astype(np.int64)

    def spell(ids: TokenIds) -> list[str]:
        return [" ".join(map(str, row)) for row in ids]

    masks = [runs_of_mask(mask) for mask in random_masks(3, 7, SIZE_HW)]
    boxes = boxes_xywh(masks, SIZE_HW[0])
    captioner = Captioner(BLIP, see, write, spell, batch_size=3)
    found = captioner.captions(RGB, boxes)
    assert sorted(len(pixels) for pixels in seen) == [2, 2, 3]
    windows = [scaled_window(SIZE_HW, box, CAPTION_SCALE) for box in boxes]
    expected = blip_pixel_values(Image.fromarray(RGB), windows, BLIP)
    assert found == spell(write(see(expected)))
    assert captioner.captions(RGB, boxes[:0]) == []
