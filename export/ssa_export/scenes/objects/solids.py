"""Vehicles' bodies: a side profile pulled out to a width, with lit and hidden faces."""

from collections.abc import Sequence
from dataclasses import dataclass

from ssa_export.scenes.canvas import Pen
from ssa_export.scenes.dice import RGB
from ssa_export.scenes.geometry import Frame, Point
from ssa_export.scenes.stage import Light


@dataclass(frozen=True)
class Body:
    """A solid whose w runs from 0 to `width`, u from 0 (rear) to `length`."""

    frame: Frame
    length: float
    width: float

    @property
    def visible_side_w(self) -> float | None:
        """w of the long side that the camera sees, None when it sees neither."""
        rx, rz = self.frame.right_xz
        camera_w = -(rx * self.frame.x + rz * self.frame.z)
        if camera_w < 0:
            return 0.0
        return self.width if camera_w > self.width else None

    @property
    def visible_end_u(self) -> float | None:
        """0 when the camera sees the rear, the length when it sees the front, else None."""
        fx, fz = self.frame.forward_xz
        camera_u = -(fx * self.frame.x + fz * self.frame.z)
        if camera_u < 0:
            return 0.0
        return self.length if camera_u > self.length else None

    def side_level(self, light: Light) -> float:
        """Light on the long side that the camera sees."""
        rx, rz = self.frame.right_xz
        sign = -1.0 if self.visible_side_w == 0.0 else 1.0
        return light.on(sign * rx, 0.0, sign * rz)

    def end_level(self, light: Light) -> float:
        """Light on the end that the camera sees."""
        fx, fz = self.frame.forward_xz
        sign = -1.0 if self.visible_end_u == 0.0 else 1.0
        return light.on(sign * fx, 0.0, sign * fz)


@dataclass(frozen=True)
class Profile:
    """A side view in (u, v): up the rear, over the top, down the front."""

    corners_uv: Sequence[Point]
    colours: Sequence[RGB]
    """Of the strip from each corner to the next."""
    inset: float = 0.0
    """How far both sides stand in from the body's width."""


def draw_profile(pen: Pen, light: Light, body: Body, profile: Profile, side: RGB) -> None:
    """Paint the faces that the camera can see, the farthest first."""
    frame = body.frame
    fx, fz = frame.forward_xz
    w0, w1 = profile.inset, body.width - profile.inset
    strips = []
    corners = profile.corners_uv
    for (u0, v0), (u1, v1), colour in zip(corners, corners[1:], profile.colours, strict=False):
        length = ((u1 - u0) ** 2 + (v1 - v0) ** 2) ** 0.5
        nu, nv = -(v1 - v0) / length, (u1 - u0) / length
        x, y, z = frame.world((u0 + u1) / 2, (v0 + v1) / 2, body.width / 2)
        nx, nz = nu * fx, nu * fz
        if nx * x + nv * (y - frame.camera.height_m) + nz * z < 0:
            quad = [frame.point(u0, v0, w0), frame.point(u1, v1, w0)]
            quad += [frame.point(u1, v1, w1), frame.point(u0, v0, w1)]
            strips.append((z, quad, colour, light.on(nx, nv, nz)))
    for _, quad, colour, level in sorted(strips, key=lambda strip: -strip[0]):
        pen.fill([quad], colour, level=level)
    side_w = body.visible_side_w
    if side_w is not None:
        w = w0 if side_w == 0.0 else w1
        pen.fill([frame.polygon(corners, w)], side, level=body.side_level(light))
