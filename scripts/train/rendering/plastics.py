"""Thin wrappings and coloured plastics."""

import bpy

from .materials import Rng, shade
from .nodes import Graph


def bright(rng: Rng) -> bpy.types.Material:
    """Lids, basins, crates."""
    g = Graph("bright")
    colours = ["#e8b818", "#d8a010", "#c02828", "#2858b0", "#f0f0ee", "#1f8a4a", "#e07820", "#222224"]
    colour = str(rng.choice(colours, p=[0.25, 0.1, 0.2, 0.12, 0.15, 0.06, 0.06, 0.06]))
    return g.surface(shade(rng, colour), rng.uniform(0.2, 0.5), subsurface=0.05, subsurface_scale=0.1)


def bag(rng: Rng) -> bpy.types.Material:
    """Polythene of carrier and bin bags: thin, creased, a hard gloss."""
    g = Graph("bag")
    colours = ["#e8c018", "#f2efe8", "#c83030", "#1c1c1f", "#3a6ac0", "#d86aa0", "#3f9a58"]
    colour = str(rng.choice(colours, p=[0.34, 0.22, 0.15, 0.07, 0.1, 0.06, 0.06]))
    crease = g.noise(g.place((0.5, 0.5, 0.5), tuple(rng.uniform(-9, 9, 3))), 1.0, 4, 0.6, 1.2)
    return g.surface(shade(rng, colour), rng.uniform(0.15, 0.35), g.bump(crease, 0.7, 0.5), subsurface=0.15, subsurface_scale=0.3)


def foil(rng: Rng) -> bpy.types.Material:
    """Silver, now and then golden: facets of crumpled foil."""
    g = Graph("foil")
    shift = tuple(rng.uniform(-9, 9, 3))
    facets = g.cells(g.place((0.45, 0.45, 0.45), shift), 1.0)
    crumple = g.math("ADD", facets, g.noise(g.place((0.8, 0.8, 0.8), shift), 1.0, 4, 0.6, 1.0))
    colour = shade(rng, "#d9dbde", "#c4c6ca", spread=0.08) if rng.random() < 0.85 else shade(rng, "#c8a860", spread=0.08)
    return g.surface(colour, rng.uniform(0.3, 0.5), g.bump(crumple, 0.5, 0.4), metallic=rng.uniform(0.5, 0.7))


def film(rng: Rng) -> bpy.types.Material:
    """Clear film: straight through, but for glints on its creases and some haze."""
    g = Graph("film")
    crease = g.noise(g.place((0.7, 0.7, 0.7), tuple(rng.uniform(-9, 9, 3))), 1.0, 4, 0.6, 1.5)
    normal = g.bump(crease, 1.0, 0.6)
    facing = g.node("LayerWeight", {"Blend": 0.3, "Normal": normal}).outputs["Facing"]
    share = g.math("ADD", 0.04, g.math("MULTIPLY", 0.35, g.math("POWER", facing, 3.0)))
    clear = g.node("BsdfTransparent", {"Color": (0.94, 0.95, 0.95, 1)}).outputs[0]
    gloss = g.node("BsdfGlossy", {"Roughness": 0.12, "Normal": normal}).outputs[0]
    haze = g.node("BsdfDiffuse", {"Color": (0.85, 0.87, 0.88, 1)}).outputs[0]
    thin = g.node("MixShader", {0: rng.uniform(0.01, 0.08), 1: clear, 2: haze}).outputs[0]
    return g.output(g.node("MixShader", {0: share, 1: thin, 2: gloss}).outputs[0])
