"""Procedural street scenes with exact labels: `render_scene`, and `write_scenes` to disk."""

from ssa_export.scenes.layouts import LAYOUTS, scene_seed, write_scenes
from ssa_export.scenes.render import render_scene
from ssa_export.scenes.scene import UNLABELLED, Instance, Scene

__all__ = [
    "LAYOUTS",
    "UNLABELLED",
    "Instance",
    "Scene",
    "render_scene",
    "scene_seed",
    "write_scenes",
]
