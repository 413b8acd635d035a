"""Meshes as arrays. Every vertex carries `fibre`: where it lies in the straight, unit-sized solid it was cut from.

Textures read `fibre` and nothing else, so one solid texture gives streaks along a horn's side and dots on its cut end.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class Shape:
    points: np.ndarray  # f64 [n, 3], centimetres
    faces: list[tuple[int, ...]]
    fibre: np.ndarray  # f64 [n, 3], unit-sized solid
    slots: list[int]  # material of each face: 0 outside, 1 cut or second material

    def moved(self, offset=(0, 0, 0), scale=(1, 1, 1), turn: np.ndarray | None = None) -> "Shape":
        points = self.points * np.asarray(scale, float)
        points = points if turn is None else points @ turn.T
        return Shape(points + np.asarray(offset, float), self.faces, self.fibre, self.slots)


def joined(shapes: list[Shape]) -> Shape:
    faces, start = [], 0
    for shape in shapes:
        faces += [tuple(i + start for i in face) for face in shape.faces]
        start += len(shape.points)
    slots = [slot for shape in shapes for slot in shape.slots]
    return Shape(np.concatenate([s.points for s in shapes]), faces, np.concatenate([s.fibre for s in shapes]), slots)


def sheet(points: np.ndarray, fibre: np.ndarray, wrap: bool = False, slot: int = 0) -> Shape:
    """Quads over a grid of points [rows, columns, 3]; `wrap` closes the columns to a ring."""
    rows, columns = points.shape[:2]
    faces = []
    for i in range(rows - 1):
        for j in range(columns if wrap else columns - 1):
            k = (j + 1) % columns
            faces.append((i * columns + j, i * columns + k, (i + 1) * columns + k, (i + 1) * columns + j))
    return Shape(points.reshape(-1, 3), faces, fibre.reshape(-1, 3), [slot] * len(faces))


def turn(axis: str, angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array({"x": [[1, 0, 0], [0, c, -s], [0, s, c]], "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
                     "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]]}[axis], float)


def wobble(points: np.ndarray, scale: float, rng: np.random.Generator, waves: int = 7) -> np.ndarray:
    """Smooth random values in about [-1, 1], the same for the same generator state: a few waves in random directions."""
    directions = rng.normal(size=(waves, 3)) * (2.2 / scale)
    phases = rng.uniform(0, 2 * np.pi, waves)
    return np.sin(points @ directions.T + phases).sum(-1) / np.sqrt(waves)


def tube(centres: np.ndarray, radii: np.ndarray, caps: tuple[float | None, float | None] = (0.0, 0.0), cap_slot: int = 1,
         twist: float = 0.0) -> Shape:
    """A ring of radii [rows, columns] swept along centres [rows, 3]. `caps`: depth of each end's hollow over its radius; None: open."""
    rows, columns = radii.shape
    tangents = np.gradient(centres, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    side = np.cross(tangents[0], [0.31, 0.95, 0.05])
    frames = []
    for tangent in tangents:
        side = side - tangent * (side @ tangent)
        side /= np.linalg.norm(side)
        frames.append((side, np.cross(tangent, side)))
    u, v = (np.array(x)[:, None, :] for x in zip(*frames))
    along = np.linspace(0, 1, rows)[:, None]
    angles = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None, :]
    turned = angles + twist * along
    ring = np.cos(turned)[..., None] * u + np.sin(turned)[..., None] * v
    points = centres[:, None, :] + radii[..., None] * ring
    flat = np.stack([np.cos(angles) + 0 * along, np.sin(angles) + 0 * along, along + 0 * angles], -1)
    parts = [sheet(points, flat, wrap=True)]
    for end, depth in zip((0, -1), caps):
        if depth is None:
            continue
        rho = np.linspace(1, 0.02, 9)[:, None]
        inward = tangents[end] * (1 if end == 0 else -1)
        sunk = depth * radii[end].mean() * (1 - rho**2)
        disc = centres[end] + rho[..., None] * (points[end] - centres[end])[None] + sunk[..., None] * inward
        cap_fibre = np.stack([rho * flat[end, :, 0], rho * flat[end, :, 1], 0 * rho + flat[end, :, 2]], -1)
        parts.append(sheet(disc, cap_fibre, wrap=True, slot=cap_slot))
    return joined(parts)


def lathe(profile: np.ndarray, columns: int = 40, slot: int = 0, oval: float = 1.0) -> Shape:
    """A profile [rows, (radius, height)] turned about z."""
    angles = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    radius, height = profile[:, :1], profile[:, 1:]
    points = np.stack([radius * np.cos(angles), oval * radius * np.sin(angles), height + 0 * angles], -1)
    size = np.abs(profile).max()
    return sheet(points, points / size, wrap=True, slot=slot)


def ball(radius: float = 1.0, rows: int = 14, columns: int = 20) -> Shape:
    polar = np.linspace(1e-3, np.pi - 1e-3, rows)
    return lathe(np.stack([radius * np.sin(polar), -radius * np.cos(polar)], 1), columns)


def prism(outline: np.ndarray, height: float, bevel: float = 0.06, slot: int = 0) -> Shape:
    """A closed outline [columns, 2] drawn up to a height, its edges rounded a little."""
    steps = [(0.0, 0.0), (1 - bevel, 0.0), (1.0, bevel), (1.0, 1 - bevel), (1 - bevel, 1.0), (0.0, 1.0)]
    size = np.abs(outline).max()
    rows = [np.concatenate([outline * (scale if scale else 0.01), np.full((len(outline), 1), at * height)], 1) for scale, at in steps]
    points = np.array(rows)
    return sheet(points, points / size, wrap=True, slot=slot)


def box(x: float, y: float, z: float) -> Shape:
    outline = np.array([[-x, -y], [x, -y], [x, y], [-x, y]]) / 2
    return prism(np.repeat(outline, 2, axis=0), z, 0.03)
