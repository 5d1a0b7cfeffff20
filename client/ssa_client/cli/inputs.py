"""From what stands on the command line to the images to work on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from ssa_client.cli.extras import require
from ssa_client.jobs.addresses import address_of, is_url, open_storage
from ssa_client.jobs.names import is_image
from ssa_client.jobs.tar import is_tar

# Keywords of the clients' methods that are not settings of mask generation.
_ARGUMENTS = {"image", "branch", "masks", "classes", "model", "timeout_s"}


@dataclass(frozen=True)
class ImageFile:
    """An image, and the name that its output files start with."""

    path: Path
    name: str


@dataclass(frozen=True)
class Failure:
    """Something that was asked for and not done."""

    path: Path | str
    reason: str


def find_images(paths: Iterable[Path]) -> tuple[list[ImageFile], list[Failure]]:
    """The files among `paths` and the images directly in its folders, each once.

    Two images whose outputs would have the same name are not both taken: the later one fails.
    """
    images: list[ImageFile] = []
    failures: list[Failure] = []
    owners: dict[str, Path] = {}
    for path in paths:
        found = list(images_in(path))
        if not found:
            failures.append(Failure(path, "the folder has no images."))
        for file in found:
            owner = owners.setdefault(file.stem, file)
            if owner is file:
                images.append(ImageFile(file, file.stem))
            elif not _same_file(owner, file):
                reason = f"its output would overwrite that of {owner}; give it another --out."
                failures.append(Failure(file, reason))
    return images, failures


def images_in(path: Path) -> Iterator[Path]:
    """The images directly in the folder `path`, by name; `path` itself if it is none."""
    if not path.is_dir():
        yield path
        return
    with os.scandir(path) as entries:
        names = sorted(e.name for e in entries if is_image(e.name) and e.is_file())
    for name in names:
        yield path / name


def _same_file(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def parse_source(text: str) -> str:
    """Where a job's images are: an absolute path of a folder or a tar archive, or a URL.

    Raises:
        typer.BadParameter: it is none of these.
    """
    address = address_of(text)
    if is_url(address):
        check_storage(address, "SOURCE")
        return address
    path = Path(address)
    if not path.is_dir() and not (is_tar(path.name) and path.exists()):
        what = "is neither a folder nor a .tar archive" if path.exists() else "does not exist"
        raise typer.BadParameter(f"{text!r} {what}.", param_hint="SOURCE")
    return str(path.resolve())


def check_storage(address: str, hint: str) -> None:
    """Hold a URL to those that can be reached, and say what is missing for it.

    Raises:
        typer.BadParameter: nothing reaches it.
        typer.Exit: what reaches it is not installed.
    """
    try:
        with require("cloud"):
            open_storage(address)
    except ValueError as error:
        raise typer.BadParameter(f"{address!r}: {error}.", param_hint=hint) from error


def check_url(url: str) -> None:
    """Hold `--url` to its form.

    Raises:
        typer.BadParameter: it has a scheme.
    """
    if "://" in url:
        raise typer.BadParameter(f"{url!r} is not host:port.", param_hint="--url")


def parse_classes(text: str | None, file: Path | None) -> list[str] | None:
    """The names of `--classes`, or of `--classes-file`, a UTF-8 text of one name a line.

    Raises:
        typer.BadParameter: both are given, there is no name, or the file cannot be read.
    """
    if text is not None and file is not None:
        raise typer.BadParameter("it excludes --classes-file.", param_hint="--classes")
    if text is None and file is None:
        return None
    option = "--classes" if file is None else "--classes-file"
    try:
        parts = (text or "").split(",") if file is None else file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(
            f"cannot read {str(file)!r}: {error}.", param_hint=option
        ) from error
    names = list(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if not names:
        raise typer.BadParameter("it has no name.", param_hint=option)
    return names


def parse_settings(texts: Iterable[str]) -> dict[str, str]:
    """`name=value` texts as a mapping; the server checks names and values.

    Raises:
        typer.BadParameter: a text is not of that form, or a name comes twice.
    """
    settings: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name.isidentifier() and equals and value):
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE.", param_hint="--set")
        if name in _ARGUMENTS:
            raise typer.BadParameter(f"{name!r} is no mask setting.", param_hint="--set")
        if name in settings:
            raise typer.BadParameter(f"{name!r} is set twice.", param_hint="--set")
        settings[name] = value
    return settings
