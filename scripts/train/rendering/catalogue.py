"""What is rendered: for each class the true things and, as many again, what looks like them. One row a subclass."""

from collections.abc import Callable
from functools import partial

import numpy as np

from . import carved, flats, grounds, horns, ivories, layouts, materials as m, scales, vessels
from .layouts import bracelet, powder, scattered, single
from .materials import Rng
from .settings import alone_or_on_stand, bedded, framed, held, outdoors, shown
from .stage import Stage

Build = Callable[[Stage, Rng], None]
Layout = Callable[[Stage, Rng, Callable, Callable], None]

# How scales, and what looks like them, lie: the layout, and which pieces it takes.
WHOLE, MIXED, CHIPS = (lambda maker: maker), scales.mixed, scales.chips_of
LAID: dict[str, tuple[Layout, Callable]] = {
    "foil": (vessels.foil_bags, CHIPS), "jar": (vessels.jar, CHIPS), "lined_bowl": (vessels.lined_bowl, CHIPS),
    "carrier_bag": (vessels.carrier_bag, MIXED), "clear_bag": (vessels.clear_bag, MIXED), "sack": (vessels.sack, MIXED),
    "bowl": (vessels.bowl, WHOLE), "heap": (layouts.heap, MIXED), "field": (layouts.field, MIXED), "in_hand": (vessels.in_hand, WHOLE),
    "stack": (layouts.stack, WHOLE), "few": (layouts.few, WHOLE), "rows": (layouts.rows, WHOLE), "chips": (layouts.heap, CHIPS),
}


def lay(layout: Callable, maker: Callable, material: Callable, *more: Callable) -> Build:
    return lambda stage, rng: layout(stage, rng, maker, material, *more)


def scales_laid(name: str) -> Build:
    """Half of the scenes under the surface of real scales, where there are photos of them."""
    layout, pieces = LAID[name]

    def build(stage: Stage, rng: Rng) -> None:
        photographed = rng.random() < 0.5 and stage.photos is not None
        maker = scales.thick_scale if name == "stack" else partial(scales.pangolin_scale, broken=0.15)
        layout(stage, rng, pieces(maker), stage.photos.scale if photographed else m.scale)

    return build


def skin_laid(layout: Layout) -> Build:
    def build(stage: Stage, rng: Rng) -> None:
        photographed = rng.random() < 0.5 and stage.photos is not None
        layout(stage, rng, partial(scales.pangolin_scale, broken=0.0), stage.photos.scale if photographed else m.scale)

    return build


def anyhow(maker: Callable, material: Callable) -> Build:
    """In one of the layouts that scales come in, as often, and as often under the surface of something real."""

    def build(stage: Stage, rng: Rng) -> None:
        photographed = rng.random() < 0.4 and stage.photos is not None
        layout, pieces = LAID[str(rng.choice(list(LAID)))]
        layout(stage, rng, pieces(maker), stage.photos.other if photographed else material)

    return build


def one_layout(*choices: Layout) -> Callable:
    """Any of them."""
    return lambda maker, material: lambda stage, rng: choices[rng.integers(len(choices))](stage, rng, maker, material)


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
    alone_or_on_stand(stage, rng, [ivories.figure, ivories.seated][rng.integers(2)], material)


def ink(rng: Rng):
    return m.plain("ink", ("#a8241c", "#1f6a3a", "#1c1c20", "#24408a"), (0.5, 0.7))(rng)


def cord(rng: Rng):
    return m.plain("cord", ("#a02020", "#202020", "#8a6a3a"), (0.8, 0.9))(rng)


IVORY_SHAPES: dict[str, Callable] = {
    "carving": carving,
    "netsuke": lambda s, r, mat: single(s, r, ivories.netsuke, mat, most=2),
    "bangle": lambda s, r, mat: single(s, r, ivories.bangle, mat, most=3),
    "beads": bracelet,
    "seal": lambda s, r, mat: single(s, r, ivories.seal, mat, ink if r.random() < 0.6 else mat, most=2),
    "chopsticks": lambda s, r, mat: single(s, r, ivories.chopsticks, mat, most=1),
    "plaque": lambda s, r, mat: single(s, r, ivories.plaque, mat, cord, most=3),
    "pipe": lambda s, r, mat: single(s, r, ivories.pipe, mat, most=3),
    "slab": lambda s, r, mat: scattered(s, r, flats.slab, mat) if r.random() < 0.4 else single(s, r, flats.slab, mat, most=3),
    "veneers": lambda s, r, mat: single(s, r, flats.veneers, mat, most=1),
    "brooch": lambda s, r, mat: single(s, r, flats.brooch, mat, most=3),
    "ring": lambda s, r, mat: single(s, r, flats.ring, mat, most=3),
    "tiles": lambda s, r, mat: single(s, r, flats.tiles, mat, ink, most=1),
    "smooth_figure": lambda s, r, mat: alone_or_on_stand(s, r, flats.smooth_figure, mat),
    "framed": lambda s, r, mat: framed(s, r, [flats.brooch, flats.slab, ivories.netsuke][r.integers(3)], mat),
}

