"""What is carved of horn and sold: cups with relief, hilts, cane handles; and the same of other stuffs. Slot 1 is metal or wood."""

import numpy as np

from .horns import laid
from .materials import Rng
from .mesh import Shape, ball, box, joined, lathe, prism, tube, wobble


def libation_cup(rng: Rng) -> Shape:
    """A horn's base turned over: a flaring, oval mouth, a small foot, trees and beasts in relief about the wall."""
    tall, mouth = rng.uniform(7, 12), rng.uniform(4.5, 7)
    foot = mouth * rng.uniform(0.3, 0.5)
    t = np.linspace(0, 1, 44)
    outer = foot + (mouth - foot) * t ** rng.uniform(1.2, 2.2) + 0.12 * mouth * np.exp(-t * 25)
    outside = np.stack([np.r_[0.01, outer], tall * np.r_[0, t]], 1)
    inside = np.stack([np.interp(t[::-1], t, outer) - 0.45, tall * (0.12 + 0.88 * t[::-1])], 1)
    inside[-1, 0] = 0.01
    shape = lathe(np.concatenate([outside, inside]), 88, oval=rng.uniform(0.65, 0.9))
    p, columns = shape.points, 88
    relief = np.zeros(len(p))
    relief[: 45 * columns] = 1.0
    amount = rng.choice([0.15, 0.5, 0.9])
    vines = np.clip(1 - 3.5 * np.abs(wobble(p, 3.2, rng)), 0, 1) + 0.6 * np.clip(wobble(p, 1.6, rng), 0, 1)
    band = np.sin(np.pi * np.clip(p[:, 2] / tall, 0, 1)) ** 0.4
    out = p * [1, 1, 0] / (np.hypot(p[:, 0], p[:, 1])[:, None] + 1e-6)
    p += out * (relief * vines * band * amount * 0.55)[:, None]
    p[:, 2] += 0.09 * tall * (p[:, 2] / tall) ** 3 * (np.cos(np.arctan2(p[:, 1], p[:, 0])) + 0.3 * wobble(p * [1, 1, 0], mouth, rng))
    parts = [shape]
    if rng.random() < 0.5:  # a branch for a handle
        s = np.linspace(0, 1, 20)
        path = np.stack([-foot - 0.2 - (mouth - foot + 1.4) * np.sin(np.pi * s * 0.8) ** 0.9, 0.5 * np.sin(6 * s), tall * (0.08 + 0.9 * s)], 1)
        parts.append(tube(path, (0.55 * (1 + 0.25 * np.sin(11 * s)))[:, None] * np.ones((20, 10)), cap_slot=0))
    return joined(parts)


def blade(length: float, width: float, bend: float) -> Shape:
    """Along -y, flat."""
    t = np.linspace(0, 1, 24)
    half = width / 2 * np.clip(1 - t**3, 0.03, 1)
    side = np.concatenate([np.stack([half + bend * length * t**2, -length * t], 1), np.stack([-half + bend * length * t**2, -length * t], 1)[::-1]])
    shape = prism(side - side.mean(0), 0.25, 0.1).moved(side.mean(0).tolist() + [0])
    shape.slots = [1] * len(shape.faces)
    return shape


def dagger(rng: Rng) -> Shape:
    """A hilt waisted between two broad ends, studs on it; the blade, or its curved sheath, below."""
    h, w = rng.uniform(8, 11), rng.uniform(1.6, 2.4)
    t = np.linspace(-1, 1, 30)
    half = w * (0.42 + 0.58 * np.abs(t) ** rng.uniform(1.8, 3.2)) * (1 + 0.12 * (t > 0))
    side = np.concatenate([np.stack([half, h * (t + 1) / 2], 1), np.stack([-half, h * (t + 1) / 2], 1)[::-1]])
    middle = np.array([0, h / 2])
    grip = prism(side - middle, rng.uniform(1.3, 2.0), 0.22).moved((0, h / 2, 0))
    parts = [grip, blade(rng.uniform(12, 20), 2 * w * rng.uniform(0.7, 1.0), rng.uniform(-0.45, 0.45)).moved((0, 0.2, 0.5))]
    collar = box(2.3 * w, 1.2, 1.9).moved((0, 0, -0.1))
    studs = [ball(0.35, 8, 10).moved((0, h * at, grip.points[:, 2].max())) for at in (0.15, 0.85)]
    for part in [collar, *studs]:
        part.slots = [1] * len(part.faces)
        parts.append(part)
    whole = joined(parts)
    return whole.moved((0, 0, -float(whole.points[:, 2].min())))


