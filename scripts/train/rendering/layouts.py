"""How things lie: heaps, sacks, jars, bowls, rows, skins, bracelets, dishes. A layout never knows what it lays."""

from collections.abc import Callable

import bpy
import numpy as np

from . import grounds, horns, ivories
from .materials import Rng, hide
from .mesh import Shape, lathe, sheet, turn, wobble
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


class Masters:
    """A few meshes of one kind, copied many times."""

    def __init__(self, stage: Stage, rng: Rng, maker: Maker, material: Material, count: int = 6):
        self.stage, self.rng = stage, rng
        stuff = [material(rng) for _ in range(2)]
        self.things, self.reach = [], []
        for i in range(count):
            shape = maker(rng)
            self.reach.append(float(np.abs(shape.points[:, :2]).max()))
            self.things.append(stage.add(shape, stuff[i % 2]))
            stage.hide(self.things[-1])

    def put(self, at, rotation: np.ndarray, size: float = 1.0, which: int | None = None) -> None:
        i = int(self.rng.integers(len(self.things))) if which is None else which
        self.stage.copy(self.things[i], pose(at, rotation, size))

    def pile(self, count: int, spread: float, inside: float | None = None, floor: Callable | None = None, size: float = 1.0, tilt: float = 0.22) -> None:
        """Drops pieces one by one on a height field; each lies on the mean slope below it. `inside`: radius of a round container."""
        rng, cells = self.rng, 72
        extent = (inside or 2.2 * spread) * 1.05
        axis = np.linspace(-extent, extent, cells)
        gx, gy = np.meshgrid(axis, axis, indexing="ij")
        height = np.zeros((cells, cells)) if floor is None else floor(np.hypot(gx, gy))
        for _ in range(count):
            i = int(rng.integers(len(self.things)))
            reach = self.reach[i] * size
            limit = extent - reach if inside is None else max(inside - reach, 0.1)
            at = rng.normal(0, spread / 1.6, 2) if inside is None else inside * np.sqrt(rng.random()) * unit(rng)
            at *= min(1.0, limit / np.linalg.norm(at))
            under = np.hypot(gx - at[0], gy - at[1]) < 0.6 * reach
            values = height[under]
            plane = np.stack([gx[under], gy[under], np.ones(under.sum())], 1)
            slope = np.linalg.lstsq(plane, values, rcond=None)[0][:2] if under.sum() > 4 else np.zeros(2)
            slope = np.clip(slope, -1.2, 1.2)
            rise = values.mean() if values.size else 0.0
            normal = np.array([-slope[0], -slope[1], 1.0]) + rng.normal(0, tilt, 3) * [1, 1, 0]
            spin = turn("z", rng.uniform(0, 2 * np.pi)) @ turn("y", np.pi * (rng.random() < 0.35))
            self.put((at[0], at[1], rise + 0.1 * reach), upward(normal) @ spin, size, i)
            height[under] = 0.5 * values + 0.5 * rise + 0.13 * reach


def unit(rng: Rng) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


# --- many small pieces ---------------------------------------------------------------------------------------------------------


