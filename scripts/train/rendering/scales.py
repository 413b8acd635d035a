"""Pangolin scales and the thin curved things that look like them. Every maker gives one piece, about its true size in centimetres,
lying flat: base at -y, tip at +y, dorsal side up."""

import numpy as np

from .materials import Rng
from .mesh import Shape, ball, joined, prism, sheet, tube, turn, wobble


def shield(half_width: np.ndarray, along: np.ndarray, thickness: np.ndarray, columns: int = 13) -> Shape:
    """A thin solid: at each place along, a lens-shaped section. fibre: across, along, underside 0 to top 1."""
    across = np.linspace(-1, 1, columns)
    ring = np.concatenate([across, across[-2:0:-1]])
    upper = np.concatenate([np.ones(columns), -np.ones(columns - 2)])
    lens = np.sqrt(np.clip(1 - ring**4, 0, 1)) * upper
    rows = len(along)
    points = np.stack([half_width[:, None] * ring, along[:, None] + 0 * ring, thickness[:, None] * lens], -1)
    t = np.linspace(0, 1, rows)[:, None]
    fibre = np.stack([ring + 0 * t, t + 0 * ring, (lens > 0) + 0 * t], -1)
    n = len(ring)
    faces = [(i * n + j, i * n + (j + 1) % n, (i + 1) * n + (j + 1) % n, (i + 1) * n + j) for i in range(rows - 1) for j in range(n)]
    faces += [tuple(range(n))[::-1], tuple(range((rows - 1) * n, rows * n))]
    return Shape(points.reshape(-1, 3), faces, fibre.reshape(-1, 3), [0] * len(faces))


def bent(shape: Shape, across: float, along: float, lift: float = 0.0) -> Shape:
    """Curved in both directions (curvature per centimetre)."""
    p = shape.points.copy()
    p[:, 2] -= across * p[:, 0] ** 2 / 2 + along * p[:, 1] ** 2 / 2 - lift
    return Shape(p, shape.faces, shape.fibre, shape.slots)


def pangolin_scale(rng: Rng, broken: float = 0.15) -> Shape:
    """Rounded shield, its base worn straight and hollow, its tip blunt; dried ones curl."""
    length, rows = rng.uniform(2.2, 5.6), 18
    width = length * rng.uniform(0.36, 0.62)
    base, belly, blunt = rng.uniform(0.55, 0.9), rng.uniform(0.3, 0.55), rng.uniform(1.4, 2.6)
    t = np.sin(np.linspace(0, np.pi / 2, rows))  # denser to the tip
    rise = base + (1 - base) * np.sin(np.pi / 2 * np.clip(t / belly, 0, 1))
    fall = np.clip(1 - np.clip((t - belly) / (1 - belly), 0, 1) ** blunt, 0, 1) ** rng.uniform(0.5, 0.85)
    half = width * rise * np.maximum(fall, 0.06)
    half *= 1 + 0.015 * rng.normal(size=rows)
    shape = shield(half, length * (t - 0.5), length * (0.03 - 0.022 * t) * rng.uniform(0.7, 1.3))
    shape = hollow(shape, length * rng.uniform(0.08, 0.3))
    p = shape.points
    if rng.random() < broken + 0.4:  # worn, chipped tip
        worn = shape.fibre[:, 1] > 0.8
        p[worn, 1] -= 0.06 * length * np.abs(wobble(p * [1, 0, 0], 0.5, rng))[worn]
    if rng.random() < broken:
        shape = snapped(shape, rng, 1)
        p = shape.points
    p[:, 2] += 0.015 * length * wobble(p, length * 0.6, rng)
    curl = rng.choice([1.0, 2.2], p=[0.7, 0.3])
    return bent(shape, rng.uniform(0.05, 0.2) * curl, rng.uniform(0.02, 0.12) * curl)


def hollow(shape: Shape, depth: float) -> Shape:
    """The base's flat end sunk in, as horn is that grew around living skin. fibre z of the hollow: -1."""
    ring = list(shape.faces[-2])
    rim = shape.points[ring]
    middle = rim.mean(0)
    rows = [rim, middle + 0.72 * (rim - middle), middle + 0.45 * (rim - middle) + [0, depth, 0], middle + 0.02 * (rim - middle) + [0, 1.3 * depth, 0]]
    n, start, points, faces = len(ring), len(shape.points), [shape.points], shape.faces[:-2] + shape.faces[-1:]
    for row in rows:
        points.append(row)
    for i in range(3):
        faces += [(start + i * n + j, start + i * n + (j + 1) % n, start + (i + 1) * n + (j + 1) % n, start + (i + 1) * n + j) for j in range(n)]
    across = shape.fibre[ring]
    fibre = [shape.fibre] + [across * [1, 0, 0] + [0, 0, -1.0] for _ in rows]
    return Shape(np.concatenate(points), faces, np.concatenate(fibre), [0] * len(faces))


