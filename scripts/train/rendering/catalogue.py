"""What is rendered: for each class the true things and, as many again, what looks like them. One row a subclass."""

from collections.abc import Callable
from functools import partial

import numpy as np

from . import horns, ivories, layouts, materials as m, scales
from .layouts import bracelet, powder, scattered, single
from .materials import Rng
from .stage import Stage

Build = Callable[[Stage, Rng], None]
LAID = {"heap": layouts.heap, "sack": layouts.sack, "jar": layouts.jar, "bowl": layouts.bowl, "rows": layouts.rows,
        "line": layouts.line, "few": layouts.few}


def lay(layout: Callable, maker: Callable, material: Callable, *more: Callable) -> Build:
    return lambda stage, rng: layout(stage, rng, maker, material, *more)


def anyhow(maker: Callable, material: Callable) -> Build:
    """One of the layouts that scales come in."""

    def build(stage: Stage, rng: Rng) -> None:
        LAID[str(rng.choice(list(LAID), p=[0.25, 0.14, 0.1, 0.15, 0.12, 0.08, 0.16]))](stage, rng, maker, material)

    return build


def one_of(*choices: tuple[Callable, Callable]) -> Build:
    def build(stage: Stage, rng: Rng) -> None:
        maker, *stuff = choices[rng.integers(len(choices))]
        single(stage, rng, maker, *stuff)

    return build


def in_ivory_shapes(material: Callable) -> Build:
    """The shapes of ivory in another stuff."""

    def build(stage: Stage, rng: Rng) -> None:
        kind = str(rng.choice(list(IVORY_SHAPES)))
        IVORY_SHAPES[kind](stage, rng, material)

    return build


def carving(stage: Stage, rng: Rng, material: Callable) -> None:
    single(stage, rng, [ivories.figure, ivories.seated][rng.integers(2)], material, most=2)


def ink(rng: Rng):
    return m.plain("ink", ("#a8241c", "#c0392b"), (0.5, 0.7))(rng)


IVORY_SHAPES: dict[str, Callable] = {
    "carving": carving,
    "netsuke": lambda s, r, mat: single(s, r, ivories.netsuke, mat, most=2),
    "bangle": lambda s, r, mat: single(s, r, ivories.bangle, mat, most=3),
    "beads": bracelet,
    "seal": lambda s, r, mat: single(s, r, ivories.seal, mat, ink if r.random() < 0.6 else mat, most=2),
    "chopsticks": lambda s, r, mat: single(s, r, ivories.chopsticks, mat, most=1),
    "plaque": lambda s, r, mat: single(s, r, ivories.plaque, mat, cord, most=3),
    "pipe": lambda s, r, mat: single(s, r, ivories.pipe, mat, most=3),
}


def cord(rng: Rng):
    return m.plain("cord", ("#a02020", "#202020", "#8a6a3a"), (0.8, 0.9))(rng)


SCALE_CHIPPED = partial(scales.pangolin_scale, broken=0.7)

