"""Masks of everything in an image, from one image encoder and one mask decoder.

Gives what segment-anything's `SamAutomaticMaskGenerator` gives for the same checkpoint and
settings (Kirillov et al., "Segment Anything", 2023, section "Automatic mask generation"). The
networks are called through functions, so that this module knows nothing of Triton.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ssa_backend import rle
from ssa_backend.boxes import near_crop_edge, nms
from ssa_backend.candidates import Candidates, Window, concatenate
from ssa_backend.grid import Crop, plan_crops
from ssa_backend.images import resized_hw, sam_pixel_values
from ssa_backend.regions import clean_candidates
from ssa_backend.settings import MaskSettings, SamSettings

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

# [1, 3, S, S] float32 pixels -> [1, C, G, G] float32 embedding
Encode = Callable[[FloatArray], FloatArray]
# embedding, [P, 1, 2] float32 points, [P, 1] int64 labels -> [P, 3, M, M] logits, [P, 3] IoUs
Decode = Callable[[FloatArray, FloatArray, npt.NDArray[np.int64]], tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class GeneratedMasks:
    """N masks by area, largest first.

    Attributes:
        segmentation: N COCO compressed RLE counts.
        area: int32 [N], pixels.
        bbox_xywh: int32 [N, 4]; width and height as segment-anything gives them, one less than the
            number of columns and rows.
        predicted_iou: float32 [N].
        stability_score: float32 [N].
        points: float32 [N, 2], x and y.
        crop_xywh: int32 [N, 4].
    """

    segmentation: list[bytes]
    area: npt.NDArray[np.int32]
    bbox_xywh: npt.NDArray[np.int32]
    predicted_iou: FloatArray
    stability_score: FloatArray
    points: FloatArray
    crop_xywh: npt.NDArray[np.int32]


class MaskGenerator:
    """Turns an image and its embedding into masks.

    Args:
        sam: the checkpoint's sizes and threshold.
        encode: the image encoder, for crops; the whole image's embedding comes with the call.
        decode: the mask decoder.
        threads: how many masks are post-processed at a time.
    """

    def __init__(self, sam: SamSettings, encode: Encode, decode: Decode, threads: int = 2) -> None:
        self._sam = sam
        self._encode = encode
        self._decode = decode
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="masks")

    def generate(
        self, rgb: ByteArray, embedding: FloatArray, settings: MaskSettings
    ) -> GeneratedMasks:
        """All masks of an image.

        Args:
            rgb: [H, W, 3] uint8.
            embedding: [1, C, G, G] float32, of the whole image.
            settings: of mask generation.
        """
        size_hw = (rgb.shape[0], rgb.shape[1])
        crops = plan_crops(size_hw, settings)
        found = []
        for crop, crop_embedding in self._embeddings(crops, rgb, embedding):
            candidates = concatenate(
                list(self._candidates(crop, crop_embedding, settings, size_hw))
            )
            keep = nms(candidates.boxes_xyxy, candidates.predicted_iou, settings.box_nms_thresh)
            found.append(candidates.take(keep))
        candidates = concatenate(found)
        if len(crops) > 1:
            candidates = _prefer_small_crops(candidates, settings.crop_nms_thresh)
        if settings.min_mask_region_area > 0:
            candidates = clean_candidates(
                candidates,
                settings.min_mask_region_area,
                max(settings.box_nms_thresh, settings.crop_nms_thresh),
                size_hw,
            )
        return _encode_masks(candidates, size_hw)

    def _embeddings(
        self, crops: list[Crop], rgb: ByteArray, embedding: FloatArray
    ) -> Iterator[tuple[Crop, FloatArray]]:
        yield crops[0], embedding
        for crop in crops[1:]:
            x0, y0, x1, y1 = crop.box_xyxy
            yield crop, self._encode(sam_pixel_values(rgb[y0:y1, x0:x1], self._sam))

    def _candidates(
        self,
        crop: Crop,
        embedding: FloatArray,
        settings: MaskSettings,
        size_hw: tuple[int, int],
    ) -> Iterator[Candidates]:
        """The masks of one crop that pass the filters, batch by batch of prompts."""
        crop_hw = np.array(crop.size_hw)
        input_hw = resized_hw(crop.size_hw, self._sam.image_size)
        scale_xy = (np.array(input_hw) / crop_hw)[::-1]
        for start in range(0, len(crop.points), settings.points_per_batch):
            points = crop.points[start : start + settings.points_per_batch]
            prompts = (points * scale_xy).astype(np.float32)[:, None]
            labels = np.ones(prompts.shape[:2], np.int64)
            logits, ious = self._decode(embedding, prompts, labels)
            yield self._passing(crop, points, logits, ious, settings, size_hw)

    def _passing(
        self,
        crop: Crop,
        points: npt.NDArray[np.float64],
        logits: FloatArray,
        ious: FloatArray,
        settings: MaskSettings,
        size_hw: tuple[int, int],
    ) -> Candidates:
        """Filter a batch: by predicted IoU first, since only survivors are ever upsampled."""
        prompt, output = np.nonzero(_above(ious, settings.pred_iou_thresh))

        def measure(index: tuple[int, int]) -> tuple[Window, float] | None:
            full = upsample(logits[index], crop.size_hw, self._sam.image_size)
            return _measure(full, crop, self._sam.mask_threshold, settings)

        measured = list(self._pool.map(measure, zip(prompt, output, strict=True)))
        stable = np.array([m is not None for m in measured], bool)
        windows, stability = zip(*filter(None, measured), strict=True) if any(stable) else ((), ())
        candidates = Candidates(
            windows,
            predicted_iou=ious[prompt[stable], output[stable]],
            stability_score=np.array(stability, np.float32),
            points=(points[prompt[stable]] + crop.box_xyxy[:2]).astype(np.float32),
            crops_xyxy=np.tile(np.array(crop.box_xyxy), (len(windows), 1)),
        )
        inside = ~near_crop_edge(candidates.boxes_xyxy, crop.box_xyxy, size_hw)
        return candidates.take(np.flatnonzero(inside))


def upsample(low_res: FloatArray, crop_hw: tuple[int, int], image_size: int) -> FloatArray:
    """One mask's logits at the size of its crop.

    Source: segment-anything `Sam.postprocess_masks`: to the encoder's square, its padding cut off,
    then to the crop's size; both steps bilinear, pixel centres at half.

    Args:
        low_res: [M, M] float32.
        crop_hw: height and width of the crop, pixels.
        image_size: side of the encoder's square, pixels.

    Returns:
        [*crop_hw] float32.
    """
    square = cv2.resize(low_res, (image_size, image_size), interpolation=cv2.INTER_LINEAR)
    height, width = resized_hw(crop_hw, image_size)
    unpadded = np.ascontiguousarray(square[:height, :width])
    full: FloatArray = cv2.resize(unpadded, crop_hw[::-1], interpolation=cv2.INTER_LINEAR)
    return full


def _measure(
    logits: FloatArray, crop: Crop, mask_threshold: float, settings: MaskSettings
) -> tuple[Window, float] | None:
    """Threshold one mask and cut out its box; None if it is empty or not stable enough.

    Stability is the IoU of the mask with itself at a threshold higher and lower by an offset.
    """
    offset = settings.stability_score_offset
    high = np.count_nonzero(logits > mask_threshold + offset)
    low = np.count_nonzero(logits > mask_threshold - offset)
    stability = high / low if low else 0.0
    if settings.stability_score_thresh > 0 and stability < settings.stability_score_thresh:
        return None
    mask = logits > mask_threshold
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return None
    window = mask[y : y + height, x : x + width]
    return Window.of(window, crop.box_xyxy[0] + x, crop.box_xyxy[1] + y), stability


def _above(ious: FloatArray, threshold: float) -> npt.NDArray[np.bool_]:
    """Which predictions pass; a threshold of 0 passes all, as in segment-anything."""
    return ious > threshold if threshold > 0 else np.ones(ious.shape, np.bool_)


def _prefer_small_crops(candidates: Candidates, nms_thresh: float) -> Candidates:
    """Of near-copies found in several crops keep the one from the smallest crop."""
    crops = candidates.crops_xyxy
    areas = (crops[:, 2] - crops[:, 0]) * (crops[:, 3] - crops[:, 1])
    scores = (1 / areas).astype(np.float32)
    return candidates.take(nms(candidates.boxes_xyxy, scores, nms_thresh))


def _encode_masks(candidates: Candidates, size_hw: tuple[int, int]) -> GeneratedMasks:
    """Sort by area and write the RLE, only now that it is known which masks stay."""
    runs = [rle.runs_of_window(w.mask(), w.x0, w.y0, size_hw[0]) for w in candidates.windows]
    areas = np.array([r.area for r in runs], np.int32)
    order = np.argsort(-areas, kind="stable")
    candidates = candidates.take(order)
    return GeneratedMasks(
        segmentation=[rle.encode(runs[i], size_hw) for i in order],
        area=areas[order],
        bbox_xywh=_xywh(candidates.boxes_xyxy),
        predicted_iou=candidates.predicted_iou,
        stability_score=candidates.stability_score,
        points=candidates.points,
        crop_xywh=_xywh(candidates.crops_xyxy),
    )


def _xywh(boxes_xyxy: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    boxes = boxes_xyxy.astype(np.int32)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes
