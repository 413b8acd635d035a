"""What the objects are made of: solid textures over `fibre`, a fresh shade for every scene."""

import bpy
import numpy as np

from .nodes import Graph, linear

Rng = np.random.Generator


def shade(rng: Rng, *colours: str, spread: float = 0.18) -> tuple:
    """A colour between the given ones, a little lighter or darker."""
    weights = rng.dirichlet(np.ones(len(colours)))
    colour = sum(w * np.array(linear(c)[:3]) for w, c in zip(weights, colours))
    return tuple(np.clip(colour * (1 + rng.uniform(-spread, spread)), 0.003, 0.93))


def darker(colour: tuple, factor: float) -> tuple:
    return tuple(c * factor for c in colour)


def lighter(colour: tuple, amount: float) -> tuple:
    return tuple(c + (0.9 - c) * amount for c in colour)


def start(rng: Rng, name: str) -> tuple[Graph, tuple]:
    return Graph(name), tuple(rng.uniform(-50, 50, 3))


# --- keratin -------------------------------------------------------------------------------------------------------------------


def scale(rng: Rng) -> bpy.types.Material:
    """Pangolin scale, dull and dusty. fibre: x across -1..1, y from base 0 to tip 1, z hollow -1, underside 0 or top 1."""
    g, shift = start(rng, "scale")
    body = shade(rng, "#6b5c4a", "#5d5044", "#4a3d32", "#7a6448", "#574838", "#3d2f25", "#5f4a34", "#66605a")
    tip = shade(rng, "#a58f6a", "#b5a280", "#8d7f68")
    across, along, side = g.split(g.fibre())
    bowed = g.math("SUBTRACT", along, g.math("MULTIPLY", g.math("MULTIPLY", across, across), 0.28))
    growth = g.noise(g.node("CombineXYZ", {0: g.math("MULTIPLY", bowed, 16.0), 1: shift[0]}).outputs[0], 1.0, 2)  # bands that follow the edge
    ridges = g.noise(g.fibre((60, 2.0, 1), shift), 1.0, 2, 0.6, 0.3)
    blotch = g.noise(g.fibre((2.2, 2.2, 1), shift), 1.0, 4, 0.65)
    speck = g.noise(g.fibre((14, 14, 6), shift), 1.0, 3, 0.7)
    colour = g.ramp(blotch, [(0.3, darker(body, 0.6)), (0.52, body), (0.75, lighter(body, 0.12))])
    colour = g.mix(rng.uniform(0.1, 0.3), colour, g.ramp(growth, [(0.35, "#6a6056"), (0.6, "#ffffff")]), "MULTIPLY")
    grown = g.step(along, rng.uniform(0.6, 0.95), 0.25)  # ridges are left near the base; the rest is rubbed smooth
    lines = g.ramp(ridges, [(0.38, "#5a5046"), (0.58, "#ffffff")])
    colour = g.mix(g.math("MULTIPLY", grown, rng.uniform(0.05, 0.25)), colour, lines, "MULTIPLY")
    edge = g.math("MAXIMUM", g.step(g.math("ADD", bowed, g.math("MULTIPLY", blotch, 0.3)), 0.95, 1.2), g.step(g.math("ABSOLUTE", across), 0.93, 1.0))
    colour = g.mix(g.math("MULTIPLY", edge, rng.uniform(0.3, 0.9)), colour, tip)
    dust = g.math("MULTIPLY", g.step(g.math("ADD", blotch, g.math("MULTIPLY", speck, 0.4)), 0.55, 0.85), rng.uniform(0.0, 0.7))
    colour = g.mix(dust, colour, shade(rng, "#a89c88", "#948a7c", "#b5a68c"))
    colour = g.mix(g.step(side, 0.4, 0.2), colour, g.ramp(blotch, [(0.3, darker(tip, 0.35)), (0.7, darker(tip, 0.75))]))
    colour = g.mix(g.step(side, -0.2, -0.6), colour, shade(rng, "#a9a59c", "#8d887e", "#bdb6a6"))  # the hollow: grey horn
    height = g.math("ADD", g.math("MULTIPLY", ridges, grown), g.math("ADD", g.math("MULTIPLY", growth, 0.4), g.math("MULTIPLY", speck, 0.35)))
    return g.surface(g.vary(colour, 0.012, 0.34), rng.uniform(0.5, 0.85), g.bump(height, rng.uniform(0.4, 0.8), 0.2), subsurface=0.15,
                     subsurface_scale=0.25, specular=rng.uniform(0.2, 0.4))


