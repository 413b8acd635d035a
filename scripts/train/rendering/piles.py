"""Copies of a few pieces, put down one by one or piled by a height field."""

from collections.abc import Callable

import bpy
import numpy as np

from .materials import Rng
from .mesh import Shape, turn
from .stage import Stage

Maker = Callable[[Rng], Shape]
Material = Callable[[Rng], bpy.types.Material]


def pose(at, rotation: np.ndarray, size: float = 1.0) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation * size, at
    return matrix


def upward(normal: np.ndarray) -> np.ndarray:
    """A rotation that takes z to the normal."""
    z = normal / np.linalg.norm(normal)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], 1)


def unit(rng: Rng) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


class Masters:
    """A few meshes of one kind, copied many times. `origin`: where a pile's middle stands, for one that comes more than once."""

    def __init__(self, stage: Stage, rng: Rng, maker: Maker, material: Material, count: int = 6, stuffs: int = 4):
        self.stage, self.rng, self.origin = stage, rng, np.zeros(3)
        stuff = [material(rng) for _ in range(min(stuffs, count))]
        self.things, self.reach = [], []
        for i in range(count):
            shape = maker(rng)
            self.reach.append(float(np.abs(shape.points[:, :2]).max()))
            self.things.append(stage.add(shape, stuff[i % len(stuff)]))
            stage.hide(self.things[-1])

    def put(self, at, rotation: np.ndarray, size: float = 1.0, which: int | None = None) -> None:
        i = int(self.rng.integers(len(self.things))) if which is None else which
        self.stage.copy(self.things[i], pose(self.origin + at, rotation, size))

    def pile(self, count: int, spread: float, inside: float | None = None, floor: Callable | None = None, size: float = 1.0, tilt: float = 0.22,
             oval: float = 1.0, ceiling: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
        """Drops pieces one by one on a height field; each lies on the mean slope below it. `inside`: radius of a round container,
        `oval` times as deep as wide, filled up to `ceiling`. Gives the field: its axis and heights [x, y]."""
        rng, cells = self.rng, 72
        extent = (inside or 2.2 * spread) * 1.05
        axis = np.linspace(-extent, extent, cells)
        gx, gy = np.meshgrid(axis, axis, indexing="ij")
        height = np.zeros((cells, cells)) if floor is None else floor(np.hypot(gx, gy / oval))
        for _ in range(count):
            i = int(rng.integers(len(self.things)))
            reach = self.reach[i] * size
            limit = extent - reach if inside is None else max(inside - reach, 0.1)
            at = rng.normal(0, spread / 1.6, 2) if inside is None else inside * np.sqrt(rng.random()) * unit(rng)
            at *= min(1.0, limit / np.linalg.norm(at))
            at[1] *= oval
            under = np.hypot(gx - at[0], gy - at[1]) < 0.6 * reach
            values = height[under]
            plane = np.stack([gx[under], gy[under], np.ones(under.sum())], 1)
            slope = np.linalg.lstsq(plane, values, rcond=None)[0][:2] if under.sum() > 4 else np.zeros(2)
            slope = np.clip(slope, -1.2, 1.2)
            rise = values.mean() if values.size else float(height[np.abs(axis - at[0]).argmin(), np.abs(axis - at[1]).argmin()])
            if rise > ceiling:
                continue
            normal = np.array([-slope[0], -slope[1], 1.0]) + rng.normal(0, tilt, 3) * [1, 1, 0]
            spin = turn("z", rng.uniform(0, 2 * np.pi)) @ turn("y", np.pi * (rng.random() < 0.35))
            self.put((at[0], at[1], rise + 0.1 * reach), upward(normal) @ spin, size, i)
            height[under] = 0.5 * values + 0.5 * rise + 0.13 * reach
        return axis, height
