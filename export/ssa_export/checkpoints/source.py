"""From what a person types (Hub id, folder, `.pth` file) to files on disk that can be read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers import AutoImageProcessor

from ssa_export.errors import CheckpointError

CONFIG_FILE = "config.json"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
# Configs and tokenizers; older ones have their words in plain text.
_TEXTS = ("*.json", "*.txt")
_SAFETENSORS = "*.safetensors"
_TORCH_WEIGHTS = "pytorch_model*.bin"
# Since version 5 transformers saves the parts of a processor together, in the second of these.
_PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")


@dataclass(frozen=True)
class Source:
    """A checkpoint on disk: a transformers folder or one `.pth` file.

    `name` is how it goes into `repository.json`: the Hub id, or the last part of a local path, so
    that a repository says nothing about the machine it was written on.
    """

    name: str
    path: Path

    @property
    def is_file(self) -> bool:
        """Whether this is one weights file rather than a transformers folder."""
        return self.path.is_file()

    @property
    def weights(self) -> list[Path]:
        """The weights files, in the order of their names; empty if there are none."""
        if self.is_file:
            return [self.path]
        return sorted(self.path.glob(_SAFETENSORS)) or sorted(self.path.glob(_TORCH_WEIGHTS))

    def sha256(self) -> str:
        """The digest over the bytes of all weights files."""
        digest = hashlib.sha256()
        for path in self.weights:
            with path.open("rb") as file:
                while block := file.read(2**20):
                    digest.update(block)
        return digest.hexdigest()


def resolve(source: str) -> Source:
    """Find `source` on disk, or fetch it from the Hugging Face Hub.

    Raises:
        CheckpointError: it is neither a path that exists nor a Hub id that can be fetched.
    """
    path = Path(source).expanduser()
    if path.exists():
        return Source(path.resolve().name, path)
    if not _HUB_ID.fullmatch(source) or source.startswith(".") or path.suffix in (".pth", ".pt"):
        raise CheckpointError(
            f"{source} does not exist; expected a Hub id, a transformers folder or a .pth file."
        )
    return Source(source, _download(source))


def _download(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        folder = Path(snapshot_download(hub_id, allow_patterns=[*_TEXTS, _SAFETENSORS]))
        # Older repositories carry only the pickled weights; do not fetch both.
        if not any(folder.glob(_SAFETENSORS)):
            folder = Path(snapshot_download(hub_id, allow_patterns=[*_TEXTS, _TORCH_WEIGHTS]))
    except (OSError, HFValidationError) as error:
        raise CheckpointError(
            f"{hub_id} is no local path and could not be fetched from the Hugging Face Hub "
            f"({_first_sentence(error)})."
        ) from error
    return folder


def read_config(source: Source) -> dict[str, Any]:
    """The `config.json` of a transformers folder.

    Raises:
        CheckpointError: it is missing or no JSON object with a `model_type`.
    """
    path = source.path / CONFIG_FILE
    if not path.is_file():
        raise CheckpointError(
            f"{source.name} has no {CONFIG_FILE}; expected a folder as transformers saves it."
        )
    config = _read_json(path)
    if "model_type" not in config:
        raise CheckpointError(f"{path} names no model_type; expected a transformers config.")
    return config


def read_processor(source: Source, **overrides: Any) -> Mapping[str, Any] | None:
    """The settings of the folder's image processor, or None if it has none.

    Read through transformers, because a file leaves out what its class has by default.

    Args:
        source: the folder.
        overrides: settings that replace the file's.

    Raises:
        CheckpointError: there is one that transformers cannot load.
    """
    if not any((source.path / name).is_file() for name in _PROCESSOR_FILES):
        return None
    with reading(f"{source.name}'s image processor", "one as transformers saves it"):
        settings: dict[str, Any] = AutoImageProcessor.from_pretrained(
            source.path, **overrides
        ).to_dict()
    return settings


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON ({error}).") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} holds no JSON object.")
    return values


def check_weights(source: Source) -> None:
    """Fail early, and in words, on weights that are missing or cut short.

    Raises:
        CheckpointError: no weights file, or a safetensors file that is not complete.
    """
    if not source.weights:
        raise CheckpointError(
            f"{source.name} has no weights; expected model.safetensors or pytorch_model.bin."
        )
    for path in source.weights:
        if path.suffix == ".safetensors":
            try:
                with safe_open(path, framework="pt"):
                    pass
            except (SafetensorError, OSError) as error:
                raise CheckpointError(
                    f"{path} is not a complete safetensors file ({_first_sentence(error)})."
                ) from error


@contextmanager
def reading(what: str, expected: str) -> Iterator[None]:
    """Turn whatever a loader raises inside into one sentence about `what`.

    Loaders of torch and transformers fail on bad files with almost any built-in exception, so
    only those that mean a bug here or a person's Ctrl-C pass through.
    """
    try:
        yield
    except (CheckpointError, MemoryError):
        raise
    except Exception as error:
        raise CheckpointError(
            f"{what} cannot be loaded ({_first_sentence(error)}); expected {expected}."
        ) from error


def _first_sentence(error: Exception) -> str:
    """The first line of an error's message, or its class when it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".:") if lines else type(error).__name__