def horn_skin(rng: Rng) -> bpy.types.Material:
    """Rhino horn's outside: dark grey-brown fibres, worn smoother and darker to the tip."""
    g, shift = start(rng, "horn_skin")
    base, tip = shade(rng, "#8c7d6a", "#7d7266", "#9a886c", "#6a5e52"), shade(rng, "#3c332c", "#4a3f36", "#2a2522", "#5a4e42")
    *_, along = g.split(g.fibre())
    coarse = g.noise(g.fibre((11, 11, 2.2), shift), 1.0, 5, 0.7, 0.4)
    fine = g.noise(g.fibre((52, 52, 4.0), shift), 1.0, 3, 0.7)
    blotch = g.noise(g.fibre((1.5, 1.5, 3.0), shift), 1.0, 3)
    worn = g.step(g.math("ADD", along, g.math("MULTIPLY", blotch, 0.5)), 0.3, 1.0)
    colour = g.mix(worn, base, tip)
    colour = g.mix(rng.uniform(0.3, 0.6), colour, g.ramp(coarse, [(0.3, "#3b342e"), (0.65, "#ffffff")]), "MULTIPLY")
    colour = g.mix(rng.uniform(0.25, 0.5), colour, g.ramp(fine, [(0.35, "#4d443c"), (0.6, "#ffffff")]), "MULTIPLY")
    mud = g.math("MULTIPLY", g.step(g.noise(g.fibre((3, 3, 5), shift), 1.0, 5, 0.7), 0.5, 0.7), g.step(along, 0.7, 0.1))
    colour = g.mix(g.math("MULTIPLY", mud, rng.uniform(0.0, 0.7)), colour, shade(rng, "#9a8a72", "#8a7a68", "#a89078"))
    height = g.math("ADD", coarse, g.math("MULTIPLY", fine, 0.6))
    rough = g.step2(worn, rng.uniform(0.6, 0.85), rng.uniform(0.3, 0.5))
    return g.surface(g.vary(colour, 0.01, 0.12), rough, g.bump(height, rng.uniform(0.6, 1.0), 0.25), specular=0.35)


def horn_cut(rng: Rng) -> bpy.types.Material:
    """Cut rhino horn: dark centre, amber rim, the fibres as dots."""
    g, shift = start(rng, "horn_cut")
    rims = [("#b9803e", "#a3692e", "#8d5a2b"), ("#8a755a", "#7a6448", "#9a8468")][rng.integers(2)]  # honey, or grey as if dusty
    amber, core = shade(rng, *rims), shade(rng, "#2b1d14", "#1d1714", "#40291a")
    x, y, _ = g.split(g.fibre())
    rho = g.math("SQRT", g.math("ADD", g.math("MULTIPLY", x, x), g.math("MULTIPLY", y, y)))
    uneven = g.math("ADD", rho, g.math("MULTIPLY", g.noise(g.fibre((2, 2, 1), shift), 1.0, 3), 0.5))
    colour = g.ramp(uneven, [(0.3, core), (0.62, darker(amber, 0.55)), (0.95, amber), (1.0, lighter(amber, 0.12))])
    dots = g.cells(g.fibre((34, 34, 1.2), shift))
    colour = g.mix(0.6, colour, g.ramp(dots, [(0.1, "#2a1d14"), (0.5, "#ffffff")]), "MULTIPLY")
    return g.surface(colour, rng.uniform(0.25, 0.6), g.bump(dots, 0.25, 0.05), subsurface=0.2, subsurface_scale=0.4)


def horn_carved(rng: Rng) -> bpy.types.Material:
    """Polished rhino horn: amber to blood-brown, translucent, streaks that end as dots."""
    g, shift = start(rng, "horn_carved")
    amber, dark = shade(rng, "#a5642a", "#8a4a1d", "#b97f3a", "#6e3517"), shade(rng, "#2a130a", "#1c0f09", "#3c2210")
    cloud = g.noise(g.fibre((1.3, 1.3, 0.8), shift), 1.0, 3)
    colour = g.ramp(cloud, [(0.32, dark), (0.52, darker(amber, 0.6)), (0.72, amber)])
    strands = g.noise(g.fibre((30, 30, 1.0), shift), 1.0, 2)
    colour = g.mix(0.65, colour, g.ramp(strands, [(0.35, "#54372a"), (0.58, "#ffffff")]), "MULTIPLY")
    return g.surface(g.vary(colour, 0.012, 0.2), rng.uniform(0.15, 0.35), g.bump(strands, 0.12, 0.03), subsurface=0.35,
                     subsurface_scale=0.5, coat=0.3)


