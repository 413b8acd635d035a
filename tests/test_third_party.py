"""Models of shapes that other people make, each as a folder: the server gives what ONNX Runtime and Pillow give by themselves, or
refuses in a sentence that says what to change. Needs target/debug/wildwarden (or WILDWARDEN, a path); run by scripts/test.sh."""

import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from onnx import TensorProto, helper

ROOT = Path(__file__).parent.parent
PROGRAM = Path(os.environ.get("WILDWARDEN", ROOT / "target" / "debug" / "wildwarden")).absolute()
sys.path.insert(0, str(ROOT / "tests"))

import third_party as third  # noqa: E402
from third_party import Shape  # noqa: E402

PHOTOS = ["tusk", "mug", "horn"]
BYTES = {"mean": [0.0] * 3, "std": [255.0] * 3}
IMAGENET = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}
PIXEL = 1.5 / 255  # of a picture that is resized, of a value in 0 to 1
FLOAT, HALF, BYTE = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8


def labels(groups: list[list[int]], columns: int) -> list[dict]:
    """The first group feeds ivory, every other column only informs."""
    fed = [{"name": f"ivory {column}", "category": "ivory", "column": column} for column in groups[0]]
    return fed + [{"name": f"other {column}", "column": column} for column in range(columns) if column not in groups[0]]


