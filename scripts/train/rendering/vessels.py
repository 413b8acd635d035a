"""What small goods come in: sacks, jars, bowls, foil and clear bags, a hand. A vessel never knows what is in it."""

from collections.abc import Callable

import numpy as np

from . import grounds, hands, plastics
from .materials import Rng
from .mesh import Shape, joined, lathe, sheet, tube, turn, wobble
from .piles import Maker, Masters, Material
from .stage import Stage


def size_of(masters: Masters) -> float:
    return float(np.mean(masters.reach))


def domed(edge: float, rise: float, radius: float) -> Callable:
    """A hidden floor, higher in the middle: goods below the top layer need not be there."""
    return lambda r: edge + rise * np.clip(1 - (r / radius) ** 2, 0, 1)


def sack(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    """One open sack, or two or three side by side."""
    masters = Masters(stage, rng, maker, material, 8)
    radius, tall = size_of(masters) * rng.uniform(3.2, 6.0), rng.uniform(0.7, 1.4)
    top = radius * tall
    z = np.linspace(0, 1, 18)
    bulge = radius * (1 + 0.14 * np.sin(np.pi * z))
    profile = np.concatenate([np.stack([bulge, top * z], 1), np.array([[1.08, 1.03], [1.13, 0.96], [1.09, 0.86]]) * [radius, top]])
    stuff = grounds.sacking(rng) if rng.random() < 0.7 else plastics.bag(rng)
    count = int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))
    for i in range(count):
        side = lathe(profile, 56)
        creases = 0.05 * wobble(side.points * [1, 1, 0.25], radius * 0.3, rng) * (1.1 - 0.7 * side.points[:, 2] / top)
        side.points[:, :2] *= 1 + (creases + 0.05 * wobble(side.points, radius * 0.8, rng))[:, None]
        side.points[:, 2] *= 1 + 0.05 * wobble(side.points * [1, 1, 0], radius, rng)
        masters.origin = np.array([2.35 * radius * (i - (count - 1) / 2), rng.normal(0, 0.3) * radius * (count > 1), 0])
        stage.add(side.moved(masters.origin), stuff)
        masters.pile(int(rng.integers(90, 160)) // min(count, 2), radius / 2, radius, domed(top * 0.82, top * 0.14, radius))


def jar(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    """Clear, of glass or plastic, its lid often yellow or red; the goods loose or in a bag that is knotted at its top."""
    radius, tall = rng.uniform(4, 6), rng.uniform(1.5, 2.6)
    stage.steepest = 0.75  # from above, a jar is its lid
    top = radius * tall
    z = np.array([0.0, 0.0, 0.04, 0.8, 0.88, 0.92, 1.0])
    wall = np.array([0.01, 0.94, 1.0, 1.0, 0.9, 0.8, 0.8]) * radius
    stage.add(lathe(np.stack([wall, top * z], 1), 48), grounds.glass(rng))
    lid = np.array([[0.86, 0.93], [0.88, 1.0], [0.88, 1.09], [0.83, 1.11], [0.001, 1.11]]) * [radius, top]
    if rng.random() < 0.8:
        stage.add(lathe(lid, 40), plastics.bright(rng) if rng.random() < 0.75 else grounds.metal(rng))
    masters = Masters(stage, rng, maker, material, 6)
    scale = rng.uniform(1.1, 1.9) / size_of(masters)
    bagged = rng.random() < 0.5
    fill = radius * (0.84 if bagged else 0.95)
    full = rng.uniform(0.35, 0.62) * top  # a core that nobody sees spares most pieces
    _, height = masters.pile(int(rng.integers(230, 330)), radius / 2, fill, lambda r: np.where(r < 0.6 * fill, full, 0.3), scale, 0.6, 1.0, 0.72 * top)
    if bagged:
        level = min(float(np.percentile(height, 80)) + 0.5, 0.75 * top)
        t = np.linspace(0, 1, 24)
        outline = np.interp(t, [0, 0.05, 0.55, 0.75, 0.85, 0.9, 1.0], [0.3, 0.94, 0.95, 0.7, 0.2, 0.08, 0.4]) * radius
        film = lathe(np.stack([outline, 0.1 + np.interp(t, [0, 0.55, 1], [0, level, min(level + 0.35 * top, 0.88 * top)])], 1), 40)
        film.points[:, :2] *= 1 + 0.05 * wobble(film.points * [1, 1, 0.5], 1.2, rng)[:, None]
        stage.add(film, plastics.film(rng))


def bowl_shape(rng: Rng, radius: float, deep: float) -> tuple[Shape, np.ndarray]:
    r = np.linspace(0.001, 1, 16)
    outer = np.stack([radius * r, deep * r**3], 1)
    rim = np.array([[1.06, 1.0], [1.06, 1.03], [0.99, 1.03]]) * [radius, deep]
    inner = np.stack([radius * r[::-1] * 0.98, deep * r[::-1] ** 3 + 0.15], 1)
    return lathe(np.concatenate([outer, rim, inner]), 56), r


def bowl(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    masters = Masters(stage, rng, maker, material, 8)
    radius = size_of(masters) * rng.uniform(2.6, 4.6)
    deep = radius * rng.uniform(0.35, 0.6)
    stuff = grounds.metal if rng.random() < 0.65 else plastics.bright
    stage.add(bowl_shape(rng, radius, deep)[0], stuff(rng))
    masters.pile(int(rng.integers(35, 90)), radius / 2, radius * 0.95, lambda d: 0.2 + deep * np.clip(d / radius, 0, 1) ** 3, 1.0, 0.3)
    if rng.random() < 0.2:
        hands.above(stage, rng, deep + 2.5)


def lined_bowl(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    """A steel bowl in which a plastic bag lies open, its mouth over the rim; now and then a hand reaches in."""
    masters = Masters(stage, rng, maker, material, 8)
    radius = rng.uniform(8, 13)
    deep = radius * rng.uniform(0.4, 0.65)
    body, r = bowl_shape(rng, radius, deep)
    stage.add(body, grounds.metal(rng))
    out = np.linspace(1.0, rng.uniform(1.08, 1.3), 12)
    hang = deep * 1.08 - (out - 1) * deep * rng.uniform(1.0, 4.0)
    profile = np.concatenate([np.stack([radius * r * 0.97, deep * r**3 + 0.35], 1), np.stack([radius * out * 1.05, hang], 1)])
    lining = lathe(profile, 120)
    lining.points[:, 2] += 0.04 * radius * np.abs(wobble(lining.points, radius * 0.5, rng) + 0.4 * wobble(lining.points, radius * 0.12, rng)) * (0.3 + np.hypot(*lining.points.T[:2]) / radius)
    lining.points[:, :2] *= 1 + 0.025 * wobble(lining.points, radius * 0.5, rng)[:, None]
    lining.points[:, 2] = np.maximum(lining.points[:, 2], 0.05)
    stage.add(lining, plastics.bag(rng))
    scale, full = rng.uniform(1.0, 1.9) / size_of(masters), deep * rng.uniform(0.0, 0.6)
    masters.pile(int(rng.integers(150, 260)), radius / 2, radius * 0.9, lambda d: 0.5 + np.maximum(full, deep * np.clip(d / radius, 0, 1) ** 3), scale, 0.35)
    if rng.random() < 0.5:
        hands.above(stage, rng, deep + 3)


def foil_bags(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    """Rows of standing pouches of silver foil, their tops torn open."""
    masters = Masters(stage, rng, maker, material, 7)
    wide, deep, tall = rng.uniform(5, 7), rng.uniform(0.5, 0.7), rng.uniform(5, 11)
    scale = rng.uniform(0.9, 1.6) / size_of(masters)
    across, down = int(rng.integers(2, 5)), int(rng.integers(1, 3))
    stuff = plastics.foil(rng) if rng.random() < 0.8 else plastics.bag(rng)
    columns = 44
    angles = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    for i in range(across):
        for j in range(down):
            z = np.linspace(0, 1, 16)[:, None]
            square = (np.abs(np.cos(angles)) ** 3 + np.abs(np.sin(angles)) ** 3) ** (-1 / 3) - 1
            radius = wide * (1 + 0.7 * square * (1 - z) + 0.06 * np.sin(np.pi * z) + 0.1 * z**4)
            torn = 1 + z**6 * (0.1 * wobble(np.stack([np.cos(angles), np.sin(angles), 0 * angles], 1), 0.3, rng) + rng.uniform(0, 0.25))
            points = np.stack([radius * np.cos(angles), deep * radius * np.sin(angles), tall * z * torn], -1)
            shell = sheet(points, points / wide, wrap=True)
            shell.points += 0.22 * np.stack([wobble(shell.points, 1.6, rng), wobble(shell.points, 1.3, rng), 0 * shell.points[:, 0]], 1)
            place = np.array([(i - (across - 1) / 2) * 2.3 * wide, (j - (down - 1) / 2) * 3.0 * wide * deep, 0])
            masters.origin = place + rng.normal(0, 0.25, 3) * [1, 1, 0]
            stage.add(shell.moved(masters.origin), stuff)
            masters.pile(70, wide / 2, wide * 0.97, domed(tall * 0.72, tall * 0.18, wide), scale, 0.4, deep)


def clear_bag(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    """A clear plastic bag lying or leaning, its film over the goods; the customs seal them so, shops too."""
    masters = Masters(stage, rng, maker, material, 8)
    scale = rng.uniform(1.2, 2.4) / size_of(masters)
    spread = rng.uniform(4.0, 6.0)
    axis, height = masters.pile(int(rng.integers(70, 140)), spread, spread * 1.3, None, scale, 0.3, rng.uniform(0.8, 1.5))
    inner = height[::2, ::2]
    for _ in range(3):  # film spans the gaps
        inner = np.maximum(inner, (np.roll(inner, 1, 0) + np.roll(inner, -1, 0) + np.roll(inner, 1, 1) + np.roll(inner, -1, 1)) / 4)
    gx, gy = np.meshgrid(axis[::2], axis[::2], indexing="ij")
    points = np.stack([1.1 * gx, 1.1 * gy, inner + 0.5], -1)
    points[..., 2] += 0.12 * wobble(points, 1.2, rng)
    edge = np.maximum(np.abs(gx), np.abs(gy)) > 0.97 * axis[-1]
    points[..., 2] = np.where(edge, 0.08, points[..., 2])
    stage.add(sheet(points, points / axis[-1]), plastics.film(rng))


def in_hand(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    """A palm with some pieces on it."""
    hands.palm(stage, rng)
    masters = Masters(stage, rng, maker, material, 6)
    big = rng.random() < 0.4
    scale = (rng.uniform(2.2, 3.6) if big else rng.uniform(0.9, 1.6)) / size_of(masters)
    masters.origin = np.array([0, 0, hands.PALM])
    masters.pile(int(rng.integers(1, 4) if big else rng.integers(8, 30)), 2.2, 3.0, lambda r: 0.12 * r**2 * 0.3, scale, 0.25)


def ring_handle(radius: float, height: float) -> Shape:
    t = np.linspace(0, np.pi, 14)
    return tube(np.stack([radius * np.cos(t), 0 * t, height * np.sin(t)], 1), np.full((14, 8), 0.25)).moved(turn=turn("z", 0.3))


def carrier_bag(stage: Stage, rng: Rng, maker: Maker, material: Material) -> None:
    """A thin coloured carrier bag, rolled down so that the goods stand open."""
    masters = Masters(stage, rng, maker, material, 8)
    radius = rng.uniform(7, 11)
    top, scale = radius * rng.uniform(0.4, 0.8), rng.uniform(1.1, 2.2) / size_of(masters)
    t = np.linspace(0, 1, 20)
    profile = np.concatenate([np.stack([radius * (0.8 + 0.25 * np.sin(np.pi * t * 0.7)), top * t], 1),
                              np.stack([radius * np.array([1.1, 1.2, 1.3]), top * np.array([0.98, 0.8, 0.55])], 1)])
    side = lathe(profile, 90)
    side.points[:, :2] *= 1 + (0.07 * wobble(side.points * [1, 1, 0.3], radius * 0.22, rng) + 0.08 * wobble(side.points, radius, rng))[:, None]
    side.points[:, 2] *= 1 + 0.12 * wobble(side.points * [1, 1, 0], radius * 0.5, rng)
    loops = [ring_handle(0.3 * radius, 0.5 * radius).moved((0, s * radius * 1.15, 0.75 * top)) for s in (-1, 1)]
    stage.add(joined([side, *loops]), plastics.bag(rng))
    masters.pile(int(rng.integers(100, 190)), radius / 2, radius * 0.97, domed(top * 0.7, top * 0.22, radius), scale, 0.35)
