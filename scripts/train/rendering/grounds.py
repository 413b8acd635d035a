"""Surfaces and containers' stuffs: the same for positives and look-alikes."""

from .materials import Rng, darker, lighter, shade
from .nodes import Graph


def planks(rng: Rng):
    g = Graph("planks")
    body = shade(rng, "#a87848", "#6b4428", "#d1ab78", "#4a3020", "#e0cba6", "#8a8078")
    shift = tuple(rng.uniform(-99, 99, 3))
    grain = g.noise(g.place((0.12, 2.2, 1), shift), 1.0, 5, 0.6, 0.4)
    colour = g.ramp(grain, [(0.3, darker(body, 0.55)), (0.55, body), (0.75, lighter(body, 0.12))])
    if rng.random() < 0.6:
        y = g.split(g.place((1, 1 / rng.uniform(7, 14), 1)))[1]
        gap = g.math("ABSOLUTE", g.math("SUBTRACT", g.math("FRACT", y), 0.5))
        colour = g.mix(g.step(gap, 0.49, 0.498), colour, darker(body, 0.15))
    return g.surface(colour, rng.uniform(0.15, 0.7), g.bump(grain, 0.1, 0.05))


def cloth(rng: Rng):
    g = Graph("cloth")
    base = rng.choice(["#9c1c1c", "#22252b", "#e9e4d8", "#2c4a7a", "#c8b48a", "#5a6a4a", "#7a5a8a", "#d9d9dc"])
    body = shade(rng, str(base))
    weave = rng.uniform(3, 9)
    x, y, _ = g.split(g.place((weave, weave, 1)))
    threads = g.math("MULTIPLY", g.math("SINE", g.math("MULTIPLY", x, 6.28)), g.math("SINE", g.math("MULTIPLY", y, 6.28)))
    folds = g.noise(g.place((0.06, 0.06, 1), tuple(rng.uniform(-9, 9, 3))), 1.0, 3)
    colour = g.ramp(g.step(threads, -1, 1), [(0.2, darker(body, 0.7)), (0.8, body)])
    if rng.random() < 0.4:  # a printed pattern
        print_scale = rng.uniform(0.12, 0.5)
        mark = g.step(g.cells(g.place((print_scale,) * 3)), 0.3, 0.25) if rng.random() < 0.5 else g.step(g.math("FRACT", g.split(g.place((print_scale, 1, 1)))[0]), 0.49, 0.5)
        colour = g.mix(mark, colour, shade(rng, "#f0e8d8", "#b03030", "#304070", "#d0a040"))
    height = g.math("ADD", g.math("MULTIPLY", threads, 0.02), folds)
    return g.surface(colour, 0.9, g.bump(height, 1.0, rng.uniform(0.5, 3.0)), sheen=0.3, specular=0.15)


def tiles(rng: Rng):
    g = Graph("tiles")
    body, size = shade(rng, "#e8e6e0", "#b8b4ac", "#c9a888", "#7a8a92", "#f2f2f2"), rng.uniform(12, 40)
    x, y, _ = g.split(g.place((1 / size, 1 / size, 1), tuple(rng.uniform(-1, 1, 3))))
    edges = [g.math("ABSOLUTE", g.math("SUBTRACT", g.math("FRACT", v), 0.5)) for v in (x, y)]
    joint = g.step(g.math("MAXIMUM", *edges), 0.488, 0.494)
    speck = g.noise(g.place((0.5, 0.5, 1), tuple(rng.uniform(-9, 9, 3))), 1.0, 6, 0.65, rng.uniform(0, 1.5))
    colour = g.ramp(speck, [(0.3, darker(body, 0.8)), (0.6, body)])
    return g.surface(g.mix(joint, colour, shade(rng, "#8a8680", "#d0ccc4")), rng.uniform(0.05, 0.4), g.bump(g.math("SUBTRACT", 1.0, joint), 0.3, 0.1))


def paper(rng: Rng):
    g = Graph("paper")
    body = shade(rng, "#f4f3ef", "#efe6d2", "#dcdcdc", "#c8a878", spread=0.06)
    fibres = g.noise(g.place((3, 3, 1)), 1.0, 4)
    colour = g.ramp(fibres, [(0.3, darker(body, 0.93)), (0.7, body)])
    if rng.random() < 0.4:  # newsprint: rows of dark marks
        x, y, _ = g.split(g.place((1, 1, 1), tuple(rng.uniform(-9, 9, 3))))
        line = g.step(g.math("FRACT", g.math("MULTIPLY", y, 2.2)), 0.45, 0.4)
        marks = g.step(g.noise(g.place((5, 0.0, 1), (0, 0, 0)), 1.0, 2), 0.48, 0.46)
        letters = g.step(g.noise(g.place((6, 9, 1)), 1.0, 1), 0.5, 0.46)
        ink = g.math("MULTIPLY", line, g.math("MULTIPLY", letters, marks))
        colour = g.mix(g.math("MULTIPLY", ink, 0.8), colour, "#2a2a2a")
    return g.surface(colour, 0.85, g.bump(fibres, 0.1, 0.1), specular=0.2)


