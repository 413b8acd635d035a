"""Small plain work in ivory, and in what passes for it: slabs, brooches, rings, tiles, engraved pieces, smooth figures."""

import numpy as np

from .materials import Rng
from .mesh import Shape, ball, box, joined, lathe, prism, tube, turn, wobble
from .solids import blob, fused


def slab(rng: Rng) -> Shape:
    """A plain sawn plate or block."""
    x, y = rng.uniform(2, 5), rng.uniform(4, 12)
    if rng.random() < 0.3:  # a section of the tusk's curve
        angles = np.linspace(0.2, rng.uniform(0.8, 1.15), 14)  # no further: a prism wants to see its outline from the middle
        outer, inner = (np.stack([r * np.cos(angles), r * np.sin(angles)], 1) * x for r in (1.6, 1.0))
        outline = np.concatenate([outer, inner[::-1]])
        return prism(outline - outline.mean(0), rng.uniform(0.3, 1.2), 0.02)
    return box(x, y, rng.uniform(0.25, 1.4))


def veneers(rng: Rng) -> Shape:
    """A few thin plates, knife scales or piano keys, side by side."""
    x, y, parts = rng.uniform(1.5, 2.6), rng.uniform(5, 13), []
    for i in range(int(rng.integers(3, 9))):
        parts.append(box(x, y, 0.25).moved((i * x * 1.08, rng.normal(0, 0.15), 0), turn=turn("z", rng.normal(0, 0.02))))
    return joined(parts)


def brooch(rng: Rng) -> Shape:
    """An oval with flowers or a head in relief; petals stand free now and then."""
    size = rng.uniform(1.6, 3.0)
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    petals = int(rng.choice([0, 5, 6, 8]))
    edge = 1 + 0.18 * np.abs(np.sin(petals * angles / 2)) * (petals > 0)
    shape = lathe(np.stack([np.linspace(0.01, 1, 30), 0.32 - 0.22 * np.linspace(0, 1, 30) ** 3], 1) * size, 60, oval=rng.uniform(0.7, 1.0))
    p = shape.points
    p[:, :2] *= np.tile(edge, 30)[:, None]
    r = np.hypot(p[:, 0], p[:, 1]) / size
    p[:, 2] += size * 0.13 * np.clip(wobble(p, size * 0.4, rng), -0.6, 1) * np.clip(1.1 - r, 0, 1)
    if petals:
        p[:, 2] -= size * 0.1 * np.abs(np.cos(petals * np.arctan2(p[:, 1], p[:, 0]) / 2)) * r
    return shape


def ring(rng: Rng) -> Shape:
    angles = np.linspace(0, 2 * np.pi, 16)
    wide, thick = rng.uniform(0.25, 0.7), rng.uniform(0.12, 0.25)
    shape = lathe(np.stack([0.95 + thick * np.cos(angles), wide + wide * np.sin(angles)], 1), 48)
    if rng.random() < 0.4:
        shape = joined([shape, ball(0.7, 10, 14).moved((1.15, 0, wide), (0.5, 1.0, 1.0))])
    return shape if rng.random() < 0.5 else shape.moved(turn=turn("x", np.pi / 2)).moved((0, 0, 1.1))


def tiles(rng: Rng) -> Shape:
    """Mahjong tiles, dominoes or dice, a few upright, marks sunk into them (slot 1)."""
    parts, kind = [], rng.choice(["mahjong", "domino", "dice"], p=[0.6, 0.2, 0.2])
    x, y, z = {"mahjong": (2.0, 2.7, 1.4), "domino": (2.2, 4.4, 0.9), "dice": (1.5, 1.5, 1.5)}[str(kind)]
    for i in range(int(rng.integers(4, 15))):
        at = np.array([(i % 4) * x * 1.25, (i // 4) * y * 1.2, 0]) + rng.normal(0, 0.12, 3) * [1, 1, 0]
        marks = [box(x, y, z)]
        for _ in range(int(rng.integers(0, 7))):
            at_face = (rng.uniform(-0.35, 0.35) * x, rng.uniform(-0.35, 0.35) * y, z)
            spot = ball(rng.uniform(0.12, 0.3), 6, 10).moved(at_face, (1, rng.uniform(0.6, 2.2), 0.12))
            spot.slots = [1] * len(spot.faces)
            marks.append(spot)
        parts.append(joined(marks).moved(at, turn=turn("z", rng.normal(0, 0.1))))
    return joined(parts)


def tooth(rng: Rng) -> Shape:
    """A tooth or a tusk's tip, smooth, for engraving."""
    rows, base = 50, rng.uniform(1.8, 3.2)
    t = np.linspace(0, 1, rows)
    path = np.stack([base * rng.uniform(4, 6) * t, base * 1.2 * t**2, base + 0 * t], 1)
    return tube(path, (base * np.clip(1 - t**2.2, 0.02, 1) ** 0.6)[:, None] * np.ones((rows, 30)), (0.8, 0.0), cap_slot=0)


def smooth_figure(rng: Rng) -> Shape:
    """An animal or a head, polished: broad forms, hardly a line."""
    s, parts = rng.uniform(2, 4), []
    if rng.random() < 0.6:  # four legs
        parts += [blob((0, 0, 1.1 * s), s * np.array([1.1, 0.55, 0.6])), blob((1.15 * s, 0, 1.6 * s), s * np.array([0.45, 0.4, 0.42]))]
        trunk = np.array([[1.4, 0, 1.5], [1.75, 0, 1.1], [1.85, 0, 0.6], [2.0, 0, 0.3]]) * s
        if rng.random() < 0.5:
            parts.append(tube(trunk, np.array([0.2, 0.16, 0.12, 0.08])[:, None] * s * np.ones((4, 10))))
        for x in (-0.7, 0.7):
            for y in (-0.3, 0.3):
                parts.append(tube(np.array([[x, y, 1.0], [x, y, 0.0]]) * s, np.full((2, 10), 0.22 * s)))
        for side in (-1, 1):
            parts.append(blob((1.0 * s, side * 0.42 * s, 1.65 * s), s * np.array([0.22, 0.1, 0.35])))
    else:  # a bust, a bird
        parts += [blob((0, 0, 0.7 * s), s * np.array([0.7, 0.6, 0.75])), blob((0, -0.1 * s, 1.75 * s), s * np.array([0.45, 0.5, 0.55])),
                  blob((0, -0.55 * s, 1.7 * s), s * np.array([0.12, 0.22, 0.12])), blob((0, 0.1 * s, 2.2 * s), s * np.array([0.4, 0.4, 0.3])),
                  blob((0, 0, 0.05 * s), s * np.array([0.8, 0.7, 0.15]))]
    return fused(joined(parts), s / 18, 0.003, rng, 6)


def stand(rng: Rng, width: float, depth: float) -> Shape:
    """The dark carved foot under a figure; its top at z = 0."""
    high = 0.25 * width * rng.uniform(0.6, 1.2)
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    square = rng.choice([2.0, 5.0])
    radius = (np.abs(np.cos(angles)) ** square + np.abs(np.sin(angles)) ** square) ** (-1 / square)
    outline = np.stack([radius * np.cos(angles) * width * 0.58, radius * np.sin(angles) * depth * 0.62], 1)
    shape = prism(outline, high, 0.12)
    shape.points[:, :2] *= 1 + 0.06 * wobble(shape.points, high, rng)[:, None]
    return shape.moved((0, 0, -high))
