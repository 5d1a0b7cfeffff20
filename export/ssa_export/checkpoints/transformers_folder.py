"""Loading a transformers folder without its habit of filling gaps with random weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ssa_export.checkpoints.source import Source, check_weights, read_config, reading, resolve
from ssa_export.errors import CheckpointError


def load_pretrained(model_class: Any, source: Source) -> tuple[Any, list[str]]:
    """The model of a transformers folder, in evaluation mode and FP32.

    Returns:
        The model, and the names of weights in the file that the model has no place for.

    Raises:
        CheckpointError: the weights cannot be read, or some that the model needs are missing or
            of another shape.
    """
    expected = f"weights of the architecture in its config for {model_class.__name__}"
    with reading(source.name, expected):
        # Attention written out as matrix products and a softmax exports to the plainest graph.
        model, info = model_class.from_pretrained(
            source.path,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            local_files_only=True,
            attn_implementation="eager",
        )
    missing = sorted(info["missing_keys"])
    if missing:
        raise CheckpointError(
            f"{source.name} lacks {_some(missing)}, which {type(model).__name__} needs."
        )
    mismatched = info["mismatched_keys"]
    if mismatched:
        name, got, wanted = next(iter(mismatched))
        raise CheckpointError(
            f"{source.name}: weight {name} has shape {tuple(got)}; "
            f"its config makes it {tuple(wanted)}."
        )
    return model.float().eval(), sorted(info["unexpected_keys"])


def load_family(model_class: Any, source: str, family: str) -> tuple[Source, Any, tuple[str, ...]]:
    """The model of a Hub id or a transformers folder, which must be of one architecture.

    Args:
        model_class: of transformers.
        source: what a person typed.
        family: what a person calls the architecture.

    Returns:
        Where it was found, the model as `load_pretrained` gives it, and the names of weights in
        the file that it has no place for.

    Raises:
        CheckpointError: the source is missing, broken or of another architecture.
    """
    found = find_folder(source)
    model_type, wanted = read_config(found)["model_type"], model_class.config_class.model_type
    if model_type != wanted:
        raise CheckpointError(
            f"{found.name} is a {model_type!r} checkpoint; "
            f"expected {family}, model_type {wanted!r}."
        )
    check_weights(found)
    model, unused = load_pretrained(model_class, found)
    return found, model, tuple(unused)


def find_folder(source: str) -> Source:
    """Find `source`, which must be no single file.

    Raises:
        CheckpointError: it is missing, or a file.
    """
    found = resolve(source)
    if found.is_file:
        raise CheckpointError(
            f"{found.name} is a file; expected a folder as transformers saves it."
        )
    return found


def _some(names: Iterable[str]) -> str:
    """At most one name of several, so that the message stays one sentence."""
    first, *rest = names
    return f"weight {first}" + (f" and {len(rest)} more" if rest else "")
