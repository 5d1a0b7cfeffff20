"""Where a conversion writes to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Destination:
    """The new folder `out`, and what some formats say of the images besides.

    `images` is the folder they lie in, where it was given. `image_url` is what Label Studio puts
    before a file name to load it.
    """

    out: Path
    images: Path | None = None
    image_url: str = "/data/local-files/?d="
