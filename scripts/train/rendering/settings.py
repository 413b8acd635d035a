"""How single things are shown: on the ground outdoors, on a bed of smaller goods, in a hand, on a stand, in a frame, in a studio."""

from collections.abc import Callable

import numpy as np

from . import grounds, hands
from .flats import stand
from .layouts import single
from .materials import Rng, dark_wood
from .mesh import Shape, joined, prism, turn
from .piles import Maker, Masters, Material
from .stage import Stage


def outdoors(build: Callable) -> Callable:
    def placed(stage: Stage, rng: Rng) -> None:
        stage.floors, stage.walls = grounds.OUTDOORS, False
        build(stage, rng)

    return placed


def shown(build: Callable) -> Callable:
    """Now and then before the plain paper of a studio."""

    def placed(stage: Stage, rng: Rng) -> None:
        if rng.random() < 0.35:
            stage.floors, stage.walls, stage.clutter = [grounds.studio], False, False
        build(stage, rng)

    return placed


def held(stage: Stage, rng: Rng, maker: Maker, *materials: Material) -> None:
    hands.palm(stage, rng)
    shape = maker(rng)
    low, high = shape.points.min(0), shape.points.max(0)
    size = rng.uniform(8, 15) / float((high - low).max())
    middle = (low + high) / 2
    shape = shape.moved(-middle * [1, 1, 0] - low * [0, 0, 1]).moved(scale=(size,) * 3)
    shape = shape.moved((0, rng.uniform(-1, 2), hands.PALM - 0.4), turn=turn("z", rng.uniform(0, 6.3)))
    stage.add(shape, *[material(rng) for material in materials])


def bedded(stage: Stage, rng: Rng, maker: Maker, bed: Maker, bed_stuff: Material, *materials: Material) -> None:
    """On a wide layer of smaller goods."""
    shape = maker(rng)
    reach = float(np.abs(shape.points[:, :2]).max())
    masters = Masters(stage, rng, bed, bed_stuff, 8)
    size = reach / float(np.mean(masters.reach)) * rng.uniform(0.2, 0.32)
    before = set(stage.scene.objects.keys())
    _, height = masters.pile(220, reach, reach * 2.0, None, size, 0.3)
    for name in set(stage.scene.objects.keys()) - before:
        stage.muted.add(name)
    rise = float(np.percentile(height, 60))
    stage.add(shape.moved((0, 0, rise - float(shape.points[:, 2].min()))), *[material(rng) for material in materials])


def on_stand(stage: Stage, rng: Rng, maker: Maker, *materials: Material) -> None:
    shape = maker(rng).moved(turn=turn("z", rng.normal(0, 0.2)))
    wide, deep, _ = np.ptp(shape.points, axis=0)
    foot = stand(rng, wide, deep)
    high = float(-foot.points[:, 2].min())
    middle = (shape.points.min(0) + shape.points.max(0)) / 2
    stage.add(shape.moved((-middle[0], -middle[1], high - float(shape.points[:, 2].min()) - 0.05)), *[material(rng) for material in materials])
    stage.add(foot.moved((0, 0, high)), dark_wood(rng))


def framed(stage: Stage, rng: Rng, maker: Maker, *materials: Material) -> None:
    """Small work laid on cloth or board within a moulded frame."""
    shape = maker(rng)
    size = float(np.abs(shape.points[:, :2]).max()) * rng.uniform(1.3, 1.8)
    x, y = size, size * rng.uniform(0.9, 1.3)
    thick = size * rng.uniform(0.12, 0.25)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [x, y]
    rails = []
    for k in range(4):
        a, b = corners[k], corners[(k + 1) % 4]
        along = (b - a) / np.linalg.norm(b - a)
        out = np.array([along[1], -along[0]])
        outline = np.array([a, b, b + thick * (out + along), a + thick * (out - along)])
        middle = outline.mean(0)
        rails.append(prism(np.repeat(outline - middle, 2, axis=0), thick * 0.7, 0.02).moved((*middle, 0)))
    stage.add(joined(rails), dark_wood(rng) if rng.random() < 0.6 else grounds.metal(rng))
    back = np.array([[-x, -y, 0.1], [x, -y, 0.1], [x, y, 0.1], [-x, y, 0.1]])
    stage.add(Shape(back, [(0, 1, 2, 3)], back / size, [0]), grounds.cloth(rng) if rng.random() < 0.6 else grounds.paper(rng))
    stage.add(shape.moved((0, 0, 0.15 - float(shape.points[:, 2].min()))), *[material(rng) for material in materials])


def alone_or_on_stand(stage: Stage, rng: Rng, maker: Maker, *materials: Material) -> None:
    (on_stand if rng.random() < 0.4 else single)(stage, rng, maker, *materials)
