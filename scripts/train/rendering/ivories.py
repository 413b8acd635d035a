"""What is made of ivory, and of bone, plastic, porcelain, wood and stone in the same shapes."""

import numpy as np

from .horns import arc, laid
from .materials import Rng
from .mesh import Shape, ball, box, joined, lathe, prism, sheet, tube, turn, wobble
from .solids import blob, fused


def tusk(rng: Rng) -> Shape:
    rows, base = 60, rng.uniform(2.5, 6)
    t = np.linspace(0, 1, rows)[:, None]
    radii = base * (1 - t) ** rng.uniform(0.45, 0.65) * (1 + 0.06 * np.cos(np.linspace(0, 2 * np.pi, 32, endpoint=False)))[None] + 0.12
    length = base * rng.uniform(8, 15)
    return laid(tube(arc(length, rng.uniform(0.7, 1.7), rows, rng.uniform(-0.1, 0.1)), radii, (rng.uniform(0.5, 1.5), 0.0)), rng, 0.05)


def tusk_segment(rng: Rng) -> Shape:
    rows, base = 16, rng.uniform(2.5, 5)
    t = np.linspace(0, 1, rows)[:, None]
    radii = base * (1 - rng.uniform(0.05, 0.3) * t) * (1 + 0.05 * np.cos(np.linspace(0, 2 * np.pi, 36, endpoint=False)))[None]
    return laid(tube(arc(base * rng.uniform(0.8, 4), rng.uniform(0.05, 0.3), rows), radii, (0.0, 0.0)), rng, 0.6)


def figure(rng: Rng) -> Shape:
    """A standing robed figure: staff or child, high hair, round base."""
    h, lean = rng.uniform(8, 14), rng.uniform(-0.08, 0.08)
    z = np.linspace(0, 0.78, 16)
    radius = h * (0.15 - 0.06 * z + 0.025 * np.sin(7 * z) + 0.01 * rng.normal(size=16))
    radius[-3:] *= [0.9, 0.6, 0.25]
    robe = lathe(np.stack([np.r_[0.01, radius, 0.01], h * np.r_[0, z, z[-1]]], 1), 26, oval=0.8)
    angles = np.arctan2(robe.points[:, 1], robe.points[:, 0])
    robe.points[:, :2] *= 1 + 0.05 * np.sin(angles * rng.integers(7, 13) + robe.points[:, 2:3][:, 0])[:, None]
    robe.points[:, 0] += lean * h * np.sin(np.pi * robe.points[:, 2] / h)
    parts = [robe, blob((0, 0, 0.86 * h), h * np.array([0.062, 0.066, 0.08])), blob((0, 0.01 * h, 0.95 * h), h * np.array([0.045, 0.045, 0.05]))]
    for side in (-1, 1):
        parts.append(blob((side * 0.12 * h, -0.05 * h, 0.6 * h), h * np.array([0.05, 0.06, 0.13]), side * 0.3))
        parts.append(blob((side * 0.06 * h, -0.12 * h, 0.52 * h), h * np.array([0.035, 0.05, 0.03])))
    parts.append(blob((0, 0, 0.02 * h), h * np.array([0.2, 0.18, 0.04])))
    if rng.random() < 0.5:
        parts.append(tube(np.array([[0.17, -0.1, 0.05], [0.17, -0.1, 0.5], [0.16, -0.1, 0.95]]) * h, np.full((3, 8), 0.018 * h), (0.0, 0.0)))
    return fused(joined(parts), h / 80, 0.02, rng)


