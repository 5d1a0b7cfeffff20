"""Masks of everything in an image, from one image encoder and one mask decoder.

Gives what segment-anything's `SamAutomaticMaskGenerator` gives for the same checkpoint and
settings (Kirillov et al., "Segment Anything", 2023, section "Automatic mask generation"). The
networks are called through functions, so that this module knows nothing of Triton.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ssa_backend import rle, specs
from ssa_backend.batches import in_batches
from ssa_backend.cuda.device import on_gpu
from ssa_backend.images import resized_hw, sam_pixel_values
from ssa_backend.masks.boxes import near_crop_edge, nms
from ssa_backend.masks.candidates import Candidates, concatenate
from ssa_backend.masks.grid import Crop, plan_crops
from ssa_backend.masks.growth import Thresholds
from ssa_backend.masks.regions import clean_candidates
from ssa_backend.masks.tracing import Traced, Tracer, load_kernel
from ssa_backend.settings import MaskSettings, SamSettings

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

# The decoder has an image of its own for every prompt, and reads and writes it some twenty times:
# on a CPU those of one call are so few that each thread's share of them stays in its caches. With
# less than `MIN_PROMPTS` of them calls cost more than that saves.
IMAGE_BYTES_A_THREAD = 8 << 20
MIN_PROMPTS = 4
# Calls of the decoder at a time: while each of its instances works on one, one waits for each.
CALLS = 2 * specs.SAM_MASK_DECODER.instances
# Crops of one call of the encoder.
MAX_CROPS = specs.SAM_IMAGE_ENCODER.max_batch_size

# [N, 3, S, S] float32 pixels of at most `MAX_CROPS` crops -> [N, C, G, G] float32 embeddings
Encode = Callable[[FloatArray], FloatArray]
# embedding, [P, 1, 2] float32 points, [P, 1] int64 labels, an IoU -> float32 logits [K, M, M] of
# the masks whose predicted IoU is above it, prompt by prompt, and all predicted IoUs, [P, 3].
# Embeddings and logits may be CuPy's: then they stay on the GPU between the networks.
Decode = Callable[
    [FloatArray, FloatArray, npt.NDArray[np.int64], float], tuple[FloatArray, FloatArray]
]


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
        threads: of all instances of the decoder together, and how many masks are traced at a time.
    """

    def __init__(self, sam: SamSettings, encode: Encode, decode: Decode, threads: int = 2) -> None:
        self._sam = sam
        self._encode = encode
        self._decode = decode
        # What is compiled is compiled now, and not while a request waits.
        load_kernel()
        nms(np.zeros((1, 4), np.int64), np.zeros(1, np.float32), 0.5)
        self._threads = threads
        self._tracing = ThreadPoolExecutor(threads, thread_name_prefix="tracing")
        self._decoding = ThreadPoolExecutor(CALLS, thread_name_prefix="decoding")

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
            candidates = self._find(crop, crop_embedding, settings, size_hw)
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
        for start in range(1, len(crops), MAX_CROPS):
            some = crops[start : start + MAX_CROPS]
            pixels = np.concatenate([sam_pixel_values(_cut(rgb, crop), self._sam) for crop in some])
            embeddings = self._encode(pixels)
            for index, crop in enumerate(some):
                yield crop, embeddings[index : index + 1]

    def _find(
        self, crop: Crop, embedding: FloatArray, settings: MaskSettings, size_hw: tuple[int, int]
    ) -> Candidates:
        """The masks of one crop that pass the filters, of all its prompts or of the needed ones."""
        if not settings.adaptive_prompts:
            return self._candidates(crop, embedding, settings, size_hw)
        found = self._candidates(crop.only(crop.coarse), embedding, settings, size_hw)
        needed, pixels = ~crop.coarse, crop.pixels(size_hw[0])
        for runs in found.runs:
            needed &= ~runs.contains(pixels)
        if not needed.any():
            return found
        others = self._candidates(crop.only(needed), embedding, settings, size_hw)
        return concatenate([found, others])

    def _candidates(
        self, crop: Crop, embedding: FloatArray, settings: MaskSettings, size_hw: tuple[int, int]
    ) -> Candidates:
        """The masks of a crop's prompts that pass the filters."""
        input_hw = resized_hw(crop.size_hw, self._sam.image_size)
        scale_xy = (np.array(input_hw) / np.array(crop.size_hw))[::-1]
        thresholds = Thresholds.around(self._sam.mask_threshold, settings.stability_score_offset)
        tracer = Tracer(crop, size_hw[0], self._sam, thresholds)
        # As in segment-anything, a threshold of 0 lets every mask pass.
        min_iou = settings.pred_iou_thresh or -np.inf

        def passing(batch: slice) -> list[Candidates]:
            points = crop.points[batch]
            prompts = (points * scale_xy).astype(np.float32)[:, None]
            labels = np.ones(prompts.shape[:2], np.int64)
            logits, ious = self._decode(embedding, prompts, labels, min_iou)
            prompt, output = np.nonzero(ious > min_iou)
            traced = self._trace(tracer, logits)
            stable = [
                (i, j, mask)
                for i, j, mask in zip(prompt, output, traced, strict=True)
                if mask and mask.stability >= settings.stability_score_thresh
            ]
            prompt, output = (np.array([row[k] for row in stable], np.int64) for k in (0, 1))
            runs = [mask.runs for _, _, mask in stable]
            candidates = Candidates(
                runs,
                np.array([mask.box_xyxy for *_, mask in stable], np.int64).reshape(-1, 4),
                predicted_iou=ious[prompt, output],
                stability_score=np.array([mask.stability for *_, mask in stable], np.float32),
                points=(points[prompt] + crop.box_xyxy[:2]).astype(np.float32),
                crops_xyxy=np.tile(np.array(crop.box_xyxy), (len(runs), 1)),
            )
            inside = ~near_crop_edge(candidates.boxes_xyxy, crop.box_xyxy, size_hw)
            return [candidates.take(np.flatnonzero(inside))]

        most = settings.points_per_batch
        if not on_gpu(embedding):
            most = prompts_in_caches(self._sam, settings, self._threads)
        return concatenate(in_batches(passing, len(crop.points), most, self._decoding))

    def _trace(self, tracer: Tracer, logits: FloatArray) -> list[Traced | None]:
        if on_gpu(logits):  # which has threads of its own
            return tracer.trace(logits)
        shares = np.array_split(logits, self._threads)
        return [mask for share in self._tracing.map(tracer.trace, shares) for mask in share]