def granite(rng: Rng):
    g = Graph("granite")
    body = shade(rng, "#8a8782", "#c9c2b8", "#4a4a4c", "#b09a88", "#e4e0da")
    shift = tuple(rng.uniform(-99, 99, 3))
    speck = g.noise(g.place((3, 3, 3), shift), 1.0, 5, 0.75)
    vein = g.noise(g.place((0.06, 0.06, 1), shift), 1.0, 6, 0.6, 1.6)
    colour = g.ramp(speck, [(0.35, darker(body, 0.5)), (0.55, body), (0.7, lighter(body, 0.4))])
    colour = g.mix(g.step(g.math("ABSOLUTE", g.math("SUBTRACT", vein, 0.5)), 0.02, 0.0), colour, darker(body, 0.5))
    return g.surface(colour, rng.uniform(0.1, 0.8))


def carpet(rng: Rng):
    g = Graph("carpet")
    body = shade(rng, "#8a2a2a", "#6a6a6e", "#b09a78", "#3a4a5a", "#7a6a4a", "#4a7a3a")
    tuft = g.noise(g.place((4, 4, 4)), 1.0, 4, 0.8)
    wide = g.noise(g.place((0.1, 0.1, 1), tuple(rng.uniform(-9, 9, 3))), 1.0, 3)
    colour = g.ramp(tuft, [(0.35, darker(body, 0.35)), (0.6, body), (0.75, lighter(body, 0.12))])
    colour = g.mix(0.5, colour, g.ramp(wide, [(0.3, "#8a8a8a"), (0.7, "#ffffff")]), "MULTIPLY")
    return g.surface(colour, 1.0, g.bump(tuft, 1.0, 0.8), specular=0.05)


def concrete(rng: Rng):
    g = Graph("concrete")
    body = shade(rng, "#9a9894", "#7a7874", "#b8b0a0", "#6b5a48")
    rough = g.noise(g.place((0.3, 0.3, 1), tuple(rng.uniform(-99, 99, 3))), 1.0, 8, 0.7)
    colour = g.ramp(rough, [(0.3, darker(body, 0.6)), (0.55, body), (0.75, lighter(body, 0.2))])
    return g.surface(colour, 0.9, g.bump(rough, 0.6, 0.5), specular=0.2)


def smooth(rng: Rng):
    """Painted board, plastic sheet, seamless studio paper."""
    g = Graph("smooth")
    body = shade(rng, str(rng.choice(["#f6f6f6", "#d8d8d8", "#1a1a1c", "#6a7a8a", "#c8b8a8", "#e8e0d0", "#40566a", "#8a2020"])))
    return g.surface(body, rng.uniform(0.2, 0.9))


def dark_table(rng: Rng):
    g = Graph("dark_table")
    body = shade(rng, "#1c1613", "#2b2019", "#17171a", "#33261c")
    grain = g.noise(g.place((0.12, 2.2, 1), tuple(rng.uniform(-99, 99, 3))), 1.0, 5, 0.6, 0.4)
    return g.surface(g.ramp(grain, [(0.3, darker(body, 0.5)), (0.7, body)]), rng.uniform(0.15, 0.6), g.bump(grain, 0.1, 0.05))


def soil(rng: Rng):
    """Earth with clods, stones and straw."""
    g = Graph("soil")
    body, shift = shade(rng, "#5a4330", "#7a4a2c", "#8a5a3a", "#4a3c30", "#6b5a48"), tuple(rng.uniform(-99, 99, 3))
    clods = g.noise(g.place((0.7, 0.7, 0.7), shift), 1.0, 8, 0.72)
    stones = g.cells(g.place((rng.uniform(0.15, 0.6),) * 3, shift))
    stones = g.math("ADD", stones, g.math("MULTIPLY", clods, rng.uniform(0, 0.25)))
    straw = g.noise(g.place((0.25, 5, 1), shift), 1.0, 2, 0.5, 2.0)
    colour = g.ramp(clods, [(0.3, darker(body, 0.35)), (0.55, body), (0.75, lighter(body, 0.2))])
    colour = g.mix(g.step(stones, 0.22, 0.16), colour, shade(rng, "#8a8070", "#6a6460"))
    colour = g.mix(g.math("MULTIPLY", g.step(straw, 0.68, 0.72), rng.uniform(0, 0.9)), colour, shade(rng, "#b59c62", "#7a7040"))
    height = g.math("ADD", clods, g.math("MULTIPLY", g.step(stones, 0.3, 0.1), 0.3))
    return g.surface(colour, 1.0, g.bump(height, 1.0, 1.2), specular=0.1)


