"""Small tokenizers of the two kinds that the engine reads."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

START, END = 1, 2
WORDS = ("a", "the", "car", "tree", "person", "road", "wall", "café", "naïve", "art", "red")


def write_clip_tokenizer(path: Path) -> Path:
    """Words to ids between START and END, with padding left switched on as exports may have it."""
    vocabulary = {"[UNK]": 0, "<s>": START, "</s>": END}
    vocabulary |= {word: 3 + i for i, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", START), ("</s>", END)]
    )
    tokenizer.enable_padding(length=77)
    tokenizer.save(str(path))
    return path


BLIP_WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a red car tree on the wall ' s head ##s , t - shirt"
BLIP_IDS = {word: index for index, word in enumerate(BLIP_WORDS.split())}


def write_blip_tokenizer(path: Path) -> Path:
    """WordPiece as BERT has it."""
    tokenizer = Tokenizer(models.WordPiece(BLIP_IDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens([word for word in BLIP_IDS if word.startswith("[")])
    tokenizer.save(str(path))
    return path
