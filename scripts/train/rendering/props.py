"""Clutter of shops and tables, of known size, beside the goods: the same for positives and look-alikes."""

import bpy
import numpy as np

from . import grounds, mesh, plastics
from .materials import Rng, shade
from .nodes import Graph


def ruler_face(rng: Rng):
    g = Graph("ruler")
    x, y, _ = g.split(g.place())
    tick = g.step(g.math("FRACT", g.math("MULTIPLY", x, 2.0)), 0.12, 0.1)
    tick = g.math("MULTIPLY", tick, g.step(y, 0.1, 0.15))
    return g.surface(g.mix(tick, shade(rng, "#e8c860", "#f2f2ee", "#c8d8e0"), "#202020"), 0.4)


def printed(rng: Rng):
    """Cardboard with a label and rows of print."""
    g = Graph("printed")
    body, label = shade(rng, "#b08a5a", "#c8a878", "#e8e4dc", "#c03030", "#2f6a9a"), shade(rng, "#f0ece4", "#d8c040", "#c83a30", "#3a8a5a")
    vector = g.place((0.35, 0.35, 0.35), tuple(rng.uniform(-9, 9, 3)))
    x, y, z = g.split(vector)
    panel = g.step(g.math("ABSOLUTE", g.math("SUBTRACT", g.math("FRACT", g.math("MULTIPLY", g.math("ADD", x, z), 0.4)), 0.5)), 0.3, 0.28)
    line = g.step(g.math("FRACT", g.math("MULTIPLY", g.math("ADD", y, z), 2.5)), 0.55, 0.5)
    letters = g.step(g.noise(g.place((2.5, 2.5, 2.5)), 1.0, 1), 0.5, 0.46)
    colour = g.mix(panel, body, label)
    return g.surface(g.mix(g.math("MULTIPLY", g.math("MULTIPLY", line, letters), panel), colour, "#282420"), rng.uniform(0.3, 0.8))


def prop(rng: Rng) -> tuple[mesh.Shape, bpy.types.Material, float]:
    """A thing of known size that sellers put beside their goods: shape, material, radius in centimetres."""
    kind = rng.choice(["coin", "ruler", "pen", "box", "cup", "lighter", "tub", "bundle", "packet", "carton"])
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    if kind == "coin":
        return mesh.prism(1.25 * circle, 0.2), grounds.metal(rng), 1.3
    if kind == "ruler":
        return mesh.box(15, 2.6, 0.15), ruler_face(rng), 7.5
    if kind == "pen":
        pen = mesh.tube(np.stack([np.linspace(-7, 7, 12), np.zeros(12), np.full(12, 0.5)], 1), np.full((12, 12), 0.48))
        return pen, grounds.smooth(rng), 7.0
    if kind == "cup":
        profile = np.array([[0.01, 0], [2.6, 0], [3.4, 3], [3.7, 7], [3.5, 7], [3.2, 3], [2.2, 0.5], [0.01, 0.5]])
        return mesh.lathe(profile), grounds.smooth(rng), 3.8
    if kind == "tub":
        profile = np.array([[0.01, 0], [3.6, 0], [3.8, 7], [4.1, 7.1], [4.1, 8.3], [0.01, 8.4]]) * rng.uniform(0.7, 1.5)
        return mesh.lathe(profile), plastics.bright(rng), 5.5
    if kind == "bundle":  # a knotted carrier bag
        shape = mesh.ball(1.0, 22, 30)
        shape.points *= 1 + 0.12 * mesh.wobble(shape.points, 0.5, rng)[:, None]
        shape.points[:, 2] = np.where(shape.points[:, 2] > 0.6, 0.6 + 1.5 * (shape.points[:, 2] - 0.6), shape.points[:, 2])
        return shape.moved((0, 0, 4.2), (6, 5, 4.8)), plastics.bag(rng), 7.0
    if kind == "packet":
        shape = mesh.box(9, 13, 2.5)
        return shape, [plastics.foil, plastics.bag, printed][rng.integers(3)](rng), 8.0
    if kind == "carton":
        return mesh.box(*rng.uniform(10, 22, 2), rng.uniform(6, 14)), printed(rng), 13.0
    if kind == "lighter":
        return mesh.box(2.4, 7.5, 1.2), grounds.smooth(rng), 4.0
    return mesh.box(*rng.uniform(4, 9, 2), rng.uniform(1.5, 4)), grounds.smooth(rng), 6.0