class ThirdParty(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.small, self.large = [], []
        for name in PHOTOS:
            photo = cv2.imread(str(ROOT / "tests" / "fixtures" / "images" / f"{name}.jpg"))
            for side, files in ((32, self.small), (0, self.large)):
                file = self.folder / f"{name}_{side}.png"
                cv2.imwrite(str(file), cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA) if side else photo)
                files.append(file)
        for name, (width, height) in {"ribbon": (700, 9), "tower": (11, 900), "dot": (2, 3), "odd": (333, 257)}.items():
            file = self.folder / f"{name}.png"
            picture = np.random.default_rng(len(name)).integers(0, 256, (height, width, 3)).astype(np.uint8)
            cv2.imwrite(str(file), cv2.GaussianBlur(picture, (0, 0), 2))
            self.large.append(file)

    def classifier(self, name: str, *, image: dict | None = None, groups: list[list[int]] | None = None, holds: str = "logits", join: str = "", output: str = "logits", columns: int = 3, files: dict | None = None, labelled: list[dict] | None = None, more: dict | None = None, **made: object) -> Shape:
        model = third.classifier(columns=columns, output=output, **made)
        return self.of_model(name, model, image=image, groups=groups, holds=holds, join=join, output=output, columns=columns, files=files, labelled=labelled, more=more)

    def of_model(self, name: str, model: object, *, image: dict | None = None, groups: list[list[int]] | None = None, holds: str = "logits", join: str = "", output: str = "logits", columns: int = 3, files: dict | None = None, labelled: list[dict] | None = None, more: dict | None = None) -> Shape:
        image = {"width": 32, "height": 32, "resize": "stretch"} | BYTES | (image or {})
        groups = groups or [[0]]
        groups += [[column] for column in range(columns) if column not in groups[0]]
        dtype = third.DTYPES[model.graph.input[0].type.tensor_type.elem_type]

        def expected(photo: Path) -> np.ndarray:
            return third.joined(third.run(model, third.prepared(photo, image, dtype), output), groups, holds, join or "sum")
        scores = {"output": output, "holds": holds} | ({"join": join} if join else {})
        manifest = {"kind": "image_classifier", "image": image, "scores": scores, "labels": labelled or labels(groups, columns)}
        return Shape(name, model, manifest | (more or {}), self.small, expected, files=files or {})

    def resize(self, name: str, image: dict) -> Shape:
        image = {"width": 24, "height": 20} | BYTES | image
        model = third.pixels((image["height"], image["width"]))
        return Shape(name, model, {"kind": "image_encoder", "image": image}, self.large, lambda photo: third.prepared(photo, image, "float32").reshape(-1), tolerance=PIXEL)

    def heads(self) -> list[Shape]:
        rows = [np.random.default_rng(seed).normal(size=8).astype(np.float32) * 3 for seed in range(3)]

        def shape(name: str, model: object, holds: str = "logits", normalized: bool = False, groups: list[list[int]] | None = None, output: str = "logits") -> Shape:
            groups, columns = groups or [[0]], model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
            groups += [[column] for column in range(columns) if column not in groups[0]]
            dtype = third.DTYPES[model.graph.input[0].type.tensor_type.elem_type]

            def expected(row: np.ndarray) -> np.ndarray:
                row = row / np.linalg.norm(row) if normalized else row
                return third.joined(third.run(model, row[None].astype(dtype), output), groups, holds, "sum")
            manifest = {"kind": "head", "labels": labels(groups, columns), "scores": {"output": output, "holds": holds}} | ({"l2_normalize": True} if normalized else {})
            return Shape(name, model, manifest, rows, expected)
        return [
            shape("head_plain", third.head()),
            shape("head_normalised", third.head(), normalized=True),
            shape("head_sigmoid", third.head(end="Sigmoid", output="p"), "sigmoid", output="p"),
            shape("head_softmax_two_of_five", third.head(columns=5, end="Softmax"), "softmax", groups=[[1, 3]]),
            shape("head_half", third.head(dtype=HALF)),
        ]

    def encoders(self) -> list[Shape]:
        image = {"width": 32, "height": 32, "resize": "stretch"} | BYTES

        def shape(name: str, model: object, output: str, more: dict) -> Shape:
            return Shape(name, model, {"kind": "image_encoder", "image": image} | more, self.small, lambda photo: third.run(model, third.prepared(photo, image, "float32"), output))
        return [
            shape("encoder_without_map", third.encoder(), "embedding", {}),
            shape("encoder_of_cells", third.encoder(cells=True, embedding="pool5"), "pool5", {"embedding": "pool5"}),
            shape("encoder_of_length_one", third.encoder(embedding="image_embeds", feature_map="last", unit=True), "image_embeds", {"embedding": "image_embeds", "feature_map": "last"}),
        ]

    def texts(self) -> list[Shape]:
        texts = ["出售老象牙手串，包浆好！", "Antique IVORY bangle — naïve café", "犀牛角杯" * 30]

        def shape(name: str, kind: str, *, tokens: dict | None = None, groups: list[list[int]] | None = None, holds: str = "logits", join: str = "sum", columns: int = 3, **made: object) -> Shape:
            cut = third.tokenizer(kind)
            tokens = {"tokenizer": "tokenizer.json", "max_length": 24} | (tokens or {})
            model = third.text_classifier(cut.get_vocab_size(), columns, **made)
            groups = groups or [[0]]
            groups += [[column] for column in range(columns) if column not in groups[0]]
            manifest = {"kind": "text_classifier", "tokens": tokens, "labels": labels(groups, columns), "scores": {"holds": holds}}
            expected = lambda text: third.joined(third.text_scores(model, cut, text, tokens), groups, holds, join)  # noqa: E731
            return Shape(name, model, manifest, texts, expected, files={"tokenizer.json": cut.to_str().encode()})
        return [
            shape("text_wordpiece", "wordpiece"),
            shape("text_wordpiece_int32", "wordpiece", dtype=TensorProto.INT32),
            shape("text_wordpiece_overlap", "wordpiece", tokens={"max_length": 16, "overlap": 4}),
            shape("text_bpe_without_types", "bpe", types=False),
            shape("text_unigram_fixed_length", "unigram", types=False, length=24),
            shape("text_ids_alone", "unigram", types=False, mask=False),
            shape("text_one_row_fixed", "wordpiece", rows=1),
            shape("text_softmax_two_of_four", "bpe", types=False, end="Softmax", holds="softmax", columns=4, groups=[[1, 2]]),
            shape("text_scores_of_tokens", "wordpiece", of_tokens=True, tokens={"pool": "max"}),
            shape("text_mean_of_tokens", "unigram", types=False, of_tokens=True, tokens={"pool": "mean"}),
        ]

    def taken(self) -> list[Shape]:
        keras = {"layout": "nhwc", "mean": [127.5] * 3, "std": [127.5] * 3}
        as_bytes = {"mean": [0.0] * 3, "std": [1.0] * 3}
        names = [f"{column} class_{column}" for column in range(6)]
        named = [{"name": f"class_{column}", "column": column} | ({"category": "ivory"} if column == 4 else {}) for column in (2, 4)]
        only = {"groups": [[4]], "columns": 6}

        def of_named(shape: Shape) -> Shape:
            whole = shape.expected
            shape.expected = lambda photo: whole(photo)[[3, 0]]  # columns 2 and 4, in the order of the labels
            return shape
        return [
            self.classifier("torchvision_logits", image=IMAGENET, scale=1.0),
            self.classifier("keras_softmax_two_of_ten", image=keras, layout="nhwc", columns=10, end="Softmax", output="predictions", holds="softmax", groups=[[2, 7]], scale=1.0),
            self.classifier("bytes_nhwc_sigmoid", image=as_bytes | {"layout": "nhwc"}, layout="nhwc", dtype=BYTE, end="Sigmoid", holds="sigmoid", scale=1 / 2000),
            self.classifier("bytes_nchw", image=as_bytes, dtype=BYTE),
            self.classifier("half_all_through", dtype=HALF, half=True, scale=0.2),
            self.classifier("half_fed_float_inside", dtype=HALF, scale=1.0),
            self.classifier("one_row_fixed", rows=1, scale=1.0),
            self.classifier("four_rows_fixed", rows=4, scale=1.0),
            self.classifier("any_sides", free=True, scale=2.0),
            self.classifier("caffe_bgr", image={"channels": "bgr", "mean": [103.939, 116.779, 123.68], "std": [1.0] * 3}),
            self.classifier("softmax_highest_of_two", end="Softmax", holds="softmax", join="max", groups=[[0, 2]], scale=1.0),
            self.classifier("class_logits", holds="class_logits", groups=[[1, 2]], columns=5, scale=1.0),
            self.classifier("class_logits_highest", holds="class_logits", join="max", groups=[[1, 2]], columns=5, scale=1.0),
            self.classifier("logits_highest", join="max", groups=[[0, 1]], scale=1.0),
            self.classifier("logits_logsumexp", join="logsumexp", groups=[[0, 1]], scale=1.0),
            self.classifier("sigmoid_logsumexp", end="Sigmoid", holds="sigmoid", join="logsumexp", groups=[[0, 1]], scale=1.0),
            of_named(self.classifier("paddle_label_list", **only, end="Softmax", output="save_infer_model/scale_0.tmp_1", holds="softmax", labelled=named, more={"label_file": "label_list.txt"}, files={"label_list.txt": "\n".join(names).encode() + b"\n"}, scale=1.0)),
            self.classifier("binary_sigmoid", columns=1, end="Sigmoid", holds="sigmoid", scale=1.0),
            self.classifier("a_number_a_row", columns=1, shape="flat", scale=1.0),
            self.classifier("scores_as_cells", shape="cells", scale=1.0),
            self.classifier("second_output", second=True, scale=1.0),
            *(self.classifier(f"opset_{opset}", opset=opset, scale=1.0) for opset in (9, 13, 21, 26)),
            self.of_model("int8", self.quantised(), output="logits"),
            self.resize("resize_stretch", {"resize": "stretch"}),
            self.resize("resize_stretch_bicubic", {"resize": "stretch", "filter": "bicubic"}),
            self.resize("resize_stretch_area", {"resize": "stretch", "filter": "area"}),
            self.resize("resize_center_crop", {"resize": "center_crop", "filter": "bicubic"}),
            self.resize("resize_shorter_side", {"resize": {"shorter_side": 28}}),
            self.resize("resize_clip", {"width": 28, "height": 28, "resize": {"shorter_side": 28}, "filter": "bicubic"}),
            self.resize("resize_stretch_to", {"resize": {"stretch_to": [30, 26]}}),
            self.resize("resize_letterbox", {"resize": {"letterbox": [114, 114, 114]}}),
            self.resize("resize_letterbox_bicubic", {"resize": {"letterbox": [0, 128, 255]}, "filter": "bicubic"}),
            *self.encoders(),
            *self.heads(),
            *self.texts(),
        ]

    def quantised(self) -> object:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        plain, made = self.folder / "plain.onnx", self.folder / "int8.onnx"
        onnx.save(third.classifier(scale=1.0), plain)
        quantize_dynamic(plain, made, weight_type=QuantType.QInt8)
        return onnx.load(made)

    def refused(self) -> list[Shape]:
        def shape(said: str, made: Shape) -> Shape:
            made.refused, made.expected = said, None
            return made
        two = third.classifier()
        two.graph.input.append(helper.make_tensor_value_info("image_shape", TensorProto.FLOAT, ["N", 2]))
        file = third.graph([helper.make_node("Identity", ["image"], ["logits"])], [helper.make_tensor_value_info("image", TensorProto.STRING, ["N"])], [helper.make_tensor_value_info("logits", TensorProto.STRING, ["N"])], [])
        jpeg = third.graph([helper.make_node("Cast", ["image"], ["logits"], to=FLOAT)], [helper.make_tensor_value_info("image", BYTE, ["bytes"])], [helper.make_tensor_value_info("logits", FLOAT, ["bytes"])], [])
        custom = third.classifier()
        custom.graph.node[0].domain = "com.example"
        doubles = third.graph([helper.make_node("Cast", ["image"], ["cast"], to=TensorProto.DOUBLE), helper.make_node("GlobalAveragePool", ["cast"], ["logits"])], [helper.make_tensor_value_info("image", FLOAT, ["N", 3, 32, 32])], [helper.make_tensor_value_info("logits", TensorProto.DOUBLE, ["N", 3, 1, 1])], [])
        named = {"label_file": "labels.txt", "labelled": [{"name": "a", "column": 0, "category": "ivory"}, {"name": "b", "column": 1}]}
        image = {"width": 32, "height": 32, "resize": "stretch"} | BYTES
        as_planes = [{"name": "image", "dtype": "float32", "shape": [-1, 3, 32, 32]}]
        as_scores = [{"name": "logits", "dtype": "float32", "shape": [-1, 3]}]
        def of_text(name: str, said: str, change: object) -> Shape:
            (made,) = [one for one in self.texts() if one.name == "text_wordpiece"]
            made.name = name
            change(made)
            return shape(said, made)
        return [
            of_text("text_without_tokenizer", '"tokenizer.json" is used but has no sha256', lambda made: made.files.clear()),
            of_text("text_odd_tokenizer", "tokenizer.json: is no tokenizer", lambda made: made.files.update({"tokenizer.json": b"{}"})),
            of_text("text_no_room", "tokens.max_length 4 must be above that", lambda made: made.manifest["tokens"].update({"max_length": 4, "overlap": 2})),
            of_text("text_fewer_ids_than_the_tokenizer", "with ids up to", third.without_the_last_id),
            of_text("text_fewer_positions_than_tokens", "fails on a batch", lambda made: third.with_positions(made, 20)),
            shape("and of a softmax one is always true", self.classifier("softmax_of_one_column", columns=1, end="Softmax", holds="softmax")),
            of_text("text_long_overlap", "overlap 24 at most half of it", lambda made: made.manifest["tokens"].update({"overlap": 24})),
            of_text("text_pool_of_texts", "tokens.pool is for scores of tokens", lambda made: made.manifest["tokens"].update({"pool": "max"})),
            of_text("text_odd_input", "is not what a tokenizer gives", lambda made: made.model.graph.input.append(helper.make_tensor_value_info("position_ids", TensorProto.INT64, ["N", "T"]))),
            shape("a image_classifier has one: make the others constants of the graph", self.of_model("two_inputs", two)),
            shape("reads files or texts by itself; cut that part off", Shape("reads_files", file, {"kind": "image_classifier", "image": image, "labels": labels([[0]], 3), "inputs": as_planes, "outputs": as_scores}, self.small)),
            shape("takes the bytes of a file; cut the decoder off the graph", Shape("decodes_jpeg", jpeg, {"kind": "image_classifier", "image": image, "labels": labels([[0]], 3)}, self.small)),
            shape("uses the custom operator AveragePool of com.example", self.of_model("custom_operator", custom)),
            shape("is float64; tensors are float32", Shape("doubles", doubles, {"kind": "image_classifier", "image": image, "labels": labels([[0]], 3)}, self.small)),
            shape('say layout = "nhwc" under [image]', self.classifier("channels_last_unsaid", layout="nhwc")),
            shape('say layout = "nchw" under [image]', self.classifier("channels_first_unsaid", image={"layout": "nhwc"})),
            shape("mean must be [0, 0, 0] and std [1, 1, 1]", self.classifier("bytes_with_a_mean", dtype=BYTE)),
            shape('there is no "logits", only "dense_1"; say which with scores = { output }', self.classifier("output_unsaid", output="dense_1", more={"scores": {"holds": "logits"}})),
            shape("say scores = { join = ... }: max or logsumexp", self.classifier("several_logits_unjoined", groups=[[0, 1]])),
            shape("it allows sum or max", self.classifier("softmax_logsumexp", end="Softmax", holds="softmax", join="logsumexp", groups=[[0, 1]])),
            shape('line 2 says "c", and labels say that column 1 is "b"', self.classifier("labels_moved", more={"label_file": "labels.txt"}, labelled=named["labelled"], files={"labels.txt": b"a\nc\nb\n"})),
            shape("names 2 labels, and the scores have 3 columns", self.classifier("labels_missing", more={"label_file": "labels.txt"}, labelled=named["labelled"], files={"labels.txt": b"a\nb\n"})),
            shape("column 3 is none of", self.classifier("column_beyond", labelled=[{"name": "a", "column": 3, "category": "ivory"}])),
            shape("there are 2, and", self.classifier("too_few_labels", labelled=[{"name": "a", "category": "ivory"}, {"name": "b"}])),
            shape("fixes a batch of rows; at most 64", self.classifier("too_many_rows_fixed", rows=65)),
        ]

    def check(self, shape: Shape) -> tuple[Shape, subprocess.CompletedProcess]:
        folder = third.write(shape, self.folder / "models")
        beside = ["--with", self.encoder] if shape.manifest["kind"] == "head" else []
        command = [PROGRAM, "model", "check", folder, *beside, "--models", self.service]
        return shape, subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    def test_each_is_served_as_its_maker_runs_it_or_refused_with_what_to_change(self) -> None:
        taken, refused = self.taken(), self.refused()
        self.service = self.folder / "service"
        self.service.mkdir()
        image = {"width": 32, "height": 32, "resize": "stretch"} | BYTES
        model = third.encoder()
        shape = Shape("image_encoder", model, {"kind": "image_encoder", "image": image}, self.small, lambda photo: third.run(model, third.prepared(photo, image, "float32"), "embedding"))
        self.encoder = third.write(shape, self.folder / "models")
        self.assertGreaterEqual(len(taken), 30)
        with ThreadPoolExecutor(2) as pool:
            for shape, ended in pool.map(self.check, [*taken, *refused]):
                with self.subTest(shape.name):
                    if shape.refused:
                        self.assertEqual(ended.returncode, 2, ended.stdout)
                        self.assertIn(shape.refused, ended.stdout + ended.stderr)
                    else:
                        self.assertEqual(ended.returncode, 0, ended.stdout[-1500:] + ended.stderr)
                        self.assertNotIn("say scores", ended.stdout)