def horn_core(rng: Rng) -> bpy.types.Material:
    """Horn polished thin: the middle lets light through, amber to honey; dark clouds stay near the rind."""
    g, shift = start(rng, "horn_core")
    honey, dark = shade(rng, "#c8862f", "#b8702a", "#d8a04a", "#a8581f"), shade(rng, "#22120a", "#1a1210", "#33200f")
    cloud = g.noise(g.fibre((1.0, 1.0, 0.8), shift), 1.0, 4, 0.6, 0.5)
    edge = rng.uniform(0.4, 0.55)
    colour = g.ramp(cloud, [(edge - 0.08, dark), (edge, darker(honey, 0.45)), (edge + 0.12, honey), (0.85, lighter(honey, 0.15))])
    strands = g.noise(g.fibre((26, 26, 1.0), shift), 1.0, 2)
    colour = g.mix(0.35, colour, g.ramp(strands, [(0.35, "#6a4a32"), (0.55, "#ffffff")]), "MULTIPLY")
    return g.surface(g.vary(colour, 0.01, 0.15), rng.uniform(0.1, 0.25), subsurface=0.5, subsurface_scale=0.9, coat=0.5)


def agate(rng: Rng) -> bpy.types.Material:
    """Bands that follow one another about a centre, sharp, some of them clear."""
    g, shift = start(rng, "agate")
    a, b, c = (shade(rng, *pair) for pair in [[("#8a3a1c", "#b05a2a"), ("#e8d8c4", "#f2ece4"), ("#3a1c12", "#5a2a18")],
                                              [("#6a5a50", "#8a7a70"), ("#d8d0c8", "#f0ece8"), ("#2a2624", "#3a3430")],
                                              [("#c88a3a", "#d8a850"), ("#f0e0c0", "#e8d0a0"), ("#7a4a1c", "#8a5a2a")]][rng.integers(3)])
    bands = g.wave(g.fibre((1, 1, 1), (shift[0] * 0.02, shift[1] * 0.02, shift[2] * 0.02)), rng.uniform(1.0, 2.5), rng.uniform(2, 6), "RINGS", "SPHERICAL")
    colour = g.ramp(bands, [(0.1, c), (0.35, a), (0.5, darker(a, 0.8)), (0.62, b), (0.8, a)])
    return g.surface(colour, rng.uniform(0.05, 0.15), subsurface=0.35, subsurface_scale=0.5, coat=0.6)


def smooth_horn(rng: Rng) -> bpy.types.Material:
    """Buffalo and goat horn: sheets, not fibres: few pale streaks, cross-ridges by shape, a gloss."""
    g, shift = start(rng, "smooth_horn")
    dark, pale = shade(rng, "#1b1918", "#2c2826", "#3b332c"), shade(rng, "#8d8272", "#b7a88d", "#5b5147")
    streak = g.noise(g.fibre((2.2, 2.2, 0.7), shift), 1.0, 2)
    rings = g.noise(g.fibre((0.4, 0.4, 30), shift), 1.0, 2)
    colour = g.ramp(streak, [(rng.uniform(0.35, 0.6), dark), (0.8, pale)])
    return g.surface(colour, rng.uniform(0.12, 0.4), g.bump(rings, 0.25, 0.1), coat=0.3)


def pale_horn(rng: Rng) -> bpy.types.Material:
    """Sheep, goat, cow: straw to grey-brown, ringed by growth."""
    g, shift = start(rng, "pale_horn")
    body = shade(rng, "#9a8161", "#77654f", "#b49b74", "#5a4b3d")
    rings = g.noise(g.fibre((0.8, 0.8, 24), shift), 1.0, 3)
    *_, along = g.split(g.fibre())
    colour = g.ramp(rings, [(0.3, darker(body, 0.5)), (0.6, body), (0.8, lighter(body, 0.2))])
    colour = g.mix(g.step(along, 0.6, 1.0), colour, darker(body, rng.choice([0.25, 1.4])))
    return g.surface(colour, rng.uniform(0.35, 0.6), g.bump(rings, 0.5, 0.2))


# --- ivory and white things ----------------------------------------------------------------------------------------------------


