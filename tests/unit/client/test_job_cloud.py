"""`ssa annotate` from and to S3 does what it does on this machine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from grpc import StatusCode

from ssa_client.jobs.addresses import open_storage
from tests.object_store import ENVIRONMENT, require_s3, s3_server
from tests.unit.client.archives import write_tar
from tests.unit.client.command import Outcome
from tests.unit.client.fake_triton import FakeTriton
from tests.unit.client.job_results import ALL, NOTES, results

INVALID = (StatusCode.INVALID_ARGUMENT, "IMAGE is a damaged [jpeg].")

pytestmark = pytest.mark.usefixtures("quick_jobs")


@pytest.fixture
def cloud_photos(bucket: str, photos: Path) -> str:
    """The photographs on S3."""
    storage = open_storage(f"{bucket}/photos")
    for path in photos.iterdir():
        storage.write(path.name, path.read_bytes())
    return f"{bucket}/photos"


@pytest.fixture
def cloud_annotate(engine: FakeTriton, cloud_photos: str, bucket: str) -> Callable[..., Outcome]:
    def run(*options: object) -> Outcome:
        arguments = ("annotate", cloud_photos, "--out", f"{bucket}/out", "--url", engine.url)
        return Outcome(*arguments, *options)

    return run


def cloud_results(address: str) -> dict[str, bytes]:
    storage = open_storage(address)
    return {name: storage.read(name) for name in storage.names() if name not in NOTES}


def test_s3_to_s3_gives_what_folder_to_folder_gives(
    annotate: Callable[..., Outcome],
    cloud_annotate: Callable[..., Outcome],
    bucket: str,
    out: Path,
    engine: FakeTriton,
) -> None:
    assert annotate("--save-img").exit_code == 0
    done = cloud_annotate("--save-img")
    assert done.exit_code == 0, done.output
    assert f"6 annotated, 18 masks, in {bucket}/out" in done.output
    assert cloud_results(f"{bucket}/out") == results(out)
    manifest = json.loads(open_storage(f"{bucket}/out").read("_job.json"))
    assert manifest["request"]["images"] == f"{bucket}/photos"
    engine.requests.clear()
    open_storage(f"{bucket}/out").remove("c_semantic.png")
    again = cloud_annotate("--save-img")
    assert "1 annotated, 3 masks" in again.output
    assert "5 were done before" in again.output
    assert len(engine.requests) == 1
    assert cloud_results(f"{bucket}/out") == results(out)


def test_s3_to_a_folder_and_back(
    cloud_photos: str, photos: Path, bucket: str, out: Path, engine: FakeTriton
) -> None:
    to_folder = Outcome("annotate", cloud_photos, "--out", out.as_uri(), "--url", engine.url)
    assert to_folder.exit_code == 0, to_folder.output
    from_folder = Outcome(
        "annotate", photos.as_uri(), "--out", f"{bucket}/out", "--url", engine.url
    )
    assert from_folder.exit_code == 0, from_folder.output
    assert results(out) == cloud_results(f"{bucket}/out")
    assert json.loads(open_storage(f"{bucket}/out").read("_job.json"))["request"]["images"] == str(
        photos
    )


def test_another_job_is_refused(cloud_annotate: Callable[..., Outcome]) -> None:
    assert cloud_annotate().exit_code == 0
    done = cloud_annotate("--classes", "car")
    assert done.exit_code == 1
    assert "holds another job's results" in done.output
    assert 'request.classes was null, is ["car"]' in done.output


def test_failures_are_noted_and_tried_again(
    engine: FakeTriton, cloud_annotate: Callable[..., Outcome], bucket: str
) -> None:
    engine.script = [INVALID, INVALID]
    done = cloud_annotate("--concurrency", 1)
    assert done.exit_code == 1
    lines = open_storage(f"{bucket}/out").read("_failures.jsonl").splitlines()
    noted = {json.loads(line)["file_name"] for line in lines}  # which ones is chance
    assert len(noted) == 2
    assert all(f"{bucket}/photos/{name} IMAGE is a damaged" in done.output for name in noted)
    assert "2 failed in earlier runs" in cloud_annotate().output
    assert cloud_annotate("--retry-failed").exit_code == 0
    assert cloud_results(f"{bucket}/out").keys() == ALL


def test_shards_on_s3_are_read_where_they_lie(
    engine: FakeTriton, bucket: str, tmp_path: Path, jpeg: bytes
) -> None:
    shards = open_storage(f"{bucket}/shards")
    for number, names in enumerate(("ab", "cd")):
        write_tar(tmp_path / "shard.tar", {f"./{name}.jpg": jpeg for name in names})
        shards.write(f"sa_{number:06}.tar", (tmp_path / "shard.tar").read_bytes())
    shards.write("sa_000002.tar", (tmp_path / "shard.tar").read_bytes()[:300])
    done = Outcome("annotate", str(shards), "--out", tmp_path / "all", "--url", engine.url)
    assert done.exit_code == 1
    assert "4 annotated, 12 masks" in done.output
    assert "rest of sa_000002.tar" in done.output
    one = f"{shards}/sa_000001.tar"
    done = Outcome("annotate", one, "--out", tmp_path / "one", "--url", engine.url)
    assert done.exit_code == 0
    assert results(tmp_path / "one").keys() == {"c_semantic.json", "d_semantic.json"}
    assert results(tmp_path / "one").items() < results(tmp_path / "all").items()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{bucket}/nothing", "{bucket}/nothing: there are no images."),
        ("{bucket}-not/photos", "{bucket}-not/photos: there are no images."),
    ],
)
def test_a_place_without_images_is_told(
    bucket: str, engine: FakeTriton, out: Path, source: str, why: str
) -> None:
    done = Outcome("annotate", source.format(bucket=bucket), "--out", out, "--url", engine.url)
    assert done.exit_code == 1
    assert why.format(bucket=bucket) in done.output


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("nowhere://a/b", "'nowhere://a/b': Protocol not known: nowhere"),
        ("gs://a/b", "this needs the 'cloud' extra: pip install 'ssa-triton[cloud]' (Please"),
    ],
)
def test_a_url_that_nothing_reaches_is_told(photos: Path, address: str, why: str) -> None:
    for arguments in (("annotate", address, "--out", "x"), ("annotate", photos, "--out", address)):
        done = Outcome(*arguments)
        assert done.exit_code == 2
        assert why in done.output


@pytest.mark.full
def test_a_store_that_goes_away_stops_the_job_and_blames_no_image(
    engine: FakeTriton, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_s3()
    s3fs = pytest.importorskip("s3fs")
    with s3_server() as (url, process):
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem(skip_instance_cache=True).mkdir("bucket")
        storage = open_storage("s3://bucket/photos")
        for path in photos.iterdir():
            storage.write(path.name, path.read_bytes())

        def kill_while_the_second_is_asked() -> None:
            while len(engine.requests) < 2:
                time.sleep(0.02)
            process.kill()

        engine.script = [0.0, 2.0]
        killing = threading.Thread(target=kill_while_the_second_is_asked)
        killing.start()
        done = Outcome(
            *("annotate", str(storage), "--out", tmp_path / "out", "--url", engine.url),
            *("--concurrency", 1),
        )
        killing.join()
    s3fs.S3FileSystem.clear_instance_cache()
    assert done.exit_code == 1
    assert f'Could not connect to the endpoint URL: "{url}/bucket/photos/' in done.output
    assert "What is done is kept." in done.output
    assert "Images left:" in done.output
    assert not (tmp_path / "out" / "_failures.jsonl").exists()