def prompts_in_caches(sam: SamSettings, settings: MaskSettings, threads: int) -> int:
    """Prompts of one call of the decoder on a CPU, at most; the masks do not depend on it.

    Args:
        sam: the checkpoint's sizes.
        settings: whose `points_per_batch` may want fewer.
        threads: of all instances of the decoder together.
    """
    image_bytes = 4 * sam.embed_dim * sam.embed_size**2
    threads_of_a_call = max(1, threads // specs.SAM_MASK_DECODER.instances)
    fit = max(MIN_PROMPTS, threads_of_a_call * IMAGE_BYTES_A_THREAD // image_bytes)
    return min(settings.points_per_batch, fit)


def _cut(rgb: ByteArray, crop: Crop) -> ByteArray:
    x0, y0, x1, y1 = crop.box_xyxy
    return rgb[y0:y1, x0:x1]


def _prefer_small_crops(candidates: Candidates, nms_thresh: float) -> Candidates:
    """Of near-copies found in several crops keep the one from the smallest crop."""
    crops = candidates.crops_xyxy
    areas = (crops[:, 2] - crops[:, 0]) * (crops[:, 3] - crops[:, 1])
    scores = (1 / areas).astype(np.float32)
    return candidates.take(nms(candidates.boxes_xyxy, scores, nms_thresh))


def _encode_masks(candidates: Candidates, size_hw: tuple[int, int]) -> GeneratedMasks:
    """Sort by area and write the RLE, only now that it is known which masks stay."""
    areas = np.array([runs.area for runs in candidates.runs], np.int32)
    order = np.argsort(-areas, kind="stable")
    candidates = candidates.take(order)
    return GeneratedMasks(
        segmentation=[rle.encode(runs, size_hw) for runs in candidates.runs],
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