def ivory(rng: Rng, engraved: bool = False) -> bpy.types.Material:
    """White to cream, yellowed or browned by age; a faint grain along, a waxy sheen; old dirt or stain where the carver cut in."""
    g, shift = start(rng, "ivory")
    tone = [("#f2eee4", "#ece6d8"), ("#efe6d0", "#e9dcbd"), ("#e6d4a8", "#dcc79c"), ("#d3b07a", "#c89a5c")][rng.choice(4, p=[0.3, 0.35, 0.22, 0.13])]
    cream = shade(rng, *tone, spread=0.06)
    grain = g.noise(g.fibre((16, 16, 0.7), shift), 1.0, 2)
    colour = g.ramp(grain, [(0.3, darker(cream, rng.uniform(0.8, 0.95))), (0.6, cream), (0.8, lighter(cream, 0.15))])
    stain = g.noise(g.fibre((1.4, 1.4, 0.9), shift), 1.0, 4, 0.65)
    amount = rng.choice([0.05, 0.25, 0.6])
    brown = shade(rng, "#a27a42", "#c29a5c", "#8a6a45")
    colour = g.mix(g.math("MULTIPLY", g.step(stain, 0.5, 0.8), amount), colour, brown)
    colour = crevices(g, rng, colour, darker(brown, rng.uniform(0.2, 0.7)))
    if engraved:
        colour = scratched(g, rng, colour)
    return g.surface(colour, rng.uniform(0.22, 0.45), subsurface=0.3, subsurface_scale=0.3, coat=rng.uniform(0, 0.3))


def scrimshaw(rng: Rng) -> bpy.types.Material:
    return ivory(rng, True)


def crevices(g: Graph, rng: Rng, colour, dark: tuple):
    """Dark where the surface is hollow, as far as the mesh tells."""
    hollow = g.step(g.node("NewGeometry").outputs["Pointiness"], 0.49, 0.44)
    return g.mix(g.math("MULTIPLY", hollow, rng.choice([0.0, 0.4, 0.9])), colour, dark)


def scratched(g: Graph, rng: Rng, colour):
    """A picture in black lines: contours of smooth forms, hatching in some of them."""
    shift = tuple(rng.uniform(-9, 9, 3))
    form = g.noise(g.fibre((2.4, 2.4, 2.4), shift), 1.0, 2, 0.4, 1.0)
    contour = g.step(g.math("ABSOLUTE", g.math("SUBTRACT", g.math("FRACT", g.math("MULTIPLY", form, 9.0)), 0.5)), 0.1, 0.04)
    hatch = g.math("MULTIPLY", g.step(g.wave(g.fibre((1, 1, 1), shift), 16.0, 0.6), 0.7, 0.85), g.step(form, 0.5, 0.56))
    where = g.step(g.noise(g.fibre((0.9, 0.9, 0.9), shift), 1.0, 1), 0.42, 0.5)
    return g.mix(g.math("MULTIPLY", g.math("MAXIMUM", contour, g.math("MULTIPLY", hatch, 0.6)), g.math("MULTIPLY", where, 0.85)), colour, shade(rng, "#1a1614", "#3a2a1c"))


def tusk_skin(rng: Rng) -> bpy.types.Material:
    """A raw tusk: ivory under a brown, cracked rind that thickens to the base."""
    g, shift = start(rng, "tusk_skin")
    cream, rind = shade(rng, "#e8dab8", "#ddc89c", "#eee4cc", spread=0.06), shade(rng, "#8a6b45", "#6e5840", "#a8824f", "#5d4a37")
    *_, along = g.split(g.fibre())
    stain = g.noise(g.fibre((2.0, 2.0, 2.2), shift), 1.0, 4, 0.65)
    cracks = g.noise(g.fibre((14, 14, 0.8), shift), 1.0, 3)
    rind_amount = g.step(g.math("SUBTRACT", stain, g.math("MULTIPLY", along, rng.uniform(0.1, 0.5))), 0.3, rng.uniform(0.5, 0.9))
    colour = g.mix(g.math("MULTIPLY", rind_amount, rng.uniform(0.4, 1.0)), cream, rind)
    colour = g.mix(0.5, colour, g.ramp(cracks, [(0.32, "#6b543a"), (0.42, "#ffffff")]), "MULTIPLY")
    return g.surface(colour, rng.uniform(0.25, 0.5), g.bump(cracks, 0.15, 0.1), subsurface=0.2, subsurface_scale=0.4)