def thick_scale(rng: Rng) -> Shape:
    """A large old one, as thick as a finger at its base."""
    shape = pangolin_scale(rng, 0.0)
    size = 6.5 / float(np.ptp(shape.points[:, 1])) * rng.uniform(0.8, 1.15)
    return shape.moved(scale=(size, size, size * rng.uniform(2.2, 3.4)))


def snapped(shape: Shape, rng: Rng, breaks: int) -> Shape:
    """Broken along a few ragged lines: what lay beyond a line is drawn back to it."""
    p = shape.points.copy()
    reach = np.abs(p[:, :2]).max()
    for _ in range(breaks):
        angle = rng.uniform(0, 2 * np.pi)
        normal = np.array([np.cos(angle), np.sin(angle)])
        over = p[:, :2] @ normal - reach * rng.uniform(0.05, 0.5)
        over += 0.1 * reach * wobble(p * [1, 1, 0], reach * 0.4, rng)
        p[:, :2] -= np.where(over > 0, 0.97 * over, 0)[:, None] * normal
    middle = (p.min(0) + p.max(0)) / 2
    return Shape(p - middle * [1, 1, 0], shape.faces, shape.fibre, shape.slots)


def chips_of(maker, whole: float = 0.2):
    """A maker of what is left of the things after a sack and a shovel: mostly flakes of all sizes."""

    def make(rng: Rng) -> Shape:
        shape = maker(rng)
        if rng.random() < whole:
            return shape
        size = rng.uniform(0.45, 1.0)
        return snapped(shape, rng, int(rng.integers(2, 5))).moved(scale=(size, size, max(size, 0.7)))

    return make


def mixed(maker):
    return chips_of(maker, 0.6)


def clam(rng: Rng) -> Shape:
    size, rows = rng.uniform(1.5, 3.5), 16
    t = np.linspace(0.02, 1, rows)
    half = size * np.sin(np.pi * np.clip(t, 0.02, 0.98)) ** rng.uniform(0.5, 0.8)
    half[-1] *= 0.6
    shape = shield(half, size * 1.7 * (t - 0.5), np.full(rows, 0.08), 17)
    p = shape.points
    p[:, 2] += rng.uniform(0.4, 0.75) * size * (1 - shape.fibre[:, 0] ** 2) * np.sin(np.pi * np.clip(shape.fibre[:, 1], 0, 1)) ** 0.7
    p[:, 2] += 0.04 * size * np.sin(shape.fibre[:, 0] * rng.integers(8, 20) * np.pi) * float(rng.random() < 0.5)
    return shape


def potato_chip(rng: Rng) -> Shape:
    size, rows = rng.uniform(2.2, 3.2), 15
    t = np.linspace(0.01, 0.99, rows)
    shape = shield(size * np.sqrt(1 - (2 * t - 1) ** 2) * rng.uniform(0.75, 0.95), 2 * size * (t - 0.5), np.full(rows, 0.07))
    p = shape.points
    p[:, 2] += 0.1 * wobble(p, 0.9, rng) + rng.uniform(0.05, 0.14) * p[:, 1] ** 2 - rng.uniform(0, 0.12) * p[:, 0] ** 2
    return shape


def banana_chip(rng: Rng) -> Shape:
    angles = np.linspace(0, 2 * np.pi, 26, endpoint=False)
    radius = rng.uniform(1.1, 1.7) * (1 + 0.06 * np.sin(3 * angles + rng.uniform(0, 6)))
    shape = prism(np.stack([radius * np.cos(angles), radius * np.sin(angles) * rng.uniform(0.8, 1)], 1), 0.3, 0.15)
    return bent(shape, rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.1))


def dried_leaf(rng: Rng) -> Shape:
    length, rows = rng.uniform(4, 8), 18
    t = np.linspace(0, 1, rows)
    half = length * rng.uniform(0.18, 0.32) * np.sin(np.pi * t**rng.uniform(0.7, 1.1)) + 0.05
    shape = shield(half, length * (t - 0.5), np.full(rows, 0.02))
    p = shape.points
    p[:, 2] += rng.uniform(0.1, 0.6) * np.abs(p[:, 0]) + rng.uniform(-0.06, 0.08) * p[:, 1] ** 2 + 0.15 * wobble(p, 1.6, rng)
    stalk = tube(np.stack([np.zeros(4), -length / 2 - np.linspace(0, length * 0.2, 4), np.zeros(4)], 1), np.full((4, 6), 0.06))
    stalk.slots = [0] * len(stalk.slots)
    return joined([shape, stalk])


