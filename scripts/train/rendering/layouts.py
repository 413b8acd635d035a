"""How things lie: heaps, rows, stacks, skins, bracelets, dishes. A layout never knows what it lays."""

import numpy as np

from . import grounds, horns, ivories
from .materials import Rng, antler, bone, hide, pale_horn, smooth_horn
from .mesh import Shape, joined, sheet, turn, wobble
from .piles import Maker, Masters, Material, unit, upward
from .solids import blob, fused
from .stage import Stage


# --- many small pieces ---------------------------------------------------------------------------------------------------------


def heap(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    masters = Masters(stage, rng, maker, material, 8)
    masters.pile(int(rng.integers(40, 170)), float(np.mean(masters.reach)) * rng.uniform(1.6, 3.2))


def field(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    """Goods spread so wide that nothing else is seen, as on a customs officer's floor."""
    masters = Masters(stage, rng, maker, material, 9, 6)
    radius = float(np.mean(masters.reach)) * rng.uniform(3.5, 5.5)
    masters.pile(int(rng.integers(150, 230)), radius / 2, radius, None, 1.0, 0.3)
    stage.closer = rng.uniform(1.7, 2.6)


def stack(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    """Three or four large pieces that lean on one another, on a dark table."""
    masters = Masters(stage, rng, maker, material, 4)
    reach, count = float(np.mean(masters.reach)), int(rng.integers(3, 5))
    stage.floors = [grounds.dark_table]
    lean = rng.uniform(0.05, 0.4)
    for i in range(count):
        at = np.array([rng.normal(0, 0.25), rng.normal(0, 0.2) + 0.45 * i, 0]) * reach
        masters.put(at + [0, 0, 0.35 + 0.28 * reach * i * rng.uniform(0.6, 1.0)],
                    turn("z", rng.normal(0, 0.5)) @ turn("x", -lean * (i > 0)) @ turn("y", rng.normal(0, 0.12)), 1.0, i)


def blanket(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    """A flat skin on a market blanket, horns and skulls about it."""
    skin(stage, rng, maker, material)
    stage.floors = [grounds.cloth, grounds.cloth, grounds.sand]
    stage.measure()
    for _ in range(int(rng.integers(2, 6))):
        shape, stuff = [(horns.buffalo, smooth_horn), (horns.ringed, pale_horn), (horns.antler, antler), (skull, bone), (skull, bone)][rng.integers(5)]
        thing = shape(rng)
        size = stage.radius * rng.uniform(0.5, 0.8) / float(np.abs(thing.points).max())
        thing = thing.moved(scale=(size,) * 3)
        at = unit(rng) * stage.radius * rng.uniform(0.9, 1.4)
        stage.mute(stage.add(thing.moved((at[0], at[1], -float(thing.points[:, 2].min())), turn=turn("z", rng.uniform(0, 6.3))), stuff(rng)))


def skull(rng: Rng) -> Shape:
    """Of a goat or a monkey, by its outline: brain case, muzzle, the holes of eyes dark by depth."""
    long = rng.uniform(0.6, 1.6)
    parts = [blob((0, 0, 3), (3, 3.4, 2.8)), blob((0, -3 - 2 * long, 2), (1.6, 2.2 + 2 * long, 1.5))]
    for side in (-1, 1):
        parts += [blob((side * 2.3, -2.2, 2.6), (0.9, 1.6, 0.7)), blob((side * 2.0, -1.2, 4.2), (0.7, 0.8, 0.5))]
    skin = fused(joined(parts), 0.3, 0.012, rng)
    for side in (-1, 1):  # sockets
        near = np.exp(-np.sum((skin.points - [side * 1.5, -2.6, 3.2]) ** 2, 1) / 0.9)
        skin.points -= (near * 1.5)[:, None] * np.array([side * 0.6, -0.6, 0.5])
    return skin


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
    stage.flattest = 0.6
    masters = Masters(stage, rng, maker, material, 6)
    reach = float(np.mean(masters.reach))
    down, across = int(rng.integers(6, 12)), int(rng.integers(6, 11))
    step_x, step_y = reach * rng.uniform(0.8, 1.0), reach * rng.uniform(0.6, 0.85)
    arch = rng.uniform(0.0, 0.3) / (across * step_x / 2)
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
