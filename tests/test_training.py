"""What the training scripts compute, on data made here. Needs scripts/train/requirements.txt; run by scripts/test.sh."""

import csv
import json
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts" / "train"))

import augment  # noqa: E402
import common  # noqa: E402
import fusion  # noqa: E402
import heads  # noqa: E402
import text  # noqa: E402
import views  # noqa: E402

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
        self.assertEqual(common.heads_of(shown), ["ivory"])
        photos = common.read_photos([self.folder])
        folds = [int(fold) for fold in common.photo_folds(photos)]
        self.assertEqual(common.heads_of([(photo.head, fold) for photo, fold in zip(photos, folds)]), ["ivory"])

    def test_a_card_counts_what_the_photos_are(self) -> None:
        photos = common.read_photos([self.folder])
        self.assertIn("9 photos, against 40 others", heads.summary("ivory", photos))
        self.assertIn("9 of these photos are by 3 sellers, 3 by one of them", heads.failures("ivory", photos)[0])
        self.assertIn("by a seller", heads.failures("rhino_horn", photos)[0])
        self.assertIn("research", heads.licence(photos))
        self.assertNotIn("research", heads.licence(common.read_photos([self.folder], ["research"])))
        findings = ROOT / "scripts" / "train" / "findings.toml"
        self.assertTrue(all(common.findings(findings, name) for name in [*common.HEADS, "text_classifier"]))
        self.assertEqual(common.findings(None, "ivory"), [])

    def test_a_text_card_says_which_offers_are_real(self) -> None:
        row = {"lang": "zh", "source": "generated", "labels": ["ivory"]}
        said = text.offers_of([row, {**row, "source": "a", "labels": ["rhino_horn"]}])
        self.assertIn("Chinese offers of ivory, pangolin_scale are UNMEASURED", said[0])
        self.assertIn("1 of rhino_horn", said[1])
        self.assertIn("English is UNMEASURED", said[2])

    def test_a_statistic_that_is_never_defined_has_no_interval(self) -> None:
        rows = np.arange(4)
        self.assertEqual(common.interval(lambda rows: float("nan"), rows, rows)[1], [])


class Views(unittest.TestCase):
    def test_a_view_depends_on_the_photo_and_its_number_alone(self) -> None:
        photo = views.read(str(ROOT / "tests/fixtures/images/tusk.jpg"))
        one, again, other = (augment.view(photo, np.random.default_rng([7, number]), [photo], 224) for number in (0, 0, 1))
        self.assertEqual(one.shape, (224, 224, 3))
        self.assertTrue((one == again).all())
        self.assertFalse((one == other).all())

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
    def test_more_evidence_never_lowers_the_fitted_risk(self) -> None:
        rng = np.random.default_rng(0)
        y = (rng.random(2000) < 0.4).astype(float)
        image, text = (rng.normal(np.where(y == 1, 2.0, -2.0), 2.0) for _ in range(2))
        image[rng.random(2000) < 0.2] = np.nan
        floors, weights = fusion.choose(image, text, y, np.arange(2000) % 5)
        for values in ([-9.0, -1.0, 0.0, 3.0, 9.0],):
            grid = np.array([[a, b] for a in values for b in values])
            fused = (fusion.terms(grid[:, 0], grid[:, 1], floors) @ weights).reshape(len(values), -1)
            self.assertTrue((np.diff(fused, axis=0) >= -1e-6).all() and (np.diff(fused, axis=1) >= -1e-6).all())

    def test_a_threshold_reaches_its_precision_at_the_prior(self) -> None:
        rng = np.random.default_rng(1)
        y = (np.arange(6000) % 3 == 0).astype(float)
        risk = 1 / (1 + np.exp(-rng.normal(np.where(y == 1, 3.0, -3.0), 1.5)))
        at = fusion.threshold(risk, y, np.arange(6000).astype(str), 0.01, 0.25)
        recall, alarms = (risk[y == 1] >= at).mean(), (risk[y == 0] >= at).mean()
        self.assertGreaterEqual(0.01 * recall / (0.01 * recall + 0.99 * alarms), 0.25)
        self.assertGreater(recall, 0.5)

    def test_only_the_numbers_of_a_section_change(self) -> None:
        policy = (ROOT / "models" / "policy.toml").read_text(encoding="utf-8")
        changed = fusion.write_numbers(policy, "suggestions", {"review": 0.125, "block": 0.875})
        before, after = tomllib.loads(policy), tomllib.loads(changed)
        self.assertEqual(after.pop("suggestions"), {"review": 0.125, "block": 0.875})
        before.pop("suggestions")
        self.assertEqual(before, after)
        self.assertEqual(policy.count("#"), changed.count("#"))
        with self.assertRaisesRegex(SystemExit, r"suggestions\.reviews stands 0 times"):
            fusion.write_numbers(policy, "suggestions", {"reviews": 0.5})

    def test_the_scripts_fuse_as_the_server_does(self) -> None:
        policy = tomllib.loads((ROOT / "models" / "policy.toml").read_text(encoding="utf-8"))
        prior = policy["deployment_prior"]
        images = [str(ROOT / "tests/fixtures/images" / name) for name in ("tusk.jpg", "mug.jpg")]
        rows = [{"listing_id": f"{i}{j}", "title": title, "images": [image] if image else []} for i, title in enumerate(["老象牙手串 私聊", "陶瓷杯 白色", ""]) for j, image in enumerate([*images, ""]) if title or image]
        with tempfile.TemporaryDirectory() as folder:
            listings = Path(folder) / "listings.jsonl"
            listings.write_text("".join(json.dumps(row | {"labels": []}) + "\n" for row in rows), encoding="utf-8")
            program = ROOT / "target" / "debug" / "wildwarden"
            subprocess.run([program, "evaluate", listings, "--out", Path(folder) / "out", "--scores"], cwd=ROOT, check=True)
            scored = [json.loads(line) for line in (Path(folder) / "out" / "scores.jsonl").open(encoding="utf-8")]
        self.assertEqual(len(scored), len(rows))
        for row in scored:
            for name, found in row["categories"].items():
                weights = policy["fusion"][name]
                x = fusion.terms(*(np.array([fusion.logit(found[key])]) for key in ("image_probability", "text_probability")), (weights["image_floor"], weights["text_floor"]))
                fused = x @ np.array([weights[key] for key in fusion.KEYS]) + np.log(prior / (1 - prior))
                self.assertAlmostEqual(float(1 / (1 + np.exp(-fused[0]))), found["probability"], places=5)


if __name__ == "__main__":
    unittest.main()