def ivory_cut(rng: Rng) -> bpy.types.Material:
    """A cut end: Schreger lines, two families of spirals that cross, strongest near the rim."""
    g, shift = start(rng, "ivory_cut")
    cream = shade(rng, "#eee2c6", "#e6d4ae", "#f1e9d6", spread=0.06)
    x, y, _ = g.split(g.fibre())
    rho = g.math("SQRT", g.math("ADD", g.math("MULTIPLY", x, x), g.math("MULTIPLY", y, y)))
    angle = g.math("ARCTAN2", y, x)
    arms, pitch = int(rng.integers(22, 34)), rng.uniform(26, 40)
    families = [g.math("SINE", g.math("ADD", g.math("MULTIPLY", angle, float(sign * arms)), g.math("MULTIPLY", rho, pitch))) for sign in (1, -1)]
    cross = g.math("MULTIPLY", g.math("ADD", *families), g.step(rho, 0.25, 0.9))
    colour = g.ramp(g.step(cross, -2.0, 2.0), [(0.2, darker(cream, rng.uniform(0.55, 0.8))), (0.55, cream), (0.9, lighter(cream, 0.2))])
    colour = g.mix(g.step(rho, 0.9, 1.0), colour, shade(rng, "#b8955f", "#8f6f48"))
    colour = g.mix(g.step(rho, 0.16, 0.04), colour, darker(cream, 0.3))  # the nerve
    return g.surface(colour, rng.uniform(0.2, 0.4), subsurface=0.2, subsurface_scale=0.3)


def plastic(rng: Rng) -> bpy.types.Material:
    g, _ = start(rng, "plastic")
    colour = shade(rng, str(rng.choice(["#f4f2ea", "#efe3c4", "#c8302c", "#2f6fb3", "#2f9a58", "#f0c02e", "#222222", "#e78fb0"])), spread=0.08)
    return g.surface(colour, rng.uniform(0.1, 0.4), subsurface=0.1, subsurface_scale=0.2, specular=0.5)


def bone(rng: Rng) -> bpy.types.Material:
    """White to grey-yellow, dull, with pores: short dark dashes along the grain, dots at the ends."""
    g, shift = start(rng, "bone")
    body = shade(rng, "#e4ddcc", "#cfc5b0", "#efece4", "#c9b48e", spread=0.08)
    pores = g.cells(g.fibre((26, 26, 4), shift))
    patches = g.noise(g.fibre((2, 2, 1.5), shift), 1.0, 4)
    colour = g.ramp(patches, [(0.3, darker(body, 0.75)), (0.6, body)])
    keep = g.step(patches, 0.62, 0.38)
    dark = g.math("MULTIPLY", g.step(pores, 0.26, 0.12), keep)
    colour = g.mix(dark, colour, shade(rng, "#5d4a36", "#4a3c30"))
    return g.surface(colour, rng.uniform(0.45, 0.75), g.bump(g.step(pores, 0.05, 0.3), 0.3, 0.06), subsurface=0.1, subsurface_scale=0.2)


def porcelain(rng: Rng) -> bpy.types.Material:
    g, shift = start(rng, "porcelain")
    white = shade(rng, "#f5f6f6", "#eef3f4", "#e7f0ea", spread=0.04)
    if rng.random() < 0.25:
        return g.surface(white, 0.06, coat=1.0)
    paint = shade(rng, *[("#1f3f8f", "#2a55a8"), ("#a8322a", "#c24a35"), ("#2f7a5a", "#4a9a70")][rng.integers(3)])
    lines = g.wave(g.fibre((1, 1, 1), shift), rng.uniform(1.5, 4), rng.uniform(6, 14))
    blots = g.noise(g.fibre((3, 3, 3), shift), 1.0, 2)
    mark = g.math("MULTIPLY", g.step(lines, 0.62, 0.7), g.step(blots, 0.45, 0.52))
    return g.surface(g.mix(mark, white, paint), 0.06, coat=1.0)


def jade(rng: Rng) -> bpy.types.Material:
    g, shift = start(rng, "jade")
    body = shade(rng, *[("#9fbf9a", "#6f9c78"), ("#e9eee6", "#d7e2d4"), ("#4f7a55", "#7a9c6a"), ("#dfe4e8", "#cfd6dc")][rng.integers(4)], spread=0.1)
    cloud = g.noise(g.fibre((2, 2, 2), shift), 1.0, 5, 0.6, 0.8)
    colour = g.ramp(cloud, [(0.3, darker(body, 0.6)), (0.55, body), (0.75, lighter(body, 0.35))])
    return g.surface(colour, rng.uniform(0.08, 0.25), subsurface=0.4, subsurface_scale=0.4, coat=0.4)


