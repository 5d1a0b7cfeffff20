"""The images that a page shows, found where the job had them: in a folder or in archives."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from PIL import Image

from ssa_client._image import open_image
from ssa_client.exceptions import ImageReadError
from ssa_client.formats.stored import StoredDocument
from ssa_client.jobs.addresses import address_of
from ssa_client.jobs.names import base_name
from ssa_client.jobs.sources import Source, open_source
from ssa_client.jobs.work import read_image


@dataclass(frozen=True)
class ReviewImages:
    """Some images of a job; `missing` says why there are none of those without a name.

    `names` are those by which the source knows them, by file name.
    """

    source: Source | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    missing: str = "nobody says where the images are; name the place with --images."

    @classmethod
    def find(cls, address: str | None, wanted: Collection[str]) -> ReviewImages:
        """Look for the images with the `wanted` file names; where one cannot look, none is there.

        Args:
            address: a folder of images, a folder of archives, or an archive, as a path or a URL;
                None if unknown.
            wanted: file names.
        """
        if address is None or not wanted:
            return cls()
        names: dict[str, str] = {}
        try:
            source = open_source(address_of(address))
            for name in source.names():
                file_name = base_name(name)
                if file_name in wanted:
                    # Of several of one name, the first by name is whose results are there.
                    names[file_name] = min(name, names.get(file_name, name))
        except OSError as error:
            return cls(missing=f"cannot read {address!r}: {error.strerror or error}.")
        except ImportError as error:
            return cls(missing=f"reading {address!r} needs the extra 'cloud' ({error}).")
        except ValueError as error:
            return cls(missing=f"cannot read {address!r}: {error}.")
        return cls(source, names, f"there is no such image in {address!r}.")

    def open(self, document: StoredDocument) -> Image.Image:
        """The image that `document` is of, RGB.

        Raises:
            ImageReadError: it is not there, cannot be read, or has another size by now.
        """
        name = self.names.get(document.file_name)
        if self.source is None or name is None:
            raise ImageReadError(self.missing)
        photo = open_image(read_image(self.source, name, masks=False).data).convert("RGB")
        height, width = document.size_hw
        if photo.size != (width, height):
            raise ImageReadError(
                f"it is {photo.width}x{photo.height} now; its results are of an image of "
                f"{width}x{height}."
            )
        return photo
