"""One seed, one street scene."""

from ssa_export.scenes.canvas import Canvas
from ssa_export.scenes.dice import Dice
from ssa_export.scenes.geometry import Camera
from ssa_export.scenes.ground import sky
from ssa_export.scenes.scene import Scene, scene_from_drawing
from ssa_export.scenes.stage import Stage
from ssa_export.scenes.streets.across import draw_street_across
from ssa_export.scenes.streets.along import draw_street_along
from ssa_export.scenes.textures import Noise
from ssa_export.scenes.weather import draw_weather, outline, photograph


def render_scene(seed: int, size_hw: tuple[int, int] = (480, 640)) -> Scene:
    """Draw the street scene of that seed, `size_hw` pixels high and wide.

    The same seed draws another street at another size: textures take as many random numbers as
    they have cells.
    """
    height, width = size_hw
    if height < 16 or width < 16:
        raise ValueError(f"size_hw must be at least (16, 16), got {size_hw}")
    dice = Dice(seed)
    canvas = Canvas(size_hw)
    weather, light = draw_weather(dice)
    along = dice.chance(0.68)
    camera = Camera(
        focal_px=width * (dice.between(0.75, 1.1) if along else dice.between(0.7, 1.0)),
        centre_x=width * (dice.between(0.36, 0.64) if along else 0.5),
        horizon_y=height * dice.between(0.36, 0.5),
        height_m=dice.between(1.4, 2.2),
        size_hw=size_hw,
    )
    stage = Stage(canvas, camera, light, Noise(dice, height), dice)
    sky(stage, weather)
    if along:
        draw_street_along(stage)
    else:
        draw_street_across(stage)
    outline(canvas, dice.between(0.1, 0.4))
    image = photograph(canvas, dice)
    return scene_from_drawing(image, canvas.instance_map, canvas.class_ids)
