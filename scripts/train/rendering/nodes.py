"""A thin hand for Blender's shader graphs: each call adds one node and returns its socket."""

import bpy


def linear(colour: str | tuple) -> tuple[float, float, float, float]:
    """'#rrggbb' in sRGB, or linear values already."""
    if not isinstance(colour, str):
        return (*colour[:3], 1.0)
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return (*(v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values), 1.0)


class Graph:
    def __init__(self, name: str):
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.tree.nodes.clear()

    def node(self, kind: str, inputs: dict | None = None, **settings):
        node = self.tree.nodes.new("ShaderNode" + kind)
        for key, value in settings.items():
            setattr(node, key, value)
        for key, value in (inputs or {}).items():
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, node.inputs[key])
            else:
                node.inputs[key].default_value = value
        return node

    def fibre(self, scale=(1, 1, 1), shift=(0, 0, 0)):
        vector = self.node("Attribute", attribute_name="fibre").outputs["Vector"]
        return self.node("Mapping", {"Vector": vector, "Scale": scale, "Location": shift}).outputs[0]

    def place(self, scale=(1, 1, 1), shift=(0, 0, 0)):
        """World-fixed coordinates in centimetres, for grounds and walls."""
        vector = self.node("TexCoord").outputs["Object"]
        return self.node("Mapping", {"Vector": vector, "Scale": scale, "Location": shift}).outputs[0]

    def split(self, vector):
        return self.node("SeparateXYZ", {0: vector}).outputs

    def math(self, operation: str, a, b=0.0, c=0.0):
        return self.node("Math", {0: a, 1: b, 2: c}, operation=operation).outputs[0]

    def noise(self, vector, scale=1.0, detail=3.0, roughness=0.55, distortion=0.0):
        inputs = {"Vector": vector, "Scale": scale, "Detail": detail, "Roughness": roughness, "Distortion": distortion}
        return self.node("TexNoise", inputs).outputs["Fac"]

    def cells(self, vector, scale=1.0, feature="F1", output="Distance"):
        return self.node("TexVoronoi", {"Vector": vector, "Scale": scale}, feature=feature).outputs[output]

    def wave(self, vector, scale=1.0, distortion=2.0, kind="BANDS", direction="X"):
        settings = {"wave_type": kind, "bands_direction" if kind == "BANDS" else "rings_direction": direction}
        return self.node("TexWave", {"Vector": vector, "Scale": scale, "Distortion": distortion, "Detail": 2.0}, **settings).outputs["Fac"]

    def ramp(self, value, stops: list[tuple[float, str | tuple]]):
        node = self.node("ValToRGB", {0: value})
        elements = node.color_ramp.elements
        while len(elements) < len(stops):
            elements.new(0.5)
        for element, (at, colour) in zip(elements, stops):
            element.position, element.color = at, linear(colour)
        return node.outputs[0]

    def step(self, value, low: float, high: float):
        return self.node("MapRange", {0: value, 1: low, 2: high}).outputs[0]

    def mix(self, factor, a, b, blend="MIX"):
        a, b = (linear(x) if isinstance(x, (str, tuple)) else x for x in (a, b))
        node = self.node("MixRGB", {0: factor, 1: a, 2: b}, blend_type=blend)
        return node.outputs[0]

    def vary(self, colour, hue: float, value: float):
        """Each object its own shade."""
        random = self.node("ObjectInfo").outputs["Random"]
        other = self.math("FRACT", self.math("MULTIPLY", random, 7.31))
        inputs = {"Hue": self.step2(random, 0.5 - hue, 0.5 + hue), "Value": self.step2(other, 1 - value, 1 + value), "Color": colour}
        return self.node("HueSaturation", inputs).outputs[0]

    def step2(self, value, low: float, high: float):
        return self.node("MapRange", {0: value, 3: low, 4: high}).outputs[0]

    def bump(self, height, strength: float, distance: float = 0.1):
        return self.node("Bump", {"Height": height, "Strength": strength, "Distance": distance}).outputs[0]

    def surface(self, colour, roughness=0.5, normal=None, **more) -> bpy.types.Material:
        names = {"subsurface": "Subsurface Weight", "subsurface_scale": "Subsurface Scale", "coat": "Coat Weight", "metallic": "Metallic",
                 "transmission": "Transmission Weight", "sheen": "Sheen Weight", "specular": "Specular IOR Level", "alpha": "Alpha"}
        inputs = {"Base Color": linear(colour) if isinstance(colour, (str, tuple)) else colour, "Roughness": roughness}
        inputs |= {names[key]: value for key, value in more.items()}
        if normal is not None:
            inputs["Normal"] = normal
        if more.get("subsurface"):
            inputs["Subsurface Radius"] = (1.0, 0.55, 0.3)
        shader = self.node("BsdfPrincipled", inputs, subsurface_method="BURLEY").outputs[0]
        return self.output(shader)

    def output(self, shader) -> bpy.types.Material:
        self.node("OutputMaterial", {0: shader})
        return self.material
