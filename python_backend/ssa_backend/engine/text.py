"""Names and captions as tokens, and a memory of names that were encoded before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

FloatArray = npt.NDArray[np.float32]
TokenIds = npt.NDArray[np.int64]
# Token ids [B, T] to embeddings [B, D].
EncodeText = Callable[[TokenIds], FloatArray]

# At 768 numbers a name, 61 MB.
CACHED_NAMES = 20_000


class TextTokenizer:
    """Names to token ids, as CLIP's text encoders read them."""

    def __init__(self, file: Path, context_length: int) -> None:
        """Read a `tokenizers` file; `context_length` is the most tokens that an encoder reads."""
        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.no_padding()
        # The end token survives: it is added behind what is cut.
        self._tokenizer.enable_truncation(context_length)

    def encode(self, names: Sequence[str]) -> list[list[int]]:
        """The ids of each name, between start and end token."""
        encodings = self._tokenizer.encode_batch_fast(list(names))
        return [encoding.ids for encoding in encodings]


class CaptionTokenizer:
    """Token ids to captions, as transformers' `BlipProcessor.decode` spells them."""

    def __init__(self, file: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(file))

    def decode(self, token_ids: TokenIds) -> list[str]:
        """Captions of [B, T] ids, special tokens left out."""
        texts = self._tokenizer.decode_batch(token_ids.tolist(), skip_special_tokens=True)
        return [text.strip() for text in texts]


def padded(ids: Sequence[list[int]]) -> TokenIds:
    """A batch of the longest's length, int64 [B, T].

    The end token is repeated: encoders read their result at the first one, and attention is
    causal, so that nothing behind it counts.
    """
    length = max(map(len, ids))
    return np.array([[*row, *row[-1:] * (length - len(row))] for row in ids], np.int64)


class NameEmbeddings:
    """Text embeddings by name; those used last stay for later requests.

    Args:
        tokenizer: of the encoder.
        encode: the encoder.
        batch_size: names of one call.
        capacity: names that stay.
    """

    def __init__(
        self,
        tokenizer: TextTokenizer,
        encode: EncodeText,
        batch_size: int,
        capacity: int = CACHED_NAMES,
    ) -> None:
        self._tokenizer = tokenizer
        self._encode = encode
        self._batch_size = batch_size
        self._capacity = capacity
        self._known: OrderedDict[str, FloatArray] = OrderedDict()

    def of(self, names: Sequence[str]) -> FloatArray:
        """The embeddings of at least one name, float32 [N, D] in their order."""
        distinct = list(dict.fromkeys(names))
        found = {name: self._known[name] for name in distinct if name in self._known}
        missing = [name for name in distinct if name not in found]
        found.update(self._encoded(missing))
        for name in distinct:
            self._known[name] = found[name]
            self._known.move_to_end(name)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return np.stack([found[name] for name in names])

    def _encoded(self, names: Sequence[str]) -> dict[str, FloatArray]:
        """New embeddings; names of like length go together, so that little is padded."""
        ids = dict(zip(names, self._tokenizer.encode(names), strict=True))
        by_length = sorted(names, key=lambda name: len(ids[name]))
        found: dict[str, FloatArray] = {}
        for start in range(0, len(by_length), self._batch_size):
            batch = by_length[start : start + self._batch_size]
            embeddings = self._encode(padded([ids[name] for name in batch]))
            # Copies: a row alone would keep its whole batch alive.
            found.update((n, e.copy()) for n, e in zip(batch, embeddings, strict=True))
        return found