def stone(rng: Rng) -> bpy.types.Material:
    g, shift = start(rng, "stone")
    body = shade(rng, "#8b8a86", "#b9b4a8", "#5f5d5b", "#a08f7a", "#e6e4df")
    speck = g.noise(g.fibre((30, 30, 30), shift), 1.0, 3, 0.7)
    veins = g.noise(g.fibre((2, 2, 2), shift), 1.0, 6, 0.6, 1.5)
    colour = g.ramp(speck, [(0.35, darker(body, 0.6)), (0.6, body), (0.75, lighter(body, 0.3))])
    colour = g.mix(g.math("MULTIPLY", g.step(veins, 0.47, 0.5), g.step(veins, 0.53, 0.5)), colour, darker(body, 0.4))
    return g.surface(colour, rng.uniform(0.25, 0.8), g.bump(speck, rng.uniform(0.05, 0.5), 0.1))


# --- wood, plants, food --------------------------------------------------------------------------------------------------------


def wood(rng: Rng) -> bpy.types.Material:
    """Growth rings about z, so ends show rings and sides show grain."""
    g, shift = start(rng, "wood")
    body = shade(rng, "#a9713c", "#7a4a26", "#c79d66", "#5a3420", "#8b5a34", "#d8b988")
    rings = g.wave(g.fibre((1, 1, 0.12), (rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4), 0)), rng.uniform(3, 7), 2.0, "RINGS", "Z")
    pores = g.noise(g.fibre((30, 30, 1.2), shift), 1.0, 2)
    colour = g.ramp(rings, [(0.1, darker(body, 0.6)), (0.6, body), (0.95, lighter(body, 0.1))])
    colour = g.mix(0.45, colour, g.ramp(pores, [(0.35, "#5a4a3c"), (0.5, "#ffffff")]), "MULTIPLY")
    return g.surface(g.vary(colour, 0.01, 0.12), rng.uniform(0.2, 0.65), g.bump(pores, 0.15, 0.05), coat=float(rng.choice([0, 0.4])))


def dark_wood(rng: Rng) -> bpy.types.Material:
    """Boxwood gone brown, ebony, rosewood: fine-grained, polished by hands."""
    g, shift = start(rng, "dark_wood")
    body = shade(rng, "#4a2a16", "#2a1710", "#6b3f20", "#1c1310", "#7a4a28")
    grain = g.noise(g.fibre((14, 14, 1.2), shift), 1.0, 3)
    colour = g.ramp(grain, [(0.3, darker(body, 0.55)), (0.6, body), (0.85, lighter(body, 0.1))])
    colour = crevices(g, rng, colour, darker(body, 0.2))
    return g.surface(colour, rng.uniform(0.2, 0.5), g.bump(grain, 0.1, 0.04), coat=float(rng.choice([0.0, 0.4])))


def terracotta(rng: Rng) -> bpy.types.Material:
    g, shift = start(rng, "terracotta")
    body = shade(rng, "#a8603f", "#8d5540", "#b57a55", "#c08a68", "#7a4a38")
    cloud = g.noise(g.fibre((2.5, 2.5, 2.5), shift), 1.0, 4, 0.65)
    colour = g.ramp(cloud, [(0.3, darker(body, 0.6)), (0.55, body), (0.8, lighter(body, 0.25))])
    return g.surface(crevices(g, rng, colour, darker(body, 0.35)), rng.uniform(0.6, 0.95), g.bump(cloud, 0.3, 0.08), specular=0.2)


def log_end(rng: Rng) -> bpy.types.Material:
    """Sawn timber: a few wide rings, a darker heart, cracks from the middle."""
    g, shift = start(rng, "log_end")
    body, heart = shade(rng, "#c9a06b", "#b5854f", "#dcbd8c", "#a06c40"), shade(rng, "#8a5a34", "#6b3f24", "#a5764a")
    rings = g.wave(g.fibre((1, 1, 0.1)), rng.uniform(1.2, 2.8), rng.uniform(1.0, 2.5), "RINGS", "Z")
    x, y, _ = g.split(g.fibre())
    rho = g.math("SQRT", g.math("ADD", g.math("MULTIPLY", x, x), g.math("MULTIPLY", y, y)))
    uneven = g.math("ADD", rho, g.math("MULTIPLY", g.noise(g.fibre((2, 2, 1), shift), 1.0, 2), 0.3))
    colour = g.mix(g.step(uneven, rng.uniform(0.4, 0.9), 0.3), body, heart)
    colour = g.mix(0.8, colour, g.ramp(rings, [(0.1, "#7d6650"), (0.5, "#ffffff")]), "MULTIPLY")
    rays = g.cells(g.fibre((1.5, 1.5, 0.1), shift), 1.0, "DISTANCE_TO_EDGE")
    colour = g.mix(g.math("MULTIPLY", g.step(rays, 0.03, 0.0), rng.uniform(0, 0.9)), colour, darker(heart, 0.3))
    return g.surface(colour, rng.uniform(0.6, 0.9), g.bump(rings, 0.15, 0.05), specular=0.25)