HORNS = (horns.rhino_whole, horns.rhino_whole, horns.rhino_cut, horns.rhino_tip)
WHOLE_HORN = tuple((maker, m.horn_skin, m.horn_cut) for maker in HORNS)
CARVED_OF = (m.horn_carved, m.horn_core)
OTHER_OF = (m.smooth_horn, m.smooth_horn, m.resin, m.agate, m.wood, m.dark_wood, m.jade, m.bone)
OTHER_HORN = ((horns.buffalo, m.smooth_horn), (horns.ringed, m.pale_horn), (horns.buffalo, m.pale_horn), (horns.branch, m.bark, m.log_end), (horns.cone, m.wood))


def carved_as(shapes: tuple[Callable, ...], stuffs: tuple[Callable, ...], show: Callable = single) -> Build:
    """Any of the shapes in any of the stuffs; slots 1 and 2 are metal and dark wood."""

    def build(stage: Stage, rng: Rng) -> None:
        show(stage, rng, shapes[rng.integers(len(shapes))], stuffs[rng.integers(len(stuffs))], grounds.metal, m.dark_wood)

    return build


def any_of(show: Callable, choices: tuple, *before: Callable) -> Build:
    def build(stage: Stage, rng: Rng) -> None:
        maker, *stuff = choices[rng.integers(len(choices))]
        show(stage, rng, maker, *before, *stuff)

    return build


CUPS, HILTS = (carved.libation_cup, carved.libation_cup, horns.cup), (carved.dagger, carved.dagger, carved.sword_grip)

