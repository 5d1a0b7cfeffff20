"""What travels to the server."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from ssa_backend import specs
from ssa_client import ImageReadError, InvalidRequestError, SsaClient
from tests.unit.client.fake_triton import FakeTriton


def decoded(data: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_files_and_bytes_are_sent_as_they_are(
    triton: FakeTriton, jpeg: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg)
    with SsaClient(triton.url) as client:
        for image in (path, str(path), jpeg):
            client.segment(image)
    assert triton.images == [jpeg, jpeg, jpeg]


def test_arrays_and_pil_images_keep_every_pixel(
    triton: FakeTriton, pixels: npt.NDArray[np.uint8]
) -> None:
    gray = pixels[:, :, 0]
    with SsaClient(triton.url) as client:
        client.segment(pixels)
        client.segment(gray)
        client.segment(Image.fromarray(pixels))
        client.segment(Image.fromarray(pixels).convert("CMYK"))
    rgb, from_gray, pil, cmyk = map(decoded, triton.images)
    np.testing.assert_array_equal(rgb, pixels)
    np.testing.assert_array_equal(from_gray, gray)
    np.testing.assert_array_equal(pil, pixels)
    through_cmyk = Image.fromarray(pixels).convert("CMYK").convert("RGB")
    np.testing.assert_array_equal(cmyk, np.asarray(through_cmyk))


def test_large_arrays_are_compressed(triton: FakeTriton) -> None:
    large = np.zeros((1025, 1024), np.uint8)
    large[5, 7] = 200
    with SsaClient(triton.url) as client:
        client.segment(large[1:])
        client.segment(large)
    assert len(triton.images[0]) > large[1:].size > 10 * len(triton.images[1])
    np.testing.assert_array_equal(decoded(triton.images[1]), large)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_pil_image_is_sent_as_it_stands_whatever_its_exif_says(
    triton: FakeTriton, pixels: npt.NDArray[np.uint8], kind: str
) -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.fromarray(pixels).save(buffer, kind, exif=exif)
    turned = Image.open(buffer)
    with SsaClient(triton.url) as client:
        client.segment(turned)
    as_the_server_sees_it = ImageOps.exif_transpose(Image.open(io.BytesIO(triton.images[0])))
    # Of a TIFF, Pillow's own pixels are upright.
    np.testing.assert_array_equal(np.asarray(as_the_server_sees_it), np.asarray(turned))


@pytest.mark.parametrize(
    ("array", "named"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32 [4, 4, 3]"),
        (np.zeros((4, 4, 4), np.uint8), "uint8 [4, 4, 4]"),
        (np.zeros((0, 4), np.uint8), "uint8 [0, 4]"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_image_is_refused_before_it_is_sent(
    triton: FakeTriton, array: npt.NDArray[np.uint8], named: str
) -> None:
    with SsaClient(triton.url) as client, pytest.raises(InvalidRequestError) as caught:
        client.segment(array)
    assert named in str(caught.value)
    assert triton.requests == []


def test_a_file_that_cannot_be_read_is_named(triton: FakeTriton, tmp_path: Path) -> None:
    missing = tmp_path / "missing.jpg"
    with SsaClient(triton.url) as client:
        with pytest.raises(ImageReadError, match=r"missing\.jpg.*No such file"):
            client.segment(missing)
        with pytest.raises(ImageReadError, match="directory"):
            client.segment(tmp_path)
    assert triton.requests == []


def test_settings_travel_as_text_that_reads_back_exactly(triton: FakeTriton, jpeg: bytes) -> None:
    with SsaClient(triton.url) as client:
        client.segment(
            jpeg, points_per_side=16, crop_overlap_ratio=512 / 1500, pred_iou_thresh=np.float64(0.1)
        )
    parameters = triton.requests[0].parameters
    sent = {name: parameters[name].string_param for name in parameters}
    assert sent["points_per_side"] == "16"
    assert float(sent["crop_overlap_ratio"]) == 512 / 1500
    assert float(sent["pred_iou_thresh"]) == 0.1
    assert len(sent) == 3


@pytest.mark.parametrize("settings", [{"points_per_side": [16]}, {"points_per_side": True}])
def test_a_setting_that_is_no_number_is_refused(
    triton: FakeTriton, jpeg: bytes, settings: dict[str, int]
) -> None:
    with SsaClient(triton.url) as client:
        with pytest.raises(InvalidRequestError, match="'points_per_side'"):
            client.segment(jpeg, branch=False, timeout_s=None, **settings)
        # A name that Triton keeps for itself.
        with pytest.raises(InvalidRequestError, match="priority"):
            client.segment(jpeg, priority=1)
    assert triton.requests == []


def test_the_branch_map_travels_only_when_asked_for(triton: FakeTriton, jpeg: bytes) -> None:
    with SsaClient(triton.url) as client:
        without = client.segment(jpeg)
        with_branch = client.segment(jpeg, branch=True)
    every = {output.name for output in specs.SSA.outputs}
    asked = [{output.name for output in request.outputs} for request in triton.requests]
    assert asked == [every - {"branch_map"}, every]
    assert without.branch_map is None
    assert with_branch.branch_map is not None
    np.testing.assert_array_equal(with_branch.branch_map, triton.tensors["branch_map"])


def test_an_url_with_a_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="no scheme"):
        SsaClient("http://127.0.0.1:8000")
