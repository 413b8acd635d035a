"""A hand, bare or gloved, as coarse as the few pixels it gets allow."""

import bpy
import numpy as np

from .materials import Rng, shade
from .mesh import Shape, ball, joined, turn, tube
from .nodes import Graph
from .solids import fused
from .stage import Stage

PALM = 3.2  # height of the palm's hollow over the ground, cm


def skin(rng: Rng) -> bpy.types.Material:
    g = Graph("hand")
    if rng.random() < 0.2:  # a glove
        return g.surface(shade(rng, str(rng.choice(["#4a7ac0", "#e8eaec", "#2a2a2c"]))), 0.45)
    tone = shade(rng, "#c49a80", "#86604a", "#d8b49c", "#5a4032", spread=0.08)
    blotch = g.noise(g.place((0.6, 0.6, 0.6)), 1.0, 3)
    pores = g.noise(g.place((6, 6, 6)), 1.0, 3)
    colour = g.ramp(blotch, [(0.35, tuple(c * f for c, f in zip(tone, (0.93, 0.82, 0.78)))), (0.65, tone)])
    return g.surface(colour, 0.5, g.bump(pores, 0.25, 0.05), subsurface=0.15, subsurface_scale=0.4)


def hand(rng: Rng, curl: float) -> Shape:
    """Palm up at the origin, fingers to +y, forearm to -y; `curl` bends each joint of the fingers up."""
    parts = [ball().moved(scale=(4.2, 4.6, 1.35)), ball().moved((-3.0, -2.0, 0.5), (1.6, 2.6, 1.3))]
    for k, (x, length) in enumerate(zip((-3.0, -1.0, 1.0, 2.9), (6.6, 7.6, 7.2, 5.6))):
        bend = np.cumsum(np.r_[0.15, np.full(3, curl + rng.normal(0, 0.06))])
        steps = length * np.array([0.16, 0.36, 0.28, 0.2])
        yz = np.cumsum(np.stack([np.cos(bend), np.sin(bend)], 1) * steps[:, None], 0)
        path = np.concatenate([[[x, 2.6, 0]], np.stack([x * (1 + 0.05 * np.arange(1, 5)), 2.8 + yz[:, 0], yz[:, 1]], 1)])
        path = np.stack([np.interp(np.linspace(0, 4, 12), np.arange(5), path[:, i]) for i in range(3)], 1)
        parts.append(tube(path, (0.92 - 0.02 * np.arange(12))[:, None] * np.full((12, 10), 1 - 0.06 * (k == 3))))
        parts.append(ball(0.72).moved(path[-1]))
    thumb = np.array([[-3.4, -1.6, 0.4], [-5.2, 0.4, 1.0], [-5.9, 2.4, 1.2 + 2 * curl], [-5.4, 4.2, 1.4 + 4 * curl]])
    parts += [tube(thumb, np.array([1.3, 1.15, 1.0, 0.8])[:, None] * np.ones((4, 10))), ball(0.8).moved(thumb[-1])]
    arm = np.stack([np.zeros(5), np.linspace(-3.5, -22, 5), np.zeros(5)], 1)
    parts.append(tube(arm, np.array([2.6, 2.5, 2.9, 3.3, 3.6])[:, None] * np.ones((5, 14))))
    shape = fused(joined(parts), 0.42, 0.0, rng, 4)
    return shape


def palm(stage: Stage, rng: Rng) -> None:
    """Open, held out just over the ground, its wrist away from the camera or to a side."""
    stage.mute(stage.add(hand(rng, rng.uniform(0.12, 0.3)).moved((0, 0, PALM - 1.0)), skin(rng)))
    stage.radius_least = 8.0


def above(stage: Stage, rng: Rng, height: float) -> None:
    """Reaching down from one side."""
    shape = hand(rng, rng.uniform(0.3, 0.55)).moved(turn=turn("y", np.pi)).moved(turn=turn("x", -rng.uniform(0.2, 0.6)))
    size = rng.uniform(0.7, 0.95)
    shape = shape.moved((0, -rng.uniform(5, 9), height + rng.uniform(0.5, 3.0)), (size,) * 3).moved(turn=turn("z", rng.uniform(0, 2 * np.pi)))
    stage.mute(stage.add(shape, skin(rng)))
