"""The engine's result in other tools' forms, and as a picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from ssa_client import LabelledMask, LabelResult, SsaClient
from ssa_client._painting import UNNAMED, ids_of_names, painting_of_labels
from tests.unit.client.conftest import HEIGHT, MASKS, WIDTH, counts_of
from tests.unit.client.fake_triton import FakeTriton
from tests.unit.client.read_back import checked_annotation, coco_reader


@pytest.fixture
def result(engine: FakeTriton, jpeg: bytes) -> LabelResult:
    with SsaClient(engine.url) as client:
        return client.label(jpeg)


def labelled(
    class_name: str, proposals: dict[str, tuple[float, float]], drawn: int = 0
) -> LabelledMask:
    """A mask with these proposals: CLIP score and CLIPSeg share by name."""
    return LabelledMask(
        segmentation={"size": [HEIGHT, WIDTH], "counts": counts_of(MASKS[drawn])},
        bbox_xywh=(0, 0, 1, 1),
        area=int(MASKS[drawn].sum()),
        class_name=class_name,
        class_proposals=tuple(proposals),
        clip_scores=tuple(score for score, _ in proposals.values()),
        clipseg_shares=tuple(share for _, share in proposals.values()),
        caption="",
        coco_name="",
        coco_share=0.0,
        ade20k_name="",
        ade20k_share=0.0,
    )


@pytest.mark.parametrize(
    ("mask", "confidence"),
    [
        (labelled("car", {"car": (0.2, 1.0)}), 1.0),
        (labelled("van", {"car": (0.3, 0.4), "van": (0.1, 0.6)}), 0.6 * 0.25),
        (labelled("car", {"car": (0.0, 1.0)}), 0.0),
        (labelled("car", {}), 0.0),
    ],
)
def test_confidence_is_what_both_judges_give_the_winner(
    mask: LabelledMask, confidence: float
) -> None:
    assert mask.confidence == pytest.approx(confidence)


def test_the_annotation_is_sa1b_s_object_that_explains_itself(result: LabelResult) -> None:
    annotation = checked_annotation(result)
    assert annotation["annotations"][1] == {
        "class_name": "straße",
        "class_proposals": ["road", "straße", "a car"],
        "confidence": pytest.approx(0.75 * 0.25 / 0.875),
        "clip_scores": [0.5, 0.25, 0.125],
        "clipseg_shares": [0.25, 0.75, 0.0],
        "caption": "eine straße",
        "coco_name": "road",
        "coco_share": 0.5,
        "ade20k_name": "road",
        "ade20k_share": 0.25,
    }


def test_coco_s_own_reader_finds_masks_by_name(result: LabelResult) -> None:
    dataset = coco_reader(result)
    assert dataset.getCatIds() == [1, 2, 3]  # of the names in their order
    (car,) = dataset.loadAnns(dataset.getAnnIds(catIds=dataset.getCatIds(catNms=["car"])))
    np.testing.assert_array_equal(dataset.annToMask(car), MASKS[2])
    assert (car["id"], car["category_id"], car["area"]) == (102, 1, 200)
    assert car["score"] == result.masks[2].confidence


def test_a_data_set_s_own_category_ids(result: LabelResult) -> None:
    ids = {"car": 3, "straße": 10, "the blue sky": 1, "unused": 2}
    assert [entry["category_id"] for entry in result.to_coco(categories=ids)] == [1, 10, 3]
    assert {"id": 2, "name": "unused"} in result.coco_categories(ids)
    np.testing.assert_array_equal(result.to_supervision(ids).class_id, [1, 10, 3])
    with pytest.raises(ValueError, match="no id for 'straße', 'the blue sky'"):
        result.to_coco(categories={"car": 1})


def test_supervision_gets_masks_names_and_confidence(result: LabelResult) -> None:
    detections = result.to_supervision()
    np.testing.assert_array_equal(detections.mask, np.stack(MASKS))
    np.testing.assert_array_equal(detections.class_id, [3, 2, 1])
    np.testing.assert_allclose(
        detections.confidence, [mask.confidence for mask in result.masks], rtol=1e-6
    )
    assert list(detections.data["class_name"]) == ["the blue sky", "straße", "car"]


def test_small_masks_lie_on_top_in_any_order() -> None:
    names = ("sky", "road", "car")
    given = [labelled(names[i], {names[i]: (1, 1)}, i) for i in (2, 0, 1)]
    painting = painting_of_labels(LabelResult((HEIGHT, WIDTH), tuple(given)))
    shown = {name: painting.class_map == id_ for id_, name in painting.names.items()}
    np.testing.assert_array_equal(shown["car"], MASKS[2])
    np.testing.assert_array_equal(shown["road"], MASKS[1] & ~MASKS[2])
    assert (painting.class_map[30:35] == UNNAMED).all()


def test_the_picture_shows_no_colour_where_no_mask_is(
    result: LabelResult, pixels: npt.NDArray[np.uint8]
) -> None:
    picture = np.asarray(result.draw(pixels)).astype(int)
    assert picture.shape[0] > HEIGHT
    between = picture[31:34, 3:-3]
    assert np.ptp(between, axis=2).max() == 0
    assert np.ptp(picture[5:25, 5:20], axis=2).max() > 20


def test_a_name_keeps_its_colour_and_shares_it_with_no_other() -> None:
    names = [f"name {i}" for i in range(200)]
    assert len(set(ids_of_names(names).values())) == 200
    alone = {name: ids_of_names([name])[name] for name in names[:8]}
    together = ids_of_names(names[:8])
    assert len(set(together.values())) == 8
    assert sum(alone[name] == together[name] for name in alone) >= 4
    assert all(0 <= id_ < 24 for id_ in together.values())