def sand(rng: Rng):
    g = Graph("sand")
    body, shift = shade(rng, "#c8a878", "#b59468", "#d8c09a", "#b5764a", "#a09080"), tuple(rng.uniform(-99, 99, 3))
    grains = g.noise(g.place((9, 9, 9), shift), 1.0, 3, 0.8)
    waves = g.noise(g.place((0.15, 0.3, 1), shift), 1.0, 4, 0.5, 0.6)
    colour = g.ramp(g.math("ADD", g.math("MULTIPLY", grains, 0.6), g.math("MULTIPLY", waves, 0.4)), [(0.3, darker(body, 0.6)), (0.5, body), (0.7, lighter(body, 0.25))])
    return g.surface(colour, 1.0, g.bump(g.math("ADD", waves, g.math("MULTIPLY", grains, 0.06)), 1.0, 1.5), specular=0.1)


def tarpaulin(rng: Rng):
    """Blue or striped plastic sheet, its weave and creases."""
    g = Graph("tarpaulin")
    body = shade(rng, *[("#2a5aa8", "#3a6ab8"), ("#c8c8c4", "#e0dcd4"), ("#2f7a4a", "#3a8a5a"), ("#b03a30", "#c05040")][rng.integers(4)])
    crease = g.noise(g.place((0.09, 0.09, 1), tuple(rng.uniform(-99, 99, 3))), 1.0, 5, 0.6, 1.5)
    colour = body
    if rng.random() < 0.4:
        stripe = g.math("FRACT", g.math("MULTIPLY", g.split(g.place())[0], 1 / rng.uniform(6, 15)))
        colour = g.mix(g.step(stripe, 0.49, 0.51), body, shade(rng, "#e8e6e0", "#c03030"))
    return g.surface(colour, rng.uniform(0.25, 0.5), g.bump(crease, 0.8, 1.5))


def studio(rng: Rng):
    """Seamless paper, white or grey."""
    g = Graph("studio")
    return g.surface(shade(rng, str(rng.choice(["#f6f6f4", "#d4d4d2", "#9a9a9a", "#e8e4dc", "#3a3a3c"], p=[0.4, 0.25, 0.12, 0.13, 0.1])), spread=0.05), 0.9)


GROUNDS = [planks, planks, cloth, cloth, tiles, paper, granite, carpet, concrete, smooth, soil, tarpaulin, dark_table]
OUTDOORS = [soil, soil, sand, cloth, tarpaulin, concrete]


def metal(rng: Rng):
    g = Graph("metal")
    brushed = g.noise(g.fibre((2, 2, 60)), 1.0, 2)
    return g.surface(shade(rng, "#c8c8c8", "#a8a8a4", "#b09060", spread=0.1), rng.uniform(0.12, 0.35), g.bump(brushed, 0.05, 0.02), metallic=1.0)


def sacking(rng: Rng):
    """Burlap, or the woven plastic of grain sacks."""
    g = Graph("sacking")
    body = shade(rng, *[("#b08f5e", "#8f7248"), ("#e4e2da", "#cfd0cc"), ("#3a6aa8", "#4a80b8"), ("#2f7a4a", "#3a8a5a")][rng.integers(4)])
    x, y, z = g.split(g.fibre((1, 1, 40)))
    angle = g.math("ARCTAN2", y, x)
    weave = g.math("MULTIPLY", g.math("SINE", g.math("MULTIPLY", angle, 90.0)), g.math("SINE", g.math("MULTIPLY", z, 6.28)))
    colour = g.ramp(g.step(weave, -1, 1), [(0.2, darker(body, 0.55)), (0.7, body)])
    return g.surface(colour, 0.8, g.bump(weave, 0.6, 0.1), specular=0.25)


def glass(rng: Rng):
    """Thin clear wall: reflects at grazing angles, else lets straight through; no refraction to pay for."""
    g = Graph("glass")
    facing = g.node("LayerWeight", {"Blend": 0.25}).outputs["Facing"]
    fresnel = g.math("ADD", 0.06, g.math("MULTIPLY", 0.7, g.math("POWER", facing, 3.0)))
    clear = g.node("BsdfTransparent", {"Color": (0.86, 0.92, 0.9, 1)}).outputs[0]
    gloss = g.node("BsdfGlossy", {"Roughness": 0.05}).outputs[0]
    return g.output(g.node("MixShader", {0: fresnel, 1: clear, 2: gloss}).outputs[0])
