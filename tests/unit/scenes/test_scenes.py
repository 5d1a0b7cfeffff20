import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from ssa_backend.labels import ADE20K, CITYSCAPES
from ssa_export.scenes import LAYOUTS, Scene, render_scene, scene_seed, write_scenes
from ssa_export.scenes.canvas import Canvas
from ssa_export.scenes.classes import CAR, CITYSCAPES_TO_ADE20K, SKY
from ssa_export.scenes.layouts import cityscapes_instance_ids

SMALL_HW = (96, 128)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render_scene(scene_seed(0, index), SMALL_HW) for index in range(100)]


class TestRenderScene:
    def test_same_seed_same_scene(self) -> None:
        first, second = render_scene(5, SMALL_HW), render_scene(5, SMALL_HW)
        np.testing.assert_array_equal(first.image, second.image)
        np.testing.assert_array_equal(first.instance_map, second.instance_map)
        assert first.instances == second.instances

    def test_another_seed_another_scene(self) -> None:
        assert (render_scene(5, SMALL_HW).image != render_scene(6, SMALL_HW).image).any()

    def test_shapes_and_types(self) -> None:
        scene = render_scene(1, (60, 90))
        assert scene.image.shape == (60, 90, 3)
        assert scene.image.dtype == np.uint8
        assert scene.class_map.shape == scene.instance_map.shape == (60, 90)
        assert scene.class_map.dtype == np.uint8
        assert scene.instance_map.dtype == np.int32

    def test_too_small_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"at least \(16, 16\), got \(8, 100\)"):
            render_scene(0, (8, 100))


