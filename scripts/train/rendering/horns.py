"""Rhino horn as it is traded, and other horns, cones and cups."""

import numpy as np

from .materials import Rng
from .mesh import Shape, joined, lathe, prism, sheet, tube, turn, wobble


def arc(length: float, bend: float, rows: int, sideways: float = 0.0) -> np.ndarray:
    """A planar curve from the origin upwards, bending by `bend` radians in all, more to the tip."""
    t = np.linspace(0, 1, rows)
    angle = bend * t**1.2
    step = length / (rows - 1)
    x, z = np.cumsum(np.sin(angle)) * step, np.cumsum(np.cos(angle)) * step
    return np.stack([x - x[0], sideways * length * t**2, z - z[0]], 1)


def laid(shape: Shape, rng: Rng, upright: float = 0.3) -> Shape:
    """Standing on its base, or lying on its side."""
    if rng.random() >= upright:
        shape = shape.moved(turn=turn("x", np.pi / 2 * rng.choice([-1, 1]))).moved(turn=turn("y", rng.uniform(-0.15, 0.15)))
    low = shape.points.min(0)
    centre = (shape.points.min(0) + shape.points.max(0)) / 2
    return shape.moved((-centre[0], -centre[1], -low[2]))


def rhino_form(rng: Rng, rows: int = 56, columns: int = 44) -> tuple[np.ndarray, np.ndarray]:
    """Centre line and ring radii of a horn: a broad, flared, uneven base, then a steady taper that curves back."""
    base = rng.uniform(5, 8)
    length = base * rng.uniform(2.0, 5.0)
    t = np.linspace(0, 1, rows)[:, None]
    angles = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    taper = 0.72 * (1 - t) ** rng.uniform(0.75, 1.0) + 0.28 * np.exp(-t * rng.uniform(9, 16)) + 0.02
    lumps = 1 + 0.035 * np.sin(3 * angles + 5 * t + rng.uniform(0, 6)) + 0.02 * np.sin(7 * angles - 3 * t)
    fray = 1 + 0.03 * np.exp(-t * 14) * rng.normal(size=(1, columns))
    grooves = 1 + 0.016 * rng.normal(size=(1, columns)) * (1 - t) ** 0.5  # furrows that run the whole length
    radii = base * taper * (1 + 0.12 * np.cos(angles)) * lumps * fray * grooves
    return arc(length, rng.uniform(0.5, 1.25), rows), radii


def rhino_whole(rng: Rng) -> Shape:
    centres, radii = rhino_form(rng)
    horn = tube(centres, radii, (rng.uniform(0.25, 0.45), 0.0), cap_slot=1)
    horn.slots = [0 if all(horn.fibre[i, 2] > 0.5 for i in face) else slot for face, slot in zip(horn.faces, horn.slots)]
    rough = np.exp(-horn.fibre[:, 2:] * 12) * radii[0].mean()
    horn.points += 0.03 * rough * np.stack([wobble(horn.points, 0.8, rng) for _ in range(3)], 1)
    bristles = [frayed(rng, centres, radii) for _ in range(110)]
    return laid(joined([horn, *bristles]), rng, 0.4)


def frayed(rng: Rng, centres: np.ndarray, radii: np.ndarray) -> Shape:
    """One loose bundle of fibres at the base's rim."""
    angle, row = rng.uniform(0, 2 * np.pi), int(rng.integers(0, 6))
    radius = radii[row, int(angle / (2 * np.pi) * radii.shape[1])]
    outward = np.array([np.cos(angle), np.sin(angle), 0])
    # tube() chooses its own first frame, so bristles take the mean circle
    start = centres[row] + outward * radius * rng.uniform(0.88, 1.0)
    length = radius * rng.uniform(0.12, 0.35)
    path = start + np.linspace(0, 1, 4)[:, None] * (outward * rng.uniform(0.0, 0.5) + [0, 0, rng.uniform(-1.0, 0.2)]) * length
    bristle = tube(path, np.array([0.05, 0.045, 0.03, 0.008])[:, None] * np.ones((4, 4)) * rng.uniform(0.8, 2.2), (None, None))
    bristle.fibre[:] = bristle.fibre * 0.1 + [np.cos(angle), np.sin(angle), 0.0]
    return bristle


def rhino_cut(rng: Rng) -> Shape:
    """A length sawn out of a horn, both ends open to view."""
    centres, radii = rhino_form(rng)
    start = int(rng.integers(4, 26))
    stop = start + int(rng.integers(8, 24))
    return laid(tube(centres[start:stop], radii[start:stop], (0.0, 0.0)), rng, 0.6)


