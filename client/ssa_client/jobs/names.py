"""Names of images, and of what is made of them."""

from __future__ import annotations

import hashlib
import os

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def is_image(file_name: str) -> bool:
    """Whether a file of that name, or of that path in an archive, is an image to work on."""
    stem, _, suffix = base_name(file_name).rpartition(".")
    is_one = bool(stem) and f".{suffix.lower()}" in IMAGE_SUFFIXES
    # Pictures that an earlier run drew are no input, where --out is the images' own folder.
    return is_one and not stem.endswith("_semantic")


def base_name(name: str) -> str:
    """The file name of an image: what its name ends with, where it lies in an archive."""
    return name.rpartition("/")[2]


def beside(name: str) -> str:
    """The name of the JSON beside an image."""
    return f"{name.rpartition('.')[0]}.json"


def output_name(name: str) -> str:
    """The name that the files made of an image start with."""
    return base_name(name).rpartition(".")[0]


def stable_image_id(file_name: str) -> int:
    """A number above 0 for the image that depends on nothing but its file's name.

    It has 53 bits, so that every reader of JSON gets it exactly: among 11 million images the odds
    that any two share one are below 1 in 100.
    """
    digest = hashlib.blake2b(os.fsencode(file_name), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) or 1