def bark(rng: Rng) -> bpy.types.Material:
    g, shift = start(rng, "bark")
    body = shade(rng, "#6b5644", "#8a7a66", "#4b3b2e", "#7d6a52")
    cracks = g.cells(g.fibre((7, 7, 2.5), shift), 1.0, "DISTANCE_TO_EDGE")
    rough = g.noise(g.fibre((9, 9, 5), shift), 1.0, 5, 0.7)
    colour = g.ramp(rough, [(0.3, darker(body, 0.5)), (0.6, body), (0.8, lighter(body, 0.25))])
    colour = g.mix(g.step(cracks, 0.12, 0.0), colour, darker(body, 0.25))
    return g.surface(colour, 0.9, g.bump(g.math("ADD", g.step(cracks, 0, 0.15), rough), 1.0, 0.3), specular=0.15)


def resin(rng: Rng) -> bpy.types.Material:
    """Cast resin, amber, agate: clear colour with clouds and bubbles, no fibre."""
    g, shift = start(rng, "resin")
    body = shade(rng, *[("#d98a1f", "#b85a10"), ("#7a1c14", "#a83020"), ("#e6c27a", "#efdcb0"), ("#3a1f14", "#5a3018"), ("#c8c2b0", "#e8e2cc")][rng.integers(5)])
    cloud = g.noise(g.fibre((2, 2, 2), shift), 1.0, 2, 0.5, 1.0)
    bands = g.wave(g.fibre((1, 1, 1), shift), rng.uniform(1, 4), 5.0)
    colour = g.ramp(cloud, [(0.35, darker(body, 0.5)), (0.5, body), (0.75, lighter(body, 0.15))])
    if rng.random() < 0.35:
        colour = g.mix(g.step(bands, 0.6, 0.9), colour, lighter(body, 0.6))
    return g.surface(g.vary(colour, 0.01, 0.1), rng.uniform(0.04, 0.15), subsurface=0.45, subsurface_scale=0.6, coat=0.6)


def leaf(rng: Rng) -> bpy.types.Material:
    """fibre: x across, y along."""
    g, shift = start(rng, "leaf")
    body = shade(rng, "#8a5a2c", "#a8783c", "#6b4a2a", "#b58f4a", "#77773a")
    x, y, _ = g.split(g.fibre())
    across = g.math("ABSOLUTE", x)
    veins = g.math("SINE", g.math("MULTIPLY", g.math("SUBTRACT", y, g.math("MULTIPLY", across, 0.35)), 55.0))
    vein = g.math("MAXIMUM", g.step(veins, 0.8, 1.0), g.step(across, 0.05, 0.02))
    blotch = g.noise(g.fibre((4, 4, 4), shift), 1.0, 4)
    colour = g.ramp(blotch, [(0.3, darker(body, 0.45)), (0.55, body), (0.75, lighter(body, 0.2))])
    colour = g.mix(g.math("MULTIPLY", vein, 0.7), colour, lighter(body, 0.4))
    return g.surface(g.vary(colour, 0.025, 0.3), 0.7, g.bump(vein, 0.6, 0.05), specular=0.25)


def shell(rng: Rng) -> bpy.types.Material:
    """fibre: x across, y from hinge 0 to rim 1: growth bands and rays."""
    g, shift = start(rng, "shell")
    body = shade(rng, "#efe4d2", "#d9b49a", "#c79a76", "#e9d3c4", "#b8a898", "#9a7a5e")
    band = g.noise(g.fibre((0.6, 22, 0.3), shift), 1.0, 3)
    ray = g.noise(g.fibre((12, 0.3, 0.3), shift), 1.0, 2)
    colour = g.ramp(band, [(0.3, darker(body, 0.55)), (0.55, body), (0.75, lighter(body, 0.5))])
    colour = g.mix(g.math("MULTIPLY", g.step(ray, 0.5, 0.7), rng.uniform(0, 0.5)), colour, darker(body, 0.5))
    *_, side = g.split(g.fibre())
    colour = g.mix(g.step(side, 0.5, 0.2), colour, shade(rng, "#f3efe8", "#e8dfe6"))  # pale inside
    return g.surface(g.vary(colour, 0.015, 0.2), rng.uniform(0.2, 0.5), g.bump(band, 0.4, 0.08), coat=0.2)