def heap(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    masters = Masters(stage, rng, maker, material, 8)
    masters.pile(int(rng.integers(40, 170)), float(np.mean(masters.reach)) * rng.uniform(1.6, 3.2))


def sack(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    masters = Masters(stage, rng, maker, material, 8)
    radius, tall = float(np.mean(masters.reach)) * rng.uniform(3.2, 5.0), rng.uniform(0.8, 1.5)
    top = radius * tall
    z = np.linspace(0, 1, 18)
    bulge = radius * (1 + 0.14 * np.sin(np.pi * z))
    profile = np.concatenate([np.stack([bulge, top * z], 1), np.array([[1.08, 1.03], [1.13, 0.96], [1.09, 0.86]]) * [radius, top]])
    side = lathe(profile, 56)
    creases = 0.05 * wobble(side.points * [1, 1, 0.25], radius * 0.3, rng) * (1.1 - 0.7 * side.points[:, 2] / top)
    side.points[:, :2] *= 1 + (creases + 0.05 * wobble(side.points, radius * 0.8, rng))[:, None]
    side.points[:, 2] *= 1 + 0.05 * wobble(side.points * [1, 1, 0], radius, rng)
    stage.add(side, grounds.sacking(rng))
    masters.pile(int(rng.integers(90, 160)), radius / 2, radius * 1.0, lambda r: top * 0.82 + 0.14 * top * np.clip(1 - (r / radius) ** 2, 0, 1))


def jar(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    radius, tall = rng.uniform(4, 6), rng.uniform(1.6, 2.8)
    stage.steepest = 0.6  # from above, a jar is its lid
    top, size = radius * tall, rng.uniform(0.4, 0.65)
    z = np.array([0.0, 0.0, 0.04, 0.8, 0.88, 0.92, 1.0])
    wall = np.array([0.01, 0.94, 1.0, 1.0, 0.9, 0.8, 0.8]) * radius
    stage.add(lathe(np.stack([wall, top * z], 1), 48), grounds.glass(rng))
    lid = np.array([[0.86, 0.93], [0.88, 1.0], [0.88, 1.09], [0.83, 1.11], [0.001, 1.11]]) * [radius, top]
    if rng.random() < 0.7:
        stage.add(lathe(lid, 40), grounds.smooth(rng) if rng.random() < 0.6 else grounds.metal(rng))
    masters = Masters(stage, rng, maker, material, 6)
    scale = size * 2.6 / float(np.mean(masters.reach))
    masters.pile(int(rng.integers(170, 340)), radius / 2, radius * 0.97, lambda r: 0.3 + 0 * r, scale, 0.6)


def bowl(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    masters = Masters(stage, rng, maker, material, 8)
    radius = float(np.mean(masters.reach)) * rng.uniform(2.6, 4.2)
    deep = radius * rng.uniform(0.35, 0.6)
    r = np.linspace(0.001, 1, 16)
    outer = np.stack([radius * r, deep * r**3], 1)
    rim = np.array([[1.06, 1.0], [1.06, 1.03], [0.99, 1.03]]) * [radius, deep]
    inner = np.stack([radius * r[::-1] * 0.98, deep * r[::-1] ** 3 + 0.15], 1)
    stuff = grounds.metal if rng.random() < 0.65 else grounds.smooth
    stage.add(lathe(np.concatenate([outer, rim, inner]), 56), stuff(rng))
    masters.pile(int(rng.integers(35, 80)), radius / 2, radius * 0.95, lambda d: 0.2 + deep * np.clip(d / radius, 0, 1) ** 3, 1.0, 0.3)


def rows(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    masters = Masters(stage, rng, maker, material, 8)
    step = float(np.mean(masters.reach)) * rng.uniform(1.7, 2.3)
    down, across = int(rng.integers(2, 5)), int(rng.integers(3, 7))
    for i in range(down):
        for j in range(across):
            at = np.array([(j - across / 2) * step * 0.85, (i - down / 2) * step, 0.35]) + rng.normal(0, 0.05, 3) * [step, step, 0]
            masters.put(at, turn("z", rng.normal(0, 0.12)) @ turn("x", rng.normal(0, 0.05)))


def line(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    """A hand's width of pieces side by side, each half over the next."""
    masters = Masters(stage, rng, maker, material, 6)
    step = float(np.mean(masters.reach)) * rng.uniform(0.7, 1.5)
    count = int(rng.integers(4, 9))
    for i in range(count):
        masters.put(((i - count / 2) * step, rng.normal(0, 0.1 * step), 0.35 + 0.1 * (i % 2)), turn("z", rng.normal(0, 0.1)) @ turn("y", 0.15))


def few(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    masters = Masters(stage, rng, maker, material, 5)
    count = int(rng.integers(1, 6))
    ring = float(np.max(masters.reach)) * (0 if count == 1 else 1.15 / np.sin(np.pi / max(count, 2)) * 0.9)
    for i in range(count):
        angle = 2 * np.pi * i / count + rng.normal(0, 0.15)
        flip = turn("y", np.pi * (rng.random() < 0.2))
        masters.put((ring * np.cos(angle), ring * np.sin(angle), 0.4), turn("z", rng.uniform(0, 6.3)) @ flip @ turn("x", rng.normal(0, 0.08)), 1.0, i)


def skin(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    """Pieces that overlap like roof tiles on an arched patch."""
    masters = Masters(stage, rng, maker, material, 6)
    reach = float(np.mean(masters.reach))
    down, across = int(rng.integers(4, 9)), int(rng.integers(4, 8))
    step_x, step_y = reach * rng.uniform(0.75, 0.95), reach * rng.uniform(0.6, 0.85)
    arch = rng.uniform(0.0, 0.35) / (across * step_x / 2)
    u = np.linspace(-1, 1, 20)
    x, y = np.meshgrid(u * across * step_x * 0.62, u * down * step_y * 0.62, indexing="ij")
    x *= 1 + 0.06 * wobble(np.stack([x, y, 0 * x], -1), reach * 2, rng)
    rise = 2.0 + arch * (across * step_x / 2) ** 2
    back = np.stack([x, y, np.maximum(rise - arch * x**2 - 0.5, 0.02)], -1)
    back *= [0.9, 0.9, 1]  # the scales reach over its edge
    stage.add(sheet(back, back / np.abs(back).max()), hide(rng))
    for i in range(down):
        for j in range(across):
            px = (j - across / 2 + 0.5 * (i % 2) + 0.25) * step_x
            at = (px, (i - down / 2 + 0.5) * step_y, rise - arch * px**2 + 0.15)
            lean = upward(np.array([2 * arch * px, 0, 1.0]))
            masters.put(at, lean @ turn("z", np.pi + rng.normal(0, 0.06)) @ turn("x", rng.uniform(-0.32, -0.2)))


# --- single things -------------------------------------------------------------------------------------------------------------


def single(stage: Stage, rng: Rng, maker: Maker, *materials: Material, most: int = 2) -> None:
    """One thing, or two side by side."""
    edge, stuff = 0.0, [material(rng) for material in materials]
    for i in range(int(rng.integers(1, most + 1))):
        shape = maker(rng).moved(turn=turn("z", rng.normal(0, 0.25)))
        low, high = shape.points.min(0), shape.points.max(0)
        thing = stage.add(shape, *stuff)
        thing.location = (edge - low[0] if i else 0.0, rng.normal(0, 0.1) * (high[1] - low[1]), -low[2])
        edge = (high[0] if i == 0 else edge + high[0] - low[0]) + 0.12 * (high[0] - low[0])


def scattered(stage: Stage, rng: Rng, maker: Maker, *materials: Material) -> None:
    """Some larger pieces lying about, touching now and then."""
    stuff = [material(rng) for material in materials]
    taken: list[tuple[np.ndarray, float]] = []
    for _ in range(int(rng.integers(3, 9))):
        shape = maker(rng)
        reach = float(np.hypot(*np.abs(shape.points[:, :2]).max(0)) * 0.8)
        for widen in np.linspace(0.3, 3, 40):
            at = rng.normal(0, widen * reach, 2)
            if all(np.linalg.norm(at - other) > reach + r for other, r in taken):
                break
        taken.append((at, reach))
        thing = stage.add(shape, *stuff)
        thing.location = (at[0], at[1], -float(shape.points[:, 2].min()))
        thing.rotation_euler[2] = rng.uniform(0, 6.3)


def bracelet(stage: Stage, rng: Rng, material: Material) -> None:
    bead, cord, count = ivories.beads(rng)
    radius = float(bead.points[:, 2].max())
    masters = Masters(stage, rng, lambda _: bead, material, 2)
    ring = 1.02 * radius / np.sin(np.pi / count)
    strand = int(rng.choice([1, 1, 1, 4]))  # a wrist, or a long string laid in waves
    total = count * strand
    angles = np.linspace(0, 2 * np.pi, total, endpoint=False)
    waves = ring * strand * (1 + (0.12 * np.sin(3 * angles + rng.uniform(0, 6)) if strand > 1 else 0 * angles))
    for angle, r in zip(angles, waves):
        lie = turn("z", angle + np.pi / 2) @ turn("x", rng.uniform(0, 6.3))
        masters.put((r * np.cos(angle), r * np.sin(angle), radius), lie)
    if strand == 1:
        stage.add(cord.moved(scale=(ring / 3.2, ring / 3.2, 1)), grounds.smooth(rng))
        head = Masters(stage, rng, lambda _: bead, material, 1)
        head.put((ring + 2.1 * radius, 0, radius), turn("z", 0.0), 1.15)


def powder(stage: Stage, rng: Rng, stuff: Material, curls: Material) -> None:
    """A dish of powder, shavings on it and beside it."""
    if rng.random() < 0.8:
        stage.add(horns.dish(rng), grounds.smooth(rng) if rng.random() < 0.7 else grounds.metal(rng))
        base = 0.0
    else:
        base = -0.6
    heap_shape = horns.mound(rng)
    heap_shape.points[:, 2] += base
    stage.add(heap_shape, stuff(rng))
    masters = Masters(stage, rng, horns.shaving, curls, 6)
    for _ in range(int(rng.choice([0, 8, 30, 60]))):
        at = unit(rng) * rng.uniform(0, 5.5)
        r = np.linalg.norm(at)
        rise = np.interp(r, [0, 3.2, 4.4, 4.6], [heap_shape.points[:, 2].max(), 0.75 + base, 1.4 + base, 0.1]) if base == 0 else np.interp(r, [0, 3.5], [heap_shape.points[:, 2].max(), 0.1])
        masters.put((at[0], at[1], rise), turn("z", rng.uniform(0, 6.3)) @ turn("x", rng.uniform(0, 6.3)), rng.uniform(0.5, 1.0))