def cone_scale(rng: Rng) -> Shape:
    length, rows = rng.uniform(2.2, 3.4), 12
    t = np.linspace(0, 1, rows)
    half = length * (0.12 + 0.28 * np.clip(t / 0.8, 0, 1) ** 0.8) * np.where(t > 0.85, 1 - ((t - 0.85) / 0.18) ** 2 * 0.5, 1)
    shape = shield(half, length * (t - 0.5), length * (0.02 + 0.09 * np.clip((t - 0.55) / 0.3, 0, 1)))
    return bent(shape, rng.uniform(0.0, 0.2), rng.uniform(-0.25, -0.05))


def pine_cone(rng: Rng) -> Shape:
    """A whole cone: scales in the golden spiral."""
    count, height, spread = int(rng.integers(60, 90)), rng.uniform(5, 9), rng.uniform(1.6, 2.4)
    parts = []
    for i in range(count):
        t = (i + 0.5) / count
        belly = np.sin(np.pi * (0.12 + 0.85 * t)) ** 0.7
        piece = cone_scale(rng).moved(scale=np.full(3, 0.75 * belly + 0.15))
        piece = piece.moved((0, spread * belly * 0.7, 0)).moved(turn=turn("x", rng.uniform(0.2, 0.4) + 0.9 * t))
        parts.append(piece.moved(turn=turn("z", i * 2.39996)).moved((0, 0, height * t - height / 2)))
    core = ball().moved(scale=(spread * 0.6, spread * 0.6, height / 2))
    return joined([*parts, core]).moved(turn=turn("x", np.pi / 2))


def almond(rng: Rng) -> Shape:
    length, rows = rng.uniform(2.0, 2.6), 16
    t = np.linspace(0.01, 0.99, rows)
    half = 0.27 * length * (np.sin(np.pi * t) ** 0.6) * (1.15 - 0.45 * t)
    return shield(half, length * (t - 0.5), half * rng.uniform(0.55, 0.75))


def wood_chip(rng: Rng) -> Shape:
    length, width, thick = rng.uniform(2, 6), rng.uniform(0.8, 2.4), rng.uniform(0.1, 0.5)
    t = np.linspace(0, 1, 14)
    half = width / 2 * (1 + 0.1 * rng.normal(size=14)) * np.clip(np.minimum(t, 1 - t) * rng.uniform(5, 20) + 0.3, 0, 1)
    shape = shield(half, length * (t - 0.5), np.full(14, thick / 2))
    p = shape.points
    p[:, 1] += 0.35 * wobble(p * [1, 0, 1], 0.5, rng) * np.sign(p[:, 1])
    p[:, 2] += 0.06 * wobble(p, 0.8, rng)
    return bent(shape, rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.1))


def guitar_pick(rng: Rng) -> Shape:
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    radius = 1.35 * (1 + 0.16 * np.cos(3 * (angles + np.pi / 2)) + 0.05 * np.cos(6 * (angles + np.pi / 2)))
    return prism(np.stack([radius * np.cos(angles) * 0.95, radius * np.sin(angles) * 1.05], 1), 0.09, 0.04)


def bark_piece(rng: Rng) -> Shape:
    length, width, rows = rng.uniform(3, 8), rng.uniform(2, 4), 22
    t = np.linspace(0, 1, rows)
    shape = shield(width / 2 * (1 + 0.12 * rng.normal(size=rows)), length * (t - 0.5), np.full(rows, rng.uniform(0.25, 0.5)), 19)
    p = shape.points
    p[:, 2] += np.where(shape.fibre[:, 2] > 0.5, 0.22 * wobble(p * [2.2, 0.8, 0], 0.9, rng), 0)
    p[:, 1] += 0.4 * wobble(p * [1, 0, 0], 0.8, rng) * np.sign(p[:, 1])
    return bent(shape, rng.uniform(0.1, 0.3), 0.0)


def peel_strip(rng: Rng) -> Shape:
    length, rows = rng.uniform(3, 7), 20
    t = np.linspace(0, 1, rows)
    half = rng.uniform(0.6, 1.4) * (np.sin(np.pi * np.clip(t, 0.05, 0.95)) ** 0.4) * (1 + 0.12 * rng.normal(size=rows))
    shape = shield(half, length * (t - 0.5), np.full(rows, 0.09))
    p, curl = shape.points, rng.uniform(0.3, 0.9)
    angle = curl * p[:, 1]
    p[:, 1], p[:, 2] = np.sin(angle) / curl, (1 - np.cos(angle)) / curl + p[:, 2] + 0.1 * wobble(p, 0.8, rng)
    return shape


