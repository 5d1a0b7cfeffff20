"""Names to tokens, tokens to captions, and embeddings that stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssa_backend.engine.text import (
    CaptionTokenizer,
    FloatArray,
    NameEmbeddings,
    TextTokenizer,
    TokenIds,
    padded,
)
from tests.unit.backend.tokenizer_files import (
    BLIP_IDS,
    BLIP_WORDS,
    END,
    START,
    write_blip_tokenizer,
    write_clip_tokenizer,
)


@pytest.fixture
def tokenizer(tmp_path: Path) -> TextTokenizer:
    return TextTokenizer(write_clip_tokenizer(tmp_path / "t.json"), context_length=5)


def test_names_become_ids_between_start_and_end(tokenizer: TextTokenizer) -> None:
    car, naive = tokenizer.encode(["a car", "naïve zebra"])
    assert car == [START, 3, 5, END]
    assert naive == [START, 11, 0, END]
    assert tokenizer.encode([""]) == [[START, END]]


def test_a_long_name_keeps_its_end(tokenizer: TextTokenizer) -> None:
    assert tokenizer.encode(["a car a car a car"]) == [[START, 3, 5, 3, END]]


def test_padding_repeats_the_end() -> None:
    ids = padded([[START, 3, 5, END], [START, END]])
    assert ids.dtype == np.int64
    assert ids.tolist() == [[START, 3, 5, END], [START, END, END, END]]


class Encoder:
    """Remembers its calls; embeds by what stands before the first end token."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, ...]] = []

    def __call__(self, ids: TokenIds) -> FloatArray:
        self.batches.append(ids.shape)
        ends = [row.tolist().index(END) for row in ids]
        sums = [
            float((row[:end] * np.arange(1, end + 1)).sum())
            for row, end in zip(ids, ends, strict=True)
        ]
        return np.array([sums, ends], np.float32).T


def test_embeddings_do_not_depend_on_company(tokenizer: TextTokenizer) -> None:
    names = ["a car", "tree", "red car", "a car", "the red wall", "road"]
    alone = [NameEmbeddings(tokenizer, Encoder(), 4).of([name])[0] for name in names]
    encoder = Encoder()
    embeddings = NameEmbeddings(tokenizer, encoder, batch_size=2)
    np.testing.assert_array_equal(embeddings.of(names), np.stack(alone))
    # Each name once, and those of like length together.
    assert encoder.batches == [(2, 3), (2, 4), (1, 5)]


def test_known_names_are_not_encoded_again(tokenizer: TextTokenizer) -> None:
    encoder = Encoder()
    embeddings = NameEmbeddings(tokenizer, encoder, batch_size=8)
    first = embeddings.of(["car", "tree"])
    np.testing.assert_array_equal(embeddings.of(["tree", "car"]), first[::-1])
    embeddings.of(["tree", "wall"])
    assert encoder.batches == [(2, 3), (1, 3)]


def test_the_name_used_longest_ago_goes_first(tokenizer: TextTokenizer) -> None:
    encoder = Encoder()
    embeddings = NameEmbeddings(tokenizer, encoder, batch_size=8, capacity=2)
    embeddings.of(["car"])
    embeddings.of(["tree"])
    embeddings.of(["car"])
    embeddings.of(["wall"])  # tree goes
    calls = len(encoder.batches)
    embeddings.of(["car", "wall"])
    assert len(encoder.batches) == calls
    embeddings.of(["tree"])
    assert len(encoder.batches) == calls + 1


def test_more_names_than_stay_are_answered(tokenizer: TextTokenizer) -> None:
    embeddings = NameEmbeddings(tokenizer, Encoder(), batch_size=2, capacity=1)
    assert embeddings.of(["car", "tree", "wall", "car"]).shape == (4, 2)


CAPTIONS = [
    "a red car on the wall",
    "a tree ' s head",
    "cars , trees",
    "a t - shirt",
    "",
]


def test_captions_are_spelt_as_transformers_spells_them(tmp_path: Path) -> None:
    from transformers import BertTokenizerFast

    words = [caption.split() for caption in CAPTIONS]
    rows = [
        [
            i
            for word in line
            for i in (
                [BLIP_IDS[word[:-1]], BLIP_IDS["##s"]]
                if word in ("cars", "trees")
                else [BLIP_IDS[word]]
            )
        ]
        for line in words
    ]
    ends, pad = BLIP_IDS["[SEP]"], BLIP_IDS["[PAD]"]
    ids = np.array([[*row, ends, *[pad] * (9 - len(row))] for row in rows], np.int64)
    found = CaptionTokenizer(write_blip_tokenizer(tmp_path / "t.json")).decode(ids)
    theirs = BertTokenizerFast(vocab=BLIP_IDS)
    assert found == [theirs.decode(row, skip_special_tokens=True) for row in ids]
    assert found[0] == CAPTIONS[0]
    assert len(BLIP_WORDS.split()) == len(BLIP_IDS)
