"""Small vocabularies for the mini models, of the kinds that CLIP and BLIP have."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

import tokenizers
from tokenizers import models, pre_tokenizers, trainers
from transformers import BertTokenizerFast, CLIPTokenizerFast

from ssa_export.scenes.names import ADJECTIVES, ALL_NAMES, ARTICLES

CLIP_VOCABULARY: Final = 1000
CLIP_LENGTH: Final = 32
"""Tokens of a name at most, its start and end among them."""

BLIP_VOCABULARY: Final = 500
BLIP_LENGTH: Final = 32

_START, _END = "<|startoftext|>", "<|endoftext|>"
_WORD_END: Final = "</w>"
_BERT_SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

DECODE: Final = "[DEC]"
"""What BLIP begins a caption with."""
_ENCODE: Final = "[ENC]"


def name_texts(captions: Sequence[Sequence[str]]) -> list[str]:
    """What the vocabularies are learnt from: all names, and what captions say around them."""
    words = sorted(ARTICLES | ADJECTIVES)
    return [*ALL_NAMES, *words, *(sentence for group in captions for sentence in group)]


def clip_tokenizer(texts: Iterable[str]) -> CLIPTokenizerFast:
    """Byte-level BPE with `CLIP_VOCABULARY` entries: any text of any script can be encoded.

    Laid out as CLIP's: the bytes, the bytes that end a word, what is merged, start and end.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    units = [*alphabet, *(letter + _WORD_END for letter in alphabet)]
    trainer = trainers.BpeTrainer(
        vocab_size=CLIP_VOCABULARY - 2,
        initial_alphabet=alphabet,
        end_of_word_suffix=_WORD_END,
        show_progress=False,
    )
    # An untrained tokenizer of the class brings CLIP's way of cutting a text into words.
    learner = CLIPTokenizerFast().backend_tokenizer
    learner.model = models.BPE(end_of_word_suffix=_WORD_END)
    learner.train_from_iterator(texts, trainer)
    merges = _merges(learner)
    merged = list(dict.fromkeys("".join(pair) for pair in merges))
    room = CLIP_VOCABULARY - 2 - len(units)
    kept = set(units) | set(merged[:room])
    merges = [(a, b) for a, b in merges if {a, b, a + b} <= kept]
    vocabulary = [*units, *merged[:room], _START, _END]
    return CLIPTokenizerFast(
        vocab={token: index for index, token in enumerate(vocabulary)},
        merges=merges,
        model_max_length=CLIP_LENGTH,
    )


def blip_tokenizer(texts: Iterable[str]) -> BertTokenizerFast:
    """WordPiece with at most `BLIP_VOCABULARY` entries, after which come BLIP's two own."""
    learner = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learner.normalizer = tokenizers.normalizers.BertNormalizer()
    learner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=BLIP_VOCABULARY, special_tokens=list(_BERT_SPECIAL), show_progress=False
    )
    learner.train_from_iterator(texts, trainer)
    tokenizer = BertTokenizerFast(vocab=learner.get_vocab(), model_max_length=BLIP_LENGTH)
    tokenizer.add_special_tokens({"bos_token": DECODE})
    tokenizer.add_special_tokens({"additional_special_tokens": [_ENCODE]})
    return tokenizer


def _merges(tokenizer: tokenizers.Tokenizer) -> list[tuple[str, str]]:
    """The learnt merges in order."""
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(first, second) for first, second in merges]
