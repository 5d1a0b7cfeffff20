"""`ssa report` on what the real server said of images in archives and on S3."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from ssa_backend.embedded.server import EmbeddedServer
from ssa_client.jobs.addresses import open_storage
from ssa_export.scenes import write_scenes
from tests.images import SIZE_HW
from tests.unit.client.archives import write_tar
from tests.unit.client.command import Outcome

SEED, COUNT = 17, 3


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, and nothing else."""
    folder = tmp_path_factory.mktemp("scenes")
    list(write_scenes("sa1b", folder, SEED, COUNT, SIZE_HW))
    for path in folder.glob("*.json"):
        path.unlink()
    return folder


def reported(source: object, scenes: Path, server: EmbeddedServer, out: Path) -> str:
    """The page about a job over `source`, which is the page that the images' folder gives."""
    options = ("--closed-set", "--set", "points_per_side=2", "--url", server.grpc_url)
    done = Outcome("annotate", source, "--out", out, *options)
    assert done.exit_code == 0, done.output
    pages = {}
    for name, more in (("page.html", ()), ("of_folder.html", ("--images", scenes))):
        path = out.parent / name
        done = Outcome("report", out, "--out", path, *more)
        assert done.exit_code == 0, done.output
        assert f"{COUNT} images" in done.output
        assert "missing" not in done.output
        pages[name] = path.read_text("utf-8")
    page = pages["page.html"]
    assert page == pages["of_folder.html"]
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    documents = [json.loads(path.read_bytes()) for path in out.glob("*_semantic.json")]
    masks = sum(len(document["annotations"]) for document in documents)
    assert len(set(pictures)) == len(pictures) == masks + COUNT > COUNT
    for picture in pictures:
        Image.open(io.BytesIO(base64.b64decode(picture))).load()
    return page


def test_images_in_a_shard(scenes: Path, server: EmbeddedServer, tmp_path: Path) -> None:
    files = {f"./deep/{path.name}": path.read_bytes() for path in scenes.iterdir()}
    write_tar(tmp_path / "sa_000000.tar", files)
    page = reported(tmp_path / "sa_000000.tar", scenes, server, tmp_path / "out")
    assert "sa_000000.tar" in page


def test_images_on_s3(scenes: Path, server: EmbeddedServer, bucket: str, tmp_path: Path) -> None:
    storage = open_storage(f"{bucket}/scenes")
    for path in scenes.iterdir():
        storage.write(path.name, path.read_bytes())
    page = reported(storage, scenes, server, tmp_path / "out")
    assert f"{bucket}/scenes" in page
