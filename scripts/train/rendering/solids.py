"""Overlapping solids made one skin."""

import bpy
import numpy as np

from .materials import Rng
from .mesh import Shape, ball, turn, wobble


def fused(shape: Shape, voxel: float, folds: float, rng: Rng, soft: int = 3) -> Shape:
    """Overlapping solids made one skin, then carved: shallow folds and lines."""
    mesh = bpy.data.meshes.new("raw")
    mesh.from_pydata(shape.points.tolist(), [], shape.faces)
    thing = bpy.data.objects.new("raw", mesh)
    bpy.context.scene.collection.objects.link(thing)
    remesh = thing.modifiers.new("remesh", "REMESH")
    remesh.voxel_size = voxel
    soften = thing.modifiers.new("soften", "SMOOTH")
    soften.iterations = soft
    skin = thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    points, normals = np.empty(len(skin.vertices) * 3), np.empty(len(skin.vertices) * 3, np.float32)
    skin.vertices.foreach_get("co", points)
    skin.vertices.foreach_get("normal", normals)
    faces = [tuple(p.vertices) for p in skin.polygons]
    bpy.data.objects.remove(thing)
    bpy.data.meshes.remove(mesh)
    points, normals = points.reshape(-1, 3), normals.reshape(-1, 3)
    size = np.abs(points).max()
    lines = np.abs(wobble(points * [1, 1, 0.5], size * 0.22, rng))
    carved = -np.clip(0.25 - lines, 0, 0.25) * 4 * folds * size + 0.3 * folds * size * wobble(points, size * 0.15, rng)
    return Shape(points + normals * carved[:, None], faces, points / size, [0] * len(faces))


def blob(at, size, spin: float = 0.0) -> Shape:
    return ball(1.0, 10, 14).moved(scale=np.broadcast_to(size, 3)).moved(turn=turn("y", spin)).moved(at)