def seated(rng: Rng) -> Shape:
    """A seated, laughing or meditating figure."""
    h = rng.uniform(4, 8)
    fat = rng.uniform(0.85, 1.25)
    parts = [blob((0, 0, 0.3 * h), h * np.array([0.3 * fat, 0.27 * fat, 0.27])), blob((0, 0, 0.55 * h), h * np.array([0.24, 0.19, 0.2])),
             blob((0, -0.03 * h, 0.84 * h), h * np.array([0.145, 0.15, 0.17])), blob((0, 0, 0.05 * h), h * np.array([0.46, 0.36, 0.07]))]
    for side in (-1, 1):
        parts += [blob((side * 0.27 * h, -0.16 * h, 0.14 * h), h * np.array([0.22, 0.14, 0.1]), side * 0.2),
                  blob((side * 0.27 * h, -0.05 * h, 0.48 * h), h * np.array([0.08, 0.1, 0.18]), side * 0.35),
                  blob((side * 0.15 * h, -0.01 * h, 0.82 * h), h * np.array([0.03, 0.04, 0.09])),
                  blob((side * 0.16 * h, -0.22 * h, 0.32 * h), h * np.array([0.09, 0.06, 0.05]))]
    if rng.random() < 0.6:
        parts.append(blob((0, 0, 1.0 * h), h * np.array([0.07, 0.07, 0.06])))
    return fused(joined(parts), h / 70, 0.015, rng)


def netsuke(rng: Rng) -> Shape:
    """A curled animal, compact and rounded: body, head, ears, legs, tail along the flank."""
    s = rng.uniform(1.8, 2.6)
    parts = [blob((0, 0, 0.55 * s), s * np.array([1.0, 0.75, 0.6])), blob((0.75 * s, -0.25 * s, 0.75 * s), s * np.array([0.42, 0.4, 0.4])),
             blob((1.1 * s, -0.35 * s, 0.62 * s), s * np.array([0.22, 0.2, 0.18]))]
    ear = rng.choice([0.12, 0.25, 0.45])
    for side in (-1, 1):
        parts += [blob((0.6 * s, (-0.25 + side * 0.25) * s, (1.05 + ear / 2) * s), s * np.array([0.1, 0.07, ear + 0.05]), -0.5),
                  blob((-0.5 * s, side * 0.5 * s, 0.35 * s), s * np.array([0.45, 0.25, 0.36])),
                  blob((0.55 * s, side * 0.5 * s, 0.14 * s), s * np.array([0.4, 0.16, 0.14])),
                  blob((0.99 * s, (-0.3 + side * 0.17) * s, 0.85 * s), s * 0.06)]
    t = np.linspace(0, 1, 12)
    tail = np.stack([-0.95 * s * np.cos(1.8 * t), 0.85 * s * np.sin(1.8 * t), s * (0.25 + 0.2 * t)], 1)
    parts.append(tube(tail, (0.13 * s * (1 - 0.6 * t))[:, None] * np.ones((1, 8)), (0.0, 0.0)))
    return fused(joined(parts), s / 24, 0.02, rng)


def bangle(rng: Rng) -> Shape:
    angles = np.linspace(0, 2 * np.pi, 18)
    wide, thick = rng.uniform(0.4, 1.4), rng.uniform(0.3, 0.55)
    power = rng.choice([1.0, 0.5])
    section = np.stack([np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** power * thick, np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** power * wide], 1)
    return lathe(section + [3.3, wide], 64)


def beads(rng: Rng) -> tuple[Shape, Shape, int]:
    """One bead, the cord, and how many beads go round it."""
    radius = rng.uniform(0.5, 1.0)
    count = int(2 * np.pi * 3.2 / (2 * radius * 1.02))
    bead = ball(radius)
    if rng.random() < 0.25:
        bead = bead.moved(scale=(1, 1, rng.uniform(1.1, 1.5)))
    bead.fibre[:, :] = bead.points / radius @ turn("x", rng.uniform(0, 3)).T
    t = np.linspace(0, 2 * np.pi, 40)
    cord = tube(np.stack([3.2 * np.cos(t), 3.2 * np.sin(t), np.full(40, radius)], 1), np.full((40, 6), 0.08), (None, None))
    return bead, cord, count


