"""What every object needs in order to draw itself."""

import math
from dataclasses import dataclass

from ssa_export.scenes.canvas import Canvas, Pen
from ssa_export.scenes.dice import RGB, Dice
from ssa_export.scenes.geometry import Camera, Frame, ring
from ssa_export.scenes.textures import Noise


@dataclass(frozen=True)
class Light:
    """Daylight: where the sun is, how hard its light, and how thick the air."""

    towards_sun: tuple[float, float, float]
    """Unit vector (x, y, z)."""
    ambient: float
    sun: float
    rgb: RGB
    haze_rgb: RGB
    haze_distance_m: float

    def on(self, nx: float, ny: float, nz: float) -> float:
        """Brightness of a surface with that outward normal."""
        sx, sy, sz = self.towards_sun
        return self.ambient + self.sun * max(0.0, nx * sx + ny * sy + nz * sz)


@dataclass(frozen=True)
class Stage:
    """A scene being drawn."""

    canvas: Canvas
    camera: Camera
    light: Light
    noise: Noise
    dice: Dice

    def pen(self, class_id: int, distance_m: float) -> Pen:
        """Start a new instance."""
        return Pen(
            self.canvas,
            self.canvas.new_instance(class_id),
            1.0 - math.exp(-max(distance_m, 0.0) / self.light.haze_distance_m),
            self.light.haze_rgb,
            self.light.rgb,
        )

    def level(self, frame: Frame) -> float:
        """Light on an upright surface along the frame's u axis, on the side the camera sees."""
        nx, nz = frame.right_xz
        sign = -1.0 if nx * frame.x + nz * frame.z > 0 else 1.0
        return self.light.on(sign * nx, 0.0, sign * nz)

    def shadow(self, x: float, z: float, radius_x: float, radius_z: float, dark: float) -> None:
        """Darken the ground around (x, z); labels stay what they are."""
        for grow, share in ((1.25, 0.4), (1.0, 0.6)):
            polygon = self.camera.ground(
                [
                    (x + grow * radius_x * cx, max(z + grow * radius_z * cz, 0.6))
                    for cx, cz in ring((0.0, 0.0), 1.0, 20)
                ]
            )
            self.canvas.paint([polygon], (0.03, 0.03, 0.05), instance=None, opacity=dark * share)
