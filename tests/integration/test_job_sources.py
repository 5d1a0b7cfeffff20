"""The same images from wherever they lie give the same files, with the real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssa_backend.embedded.server import EmbeddedServer
from ssa_client.jobs.addresses import open_storage
from ssa_export.scenes import write_scenes
from tests.images import SIZE_HW
from tests.unit.client.archives import write_tar
from tests.unit.client.command import Outcome

SEED, COUNT = 91, 4
NOTES = {"_job.json", "_job.lock"}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as SA-1B has it: NAME.jpg and NAME.json."""
    folder = tmp_path_factory.mktemp("scenes")
    list(write_scenes("sa1b", folder, SEED, COUNT, SIZE_HW))
    return folder


@pytest.fixture(scope="module")
def expected(
    scenes: Path, server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What the folder's job writes."""
    out = tmp_path_factory.mktemp("expected")
    annotate(scenes, out, server)
    return out


def annotate(source: object, out: object, server: EmbeddedServer, *options: object) -> str:
    done = Outcome(
        *("annotate", source, "--out", out, "--masks", "sa1b", "--url", server.grpc_url, *options)
    )
    assert done.exit_code == 0, done.output
    assert f"{COUNT} annotated" in done.output
    return done.output


def results(out: Path) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in out.iterdir() if path.name not in NOTES}
    assert len(found) == COUNT
    return found


@pytest.mark.timeout(600)
def test_tar_shards_give_what_their_folder_gives(
    scenes: Path, expected: Path, server: EmbeddedServer, tmp_path: Path
) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    files = sorted(path for path in scenes.iterdir())
    for number, half in enumerate((files[:COUNT], files[COUNT:])):
        write_tar(shards / f"sa_{number:06}.tar", {f"./{f.name}": f.read_bytes() for f in half})
    annotate(shards, tmp_path / "out", server)
    assert results(tmp_path / "out") == results(expected)


@pytest.mark.timeout(600)
def test_s3_gives_what_a_folder_gives(
    scenes: Path, expected: Path, server: EmbeddedServer, bucket: str
) -> None:
    storage = open_storage(f"{bucket}/scenes")
    for path in scenes.iterdir():
        storage.write(path.name, path.read_bytes())
    annotate(storage, f"{bucket}/out", server)
    out = open_storage(f"{bucket}/out")
    found = {name: out.read(name) for name in out.names() if name != "_job.json"}
    assert found == results(expected)