def seal(rng: Rng) -> Shape:
    """A name seal standing: slot 1 is the inked face."""
    side, height = rng.uniform(1.4, 2.6), rng.uniform(4, 7)
    if rng.random() < 0.5:
        angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        body = prism(np.stack([np.cos(angles), np.sin(angles)], 1) * side / 2, height)
    else:
        body = box(side, side * rng.uniform(0.6, 1.0), height)
    columns = len(body.faces) // 5
    body.slots = [1 if i < columns else 0 for i in range(len(body.faces))]
    if rng.random() < 0.45:
        knob = netsuke(rng)
        knob = knob.moved(scale=np.full(3, side * 0.26)).moved((0, 0, height * 0.97))
        body = joined([body, knob])
    if rng.random() < 0.5:
        body = body.moved(turn=turn("x", np.pi / 2)).moved((0, height / 2, side / 2))
    return body


def chopsticks(rng: Rng) -> Shape:
    length, thick, square = rng.uniform(20, 26), rng.uniform(0.3, 0.45), rng.random() < 0.5
    parts = []
    for i in range(int(rng.choice([2, 2, 4, 6]))):
        t = np.linspace(0, 1, 14)[:, None]
        corners = np.linspace(0, 2 * np.pi, 16, endpoint=False)[None]
        edge = 1 / np.maximum(np.abs(np.cos(corners)), np.abs(np.sin(corners))) ** (0.8 * square)
        radii = thick * (1 - 0.5 * t) * edge * np.ones((14, 16))
        path = np.stack([np.linspace(-length / 2, length / 2, 14), np.zeros(14), np.full(14, thick)], 1)
        parts.append(tube(path, radii).moved(turn=turn("z", rng.normal(0, 0.04))).moved((0, i * thick * rng.uniform(2.4, 4), 0)))
    return joined(parts)


def plaque(rng: Rng) -> Shape:
    """A pendant or plaque: flat, round, oval, drop or square; a relief inside a rim; a hole for the cord."""
    rows, columns, size = 40, 60, rng.uniform(1.8, 3.2)
    angles = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    kind = rng.integers(4)
    edge = {0: 1 + 0 * angles, 1: 1 / np.sqrt(np.cos(angles) ** 2 + (np.sin(angles) / 1.5) ** 2),
            2: 1 + 0.35 * np.clip(np.sin(angles), 0, 1) ** 3, 3: np.minimum(1 / np.abs(np.cos(angles)), 1.35 / np.maximum(np.abs(np.sin(angles)), 1e-9))}[int(kind)]
    rho = np.linspace(0.01, 1, rows)[:, None]
    x, y = size * rho * edge * np.cos(angles), size * rho * edge * np.sin(angles)
    flat = np.stack([x, y, 0 * x], -1)
    relief = np.clip(wobble(flat, size * 0.3, rng, 9), -0.5, 1) * 0.07 * size + 0.03 * size * wobble(flat, size * 0.14, rng)
    rim = rho > 0.9
    top = np.where(rim, 0.12 * size * np.sqrt(np.clip(1 - ((rho - 0.95) / 0.052) ** 2, 0, 1)), relief) + 0.14 * size
    flat[..., 2] = np.where(rho > 0.985, 0.04 * size, top)
    front = sheet(flat, flat / size, wrap=True)
    t = np.linspace(0, np.pi, 14)
    loop = size * edge.max() * (0.95 if kind else 1.0)
    ring = tube(np.stack([0.12 * size * np.cos(2 * t), loop + 0.12 * size * np.sin(2 * t), np.full(14, 0.15 * size)], 1), np.full((14, 6), 0.04 * size), (None, None))
    ring.slots = [1] * len(ring.faces)
    return joined([front, ring])


def pipe(rng: Rng) -> Shape:
    """A cigarette holder, a needle case: slim, turned."""
    length = rng.uniform(6, 11)
    z = np.linspace(0, 1, 24)
    radius = 0.5 + 0.12 * np.sin(z * rng.uniform(8, 25)) * (rng.random() < 0.6) - 0.2 * z
    shape = lathe(np.stack([np.r_[0.01, radius, 0.01], length * np.r_[0, z, 1]], 1), 24)
    return laid(shape.moved((0, 0, -length / 2)), rng, 0.05)