def mushroom_slice(rng: Rng) -> Shape:
    size = rng.uniform(1.6, 2.8)
    side = np.array([[0.28, -1.0], [0.26, -0.5], [0.24, -0.1], [0.55, -0.12], [0.95, -0.2], [1.0, 0.05], [0.85, 0.4], [0.5, 0.65], [0.15, 0.75]])
    outline = size * np.concatenate([side, (side * [-1, 1])[::-1]])
    shape = prism(outline[::-1], 0.22, 0.1)
    p = shape.points
    p[:, 2] += 0.1 * wobble(p, 1.2, rng)
    return bent(shape, rng.uniform(-0.08, 0.08), rng.uniform(-0.08, 0.08))


def clay_tile(rng: Rng) -> Shape:
    t = np.linspace(0, 1, 14)
    half = 1.5 * np.where(t < 0.6, 1, np.sqrt(np.clip(1 - ((t - 0.6) / 0.405) ** 2, 0.01, 1)))
    return shield(half, 4.2 * (t - 0.5), np.full(14, 0.14))


def pebble(rng: Rng) -> Shape:
    shape = ball().moved(scale=rng.uniform(0.8, 1.6) * rng.uniform([0.8, 1.0, 0.35], [1.1, 1.6, 0.6]))
    shape.points *= 1 + 0.06 * wobble(shape.points, 1.5, rng)[:, None]
    return shape


def mussel(rng: Rng) -> Shape:
    """Half a mussel's shell: a drop, deep, dark."""
    size, rows = rng.uniform(2.5, 4.5), 16
    t = np.linspace(0.02, 1, rows)
    half = size * 0.32 * np.sin(np.pi * np.clip(t, 0.02, 0.97) ** 0.8) ** 0.6
    shape = shield(half, size * (t - 0.5), np.full(rows, 0.06), 15)
    p = shape.points
    p[:, 2] += 0.26 * size * (1 - shape.fibre[:, 0] ** 2) * np.sin(np.pi * np.clip(shape.fibre[:, 1], 0, 1)) ** 0.6
    p[:, 0] += 0.12 * p[:, 1] ** 2 / size
    return shape


def ginger_slice(rng: Rng) -> Shape:
    """A knobbly outline, cut thin, warped by drying."""
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    knobs = sum(rng.uniform(0.05, 0.22) * np.cos(k * angles + rng.uniform(0, 6)) for k in (2, 3, 5))
    outline = rng.uniform(1.0, 2.0) * (1 + knobs)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    shape = prism(outline, rng.uniform(0.12, 0.3), 0.12)
    shape.points[:, 2] += 0.15 * wobble(shape.points, 1.2, rng)
    return bent(shape, rng.uniform(-0.15, 0.15), rng.uniform(-0.15, 0.15))


def liquorice(rng: Rng) -> Shape:
    """Root cut aslant: a long oval, its rind brown, its wood yellow."""
    angles = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    outline = np.stack([rng.uniform(0.5, 0.9) * np.cos(angles), rng.uniform(0.9, 3.2) * np.sin(angles)], 1) * (1 + 0.03 * rng.normal(size=(30, 1)))
    return bent(prism(outline, rng.uniform(0.2, 0.4), 0.04), 0.0, rng.uniform(-0.04, 0.04))


def cinnamon(rng: Rng) -> Shape:
    """A quill: bark rolled from one side or both."""
    length, turns, radius = rng.uniform(3, 8), rng.uniform(1.0, 1.8), rng.uniform(0.5, 1.1)
    angle = np.linspace(0, 2 * np.pi * turns, 40)
    spiral = radius * (1 - 0.35 * angle / angle[-1])
    along = np.linspace(-0.5, 0.5, 8)[:, None] * length * (1 + 0.04 * np.sin(3 * angle))
    outer = np.stack([spiral * np.cos(angle) + 0 * along, along, spiral * np.sin(angle) + radius + 0 * along], -1)
    inner = outer * [0.86, 1, 0.86] + [0, 0, 0.14 * radius]
    closed = np.concatenate([outer, inner[::-1], outer[:1]])
    fibre = np.stack([closed[..., 0] / radius / 2, closed[..., 1] / length + 0.5, closed[..., 2] / radius / 2], -1)
    return sheet(closed, fibre)


def dried_cap(rng: Rng) -> Shape:
    """A dried mushroom's cap: dark dome, pale gills, rim rolled in."""
    size, rows = rng.uniform(1.5, 2.6), 12
    t = np.linspace(0.02, 0.98, rows)
    shape = shield(size * np.sqrt(1 - (2 * t - 1) ** 2), 2 * size * (t - 0.5), np.full(rows, 0.18), 15)
    p = shape.points
    r = np.hypot(p[:, 0], p[:, 1]) / size
    p[:, 2] += 0.45 * size * (1 - r**2) - 0.15 * size * np.clip(r - 0.8, 0, 1) * 5 + 0.08 * size * wobble(p, 0.9, rng)
    return shape