CATALOGUE: dict[str, tuple[dict[str, Build], dict[str, Build]]] = {
    "pangolin_scales": (
        {
            **{f"scales_{name}": scales_laid(name) for name in LAID},
            "scales_skin": skin_laid(layouts.skin),
            "scales_blanket": skin_laid(layouts.blanket),
        },
        {
            "bark": anyhow(scales.bark_piece, m.bark),
            "ginger": anyhow(scales.ginger_slice, m.ginger),
            "mushroom": anyhow(scales.mushroom_slice, m.mushroom),
            "mushroom_cap": anyhow(scales.dried_cap, m.cap),
            "mussel": anyhow(scales.mussel, m.mussel),
            "shell": anyhow(scales.clam, m.shell),
            "potato_chip": anyhow(scales.potato_chip, m.potato),
            "banana_chip": anyhow(scales.banana_chip, m.banana),
            "liquorice": anyhow(scales.liquorice, m.liquorice_wood),
            "cinnamon": anyhow(scales.cinnamon, m.cinnamon_bark),
            "wood_chip": anyhow(scales.wood_chip, m.chip),
            "peel": anyhow(scales.peel_strip, m.peel),
            "dried_leaf": anyhow(scales.dried_leaf, m.leaf),
            "cone_scale": anyhow(scales.cone_scale, m.cone),
            "almond": anyhow(scales.almond, m.almond),
            "pebble": anyhow(scales.pebble, m.stone),
            "guitar_pick": anyhow(scales.guitar_pick, m.tortoise),
            "clay_tile": one_layout(layouts.skin, layouts.blanket)(scales.clay_tile, m.clay),
            "roof_of_bark": one_layout(layouts.skin, layouts.blanket)(scales.wood_chip, m.bark),
        },
    ),
    "rhino_horn": (
        {
            "horn_whole": lay(single, horns.rhino_whole, m.horn_skin, m.horn_cut),
            "horn_cut": any_of(single, WHOLE_HORN),
            "horn_on_ground": outdoors(any_of(single, WHOLE_HORN)),
            "horn_on_scales": any_of(bedded, WHOLE_HORN, scales.pangolin_scale, m.scale),
            "horn_held": any_of(held, WHOLE_HORN),
            "horn_slices": lay(scattered, horns.disc, m.horn_skin, m.horn_cut),
            "horn_chunks": lay(scattered, horns.chunk, m.horn_skin, m.horn_cut),
            "horn_powder": lambda s, r: powder(s, r, m.powder_horn, m.horn_cut),
            "horn_cup": shown(carved_as(CUPS, CARVED_OF, partial(single, most=1))),
            "horn_carving": shown(carved_as((carved.figure_of_horn,), CARVED_OF, alone_or_on_stand)),
            "horn_hilt": shown(carved_as(HILTS, CARVED_OF)),
            "horn_cane": shown(carved_as((carved.cane,), CARVED_OF)),
            "horn_bangle": shown(carved_as((ivories.bangle,), CARVED_OF, partial(single, most=3))),
            "horn_beads": lambda s, r: bracelet(s, r, CARVED_OF[r.integers(2)]),
        },
        {
            "buffalo_horn": lay(single, horns.buffalo, m.smooth_horn),
            "ringed_horn": lay(single, horns.ringed, m.pale_horn),
            "spiral_horn": lay(single, horns.spiral, m.pale_horn),
            "antler": lay(single, horns.antler, m.antler, m.bone),
            "other_on_ground": outdoors(any_of(single, OTHER_HORN)),
            "other_on_bark": any_of(bedded, OTHER_HORN, scales.bark_piece, m.bark),
            "other_held": any_of(held, OTHER_HORN),
            "branch": lay(single, horns.branch, m.bark, m.log_end),
            "log_slices": lay(scattered, horns.disc, m.bark, m.log_end),
            "cone_carved": one_of((horns.cone, m.wood), (horns.cone, m.resin), (horns.cone, m.stone), (horns.cone, m.smooth_horn)),
            "cup_other": shown(carved_as(CUPS, (*OTHER_OF, m.porcelain), partial(single, most=1))),
            "carving_other": shown(carved_as((carved.figure_of_horn,), OTHER_OF, alone_or_on_stand)),
            "hilt_other": shown(carved_as(HILTS, OTHER_OF)),
            "cane_other": shown(carved_as((carved.cane,), OTHER_OF)),
            "bangle_other": shown(carved_as((ivories.bangle,), OTHER_OF, partial(single, most=3))),
            "beads_other": lambda s, r: bracelet(s, r, OTHER_OF[r.integers(len(OTHER_OF))]),
            "powder_other": lambda s, r: powder(s, r, m.powder_brown, m.chip),
            "chunks_other": lambda s, r: scattered(s, r, horns.chunk, *[(m.bark, m.wood), (m.stone, m.stone), (m.resin, m.resin)][r.integers(3)]),
        },
    ),
    "ivory": (
        {
            "tusk": lay(single, ivories.tusk, m.tusk_skin, m.ivory_cut),
            "tusk_segment": lay(single, ivories.tusk_segment, m.tusk_skin, m.ivory_cut),
            "scrimshaw": shown(one_of((flats.tooth, m.scrimshaw), (flats.slab, m.scrimshaw), (ivories.plaque, m.scrimshaw, cord))),
            **{kind: shown(partial(lambda s, r, build: build(s, r, m.ivory), build=build)) for kind, build in IVORY_SHAPES.items()},
        },
        {
            "plastic": shown(in_ivory_shapes(m.plastic)),
            "wood": shown(in_ivory_shapes(m.wood)),
            "dark_wood": shown(in_ivory_shapes(m.dark_wood)),
            "horn": shown(in_ivory_shapes(m.smooth_horn)),
            "pale_horn": shown(in_ivory_shapes(m.pale_horn)),
            "terracotta": shown(in_ivory_shapes(m.terracotta)),
            "porcelain": shown(in_ivory_shapes(m.porcelain)),
            "jade": shown(in_ivory_shapes(m.jade)),
            "bone": shown(in_ivory_shapes(m.bone)),
            "resin": shown(in_ivory_shapes(m.resin)),
            "agate": shown(in_ivory_shapes(m.agate)),
            "stone": shown(in_ivory_shapes(m.stone)),
            "dark_netsuke": shown(one_of((ivories.netsuke, m.dark_wood), (ivories.netsuke, m.smooth_horn), (ivories.netsuke, m.terracotta),
                                         (ivories.netsuke, m.jade), (ivories.netsuke, m.wood))),
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
