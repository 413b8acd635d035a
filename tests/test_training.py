"""What the training scripts compute, on data made here. Needs scripts/train/requirements.txt; run by scripts/test.sh."""

import contextlib
import csv
import io
import json
import random
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from scipy.special import expit

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts" / "train"))

import augment  # noqa: E402
import categories  # noqa: E402
import common  # noqa: E402
import fusion  # noqa: E402
import heads  # noqa: E402
import linear_heads  # noqa: E402
import listings  # noqa: E402
import measure  # noqa: E402
import model_folder  # noqa: E402
import offers  # noqa: E402
import policy  # noqa: E402
import program  # noqa: E402
import step  # noqa: E402
import text  # noqa: E402
import text_report  # noqa: E402
import views  # noqa: E402
import words  # noqa: E402

SCRIPTS = ROOT / "scripts" / "train"
PROGRAM = ROOT / "target" / "debug" / "wildwarden"
SHIPPED = categories.read()

POLICY = """
# Kept.
version = "1"
deployment_prior = 0.01 # share
training_prior = 0.5
disagreement_margin = 0.7
evidence = 0.5

[[category]] # the first
name = "tusk"
title = { en = "Tusks", zh = "牙" }
description = { en = "Tusks.", zh = "牙。" }
legal_basis = []
aliases = [
    "ivory", # kept
]

[category.fusion]
# fitted
intercept = 1.0000 # of all
image = 1.0000
text = 1.0000
interaction = 0.0000
missing_image = 0.0000
missing_text = 0.0000
image_floor = -3.0000
text_floor = -3.0000

[[category]]
name = "claw"
title = { en = "Claws", zh = "爪" }
description = { en = "Claws.", zh = "爪。" }
legal_basis = []

[category.fusion]
intercept = 1.0
image = 1.0
text = 1.0
interaction = 0.0
missing_image = 0.0
missing_text = 0.0
image_floor = -3.0
text_floor = -3.0

[levels]
low = 0.02
medium = 0.10
high = 0.40
critical = 0.80

[rules]
disguised_claim = true
claim_for_sale = true
wanted_to_buy = true
photo_stands = true
other_wildlife = true
unsupported_language = true

[suggestions]
review = 0.1161 # from here on
block = 0.9301
"""
# Two kinds of bird, one with words, in the fewest entries.
BIRDS = """
[[category]]
name = "hornbill_casque"
what = "Casques of hornbills"
classes = { casque = 2, hornbill = 3 }
live = ["hornbill"]
[category.text]
offers = { en = 0.01 }
aliases = ["casque_offer"]

[[category]]
name = "eagle_feather"
what = "Feathers of eagles"
classes = { feather = 2 }

[none]
classes = { negative = 2 }
companions = ["negative"]

[views]
seller = 2
render = 2

[[label]]
name = "benign"
means = "harmless"

[[label]]
name = "news"
means = "report"

[[label]]
name = "resin_casque"
means = "look_alike"
of = "hornbill_casque"
offers = { en = 0.01 }
in_examples = "resin"
in_words = "resin"
evasive = 0.2

[live_animal]
subclasses = ["animal"]

[[kind]]
name = "drawn photos"

[[slice]]
name = "drawn against drawn"
category = "hornbill_casque"
positives = ["drawn photos"]
"""
FIELDS = ["file", "class", "subclass", "source_repo", "path", "commit", "licence", "sha256", "width", "height", "group", "phash", "orig_width", "orig_height", "note"]


