"""A pinhole camera over a flat street, and upright frames to draw in with metres.

World axes: x to the right, y up from the ground, z ahead of the camera, all in metres.
Pictures: x to the right, y down, in pixels, pixel centres at half numbers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Point = tuple[float, float]
Polygon = list[Point]
Floats = npt.NDArray[np.float32]

_NEAREST_M = 0.5
"""Points closer than this are moved away: projecting them would turn them upside down."""


@dataclass(frozen=True)
class Camera:
    """Looks straight ahead along z from (0, height_m, 0)."""

    focal_px: float
    centre_x: float
    horizon_y: float
    height_m: float
    size_hw: tuple[int, int]

    def project(self, x: float, y: float, z: float) -> Point:
        """Where in the picture that point of the world is, in pixels."""
        scale = self.focal_px / max(z, _NEAREST_M)
        return self.centre_x + scale * x, self.horizon_y + scale * (self.height_m - y)

    @property
    def nearest_ground_m(self) -> float:
        """How far ahead the ground enters the picture (a little less, to be safe)."""
        return 0.9 * self.focal_px * self.height_m / (self.size_hw[0] - self.horizon_y)

    def ground(self, corners_xz: Sequence[Point]) -> Polygon:
        """A polygon that lies on the ground, in pixels."""
        return [self.project(x, 0.0, z) for x, z in corners_xz]

    def ground_coordinates(self, ys: Floats, xs: Floats) -> tuple[Floats, Floats]:
        """World x [h, w] and z [h, 1] of the ground seen at pixel rows [h, 1], columns [1, w]."""
        below = np.maximum(ys - self.horizon_y, 0.5)
        z = (self.focal_px * self.height_m / below).astype(np.float32)
        return (xs - self.centre_x) * z / self.focal_px, z


@dataclass(frozen=True)
class Frame:
    """A place on the street with a heading.

    u runs along the heading, w to its right, v up. Heading 0 looks away from the camera (u is
    z), a quarter turn looks to the right (u is x).
    """

    camera: Camera
    x: float
    z: float
    heading: float = math.pi / 2

    @property
    def forward_xz(self) -> Point:
        """World direction of u."""
        return math.sin(self.heading), math.cos(self.heading)

    @property
    def right_xz(self) -> Point:
        """World direction of w."""
        return math.cos(self.heading), -math.sin(self.heading)

    def world(self, u: float, v: float, w: float = 0.0) -> tuple[float, float, float]:
        """World (x, y, z) of a point of the frame."""
        forward, right = self.forward_xz, self.right_xz
        return (
            self.x + u * forward[0] + w * right[0],
            v,
            self.z + u * forward[1] + w * right[1],
        )

    def at(self, u: float) -> "Frame":
        """The frame with the same heading that begins `u` further on."""
        x, _, z = self.world(u, 0.0)
        return Frame(self.camera, x, z, self.heading)

    def point(self, u: float, v: float, w: float = 0.0) -> Point:
        """Where in the picture a point of the frame is, in pixels."""
        return self.camera.project(*self.world(u, v, w))

    def polygon(self, corners_uv: Sequence[Point], w: float = 0.0) -> Polygon:
        """An upright polygon along the heading, in pixels."""
        return [self.point(u, v, w) for u, v in corners_uv]

    def rect(self, u0: float, v0: float, u1: float, v1: float, w: float = 0.0) -> Polygon:
        """An upright rectangle along the heading, in pixels."""
        return self.polygon([(u0, v0), (u1, v0), (u1, v1), (u0, v1)], w)

    def across(self, w0: float, v0: float, w1: float, v1: float, u: float = 0.0) -> Polygon:
        """A rectangle standing square to the heading."""
        corners = ((w0, v0), (w1, v0), (w1, v1), (w0, v1))
        return [self.point(u, v, w) for w, v in corners]

    def disc(self, u: float, v: float, radius: float, w: float = 0.0) -> Polygon:
        """An upright disc along the heading, in pixels."""
        return self.polygon(ring((u, v), radius, 22), w)

    def stroke(self, start_uv: Point, end_uv: Point, width: float, w: float = 0.0) -> Polygon:
        """A line `width` metres wide, in pixels."""
        return self.polygon(stroke(start_uv, end_uv, width), w)

    def coordinates(self, ys: Floats, xs: Floats) -> tuple[Floats, Floats]:
        """u [1, w] and v [h, w] on the plane w = 0 at pixel rows [h, 1] and columns [1, w]."""
        slope = (xs - self.camera.centre_x) / self.camera.focal_px
        du, dz = self.forward_xz
        turn = du - slope * dz
        turn = np.where(np.abs(turn) < 1e-4, 1e-4, turn)
        u = ((slope * self.z - self.x) / turn).astype(np.float32)
        z = self.z + u * dz
        v = self.camera.height_m - (ys - self.camera.horizon_y) * z / self.camera.focal_px
        return u, v.astype(np.float32)


def ring(centre: Point, radius: float, count: int) -> Polygon:
    """A regular polygon, its first corner to the right of the centre."""
    return [
        (
            centre[0] + radius * math.cos(2 * math.pi * k / count),
            centre[1] + radius * math.sin(2 * math.pi * k / count),
        )
        for k in range(count)
    ]


def stroke(start: Point, end: Point, width: float) -> Polygon:
    """A straight line of some width, as four corners."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy) or 1.0
    sx, sy = -dy / length * width / 2, dx / length * width / 2
    return [
        (start[0] + sx, start[1] + sy),
        (end[0] + sx, end[1] + sy),
        (end[0] - sx, end[1] - sy),
        (start[0] - sx, start[1] - sy),
    ]
