"""Images in tar archives are a job like any other; one that is cut off costs what is behind."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from ssa_client.exceptions import AnnotationReadError, ImageReadError
from ssa_client.jobs.failures import read_failures
from ssa_client.jobs.images import JobImages
from ssa_client.jobs.sources import FolderSource, open_source
from ssa_client.jobs.tar import TarSource
from ssa_client.jobs.work import read_image
from tests.unit.client.archives import header_at, write_tar
from tests.unit.client.command import Outcome
from tests.unit.client.conftest import HEIGHT, MASKS, WIDTH, counts_of
from tests.unit.client.fake_triton import FakeTriton

NOTES = ("_job.json", "_job.lock", "_failures.jsonl")
FILES = {
    f"./{name}.jpg": name.encode() * size for name, size in zip("abc", (1, 700, 2), strict=True)
}


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "sa_000000.tar"
    write_tar(path, FILES)
    return path


def names(source: object) -> list[str]:
    assert isinstance(source, TarSource)
    return list(source.names())


def test_members_are_read_where_they_lie(shard: Path) -> None:
    source = open_source(str(shard))
    assert names(source) == [f"sa_000000.tar/{name}.jpg" for name in "abc"]
    assert source.read("sa_000000.tar/b.jpg") == b"b" * 700
    assert source.at("sa_000000.tar/b.jpg") == f"{shard}/b.jpg"
    image = read_image(source, "sa_000000.tar/c.jpg", masks=False)
    assert (image.file_name, image.data) == ("c.jpg", b"cc")


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_are_read(tmp_path: Path, format_: int) -> None:
    long = "deep/" * 30 + "straße.jpg"
    write_tar(tmp_path / "a.TAR", {long: b"1", "b.jpg": b"2", "notes.txt": b"3"}, format_)
    source = open_source(str(tmp_path))
    assert sorted(names(source)) == ["a.TAR/b.jpg", f"a.TAR/{long}"]
    assert source.read(f"a.TAR/{long}") == b"1"
    assert read_image(source, f"a.TAR/{long}", masks=False).file_name == "straße.jpg"


def test_a_folder_with_images_is_a_folder_of_images(shard: Path) -> None:
    assert isinstance(open_source(str(shard.parent)), TarSource)
    (shard.parent / "a.jpg").touch()
    assert isinstance(open_source(str(shard.parent)), FolderSource)


def test_one_image_of_each_name_is_done(tmp_path: Path) -> None:
    for number in range(3):
        write_tar(tmp_path / f"{number}.tar", {"a.jpg": b"", f"{number}.jpg": b""})
    images = JobImages.survey(open_source(str(tmp_path)))
    assert images.count == 6
    assert images.shadowed == {"1.tar/a.jpg": "0.tar/a.jpg", "2.tar/a.jpg": "0.tar/a.jpg"}


def test_the_later_of_two_members_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write_tar(path, {"a.jpg": b"old"})
    with tarfile.open(path, "a") as tar:
        info = tarfile.TarInfo("a.jpg")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"later"))
    source = open_source(str(path))
    assert names(source) == ["a.tar/a.jpg"]
    assert source.read("a.tar/a.jpg") == b"later"


def test_a_link_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write_tar(path, {"a.jpg": b"a"})
    with tarfile.open(path, "a") as tar:
        for kind, name in ((tarfile.SYMTYPE, "b.jpg"), (tarfile.LNKTYPE, "c.jpg")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "a.jpg"
            tar.addfile(info)
    source = open_source(str(path))
    assert names(source) == [f"a.tar/{name}.jpg" for name in "abc"]
    for name in "bc":
        with pytest.raises(ImageReadError, match="no ordinary file in the archive"):
            read_image(source, f"a.tar/{name}.jpg", masks=False)


@pytest.mark.parametrize(
    ("cut", "readable", "there"),
    [
        pytest.param(lambda path: header_at(path, "./b.jpg"), "a", "a", id="between two members"),
        pytest.param(lambda path: header_at(path, "./b.jpg") + 100, "a", "a", id="in a header"),
        pytest.param(lambda path: header_at(path, "./b.jpg") + 900, "a", "ab", id="in an image"),
        pytest.param(lambda path: header_at(path, "./b.jpg") + 512 + 700, "ab", "ab", id="behind"),
        pytest.param(lambda path: header_at(path, "./c.jpg") + 1024, "abc", "abc", id="no end"),
    ],
)
def test_what_an_archive_was_cut_off_from_is_missed(
    shard: Path, cut: object, readable: str, there: str
) -> None:
    assert callable(cut)
    with shard.open("r+b") as file:
        file.truncate(cut(shard))
    source = open_source(str(shard))
    rest = "sa_000000.tar/rest of sa_000000.tar"
    assert names(source) == [*(f"sa_000000.tar/{name}.jpg" for name in there), rest]
    assert JobImages.survey(source).shadowed == {}
    for name in there:
        if name in readable:
            assert source.read(f"sa_000000.tar/{name}.jpg") == FILES[f"./{name}.jpg"]
        else:
            with pytest.raises(ImageReadError, match="the archive ends inside it"):
                read_image(source, f"sa_000000.tar/{name}.jpg", masks=False)
    with pytest.raises(ImageReadError, match=r"cannot be read from byte \d+ on .*not done"):
        read_image(source, rest, masks=False)


def test_damage_in_the_middle_is_not_taken_for_the_end(shard: Path) -> None:
    with shard.open("r+b") as file:
        file.seek(header_at(shard, "./b.jpg"))
        file.write(b"\xff" * 512)
    assert names(open_source(str(shard)))[1:] == ["sa_000000.tar/rest of sa_000000.tar"]


@pytest.mark.parametrize("content", [b"", b"no archive" * 100, gzip.compress(b"x" * 10_000)])
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    source = open_source(str(tmp_path))
    assert names(source) == ["a.tar/rest of a.tar"]
    with pytest.raises(ImageReadError, match="it is no tar archive"):
        read_image(source, "a.tar/rest of a.tar", masks=False)


def test_an_archive_that_changes_is_told(shard: Path) -> None:
    source = open_source(str(shard))
    assert source.read("sa_000000.tar/a.jpg") == b"a"
    write_tar(shard, dict(reversed(FILES.items())))
    with pytest.raises(ImageReadError, match="changed while it was read"):
        read_image(source, "sa_000000.tar/a.jpg", masks=False)


def test_masks_lie_beside_their_image_in_the_archive(tmp_path: Path) -> None:
    document = {"image": {"image_id": 7}, "annotations": []}
    write_tar(tmp_path / "a.tar", {"d/a.json": json.dumps(document).encode(), "d/a.jpg": b"a"})
    write_tar(tmp_path / "b.tar", {"b.jpg": b"b", "c.jpg": b"c", "c.json": b"{"})
    source = open_source(str(tmp_path))
    assert read_image(source, "a.tar/d/a.jpg", masks=True).image_id == 7
    missing = tmp_path / "b.tar" / "b.json"
    with pytest.raises(AnnotationReadError, match=f"cannot read masks '{missing}': it is not in"):
        read_image(source, "b.tar/b.jpg", masks=True)
    with pytest.raises(AnnotationReadError, match=r"c\.json' is no JSON"):
        read_image(source, "b.tar/c.jpg", masks=True)


def results(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name not in NOTES}


def test_archives_give_what_their_folder_gives(
    engine: FakeTriton, tmp_path: Path, jpeg: bytes
) -> None:
    rles = [{"size": [HEIGHT, WIDTH], "counts": counts_of(mask)} for mask in MASKS]
    annotations = [{"id": 10 + i, "segmentation": rle} for i, rle in enumerate(rles)]
    files: dict[str, bytes] = {}
    for number, name in enumerate("abcd"):
        document = {"image": {"image_id": number + 1}, "annotations": annotations}
        files |= {f"{name}.jpg": jpeg, f"{name}.json": json.dumps(document).encode()}
    folder, shards = tmp_path / "folder", tmp_path / "shards"
    folder.mkdir()
    shards.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    for number, some in enumerate(("ab", "cd")):
        its = {name: content for name, content in files.items() if name[0] in some}
        write_tar(shards / f"sa_{number:06}.tar", its)
    options = ("--masks", "sa1b", "--url", engine.url)
    for source in (folder, shards):
        done = Outcome("annotate", source, "--out", tmp_path / f"{source.name} out", *options)
        assert done.exit_code == 0, done.output
        assert "4 annotated, 12 masks" in done.output
    assert results(tmp_path / "shards out") == results(tmp_path / "folder out")
    assert len(results(tmp_path / "shards out")) == 4


def test_a_job_with_a_cut_archive_is_finished_when_it_is_whole(
    engine: FakeTriton, tmp_path: Path, jpeg: bytes
) -> None:
    shards, out = tmp_path / "shards", tmp_path / "out"
    shards.mkdir()
    write_tar(shards / "0.tar", {"a.jpg": jpeg, "b.jpg": jpeg})
    write_tar(shards / "1.tar", {"c.jpg": jpeg, "d.jpg": jpeg, "e.jpg": jpeg})
    whole = (shards / "1.tar").read_bytes()
    (shards / "1.tar").write_bytes(whole[: header_at(shards / "1.tar", "d.jpg") + 600])

    arguments = ("annotate", shards, "--out", out, "--url", engine.url)
    done = Outcome(*arguments)
    assert done.exit_code == 1
    assert "3 annotated, 9 masks" in done.output
    assert "2 failed" in done.output
    assert f"cannot read image '{shards}/1.tar/d.jpg': the archive ends inside it." in done.output
    failures = read_failures(out / "_failures.jsonl")
    assert failures.keys() == {"1.tar/d.jpg", "1.tar/rest of 1.tar"}
    assert "unexpected end of data); what follows is not done." in failures["1.tar/rest of 1.tar"]
    assert "2 failed in earlier runs" in Outcome(*arguments).output

    (shards / "1.tar").write_bytes(whole)
    done = Outcome(*arguments, "--retry-failed")
    assert done.exit_code == 0, done.output
    assert "2 annotated, 6 masks" in done.output
    assert results(out).keys() == {f"{name}_semantic.json" for name in "abcde"}
    assert not (out / "_failures.jsonl").exists()


def test_a_file_that_is_no_source_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").touch()
    for name, why in (("a.tar.gz", "is neither a folder nor a .tar"), ("b.tar", "does not exist")):
        done = Outcome("annotate", tmp_path / name, "--out", tmp_path / "out")
        assert done.exit_code == 2
        assert why in done.output