def write_manifest(folder: Path, rows: list[dict]) -> Path:
    (folder / "images").mkdir(parents=True)
    with open(folder / "images" / "manifest.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return folder


class Photos(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        rows = [{"file": f"{i}.jpg", "class": "negative", "licence": "CC0", "group": f"g{i // 2}"} for i in range(40)]
        rows += [{"file": f"s{i}.jpg", "class": "ivory", "licence": "research only", "note": f"seller=s{i % 3}"} for i in range(9)]
        self.folder = write_manifest(Path(temporary.name), rows)

    def test_no_group_or_seller_stands_in_two_folds(self) -> None:
        photos = common.read_photos([self.folder])
        folds = common.photo_folds(photos)
        of_group = {}
        for photo, fold in zip(photos, folds):
            of_group.setdefault(photo.group, set()).add(fold)
        self.assertTrue(all(len(found) == 1 for found in of_group.values()))

    def test_sellers_who_show_a_product_are_dealt_to_all_folds(self) -> None:
        photos = common.read_photos([self.folder])
        dealt = {fold for photo, fold in zip(photos, common.photo_folds(photos)) if photo.seller}
        self.assertEqual(dealt, {0, 1, 2})

    def test_photos_of_an_excluded_licence_are_left_out(self) -> None:
        self.assertEqual({photo.licence for photo in common.read_photos([self.folder], ["RESEARCH"])}, {"CC0"})

    def test_an_unknown_class_is_refused_by_name_and_line(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_manifest(Path(folder), [{"file": "a.jpg", "class": "ivroy"}])
            with self.assertRaisesRegex(SystemExit, r"line 2: class 'ivroy'"):
                common.read_photos([Path(folder)])

    def test_a_category_gets_a_head_when_its_photos_stand_in_two_folds(self) -> None:
        shown = [("", 0), ("", 1), ("ivory", 0), ("ivory", 2), ("rhino_horn", 1), ("rhino_horn", 1)]
        self.assertEqual(common.heads_of(shown, SHIPPED.names), ["ivory"])
        photos = common.read_photos([self.folder])
        folds = [int(fold) for fold in common.photo_folds(photos)]
        self.assertEqual(common.heads_of([(photo.head, fold) for photo, fold in zip(photos, folds)], SHIPPED.names), ["ivory"])

    def test_a_card_counts_what_the_photos_are(self) -> None:
        photos = common.read_photos([self.folder])
        ivory, rhino_horn = SHIPPED.categories[0], SHIPPED.categories[2]
        self.assertIn("9 photos, against 40 others", heads.summary(ivory, photos))
        self.assertIn("9 of these photos are by 3 sellers, 3 by one of them", heads.failures(ivory, photos)[0])
        self.assertIn("by a seller", heads.failures(rhino_horn, photos)[0])
        self.assertIn("research", heads.licence(photos))
        self.assertNotIn("research", heads.licence(common.read_photos([self.folder], ["research"])))
        self.assertTrue(all(model_folder.findings(SCRIPTS / "findings.toml", name) for name in [*SHIPPED.names, "text_classifier"]))
        self.assertEqual(model_folder.findings(None, "ivory"), [])

    def test_a_text_card_says_which_offers_are_real(self) -> None:
        row = {"lang": "zh", "source": "generated", "labels": ["ivory"]}
        said = text.offers_of([row, {**row, "source": "a", "labels": ["rhino_horn"]}], SHIPPED.names)
        self.assertIn("Chinese offers of ivory, pangolin_scale are UNMEASURED", said[0])
        self.assertIn("1 of rhino_horn", said[1])
        self.assertIn("English is UNMEASURED", said[2])

    def test_a_statistic_that_is_never_defined_has_no_interval(self) -> None:
        rows = np.arange(4)
        self.assertEqual(common.interval(lambda rows: float("nan"), rows, rows)[1], [])


class Categories(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def read(self, entries: str) -> categories.Categories:
        (self.folder / "categories.toml").write_text(entries, encoding="utf-8")
        return categories.of_data(self.folder)

    def test_a_data_folder_says_what_is_looked_for_and_the_shipped_file_where_it_does_not(self) -> None:
        self.assertEqual(categories.of_data(self.folder), SHIPPED)
        birds = self.read(BIRDS)
        self.assertEqual(birds.names, ["hornbill_casque", "eagle_feather"])
        self.assertEqual(birds.heads, {"casque": "hornbill_casque", "hornbill": "hornbill_casque", "feather": "eagle_feather", "negative": ""})
        self.assertEqual(birds.labels, ["hornbill_casque", "benign", "news", "resin_casque"])
        self.assertEqual(birds.views, {"casque": 2, "hornbill": 3, "feather": 2, "negative": 2})

    def test_a_bad_entry_is_named_with_what_is_allowed(self) -> None:
        first, second = r"\[\[category\]\] hornbill_casque: ", r"\[\[category\]\] eagle_feather: "
        for old, new, said in [
            ('name = "eagle_feather"', 'name = "Eagle"', r"\[\[category\]\] Eagle: name is 'Eagle'; allowed is a small letter, then at most 31 small letters, digits and _"),
            ('name = "eagle_feather"', 'name = "live_animal"', r"\[\[category\]\] live_animal: name is 'live_animal', which another model has; allowed is any name but image_encoder, "),
            ('name = "eagle_feather"', 'name = "hornbill_casque"', r"the name 'hornbill_casque' stands in \[\[category\]\] number 1 and in \[\[category\]\] number 2; allowed is one"),
            ('name = "news"', 'name = "casque_offer"', r"the name 'casque_offer' stands in \[\[label\]\] number 2 and in the aliases of \[\[category\]\] hornbill_casque"),
            ("{ feather = 2 }", "{ feather = 2, casque = 1 }", r"the class 'casque' stands in \[\[category\]\] hornbill_casque and in \[\[category\]\] eagle_feather; allowed is one"),
            ("{ negative = 2 }", "{ negative = 2, feather = 1 }", r"the class 'feather' stands in \[\[category\]\] eagle_feather and in \[none\]; allowed is one"),
            ("{ feather = 2 }", "{ feather = 0 }", second + r"classes is \{'feather': 0\}; allowed is a table from class of the manifest to its number of views, a whole number from 1 to 1000"),
            ('classes = { feather = 2 }', "", second + "lacks classes: a table from class"),
            ('what = "Feathers of eagles"', 'what = "Feathers"\ncolour = true', second + "unknown key 'colour'; allowed are name, what, classes, live, text"),
            ('live = ["hornbill"]', 'live = ["feather"]', first + r"live has 'feather'; allowed are its classes, casque, hornbill"),
            ("offers = { en = 0.01 }\naliases", "offers = { fr = 1 }\naliases", r"\[\[category\]\] hornbill_casque \[text\]: offers is \{'fr': 1\}; allowed is a table from zh or en to a number above 0, at most 10"),
            ('companions = ["negative"]', 'companions = ["feather"]', r"\[none\]: companions has 'feather'; allowed are its classes, negative"),
            ("render = 2", "render = 2\nother = 3", r"\[views\]: unknown key 'other'; allowed are seller, render"),
            ('means = "report"', 'means = "rumour"', r"\[\[label\]\] news: means is 'rumour'; allowed is \"harmless\", \"report\", \"other\" or \"look_alike\""),
            ('means = "report"', 'means = "other"', r"\[\[label\]\] with means = 'report': there are 0; allowed is one"),
            ('of = "hornbill_casque"', 'of = "eagle_feather"', r"\[\[label\]\] resin_casque: of is 'eagle_feather'; allowed are the categories that are read from words, hornbill_casque"),
            ('in_words = "resin"', 'in_words = "("', r"\[\[label\]\] resin_casque: in_words is '\('; allowed is a regular expression"),
            ('category = "hornbill_casque"', 'category = "beak"', r"\[\[slice\]\] drawn against drawn: category is 'beak'; allowed are hornbill_casque, eagle_feather"),
            ('positives = ["drawn photos"]', 'positives = ["photos"]', r"\[\[slice\]\] drawn against drawn: positives has 'photos'; allowed are the kinds of photo, drawn photos"),
            ('name = "drawn photos"', 'name = "drawn photos"\nseller = true', r"\[\[kind\]\]: the last must fit every photo"),
            ("[views]", "[colours]\n[views]", r"unknown key 'colours'; allowed are category, none, views, live_animal, label, kind, slice"),
            ("[views]", "[views", r"can't be read as TOML: .*line 2"),
        ]:
            with self.subTest(new), self.assertRaisesRegex(SystemExit, rf"^{self.folder}/categories.toml: {said}"):
                self.assertEqual(BIRDS.count(old), 1)
                self.read(BIRDS.replace(old, new))

    def test_a_script_ends_with_exit_code_1_and_one_sentence(self) -> None:
        (self.folder / "categories.toml").write_text(BIRDS.replace("seller = 2", "seller = -2"), encoding="utf-8")
        done = subprocess.run([sys.executable, SCRIPTS / "corpus.py", self.folder, self.folder / "corpus.jsonl"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        self.assertIn("[views]: seller is -2; allowed is a whole number from 1 to 1000", done.stderr)

    def test_words_of_a_category_may_stand_with_the_data(self) -> None:
        birds = self.read(BIRDS)
        with self.assertRaisesRegex(SystemExit, r"text/en.toml: lack names.hornbill_casque.open, .*forms.hornbill_casque.*; offers of hornbill_casque in 'en' are made from them"):
            offers.Grammar(birds, "en", self.folder, [], 1, print)
        (self.folder / "en.toml").write_text(
            "[names.hornbill_casque]\nopen = ['hornbill casque']\ncode = ['golden jade']\n[names.resin_casque]\nopen = ['resin casque']\ncode = ['cast casque']\n"
            "[forms]\nhornbill_casque = ['snuff bottle']\nresin_casque = ['bead']\n[unknown]\nhornbill_casque = ['jade']\nresin_casque = ['resin']\n[offer]\ntail = ['by the river']\n"
        )
        made = []
        grammar = offers.Grammar(birds, "en", self.folder, [], 1, lambda text, *rest: made.append((text, *rest)))
        grammar.offers("hornbill_casque", 40)
        grammar.several(10)
        offered = [text for text, _, label, *_ in made if label == "hornbill_casque"]
        self.assertGreaterEqual(len(offered), 40)
        self.assertTrue(any("golden jade" in text for text in offered))
        self.assertEqual({label for _, _, label, *_ in made}, {"hornbill_casque", "benign"})
        self.assertEqual(grammar.lists["offer"]["tail"], [*words.read("en", [])["offer"]["tail"], "by the river"])
        self.assertEqual(offers.Grammar(birds, "zh", self.folder, [], 1, print).offered, [])

    def test_a_category_of_its_own_is_trained_to_a_head(self) -> None:
        self.read(BIRDS)
        rows = [{"file": f"{i}.jpg", "class": ("casque", "hornbill", "negative")[i % 3], "licence": "CC0", "group": f"g{i}", "source_repo": "drawn"} for i in range(36)]
        write_manifest(self.folder, rows)
        rng, work = np.random.default_rng(0), self.folder / "work"
        for row in rows:
            photo = rng.integers(0, 80, (96, 96, 3)).astype(np.uint8)
            if row["class"] != "negative":
                cv2.circle(photo, (48, 48), int(rng.integers(20, 40)), (40, 160, 230), -1)
            cv2.imwrite(str(self.folder / "images" / row["file"]), photo)

        def run(script: object, *arguments: object) -> str:
            """What the script says on standard error. Figures get no intervals, which take their time."""
            with mock.patch.object(sys, "argv", [script.__name__, *map(str, arguments)]), mock.patch.object(program, "WILDWARDEN", str(PROGRAM)), \
                    mock.patch.object(measure, "interval", lambda statistic, rows, _: (statistic(rows), [])), contextlib.chdir(ROOT), \
                    contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
                script.main()
            return said.getvalue()
        run(views, work / "views", self.folder)
        for fold in ("all", "0", "1", "2"):
            (work / f"set_{fold}").mkdir()
            for encoder in ("image_encoder", "fp32"):
                (work / f"set_{fold}" / encoder).symlink_to(ROOT / "models" / "image_encoder" / "1")
            run(linear_heads, work / "views", work / f"set_{fold}" / "image_encoder", work / f"set_{fold}" / "heads.npz", *([] if fold == "all" else ["--leave-out", fold]))
        said = run(heads, work, work / "heads", self.folder)
        self.assertIn("eagle_feather: no head is made", said)
        self.assertEqual({folder.name for folder in (work / "heads" / "all").iterdir()}, {"hornbill_casque"})
        for part in ("all", "0", "1", "2"):
            manifest = tomllib.loads((work / "heads" / part / "hornbill_casque" / "1" / "model.toml").read_text(encoding="utf-8"))
            self.assertEqual([(label["name"], label["category"]) for label in manifest["labels"]], [("hornbill_casque", "hornbill_casque")])
        card = tomllib.loads((work / "heads" / "all" / "hornbill_casque" / "1" / "model.toml").read_text(encoding="utf-8"))["card"]
        self.assertEqual(card["summary"], "Casques of hornbills, learnt from 24 photos, against 12 others.")
        self.assertIn("12 of these photos show live animals: they are flagged, too.", card["known_failures"])
        figures = {metric["name"]: metric["value"] for metric in card["metrics"]}
        self.assertGreater(figures["all photos: ROC-AUC"], 0.9)
        self.assertEqual(figures["drawn against drawn: ROC-AUC"], figures["all photos: ROC-AUC"])


class Steps(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        for patch in (mock.patch.object(step, "FOLDER", self.folder), mock.patch.object(program, "identity", lambda: "one build")):
            patch.start()
            self.addCleanup(patch.stop)
        self.write("requirements.txt", "")
        self.write("shared.py", "FACTOR = 2")
        self.write("double.py", "import sys\nfrom shared import FACTOR\nopen(sys.argv[2], 'w').write(open(sys.argv[1]).read() * FACTOR)")
        self.write("copy.py", "import sys\nopen(sys.argv[2], 'w').write(open(sys.argv[1]).read())")
        self.write("a", "a"), self.write("b", "b")

    def write(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content)

    def train(self) -> dict[str, str]:
        """Name of each of two steps -> what is said of it."""
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            for name, script, given, out in (("doubling", "double.py", "a", "aa"), ("copying", "copy.py", "b", "bb")):
                given, out = self.folder / given, self.folder / out
                self.assertEqual(step.run(name, [given], [out], [script, str(given), str(out)]), 0)
        return dict(line.removeprefix("==> ").split(": ", 1) for line in said.getvalue().splitlines())

    def test_only_the_step_whose_input_or_code_changed_runs_again(self) -> None:
        skipped = "skipped, nothing it depends on changed"
        self.assertEqual(self.train(), {"doubling": f"runs, because {self.folder}/aa is not there", "copying": f"runs, because {self.folder}/bb is not there"})
        self.assertEqual(self.train(), {"doubling": skipped, "copying": skipped})
        self.write("b", "c")
        self.assertEqual(self.train(), {"doubling": skipped, "copying": f"runs, because {self.folder}/b changed"})
        self.write("shared.py", "FACTOR = 3")
        self.assertEqual(self.train(), {"doubling": "runs, because shared.py changed", "copying": skipped})
        self.assertEqual(((self.folder / "aa").read_text(), (self.folder / "bb").read_text()), ("aaa", "c"))
        self.write("bb", "spoilt")
        self.assertEqual(self.train(), {"doubling": skipped, "copying": f"runs, because {self.folder}/bb is not as it was written"})
        self.write("requirements.txt", "numpy==1")
        self.assertEqual(self.train(), {"doubling": "runs, because requirements.txt changed", "copying": "runs, because requirements.txt changed"})
        self.assertEqual(self.train(), {"doubling": skipped, "copying": skipped})

    def test_a_step_that_failed_runs_again(self) -> None:
        self.train()
        self.write("copy.py", "import sys\nsys.exit(3)")
        out = self.folder / "bb"
        with contextlib.redirect_stderr(io.StringIO()) as said:
            for _ in range(2):
                self.assertEqual(step.run("copying", [self.folder / "b"], [out], ["copy.py", str(self.folder / "b"), str(out)]), 3)
        self.assertIn("runs, because it was not finished", said.getvalue())

    def test_a_step_that_runs_the_program_depends_on_its_build(self) -> None:
        command, out = ["/bin/sh", "-c", f"echo > {self.folder}/out"], [self.folder / "out"]
        with contextlib.redirect_stderr(io.StringIO()) as said:
            step.run("rating", [], out, command), step.run("rating", [], out, command)
            with mock.patch.object(program, "identity", lambda: "another build"):
                step.run("rating", [], out, command)
        self.assertEqual([line.partition(", ")[2] for line in said.getvalue().splitlines()], [f"because {self.folder}/out is not there", "nothing it depends on changed", "because the program changed"])

    def test_the_modules_of_a_script_are_those_it_imports_through_others(self) -> None:
        self.assertIn(Path(program.__file__), step.modules(SCRIPTS / "heads.py"))
        self.assertIn(SCRIPTS / "measure.py", step.modules(SCRIPTS / "live_animal.py"))
        self.assertNotIn(Path(program.__file__), step.modules(SCRIPTS / "corpus.py"))


class Inputs(unittest.TestCase):
    def test_what_is_missing_is_said_before_anything_is_trained(self) -> None:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_manifest(folder, [{"file": "a.jpg", "class": "casque"}, {"file": "b.jpg", "class": "negative"}])
            (folder / "categories.toml").write_text(BIRDS, encoding="utf-8")

            def said(policy_text: str) -> str:
                (folder / "policy.toml").write_text(policy_text, encoding="utf-8")
                return subprocess.run([sys.executable, SCRIPTS / "inputs.py", folder / "out", folder, "--policy", folder / "policy.toml"], capture_output=True, text=True, check=False).stderr
            self.assertEqual(said(POLICY), "the policy has no [[category]] named 'hornbill_casque'; it has tusk, claw\n")
            birds = POLICY.replace('"tusk"', '"hornbill_casque"').replace('"claw"', '"eagle_feather"')
            self.assertIn("[[category]] hornbill_casque has enabled = false, and it is to be trained", said(birds.replace("aliases =", "enabled = false\naliases =")))
            self.assertIn("text/examples.jsonl is missing", said(birds))
            (folder / "text").mkdir()
            for name in ("examples.jsonl", "negatives_zh.txt", "negatives_en.txt", "page_paraphrases.jsonl"):
                (folder / "text" / name).touch()
            self.assertIn("images/a.jpg is missing, and 1 more: the manifest names it", said(birds))
            (folder / "images" / "a.jpg").touch(), (folder / "images" / "b.jpg").touch()
            self.assertEqual(said(birds), "")
            self.assertEqual([line.split()[1] for line in (folder / "out").read_text().splitlines()], [str(folder / "images" / name) for name in ("manifest.csv", "a.jpg", "b.jpg")])


class Views(unittest.TestCase):
    def test_a_view_depends_on_the_photo_and_its_number_alone(self) -> None:
        photo = views.read(str(ROOT / "tests/fixtures/images/tusk.jpg"))
        one, again, other = (augment.view(photo, np.random.default_rng([7, number]), [photo], 224) for number in (0, 0, 1))
        self.assertEqual(one.shape, (224, 224, 3))
        self.assertTrue((one == again).all())
        self.assertFalse((one == other).all())

    def test_a_view_drawn_beside_others_is_another_file(self) -> None:
        tusk, mug = (str(ROOT / "tests/fixtures/images" / name) for name in ("tusk.jpg", "mug.jpg"))
        photo = common.Photo(tusk, "ivory", "", "", "", "g", "", "ivory", "")
        with tempfile.TemporaryDirectory() as folder:
            alone, again, beside = (views.draw(photo, 1, Path(folder), others) for others in ((), (), (mug,)))
            self.assertEqual({*alone, *beside}, {file.name for file in Path(folder).iterdir()})
        self.assertEqual(alone, again)
        self.assertNotEqual(alone, beside)

    def test_a_crop_keeps_a_third_of_the_photo(self) -> None:
        photo = np.zeros((300, 400, 3), np.uint8)
        shapes = [augment.crop(photo, np.random.default_rng(seed)).shape for seed in range(200)]
        self.assertTrue(all(height * width >= 0.34 * 300 * 400 for height, width, _ in shapes))

    def test_a_backdrop_is_changed_and_the_object_is_not(self) -> None:
        photo = np.full((200, 200, 3), 180, np.uint8)
        cv2.circle(photo, (100, 100), 60, (90, 40, 20), -1)
        changed = augment.backdrop(photo, np.random.default_rng(3), [])
        self.assertTrue((changed[100, 100] == photo[100, 100]).all())
        self.assertGreater(np.abs(changed[5, 5].astype(int) - photo[5, 5]).max(), 20)


class Fusion(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        patch = mock.patch.object(program, "WILDWARDEN", str(PROGRAM))
        patch.start()
        self.addCleanup(patch.stop)

    def scores(self, images: np.ndarray, texts: np.ndarray) -> Path:
        """What evaluate keeps of listings with these calibrated logits of tusks; NaN: that modality did not take part."""
        file = self.folder / "scores.jsonl"
        rows = [{key: None if np.isnan(logit) else float(expit(logit)) for key, logit in (("image_probability", a), ("text_probability", b))} for a, b in zip(images, texts, strict=True)]
        file.write_text("".join(json.dumps({"categories": {"tusk": row}}) + "\n" for row in rows), encoding="utf-8")
        return file

    def terms(self, images: np.ndarray, texts: np.ndarray) -> fusion.Terms:
        (self.folder / "policy.toml").write_text(POLICY, encoding="utf-8")
        return fusion.read_terms(self.folder / "policy.toml", [self.scores(images, texts)])

    def test_more_evidence_never_lowers_the_fitted_risk(self) -> None:
        rng = np.random.default_rng(0)
        y = (rng.random(2000) < 0.4).astype(float)
        image, text = (rng.normal(np.where(y == 1, 2.0, -2.0), 2.0) for _ in range(2))
        image[rng.random(2000) < 0.2] = np.nan
        floors, weights = fusion.choose(self.terms(image, text), "tusk", y, np.arange(2000) % 5)
        values = [-9.0, -1.0, 0.0, 3.0, 9.0]
        grid = np.array([[a, b] for a in values for b in values])
        fused = (self.terms(grid[:, 0], grid[:, 1]).of["tusk"][floors] @ weights).reshape(len(values), -1)
        self.assertTrue((np.diff(fused, axis=0) >= -1e-6).all() and (np.diff(fused, axis=1) >= -1e-6).all())

    def test_the_numbers_as_written_are_no_less_cautious_than_those_fitted(self) -> None:
        for seed in range(6):
            rng = np.random.default_rng(seed)
            image, text = rng.normal(0, 3, (2, 600))
            y = (np.maximum(image, text) + rng.normal(0, 1, 600) > 1).astype(float)  # either is enough: together they add nothing
            terms = self.terms(image, text)
            written = dict(zip(terms.weights, np.round(fusion.fit(terms.of["tusk"][0, 0], y, terms), 4), strict=True))
            room = [round(written[name] - terms.bound * abs(written["interaction"]), 6) for name in ("image", "text")]
            self.assertGreaterEqual(min(room), 0)
            self.assertLess(min(room), 0.002, "here the bound is what decides")

    def test_a_threshold_that_no_listing_reaches_is_the_nearest(self) -> None:
        y = np.array([1.0] * 50 + [0.0] * 950)
        risk = np.concatenate([np.linspace(0.5, 0.9, 50), np.linspace(0, 0.55, 949), [0.95]])
        at = fusion.threshold(risk, y, np.arange(1000).astype(str), 0.01, 0.99)
        self.assertLess(at, 0.9)  # above, there is only the harmless listing that looks worst

    def test_renders_are_a_fixed_share_of_the_harmless_photos(self) -> None:
        for rendered in (5, 500):
            photos = [common.Photo(f"{source}{number}", "", "", source, "", f"{source}{number}", "", "", "generic photos") for source, count in (("render", rendered), ("shop", 100)) for number in range(count)]
            composer = listings.Composer(SHIPPED, photos, [], random.Random(1))
            share = np.mean([composer.other_photo().source == "render" for _ in range(4000)])
            self.assertAlmostEqual(share, listings.RENDERED_OTHERS, delta=0.02)

    def test_a_threshold_reaches_its_precision_at_the_prior(self) -> None:
        rng = np.random.default_rng(1)
        y = (np.arange(6000) % 3 == 0).astype(float)
        risk = 1 / (1 + np.exp(-rng.normal(np.where(y == 1, 3.0, -3.0), 1.5)))
        at = fusion.threshold(risk, y, np.arange(6000).astype(str), 0.01, 0.25)
        recall, alarms = (risk[y == 1] >= at).mean(), (risk[y == 0] >= at).mean()
        self.assertGreaterEqual(0.01 * recall / (0.01 * recall + 0.99 * alarms), 0.25)
        self.assertGreater(recall, 0.5)

    def fitted(self, policy_text: str, labels: list[str], rated: list[str]) -> str:
        """The policy that fusion.py leaves: of 300 listings half are offers of `labels`, scored in the categories `rated`."""
        rng = np.random.default_rng(2)
        with tempfile.TemporaryDirectory() as folder:
            file, scores = Path(folder) / "policy.toml", Path(folder) / "scores.jsonl"
            file.write_text(policy_text, encoding="utf-8")
            rows = []
            for number in range(300):
                probability = {key: float(1 / (1 + np.exp(-rng.normal(2 if number % 2 else -2, 2)))) for key in ("image_probability", "text_probability")}
                rows.append({"id": str(number), "group": "", "labels": labels if number % 2 else [], "categories": {name: probability for name in rated}})
            scores.write_text("".join(json.dumps(row) + "\n" for row in rows))
            with mock.patch.object(sys, "argv", ["fusion.py", str(file), str(scores)]), contextlib.redirect_stdout(io.StringIO()):
                fusion.main()
            return file.read_text(encoding="utf-8")

    def test_a_fit_changes_numbers_and_no_comment(self) -> None:
        changed = self.fitted(POLICY, ["tusk"], ["claw", "tusk"])
        self.assertEqual([line.partition("=")[0] for line in POLICY.splitlines()], [line.partition("=")[0] for line in changed.splitlines()])
        self.assertEqual([line.partition("#")[2] for line in POLICY.splitlines()], [line.partition("#")[2] for line in changed.splitlines()])
        before, after = tomllib.loads(POLICY), tomllib.loads(changed)
        self.assertEqual(before["category"][1], after["category"][1])  # no listing offers it
        self.assertNotEqual(before["category"][0].pop("fusion"), after["category"][0].pop("fusion"))
        self.assertNotEqual(before.pop("suggestions"), after.pop("suggestions"))
        self.assertEqual({**before, "category": before["category"][0]}, {**after, "category": after["category"][0]})

    def test_a_category_that_the_policy_lacks_is_named(self) -> None:
        with self.assertRaisesRegex(SystemExit, r"^the policy has no \[\[category\]\] named 'beak'; it has tusk, claw$"):
            self.fitted(POLICY, ["beak"], ["tusk", "beak"])
        with self.assertRaisesRegex(SystemExit, r"policy terms .* ended with exit code 2$"):
            self.fitted(POLICY.replace("image_floor = -3.0000\n", "", 1), ["tusk"], ["tusk"])

    def test_the_terms_by_their_weights_are_what_the_server_answers(self) -> None:
        file = ROOT / "models" / "policy.toml"
        shipped = policy.read(file)
        images = [str(ROOT / "tests/fixtures/images" / name) for name in ("tusk.jpg", "mug.jpg")]
        rows = [{"listing_id": f"{i}{j}", "title": title, "images": [image] if image else []} for i, title in enumerate(["老象牙手串 私聊", "陶瓷杯 白色", ""]) for j, image in enumerate([*images, ""]) if title or image]
        with tempfile.TemporaryDirectory() as folder:
            listings = Path(folder) / "listings.jsonl"
            listings.write_text("".join(json.dumps(row | {"labels": []}) + "\n" for row in rows), encoding="utf-8")
            subprocess.run([PROGRAM, "evaluate", listings, "--out", Path(folder) / "out", "--scores"], cwd=ROOT, check=True)
            scores = Path(folder) / "out" / "scores.jsonl"
            scored = [json.loads(line) for line in scores.read_text(encoding="utf-8").splitlines()]
            self.assertEqual(len(scored), len(rows))
            for name in policy.names(shipped):
                weights = policy.category(shipped, name)["fusion"]
                with mock.patch.object(fusion, "IMAGE_FLOORS", [weights["image_floor"]]), mock.patch.object(fusion, "TEXT_FLOORS", [weights["text_floor"]]):
                    terms = fusion.read_terms(file, [scores])
                answered = expit(terms.of[name][0, 0] @ [weights[key] for key in terms.weights] + terms.shift)
                np.testing.assert_allclose(answered, [row["categories"][name]["probability"] for row in scored], atol=1e-9)

    def test_a_text_alone_means_review_from_where_the_policy_says(self) -> None:
        review = text_report.review_logits(SHIPPED)
        self.assertEqual(set(review), set(policy.names(policy.read(ROOT / "models" / "policy.toml"))))
        scores, categories = self.folder / "scores.jsonl", list(review)
        rows = [{"categories": {name: {"image_probability": None, "text_probability": float(expit(review[name] + beside))} for name in categories}} for beside in (-1e-6, 1e-6)]
        scores.write_text("".join(json.dumps(row) + "\n" for row in rows))
        shipped = policy.read(ROOT / "models" / "policy.toml")
        for name in categories:
            weights = policy.category(shipped, name)["fusion"]
            with mock.patch.object(fusion, "IMAGE_FLOORS", [weights["image_floor"]]), mock.patch.object(fusion, "TEXT_FLOORS", [weights["text_floor"]]):
                terms = fusion.read_terms(ROOT / "models" / "policy.toml", [scores])
            below, above = expit(terms.of[name][0, 0] @ [weights[key] for key in terms.weights] + terms.shift)
            least = policy.category(shipped, name).get("review", shipped["suggestions"]["review"])
            self.assertTrue(below < least < above, (below, least, above))

    def test_scores_that_cannot_be_fused_are_refused_naming_the_listing(self) -> None:
        (self.folder / "policy.toml").write_text(POLICY, encoding="utf-8")
        file = self.folder / "scores.jsonl"
        for content, said in (
            ("", "there is no listing in these scores"), ("{}\n", "scores.jsonl, line 1: missing field `categories`"),
            ('{"categories": {"tusk": {"image_probability": 1.5}}}\n', "listing 1 of the scores: image_probability: 1.5 must be in 0 to 1"),
            ('{"categories": {"tusk": {}}}\n{"categories": {}}\n', "listing 2 of the scores has none of tusk, and others have"),
        ):
            file.write_text(content)
            command = [PROGRAM, "policy", "terms", self.folder / "policy.toml", file, "--out", self.folder / "out", "--image-floors=-1", "--text-floors=-1"]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(ended.returncode, 2, said)
            self.assertIn(said, ended.stderr)


if __name__ == "__main__":
    unittest.main()
