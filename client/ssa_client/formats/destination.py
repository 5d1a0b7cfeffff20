"""Where a conversion writes to."""

from __future__ import annotations

import os
import shutil
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

    def take_image(self, file_name: str) -> None:
        """Put the image into `out/images`, where the folder of images was given.

        It becomes a hard link, and a copy where there can be none.

        Raises:
            OSError: it is not there, or cannot be put there.
        """
        if self.images is None:
            return
        source, target = (self.images / file_name).resolve(), self.out / "images" / file_name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, target)