def rhino_tip(rng: Rng) -> Shape:
    centres, radii = rhino_form(rng)
    start = int(rng.integers(14, 30))
    return laid(tube(centres[start:], radii[start:], (0.0, 0.0)), rng, 0.25)


def disc(rng: Rng, radius: tuple[float, float] = (2.5, 6.0), thick: tuple[float, float] = (0.3, 1.2)) -> Shape:
    """A slice, lying down: cut faces up and below, the rind as rim."""
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    outline = rng.uniform(*radius) * (1 + 0.1 * np.cos(angles) + 0.04 * np.sin(3 * angles + rng.uniform(0, 6)) + 0.012 * rng.normal(size=40))
    path = np.stack([np.zeros(4), np.zeros(4), np.linspace(0, rng.uniform(*thick), 4)], 1)
    return tube(path, np.tile(outline, (4, 1)), (0.0, 0.0))


def chunk(rng: Rng) -> Shape:
    """A sawn block: the rind on some sides only."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
    outline = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(0.7, 1.3, (7, 1)) * rng.uniform(0.8, 1.6)
    block = prism(np.repeat(outline, 3, axis=0), rng.uniform(1.0, 3.0), 0.05)
    block.slots = [int(i % 21 > 8) for i in range(len(block.faces))]
    return block.moved(turn=turn("x", rng.choice([0.0, np.pi / 2])))


def cup(rng: Rng) -> Shape:
    """A libation cup: narrow foot, flared uneven mouth with a lip, branches carved in relief."""
    rows, columns, height = 40, 64, rng.uniform(6, 10)
    t = np.linspace(0, 1, rows)[:, None]
    angles = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    mouth, oval = rng.uniform(0.65, 0.95) * height, rng.uniform(0.62, 0.85)
    radius = mouth * (rng.uniform(0.3, 0.45) + (1 - 0.4) * t**rng.uniform(1.0, 1.6)) * (1 + 0.12 * t * np.cos(angles))
    lip = 0.12 * height * t**4 * np.cos(angles) + 0.03 * height * t**6 * np.sin(3 * angles + 1)
    outer = np.stack([radius * np.cos(angles), oval * radius * np.sin(angles), height * t + lip], -1)
    relief = np.clip(wobble(outer, rng.uniform(1.0, 1.8), rng) - 0.2, 0, 1.2) * rng.choice([0.02, 0.035, 0.0], p=[0.4, 0.4, 0.2])
    outer = outer + (outer * [1, 1, 0]) * (relief * np.sin(np.pi * np.clip(t * 1.1, 0, 1)))[..., None]
    inner = outer[::-1] * [0.86, 0.86, 1] + [0, 0, 0.0]
    inner[1:, :, 2] = np.maximum(inner[1:, :, 2], 0.18 * height)
    wall = np.concatenate([outer[:1] * [0.01, 0.01, 1], outer, inner, inner[-1:] * [0.01, 0.01, 1]])
    return sheet(wall, wall / mouth, wrap=True)


def cone(rng: Rng) -> Shape:
    """A plain turned or cast cone, curved a little: what a carver makes of wood or resin."""
    base, rows = rng.uniform(3, 6), 30
    t = np.linspace(0, 1, rows)[:, None]
    radii = base * ((1 - t) ** rng.uniform(0.7, 1.1) + 0.03) * np.ones((1, 36))
    return laid(tube(arc(base * rng.uniform(2.5, 4.5), rng.uniform(0.0, 1.0), rows), radii, (0.0, 0.0)), rng, 0.5)


def buffalo(rng: Rng) -> Shape:
    """Wide sweep, flattened section, ridges across near an open, hollow base."""
    rows, base = 60, rng.uniform(3, 5.5)
    t = np.linspace(0, 1, rows)[:, None]
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)[None]
    ridges = 1 + 0.05 * np.sin(2 * np.pi * 14 * t) * np.clip(1 - 1.8 * t, 0, 1) * (0.5 + 0.5 * np.cos(angles))
    radii = base * (1 - t) ** 0.7 * (1 - 0.3 * np.sin(angles) ** 2) * ridges + 0.1
    return laid(tube(arc(base * rng.uniform(6, 10), rng.uniform(1.2, 2.6), rows), radii, (1.6, 0.0), cap_slot=0), rng, 0.1)


def ringed(rng: Rng) -> Shape:
    """Goat, ibex, antelope: slender, ringed all along, straight or swept."""
    rows, base = 110, rng.uniform(1.6, 3.2)
    t = np.linspace(0, 1, rows)[:, None]
    count = rng.uniform(14, 28)
    rings = 1 + rng.uniform(0.06, 0.12) * np.clip(np.sin(2 * np.pi * count * t), -0.3, 1) * np.clip(1.15 - t, 0, 1)
    radii = base * (1 - 0.97 * t) ** 0.75 * rings * np.ones((1, 26))
    return laid(tube(arc(base * rng.uniform(8, 15), rng.uniform(0.2, 2.2), rows), radii, (1.0, 0.0), cap_slot=0), rng, 0.15)


def spiral(rng: Rng) -> Shape:
    """Ram or kudu: a helix that opens, with growth rings."""
    rows, base, turns = 120, rng.uniform(2.5, 4.0), rng.uniform(0.9, 2.0)
    t = np.linspace(0, 1, rows)
    wide, rise = base * rng.uniform(2.0, 3.0), base * rng.uniform(2.5, 9)
    angle = 2 * np.pi * turns * t
    centres = np.stack([wide * (1 - 0.35 * t) * np.cos(angle), wide * (1 - 0.35 * t) * np.sin(angle), rise * t], 1)
    rings = 1 + 0.05 * np.sin(2 * np.pi * 30 * t)
    radii = (base * (1 - t) ** 0.7 * rings + 0.08)[:, None] * (1 + 0.15 * np.cos(3 * np.linspace(0, 2 * np.pi, 28, endpoint=False)))[None]
    return laid(tube(centres, radii, (1.0, 0.0), cap_slot=0), rng, 0.5)


def antler(rng: Rng) -> Shape:
    """A beam with tines, beaded at the burr."""
    length, base = rng.uniform(25, 40), rng.uniform(1.4, 2.2)
    beam = arc(length, rng.uniform(0.6, 1.3), 50)
    t = np.linspace(0, 1, 50)[:, None]
    radii = base * (1 - 0.85 * t) * (1 + 0.5 * np.exp(-((t - 0.02) * 30) ** 2)) * (1 + 0.05 * rng.normal(size=(50, 22)))
    parts = [tube(beam, radii, (0.0, 0.0))]
    for at in rng.choice(np.arange(4, 40), int(rng.integers(2, 5)), replace=False):
        size = length * rng.uniform(0.2, 0.4)
        path = arc(size, rng.uniform(0.3, 0.9), 18) @ turn("y", rng.uniform(0.7, 1.2)).T @ turn("z", rng.uniform(-0.5, 0.5)).T + beam[at]
        s = np.linspace(0, 1, 18)[:, None]
        parts.append(tube(path, radii[at].mean() * 0.85 * (1 - 0.9 * s) * (1 + 0.04 * rng.normal(size=(18, 16))), (None, 0.0)))
    return laid(joined(parts), rng, 0.0)


def branch(rng: Rng) -> Shape:
    """A stub of a branch, sawn at both ends."""
    rows, base = 24, rng.uniform(2, 5)
    t = np.linspace(0, 1, rows)[:, None]
    radii = base * (1 - rng.uniform(0.1, 0.6) * t) * (1 + 0.05 * rng.normal(size=(1, 40))) * (1 + 0.02 * rng.normal(size=(rows, 40)))
    return laid(tube(arc(base * rng.uniform(1.5, 5), rng.uniform(0, 0.6), rows), radii, (0.0, 0.0)), rng, 0.4)


def mound(rng: Rng) -> Shape:
    """Powder heaped in a dish, fibre fine enough for grains."""
    rows, columns, radius = 26, 48, rng.uniform(3.0, 4.0)
    rho = np.linspace(0.01, 1, rows)[:, None]
    angles = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    flat = np.stack([radius * rho * np.cos(angles), radius * rho * np.sin(angles), 0 * rho * angles], -1)
    height = rng.uniform(0.8, 1.8) * (1 - rho**rng.uniform(1.2, 2.2)) + 0.08 * wobble(flat, 0.8, rng) + 0.05 * wobble(flat, 0.25, rng)
    flat[..., 2] = height + 0.6
    return sheet(flat, flat / radius, wrap=True)


def shaving(rng: Rng) -> Shape:
    """A thin strip that the plane or the grater curled."""
    t, curl = np.linspace(0, 1, 16), rng.uniform(1.5, 5)
    length, width = rng.uniform(0.8, 2.5), rng.uniform(0.1, 0.35)
    path = np.stack([np.sin(curl * t) / curl, 0.15 * t, (1 - np.cos(curl * t)) / curl], 1) * length
    edges = np.stack([path, path + [0, width, 0.02]], 1)
    return sheet(edges, np.stack([np.stack([t, 0 * t, t], 1), np.stack([t, 0 * t + 0.3, t], 1)], 1))


def dish(rng: Rng) -> Shape:
    return lathe(np.array([[0.01, 0], [2.4, 0], [4.0, 0.7], [4.5, 1.3], [4.4, 1.4], [3.9, 0.9], [2.3, 0.25], [0.01, 0.25]]))
