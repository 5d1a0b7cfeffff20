"""A checkpoint's tokenizer as the one file that the `tokenizers` library reads."""

from __future__ import annotations

from tokenizers import Tokenizer
from transformers import AutoTokenizer

from ssa_export.checkpoints.source import Source, reading
from ssa_export.errors import CheckpointError

TOKENIZER_FILE = "tokenizer.json"
# What older checkpoints carry instead: of byte-pair encoding, and of WordPiece.
_OLDER_FILES = ("vocab.json", "vocab.txt")


def check_tokenizer(source: Source) -> None:
    """Fail early on a folder without one: transformers would make up an empty tokenizer.

    Raises:
        CheckpointError: there is no tokenizer.
    """
    if not any((source.path / name).is_file() for name in (TOKENIZER_FILE, *_OLDER_FILES)):
        raise CheckpointError(
            f"{source.name} has no tokenizer; expected {TOKENIZER_FILE}, "
            "vocab.json with merges.txt, or vocab.txt."
        )


def read_tokenizer(source: Source) -> str:
    """The text of the folder's `tokenizer.json`, converted by transformers where it has none.

    Raises:
        CheckpointError: there is no tokenizer, or one that cannot be read.
    """
    check_tokenizer(source)
    path = source.path / TOKENIZER_FILE
    with reading(f"{source.name}'s tokenizer", "one as transformers saves it"):
        if path.is_file():
            Tokenizer.from_file(str(path))
            return path.read_text(encoding="utf-8")
        tokenizer = AutoTokenizer.from_pretrained(source.path, local_files_only=True)
        text: str = tokenizer.backend_tokenizer.to_str()
        return text
