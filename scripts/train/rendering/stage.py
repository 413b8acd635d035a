"""The Blender side: objects, ground, lights, camera, one picture as linear light."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from . import grounds, props
from .materials import Rng
from .mesh import Shape
from .nodes import linear
from .photos import Photos


class Stage:
    """One scene. Objects stay for all its views; ground, lights and camera are new for each."""

    def __init__(self, samples: int, threads: int):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        scene = bpy.context.scene
        scene.render.engine = "CYCLES"
        scene.render.threads_mode, scene.render.threads = "FIXED", threads
        scene.render.use_persistent_data = True
        scene.render.image_settings.file_format = "OPEN_EXR"
        scene.render.image_settings.color_depth = "16"
        cycles = scene.cycles
        cycles.device, cycles.samples, cycles.use_adaptive_sampling = "CPU", samples, True
        cycles.adaptive_threshold = 0.05
        cycles.use_denoising, cycles.denoiser, cycles.denoising_prefilter = True, "OPENIMAGEDENOISE", "FAST"
        cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 3, 2, 2
        cycles.transmission_bounces, cycles.transparent_max_bounces = 2, 6
        cycles.caustics_reflective = cycles.caustics_refractive = False
        cycles.use_auto_tile = cycles.use_light_tree = False
        self.scene = scene
        self.centre, self.radius = np.zeros(3), 5.0
        self.steepest = math.pi / 2  # how far above the camera may look from
        self.flattest = 0.0
        self.light = 0.0  # radiance of a white board in this view's lights, about
        self.closer = 1.0  # how much larger than usual the things stand in the frame
        self.radius_least = 0.0
        self.floors = grounds.GROUNDS  # what this scene may stand on
        self.walls = True  # whether the room behind may be seen
        self.clutter = True  # whether other things may lie about
        self.muted: set[str] = set()  # of what the camera need not hold in the frame
        self.photos: Photos | None = None
        self.passing: list[bpy.types.Object] = []  # of this view only

    def add(self, shape: Shape, *materials: bpy.types.Material) -> bpy.types.Object:
        data = bpy.data.meshes.new("shape")
        data.from_pydata(shape.points.tolist(), [], shape.faces)
        data.attributes.new("fibre", "FLOAT_VECTOR", "POINT").data.foreach_set("vector", shape.fibre.astype(np.float32).ravel())
        data.polygons.foreach_set("use_smooth", np.ones(len(shape.faces), bool))
        for material in materials:
            data.materials.append(material)
        if len(materials) > 1:
            data.polygons.foreach_set("material_index", np.array(shape.slots, np.int32))
        thing = bpy.data.objects.new("thing", data)
        self.scene.collection.objects.link(thing)
        return thing

    def copy(self, thing: bpy.types.Object, matrix: np.ndarray) -> bpy.types.Object:
        twin = thing.copy()  # shares the mesh
        twin.matrix_world = Matrix(matrix.tolist())
        self.scene.collection.objects.link(twin)
        return twin

    def hide(self, thing: bpy.types.Object) -> None:
        """A master whose copies alone are seen."""
        self.scene.collection.objects.unlink(thing)

    def mute(self, thing: bpy.types.Object) -> None:
        """A thing that may run out of the frame."""
        self.muted.add(thing.name)

    def measure(self) -> None:
        """Centre and radius of everything that stands on the stage."""
        bpy.context.view_layer.update()
        corners = np.array([thing.matrix_world @ Vector(corner) for thing in self.scene.objects if thing.name not in self.muted for corner in thing.bound_box])
        self.centre = (corners.min(0) + corners.max(0)) / 2
        self.radius = max(self.radius_least, float(np.linalg.norm(corners.max(0) - corners.min(0)) / 2))

    # --- one view ----------------------------------------------------------------------------------------------------------

    def clear_view(self) -> None:
        for thing in self.passing:
            bpy.data.objects.remove(thing)
        self.passing, self.light = [], 0.0

    def ground(self, rng: Rng, catcher: bool) -> None:
        size = 60 * self.radius + 100
        corner = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * size
        flat = Shape(corner.astype(float), [(0, 1, 2, 3)], corner / size, [0])
        floor = self.add(flat, self.floors[rng.integers(len(self.floors))](rng))
        floor.rotation_euler[2] = rng.uniform(0, 6.3)
        floor.is_shadow_catcher = catcher
        self.passing.append(floor)
        if catcher:
            return
        eye, far = np.array(self.scene.camera.location), self.centre[1] + self.radius * rng.uniform(1.6, 6)
        if self.walls and rng.random() < 0.6 and eye[1] < far - self.radius:  # the camera stands before it
            wall = self.add(flat, grounds.GROUNDS[rng.integers(len(grounds.GROUNDS))](rng))
            wall.rotation_euler = (math.pi / 2, 0, rng.normal(0, 0.2))
            wall.location = (0, far, 0)
            self.passing.append(wall)
        for _ in range(int(rng.choice([0, 1, 3, 6], p=[0.35, 0.25, 0.2, 0.2]) * self.clutter)):
            shape, material, reach = props.prop(rng)
            angle, away = rng.uniform(0, 2 * np.pi), self.radius * rng.uniform(0.8, 1.5) + reach
            at = np.array([self.centre[0] + away * np.cos(angle), self.centre[1] + away * np.sin(angle), 0.02])
            sight = self.centre - eye
            nearest = eye + np.clip((at - eye) @ sight / (sight @ sight), 0, 1) * sight
            if np.linalg.norm(at - nearest) < 1.5 * reach + 0.3 * self.radius:
                continue  # it would hide the goods, or hold the camera
            thing = self.add(shape, material)
            thing.location = at.tolist()
            thing.rotation_euler[2] = rng.uniform(0, 6.3)
            self.passing.append(thing)

    def lamp(self, direction: np.ndarray, strength: float, size: float, colour: str) -> None:
        away = 6 * self.radius
        light = bpy.data.lights.new("lamp", "AREA")
        light.size, light.color = size * self.radius, linear(colour)[:3]
        light.energy = strength * math.pi * away**2
        self.light += 0.7 * strength / math.pi
        thing = bpy.data.objects.new("lamp", light)
        thing.location = self.centre + away * direction / np.linalg.norm(direction)
        look_at(thing, self.centre)
        self.scene.collection.objects.link(thing)
        self.passing.append(thing)

    def lights(self, rng: Rng) -> None:
        kind = rng.choice(["window", "lamp", "flash", "overcast", "mixed", "studio"])
        side = np.array([rng.normal(), rng.normal(), 0])
        side /= np.linalg.norm(side)
        camera = np.array(self.scene.camera.location) - self.centre
        ambient, tint = 0.3, "#ffffff"
        if kind == "window":
            self.lamp(side + [0, 0, rng.uniform(0.4, 1.2)], 2.5, rng.uniform(2, 5), "#dfeaff")
            ambient = rng.uniform(0.1, 0.4)
        elif kind == "lamp":
            self.lamp(side * rng.uniform(0.2, 1.0) + [0, 0, 1], 2.5, rng.uniform(0.3, 1.2), rng.choice(["#ffd9a0", "#fff0d8", "#f2fff0"]))
            ambient, tint = rng.uniform(0.05, 0.3), "#ffe8cc"
        elif kind == "flash":
            self.lamp(camera + 0.08 * np.linalg.norm(camera) * side, 3.0, 0.12, "#ffffff")
            ambient = rng.uniform(0.03, 0.12)
        elif kind == "overcast":
            ambient, tint = 1.0, "#e8f0ff"
            self.lamp(side * 0.4 + [0, 0, 1], 0.8, 8, "#ffffff")
        elif kind == "mixed":
            self.lamp(side + [0, 0, 0.6], 1.5, 3, "#cfe0ff")
            self.lamp(-side + [0, 0, 1.2], 1.5, 0.8, "#ffc98a")
            ambient = 0.15
        else:
            self.lamp(side + [0, 0, 1.0], 1.6, 4, "#ffffff")
            self.lamp(-side + [0, 0, 0.8], 1.0, 4, "#ffffff")
            ambient = 0.4
        world = bpy.data.worlds.new("room")
        world.use_nodes = True
        tree = world.node_tree
        height = tree.nodes.new("ShaderNodeSeparateXYZ")
        tree.links.new(tree.nodes.new("ShaderNodeTexCoord").outputs["Generated"], height.inputs[0])
        ramp = tree.nodes.new("ShaderNodeValToRGB")
        tree.links.new(height.outputs[2], ramp.inputs[0])
        ramp.color_ramp.elements[0].color = (0.35, 0.33, 0.3, 1)
        ramp.color_ramp.elements[1].color = linear(tint)
        background = tree.nodes["Background"]
        background.inputs[1].default_value = ambient
        tree.links.new(ramp.outputs[0], background.inputs[0])
        world.cycles.sampling_method = "NONE"  # a smooth room needs no importance map, which costs more than the picture
        self.scene.world = world
        self.light += 0.7 * ambient

    def camera(self, rng: Rng) -> None:
        lens = bpy.data.cameras.new("camera")
        lens.lens = float(rng.choice([26, 35, 50, 85], p=[0.3, 0.3, 0.25, 0.15]))
        pitch = math.radians(rng.choice([rng.uniform(68, 90), rng.uniform(32, 68), rng.uniform(10, 32)], p=[0.35, 0.5, 0.15]))
        pitch = float(np.clip(pitch, self.flattest, self.steepest))
        yaw = rng.normal(-math.pi / 2, 0.9)
        fill = self.closer * rng.uniform(0.85, 1.75)  # part of the frame that the bounding sphere takes
        away = self.radius / (math.tan(math.atan(18 / lens.lens)) * fill) + 0.2 * self.radius
        target = self.centre + rng.normal(0, 0.12, 3) * self.radius
        direction = np.array([math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), math.sin(pitch)])
        thing = bpy.data.objects.new("camera", lens)
        thing.location = target + away * direction
        look_at(thing, target, rng.normal(0, 0.07))
        lens.clip_end, lens.clip_start = 1e5, 0.1
        if rng.random() < 0.4:
            lens.dof.use_dof, lens.dof.focus_distance = True, away - 0.4 * self.radius * rng.random()
            lens.dof.aperture_fstop = lens.lens * 1e-3 / (2 * away * rng.uniform(0.004, 0.015))
        self.scene.collection.objects.link(thing)
        self.scene.camera = thing
        self.passing.append(thing)

    def shoot(self, seed: int, width: int, height: int, catcher: bool, scratch: Path) -> np.ndarray:
        """Linear RGBA f32 [height, width, 4], premultiplied."""
        rng = np.random.default_rng(seed)
        self.clear_view()
        self.camera(rng)
        self.lights(rng)
        self.ground(rng, catcher)
        render = self.scene.render
        render.resolution_x, render.resolution_y, render.film_transparent = width, height, catcher
        render.filepath = str(scratch)
        self.scene.cycles.seed = seed % 2**31
        with silence():
            bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(str(scratch))
        pixels = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(pixels)
        bpy.data.images.remove(image)
        scratch.unlink()
        return pixels.reshape(height, width, 4)[::-1]


def look_at(thing: bpy.types.Object, target: np.ndarray, roll: float = 0.0) -> None:
    towards = Vector(target) - thing.location
    turned = towards.to_track_quat("-Z", "Y").to_matrix().to_4x4()
    thing.rotation_euler = (turned @ Matrix.Rotation(roll, 4, "Z")).to_euler()


@contextmanager
def silence() -> Iterator[None]:
    """Cycles writes to file descriptor 1 on its own account."""
    kept, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(null)