class InService(unittest.TestCase):
    """Models of other makers come to a running server as its own do."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.models = self.folder / "models"
        # The first look alone: what other makers' models say is not to be joined with a second one's.
        shutil.copytree(ROOT / "models", self.models, ignore=shutil.ignore_patterns("*_clip", "clip_encoder", "text_detector", "text_recognizer", "sentence_classifier", "state.json"))
        policy = (self.models / "policy.toml").read_text(encoding="utf-8")
        policy = re.sub(r"(?m)^join = .*\n", "", policy).replace('profile = "balanced"', 'profile = "fast"')
        (self.models / "policy.toml").write_text(policy, encoding="utf-8")
        (self.folder / "wildwarden.toml").write_text('[models]\npoll_ms = 200\nlabels.ivory.canary = "2"\n', encoding="utf-8")
        command = [PROGRAM, "serve", "--config", self.folder / "wildwarden.toml", "--models", self.models, "--policy", self.models / "policy.toml", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.terminate)
        addresses = {}
        for line in process.stderr:
            if found := re.search(r"(listening for operators|listening) address=(\S+)", line):
                addresses[found[1]] = found[2]
            if " serving " in line:
                break
        threading.Thread(target=process.stderr.read, daemon=True).start()
        self.server, self.operators = addresses["listening"], addresses["listening for operators"]

    def call(self, *arguments: object) -> str:
        server = self.operators if arguments[0] == "model" else self.server
        ended = subprocess.run([PROGRAM, *arguments, "--server", f"http://{server}"], cwd=ROOT, capture_output=True, text=True, check=False)
        self.assertEqual(ended.returncode, 0, f"{arguments}: {ended.stdout}{ended.stderr}")
        return ended.stdout

    def rate(self, *arguments: object) -> dict:
        return json.loads(self.call("classify", "--json", "--explain", *arguments).splitlines()[0])

    def versions(self, rating: dict) -> dict[str, str]:
        return {used["name"]: used["version"] for used in rating["models"]}

    def put(self, shape: Shape, version: str) -> None:
        folder = third.write(shape, self.folder / "made", version)
        (self.models / shape.name).mkdir(exist_ok=True)
        hidden = self.models / shape.name / f".{version}"
        shutil.copytree(folder, hidden)
        hidden.rename(self.models / shape.name / version)

    def wait(self, said: str, *command: object) -> None:
        for _ in range(150):
            found = self.call(*command)
            if said in found:
                return
            time.sleep(0.2)
        self.fail(f"{said!r} never comes: {found}")

    def test_a_classifier_of_bytes_is_tried_promoted_asked_for_tensors_and_taken_back(self) -> None:
        image = {"width": 32, "height": 32, "resize": "stretch", "layout": "nhwc", "mean": [0.0] * 3, "std": [1.0] * 3}
        model = third.classifier(layout="nhwc", dtype=BYTE, end="Softmax", columns=4, scale=1 / 2000)
        manifest = {"kind": "image_classifier", "image": image, "scores": {"holds": "softmax"}, "labels": labels([[1, 2]], 4)}
        photo = ROOT / "tests/fixtures/images/tusk.jpg"
        self.put(Shape("ivory", model, manifest, []), "2")
        self.wait(hashlib.sha256((self.models / "ivory/2/model.toml").read_bytes()).hexdigest(), "model", "list", "--json")
        self.call("model", "shadow", "ivory=2", "--share", "1")
        for _ in range(3):
            self.assertEqual(self.versions(self.rate(photo))["ivory"], "1")
        self.wait("3 listings compared", "model", "report")
        self.call("model", "stop")
        self.call("model", "canary", "ivory=2", "--share", "1")
        self.assertEqual(self.versions(self.rate(photo))["ivory"], "2")
        self.wait("1 listings compared", "model", "report")
        self.call("model", "promote")
        rating = self.rate(photo)
        self.assertEqual(self.versions(rating)["ivory"], "2")
        scores = {score["category"]: score for score in rating["images"][0]["scores"]}
        self.assertEqual(scores["ivory"]["explanation"]["attribution"], "ATTRIBUTION_OCCLUSION")
        self.assertEqual(scores["pangolin_scale"]["explanation"]["attribution"], "ATTRIBUTION_EXACT")
        fed = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
        given = self.infer("ivory", {"image": ("UINT8", fed)})
        np.testing.assert_allclose(given, third.session(model).run(None, {"image": fed})[0], atol=1e-6)
        self.call("model", "rollback")
        self.assertEqual(self.versions(self.rate(photo))["ivory"], "1")

    def test_a_text_classifier_with_a_tokenizer_takes_the_place_of_the_shipped_one(self) -> None:
        cut = third.tokenizer("wordpiece")
        model = third.text_classifier(cut.get_vocab_size(), 4)
        fed = [{"name": name, "category": name} for name in ("ivory", "pangolin_scale", "rhino_horn")]
        manifest = {"kind": "text_classifier", "tokens": {"tokenizer": "tokenizer.json", "max_length": 32, "overlap": 8}, "labels": [*fed, {"name": "other"}]}
        self.put(Shape("text_classifier", model, manifest, [], files={"tokenizer.json": cut.to_str().encode()}), "2")
        self.wait('"text_classifier","version":"2"', "classify", "--json", "--title", "象牙")
        title = "出售老象牙手串 Ivory bangle"
        rating = self.rate("--title", title)
        (text,) = rating["texts"]
        self.assertEqual([score["category"] for score in text["scores"]], ["ivory", "pangolin_scale", "rhino_horn"])
        caution = tomllib.loads((self.models / "policy.toml").read_text(encoding="utf-8"))["text_caution"]
        expected = third.text_scores(model, cut, title, manifest["tokens"])
        for score, logit in zip(text["scores"], expected):
            self.assertEqual(score["attribution"], "ATTRIBUTION_OCCLUSION")
            self.assertAlmostEqual(score["bias"] + sum(token["contribution"] for token in score["tokens"]), logit, places=3)
            self.assertAlmostEqual(score["probability"], float(1 / (1 + np.exp(caution - logit))), places=6)
            for token in score["tokens"]:
                span = {key: int(value) for key, value in token["span"].items()}
                self.assertEqual(title.encode()[span.get("byte_start", 0):span["byte_end"]].decode(), token["token"])
                self.assertEqual(title[span.get("char_start", 0):span["char_end"]], token["token"])
        window = cut.encode(title)
        rows = {"input_ids": window.ids, "attention_mask": window.attention_mask, "token_type_ids": window.type_ids}
        tensors = {name: np.array([values], np.int64) for name, values in rows.items()}
        given = self.infer("text_classifier", {name: ("INT64", values) for name, values in tensors.items()})
        np.testing.assert_allclose(given[0], expected, atol=1e-4)
        # Far more text than windows: an answer, and soon.
        long = self.folder / "long.txt"
        long.write_text("老料 " * 5000, encoding="utf-8")
        self.assertTrue(self.rate("--title", title, "--description", long.read_text(encoding="utf-8")[:8000])["texts"])
        self.call("model", "rollback")
        self.assertEqual(self.versions(self.rate("--title", title))["text_classifier"], "1")

    def test_words_count_wherever_they_stand_and_a_bad_text_is_its_own_fault(self) -> None:
        cut = third.tokenizer("wordpiece")
        tokens = {"tokenizer": "tokenizer.json", "max_length": 16, "overlap": 4, "windows": 64}
        fed = [{"name": name, "category": name} for name in ("ivory", "pangolin_scale", "rhino_horn")]
        model = third.spotter(cut.get_vocab_size(), {cut.token_to_id("bangle"): 12.0, cut.token_to_id("horn"): float("inf")}, 3)
        manifest = {"kind": "text_classifier", "tokens": tokens, "labels": fed}
        self.put(Shape("text_classifier", model, manifest, [], files={"tokenizer.json": cut.to_str().encode()}), "2")
        self.wait('"text_classifier","version":"2"', "classify", "--json", "--title", "mug")

        def ivory(text: str) -> float:
            (score, *_) = self.rate("--title", text)["categories"]
            return score["text_probability"]
        for before in (0, 11, 12, 13, 40, 300):
            for after in (0, 50):
                text = "mug " * before + "bangle" + " mug" * after
                self.assertGreater(ivory(text), 0.9, f"{before} words before, {after} after")
        self.assertLess(ivory("mug " * 300), 0.5)
        listings = self.folder / "listings.jsonl"
        texts = ["bangle", "horn", "mug"] * 20
        listings.write_text("".join(json.dumps({"listing_id": str(number), "title": text, "labels": []}) + "\n" for number, text in enumerate(texts)), encoding="utf-8")
        command = [PROGRAM, "classify", "--json", "--server", f"http://{self.server}"]
        ended = subprocess.run(command, cwd=ROOT, input=listings.read_text(encoding="utf-8"), capture_output=True, text=True, check=False)
        rated = {line["listing_id"]: line for line in map(json.loads, ended.stdout.splitlines()) if "risk" in line}
        self.assertEqual({number for number, text in enumerate(texts) if text != "horn"}, {int(number) for number in rated}, ended.stderr[-600:])

    def infer(self, name: str, fed: dict[str, tuple[str, np.ndarray]]) -> np.ndarray:
        """The one output of a model by the Open Inference Protocol."""
        import grpc

        with tempfile.TemporaryDirectory() as out:
            protos = ["inference/grpc_service.proto", "inference/model_config.proto"]
            arguments = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'proto'}", f"--python_out={out}", *protos]
            subprocess.run(arguments, check=True)
            sys.path.insert(0, out)
            self.addCleanup(sys.path.remove, out)
            messages = importlib.import_module("inference.grpc_service_pb2")
        request = messages.ModelInferRequest(model_name=name, raw_input_contents=[values.tobytes() for _, values in fed.values()])
        for input_, (datatype, values) in fed.items():
            request.inputs.add(name=input_, datatype=datatype, shape=values.shape)
        with grpc.insecure_channel(self.server) as channel:
            method = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer", messages.ModelInferRequest.SerializeToString, messages.ModelInferResponse.FromString)
            answer = method(request, timeout=20)
        return np.frombuffer(answer.raw_output_contents[0], np.float32).reshape(answer.outputs[0].shape)


if __name__ == "__main__":
    unittest.main()