CATALOGUE: dict[str, tuple[dict[str, Build], dict[str, Build]]] = {
    "pangolin_scales": (
        {
            "scales_heap": lay(layouts.heap, scales.pangolin_scale, m.scale),
            "scales_few": lay(layouts.few, scales.pangolin_scale, m.scale),
            "scales_sack": lay(layouts.sack, scales.pangolin_scale, m.scale),
            "scales_bowl": lay(layouts.bowl, scales.pangolin_scale, m.scale),
            "scales_rows": lay(layouts.rows, scales.pangolin_scale, m.scale),
            "scales_skin": lay(layouts.skin, partial(scales.pangolin_scale, broken=0.0), m.scale),
            "scales_jar": lay(layouts.jar, SCALE_CHIPPED, m.scale),
            "scales_line": lay(layouts.line, scales.pangolin_scale, m.scale),
        },
        {
            "shell": anyhow(scales.clam, m.shell),
            "potato_chip": anyhow(scales.potato_chip, m.potato),
            "dried_leaf": anyhow(scales.dried_leaf, m.leaf),
            "cone_scale": anyhow(scales.cone_scale, m.cone),
            "almond": anyhow(scales.almond, m.almond),
            "wood_chip": anyhow(scales.wood_chip, m.chip),
            "bark": anyhow(scales.bark_piece, m.bark),
            "peel": anyhow(scales.peel_strip, m.peel),
            "guitar_pick": anyhow(scales.guitar_pick, m.tortoise),
            "guitar_pick_plastic": anyhow(scales.guitar_pick, m.celluloid),
            "pine_cone": lay(scattered, scales.pine_cone, m.cone),
            "mushroom": anyhow(scales.mushroom_slice, m.mushroom),
            "banana_chip": anyhow(scales.banana_chip, m.banana),
            "clay_tile": lay(layouts.skin, scales.clay_tile, m.clay),
            "pebble": anyhow(scales.pebble, m.stone),
        },
    ),
    "rhino_horn": (
        {
            "horn_whole": lay(single, horns.rhino_whole, m.horn_skin, m.horn_cut),
            "horn_cut": lay(single, horns.rhino_cut, m.horn_skin, m.horn_cut),
            "horn_slices": lay(scattered, horns.disc, m.horn_skin, m.horn_cut),
            "horn_cup": lay(partial(single, most=1), horns.cup, m.horn_carved),
            "horn_beads": lambda s, r: bracelet(s, r, m.horn_carved),
            "horn_powder": lambda s, r: powder(s, r, m.powder_horn, m.horn_cut),
            "horn_tip": lay(single, horns.rhino_tip, m.horn_skin, m.horn_cut),
            "horn_chunks": lay(scattered, horns.chunk, m.horn_skin, m.horn_cut),
        },
        {
            "buffalo_horn": lay(single, horns.buffalo, m.smooth_horn),
            "ringed_horn": lay(single, horns.ringed, m.pale_horn),
            "spiral_horn": lay(single, horns.spiral, m.pale_horn),
            "antler": lay(single, horns.antler, m.antler, m.bone),
            "branch": lay(single, horns.branch, m.bark, m.log_end),
            "log_slices": lay(scattered, horns.disc, m.bark, m.log_end),
            "cone_carved": one_of((horns.cone, m.wood), (horns.cone, m.resin), (horns.cone, m.stone)),
            "cup_other": one_of((horns.cup, m.wood), (horns.cup, m.jade), (horns.cup, m.porcelain), (horns.cup, m.resin)),
            "beads_other": lambda s, r: bracelet(s, r, [m.wood, m.resin, m.stone, m.jade][r.integers(4)]),
            "powder_other": lambda s, r: powder(s, r, m.powder_brown, m.chip),
            "chunks_other": lambda s, r: scattered(s, r, horns.chunk, *[(m.bark, m.wood), (m.stone, m.stone), (m.resin, m.resin)][r.integers(3)]),
        },
    ),
    "ivory": (
        {
            "tusk": lay(single, ivories.tusk, m.tusk_skin, m.ivory_cut),
            "carving": lambda s, r: carving(s, r, m.ivory),
            "tusk_segment": lay(single, ivories.tusk_segment, m.tusk_skin, m.ivory_cut),
            **{kind: partial(lambda s, r, build: build(s, r, m.ivory), build=build) for kind, build in IVORY_SHAPES.items() if kind != "carving"},
        },
        {
            "plastic": in_ivory_shapes(m.plastic),
            "wood": in_ivory_shapes(m.wood),
            "porcelain": in_ivory_shapes(m.porcelain),
            "jade": in_ivory_shapes(m.jade),
            "bone": in_ivory_shapes(m.bone),
            "resin": in_ivory_shapes(m.resin),
            "stone": in_ivory_shapes(m.stone),
            "horn_like_tusk": one_of((ivories.tusk, m.smooth_horn, m.smooth_horn), (ivories.tusk, m.wood, m.wood), (ivories.tusk, m.pale_horn, m.bone)),
        },
    ),
}


def plan(families: list[str], scenes: int, seed: int) -> list[tuple[str, str, Build]]:
    """(class, subclass, build) for each scene: classes and sides take turns, so that every prefix is balanced."""
    sides = []
    for family in families:
        for side, rows in zip((family, "negative"), CATALOGUE[family]):
            prefix = "render_" if side == family else "render_lookalike_"
            names, rng = list(rows), np.random.default_rng([seed, 0, len(sides)])  # its own: a longer plan begins with the shorter
            order = [names[i] for _ in range(scenes // len(names) + 1) for i in rng.permutation(len(names))]
            sides.append([(side, prefix + name, rows[name]) for name in order])
    return [sides[i % len(sides)][i // len(sides)] for i in range(scenes)]