def plain(name: str, colours: tuple[str, ...], rough=(0.5, 0.8), spots: str | None = None, grain=(3, 3, 3), bump=0.4, subsurface=0.1):
    """A maker of simple blotched stuffs: two shades by noise, perhaps spots of a third colour."""

    def make(rng: Rng) -> bpy.types.Material:
        g, shift = start(rng, name)
        body = shade(rng, *colours)
        cloud = g.noise(g.fibre(grain, shift), 1.0, 4, 0.6)
        colour = g.ramp(cloud, [(0.3, darker(body, 0.62)), (0.55, body), (0.78, lighter(body, 0.25))])
        if spots:
            colour = g.mix(g.step(g.noise(g.fibre((9, 9, 9), shift), 1.0, 2), 0.6, 0.72), colour, spots)
        fine = g.noise(g.fibre(tuple(5 * x for x in grain), shift), 1.0, 3)
        return g.surface(g.vary(colour, 0.015, 0.22), rng.uniform(*rough), g.bump(fine, bump, 0.06), subsurface=subsurface, subsurface_scale=0.2)

    return make


mussel = plain("mussel", ("#22252e", "#1a1c24", "#3a3c48"), (0.2, 0.5), "#7a7468", (1.5, 9, 1.5), 0.4, 0.0)
ginger = plain("ginger", ("#d8b878", "#c8a868", "#b08d56"), (0.7, 0.9), "#8f7248", (5, 5, 5), 0.6)
liquorice_wood = plain("liquorice", ("#d9b45a", "#c99d48", "#b8873c"), (0.7, 0.9), "#6b4a2a", (9, 9, 9), 0.6)
cinnamon_bark = plain("cinnamon", ("#8a4f2c", "#6f3c22", "#a5643a"), (0.6, 0.85), None, (9, 1.5, 9), 0.7, 0.0)
cap = plain("cap", ("#4a3a2c", "#6b543c", "#35291f"), (0.6, 0.85), "#a8926c", (4, 4, 4), 0.8, 0.0)
potato = plain("potato", ("#e3b64f", "#efcf7a", "#d79f3c"), (0.4, 0.6), "#a8692a")
banana = plain("banana", ("#e8cf8a", "#dcb765", "#c99b4a"), (0.5, 0.7), "#8a5a2a")
cone = plain("cone", ("#7a5233", "#5b3c26", "#946a45"), (0.6, 0.9), None, (5, 2, 5), 0.7, 0.0)
almond = plain("almond", ("#a8642f", "#8f4f24", "#bb7b42"), (0.55, 0.8), None, (10, 1.2, 10), 0.6)
chip = plain("chip", ("#c79a66", "#dcb988", "#a87545", "#8a5a38"), (0.7, 0.9), None, (9, 1.2, 9), 0.6, 0.0)
tortoise = plain("tortoise", ("#c8641e", "#e08a2a", "#7a2f12"), (0.08, 0.2), "#1c0f0a", (2, 2, 2), 0.0, 0.2)
celluloid = plain("celluloid", ("#2a2a2c", "#c02a2a", "#2a5ab0", "#efefe6", "#e8a020"), (0.08, 0.25), None, (0.5, 0.5, 0.5), 0.0)
mushroom = plain("mushroom", ("#e9dcc0", "#cfb48a", "#b0905f"), (0.6, 0.8), None, (4, 4, 4), 0.4)
peel = plain("peel", ("#b5652a", "#8f4a24", "#c98a3a", "#6b3a22"), (0.5, 0.8), None, (6, 6, 6), 0.9)
clay = plain("clay", ("#a8603f", "#8d7a6b", "#6b6f73", "#b57a55"), (0.6, 0.9), None, (3, 3, 3), 0.3, 0.0)
antler = plain("antler", ("#8f7352", "#6f5740", "#b39a74"), (0.5, 0.8), "#d9c8a6", (8, 8, 2), 0.9, 0.0)
powder_horn = plain("powder_horn", ("#8a7660", "#a08a6b", "#6f6050", "#b3a080"), (0.9, 1.0), "#4a3c2e", (14, 14, 14), 1.0, 0.0)
powder_brown = plain("powder_brown", ("#5a3018", "#8f5426", "#a86a2e", "#3c2012", "#c98a30"), (0.9, 1.0), None, (14, 14, 14), 1.0, 0.0)
hide = plain("hide", ("#b59a7c", "#8f765c", "#6b5847"), (0.6, 0.9), None, (6, 6, 6), 0.8)