def sword_grip(rng: Rng) -> Shape:
    """Round, ribbed for the hand, a guard of metal, a length of blade."""
    length = rng.uniform(9, 14)
    t = np.linspace(0, 1, 40)
    radius = 1.4 * (1 + 0.12 * np.sin(np.pi * t) + 0.06 * np.sin(2 * np.pi * t * rng.integers(0, 12)) + 0.3 * np.exp(-((t - 1) * 14) ** 2))
    grip = tube(np.stack([0.05 * length * np.sin(2 * t), length * t, 1.5 + 0 * t], 1), radius[:, None] * np.ones((40, 18)), cap_slot=0)
    guard = box(rng.uniform(5, 9), 0.8, 1.8).moved((0, -0.4, 0.6))
    guard.slots = [1] * len(guard.faces)
    return joined([grip, guard, blade(rng.uniform(12, 30), 3.0, rng.uniform(-0.2, 0.2)).moved((0, -0.5, 1.3))])


def cane(rng: Rng) -> Shape:
    """A walking stick's top: crook, derby or knob, a collar of silver, some of the shaft."""
    kind, r = rng.choice(["crook", "derby", "knob"]), rng.uniform(1.0, 1.4)
    s = np.linspace(0, 1, 36)
    if kind == "crook":
        angle, bow = rng.uniform(2.8, 3.8) * s, rng.uniform(4, 6)
        path = np.stack([bow * (1 - np.cos(angle)), bow * np.sin(angle) + 3, 0 * s], 1)
        grip = tube(np.concatenate([[[0, 0, 0]], path]), r * np.r_[1, 1 - 0.25 * s][:, None] * np.ones((37, 18)), cap_slot=0)
    elif kind == "derby":
        path = np.stack([10 * s - 3, 2.2 + 0.8 * np.sin(4 * s), 0 * s], 1)
        neck = tube(np.array([[0, -0.5, 0], [0, 2.5, 0]]), np.full((2, 18), r), cap_slot=0)
        grip = joined([tube(path, r * (1.2 - 0.5 * s)[:, None] * np.ones((36, 18)), cap_slot=0), neck])
    else:
        grip = ball(2.0 * r).moved((0, 2.2 * r, 0), (1, rng.uniform(0.9, 1.5), 1))
    shaft = tube(np.array([[0, -rng.uniform(12, 30), 0], [0, 0.2, 0]]), np.full((2, 18), 0.85 * r))
    collar = tube(np.array([[0, -1.2, 0], [0, 0.4, 0]]), np.full((2, 18), 1.05 * r))
    collar.slots, shaft.slots = [1] * len(collar.faces), [2] * len(shaft.faces)
    whole = joined([grip, collar, shaft])
    return whole.moved((0, 0, -float(whole.points[:, 2].min())))


def figure_of_horn(rng: Rng) -> Shape:
    """A whole horn carved upright: its curve kept, the wall deep with relief."""
    from .horns import rhino_form

    centres, radii = rhino_form(rng, 90, 80)
    horn = tube(centres, radii * 0.8, (0.2, 0.0), cap_slot=0)
    p = horn.points
    size = float(radii.max())
    depth = np.clip(1 - 3 * np.abs(wobble(p, size * 0.55, rng)), 0, 1) - np.clip(wobble(p, size * 0.3, rng), 0, 1)
    normal = p - centres[np.clip((horn.fibre[:, 2] * 89).astype(int), 0, 89)]
    p += normal * (0.16 * depth)[:, None]
    return laid(horn, rng, 0.9)