class TestLabels:
    def test_every_pixel_belongs_to_an_instance_of_its_class(self, scenes: list[Scene]) -> None:
        for scene in scenes:
            classes = np.array([instance.class_id for instance in scene.instances])
            np.testing.assert_array_equal(classes[scene.instance_map], scene.class_map)
            assert scene.class_map.max() < len(CITYSCAPES)

    def test_instances_describe_their_pixels(self, scenes: list[Scene]) -> None:
        for scene in scenes[:10]:
            assert [instance.id for instance in scene.instances] == list(
                range(len(scene.instances))
            )
            for instance in scene.instances:
                mask = scene.mask(instance.id)
                ys, xs = np.nonzero(mask)
                box = [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
                assert instance.area == len(ys) > 0
                assert list(instance.bbox_xywh) == box

    def test_all_classes_are_frequent(self, scenes: list[Scene]) -> None:
        # Seen: more than a handful of pixels. The rarest class is in about a fifth of the scenes.
        enough = 10
        counts = np.array(
            [np.bincount(scene.class_map.ravel(), minlength=len(CITYSCAPES)) for scene in scenes]
        )
        share = (counts >= enough).mean(axis=0)
        rare = {CITYSCAPES[k]: float(share[k]) for k in range(len(CITYSCAPES)) if share[k] < 0.1}
        assert rare == {}

    def test_scenes_have_a_fair_number_of_instances(self, scenes: list[Scene]) -> None:
        assert 15 <= np.median([len(scene.instances) for scene in scenes]) <= 40

    def test_neighbours_can_be_told_apart_in_the_picture(self, scenes: list[Scene]) -> None:
        # Where labels change, the picture must change more than it does elsewhere.
        on_edges, elsewhere = [], []
        for scene in scenes[:20]:
            steps = np.abs(np.diff(scene.image.astype(np.float32), axis=1)).mean(axis=2)
            edge = np.diff(scene.instance_map, axis=1) != 0
            on_edges.append(steps[edge].mean())
            elsewhere.append(steps[~edge].mean())
        assert np.mean(on_edges) > 2 * np.mean(elsewhere)


class TestCanvas:
    def test_label_is_decided_in_the_centre_and_the_edge_is_soft(self) -> None:
        canvas = Canvas((8, 8))
        canvas.new_instance(SKY)
        car = canvas.new_instance(CAR)
        # Covers columns 2 to 4 completely and a little of columns 1 and 5.
        square = [(1.9, 2.0), (5.3, 2.0), (5.3, 6.0), (1.9, 6.0)]
        canvas.paint([square], (1.0, 1.0, 1.0), instance=car)
        assert canvas.instance_map[3].tolist() == [0, 0, 1, 1, 1, 0, 0, 0]
        row = canvas.image[3, :, 0]
        assert row[[0, 6, 7]].tolist() == [0.0, 0.0, 0.0]
        assert row[[2, 3, 4]].tolist() == [1.0, 1.0, 1.0]
        assert 0.0 < row[1] < 0.5
        assert 0.0 < row[5] < 0.5

    def test_shadows_leave_labels_alone(self) -> None:
        canvas = Canvas((8, 8))
        canvas.image[:] = 1.0
        corners = [(0.0, 0.0), (8.0, 0.0), (8.0, 8.0), (0.0, 8.0)]
        canvas.paint([corners], (0.0, 0.0, 0.0), instance=None, opacity=0.5)
        assert (canvas.instance_map == 0).all()
        np.testing.assert_allclose(canvas.image, 0.5, atol=1e-6)

    def test_paint_outside_the_picture_is_ignored(self) -> None:
        canvas = Canvas((8, 8))
        canvas.paint([[(20.0, 20.0), (30.0, 20.0), (30.0, 30.0)]], (1, 1, 1), instance=None)
        assert not canvas.image.any()


class TestLabelSets:
    def test_ade20k_has_its_well_known_ids(self) -> None:
        assert len(ADE20K) == len(set(ADE20K)) == 150
        known = {0: "wall", 2: "sky", 12: "person", 20: "car", 80: "bus", 127: "bicycle"}
        known |= {43: "signboard", 93: "pole", 136: "traffic light", 149: "flag"}
        assert {index: ADE20K[index] for index in known} == known

    def test_cityscapes_maps_to_the_nearest_names(self) -> None:
        names = {
            name: ADE20K[index]
            for name, index in zip(CITYSCAPES, CITYSCAPES_TO_ADE20K, strict=True)
        }
        changed = {name: ade for name, ade in names.items() if name != ade}
        assert changed == {
            "traffic sign": "signboard",
            "vegetation": "tree",
            "terrain": "grass",
            "rider": "person",
            "train": "van",
            "motorcycle": "minibike",
        }


def written(layout: str, out_dir: Path, count: int) -> list[tuple[Path, Scene]]:
    """The pictures that a run writes, each with the scene it should show."""
    paths = list(write_scenes(layout, out_dir, 3, count, SMALL_HW))
    return [(path, render_scene(scene_seed(3, k), SMALL_HW)) for k, path in enumerate(paths)]


class TestLayouts:
    def test_unknown_layout_names_the_choices(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="'coco', choose from cityscapes, ade20k, sa1b"):
            write_scenes("coco", tmp_path, 0, 1)

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_nothing_is_drawn_before_it_is_asked_for(self, layout: str, tmp_path: Path) -> None:
        write_scenes(layout, tmp_path, 0, 1_000_000)
        assert list(tmp_path.iterdir()) == []

    def test_scene_seeds_differ_between_runs_and_scenes(self) -> None:
        seeds = {scene_seed(seed, index) for seed in range(10) for index in range(10)}
        assert len(seeds) == 100

    def test_cityscapes(self, tmp_path: Path) -> None:
        for k, (path, scene) in enumerate(written("cityscapes", tmp_path, 4)):
            city = ("frankfurt", "lindau", "munster")[k % 3]
            assert path.parent == tmp_path / "leftImg8bit" / "val" / city
            np.testing.assert_array_equal(np.asarray(Image.open(path)), scene.image)
            stem = path.name.removesuffix("_leftImg8bit.png")
            assert stem.split("_")[0] == city
            truth = tmp_path / "gtFine" / "val" / city
            labels = np.asarray(Image.open(truth / f"{stem}_gtFine_labelTrainIds.png"))
            np.testing.assert_array_equal(labels, scene.class_map)
            ids = np.asarray(Image.open(truth / f"{stem}_gtFine_instanceIds.png"))
            np.testing.assert_array_equal(ids, cityscapes_instance_ids(scene))

    def test_cityscapes_instance_ids_tell_cars_apart_but_not_poles(
        self, scenes: list[Scene]
    ) -> None:
        car_label, pole_label = 26, 17
        scene = max(scenes, key=lambda s: sum(i.class_id == CAR for i in s.instances))
        ids = cityscapes_instance_ids(scene)
        cars = [instance for instance in scene.instances if instance.class_id == CAR]
        found = sorted(set(ids[scene.class_map == CAR].tolist()))
        assert found == [car_label * 1000 + k for k in range(len(cars))]
        pole = CITYSCAPES.index("pole")
        assert set(ids[scene.class_map == pole].tolist()) <= {pole_label}

    def test_ade20k(self, tmp_path: Path) -> None:
        for k, (path, scene) in enumerate(written("ade20k", tmp_path, 2)):
            stem = f"ADE_val_{k + 1:08d}"
            assert path == tmp_path / "images" / "validation" / f"{stem}.jpg"
            image = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32)
            assert np.abs(image - scene.image).mean() < 6
            labels = np.asarray(Image.open(tmp_path / "annotations" / "validation" / f"{stem}.png"))
            expected = np.array(CITYSCAPES_TO_ADE20K)[scene.class_map] + 1
            np.testing.assert_array_equal(labels, expected)

    def test_sa1b(self, tmp_path: Path) -> None:
        for k, (path, scene) in enumerate(written("sa1b", tmp_path, 2)):
            assert path == tmp_path / f"sa_{k + 1}.jpg"
            record = json.loads(path.with_suffix(".json").read_text())
            height, width = SMALL_HW
            assert record["image"] == {
                "image_id": k + 1,
                "width": width,
                "height": height,
                "file_name": path.name,
            }
            assert len(record["annotations"]) == len(scene.instances)
            for annotation, instance in zip(record["annotations"], scene.instances, strict=True):
                assert set(annotation) == {
                    "id", "segmentation", "bbox", "area", "predicted_iou", "stability_score",
                    "point_coords", "crop_box",
                }  # fmt: skip
                mask = coco_mask.decode(annotation["segmentation"]).astype(bool)
                np.testing.assert_array_equal(mask, scene.mask(instance.id))
                assert annotation["area"] == instance.area
                assert tuple(annotation["bbox"]) == instance.bbox_xywh
                ((x, y),) = annotation["point_coords"]
                assert mask[int(y), int(x)]
                assert annotation["crop_box"] == [0, 0, width, height]
