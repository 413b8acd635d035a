"""One server a worker host: bundles are checked, one supervisor starts, and nothing is left behind whoever is killed.

Needs grpcio, protobuf and onnxruntime beside the Python package in clients/python; a program with models that are there (WILDWARDEN, a
path; else target/debug/wildwarden). Run by scripts/test.sh.
"""

import dataclasses
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "clients" / "python"))

try:
    from wildwarden import Client, Listing, bundle, host
except ImportError:
    Client = None

import bundles
from server_process import PROGRAM

POLICY = (ROOT / "models" / "policy.toml").read_bytes()
FILES = {"models/policy.toml": POLICY, "models/ivory/1/model.toml": b"kind = 1"}
WITHIN = 60.0  # seconds, on a busy machine


@unittest.skipIf(Client is None, "needs the packages of clients/python")
class ABundle(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.file = self.folder / "models.bundle"

    def refused(self, said: str) -> None:
        with self.assertRaisesRegex(bundle.BundleError, said):
            bundle.unpack(self.file, self.folder / "unpacked")
        self.assertEqual([path.name for path in self.folder.iterdir()], ["models.bundle"], "what was refused leaves nothing")

    def test_is_unpacked_whole_for_its_owner_alone(self) -> None:
        bundles.write_of(self.file, FILES)
        models = bundle.unpack(self.file, self.folder / "unpacked", bundle.read(self.file).id)
        self.assertEqual({str(path.relative_to(models.parent)): path.read_bytes() for path in models.rglob("*") if path.is_file()}, FILES)
        self.assertEqual({stat.S_IMODE(path.stat().st_mode) for path in [models.parent, *models.rglob("*")]}, {0o700, 0o600})

    def test_tells_its_categories_in_the_order_of_the_policy(self) -> None:
        bundles.write_of(self.file, FILES)
        self.assertEqual(bundle.categories(self.file), ("ivory", "pangolin_scale", "rhino_horn"))

    def test_a_category_that_is_not_looked_for_is_none(self) -> None:
        policy = POLICY.replace(b'name = "pangolin_scale"\n', b'name = "pangolin_scale"\nenabled = false\n', 1)
        bundles.write_of(self.file, FILES | {"models/policy.toml": policy})
        self.assertEqual(bundle.categories(self.file), ("ivory", "rhino_horn"))

    def test_is_known_by_its_content(self) -> None:
        bundles.write_of(self.file, FILES)
        before = bundle.read(self.file).id
        bundles.write_of(self.file, FILES | {"models/ivory/1/model.toml": b"kind = 2"})
        self.assertNotEqual(bundle.read(self.file).id, before)
        with self.assertRaisesRegex(bundle.BundleError, "is wanted"):
            bundle.unpack(self.file, self.folder / "unpacked", before)

    def test_what_was_taken_from_a_folder_is_unpacked_again(self) -> None:
        bundles.write_of(self.file, FILES)
        models = bundle.unpack(self.file, self.folder / "unpacked")
        kept = (models / "policy.toml").stat().st_ino
        bundle.unpack(self.file, self.folder / "unpacked")
        self.assertEqual((models / "policy.toml").stat().st_ino, kept)
        (models / "ivory" / "1" / "model.toml").unlink()
        bundle.unpack(self.file, self.folder / "unpacked")
        self.assertEqual((models / "ivory" / "1" / "model.toml").read_bytes(), FILES["models/ivory/1/model.toml"])

    def test_what_a_killed_one_left_is_cleared(self) -> None:
        bundles.write_of(self.file, FILES)
        (self.folder / "unpacked.part" / "models").mkdir(parents=True)
        (self.folder / "unpacked.part" / "models" / "policy.toml").write_bytes(b"half")
        models = bundle.unpack(self.file, self.folder / "unpacked")
        self.assertEqual((models / "policy.toml").read_bytes(), POLICY)
        self.assertFalse((self.folder / "unpacked.part").exists())

    def test_another_byte_is_refused(self) -> None:
        bundles.write_of(self.file, FILES | {"models/ivory/1/model.toml": b"kind = 2"}, bundles.listed(FILES))
        self.refused("SHA-256 of models/ivory/1/model.toml")

    def test_another_size_is_refused(self) -> None:
        bundles.write_of(self.file, FILES | {"models/ivory/1/model.toml": b"kind"}, bundles.listed(FILES))
        self.refused("has 4 bytes, and 8 are listed")

    def test_a_member_that_is_not_listed_is_refused(self) -> None:
        bundles.write_of(self.file, FILES | {"models/ivory/1/more.toml": b""}, bundles.listed(FILES))
        self.refused("models/ivory/1/more.toml is not in its list")

    def test_a_member_that_is_missing_is_refused(self) -> None:
        bundles.write_of(self.file, {"models/policy.toml": POLICY}, bundles.listed(FILES))
        self.refused("models/ivory/1/model.toml is listed and not there")

    def test_a_member_that_comes_twice_is_refused(self) -> None:
        members = [bundles.member(*file) for file in FILES.items()]
        bundles.write_of(self.file, FILES, members=[*members, members[0]])
        self.refused("models/policy.toml is twice")

    def test_links_and_folders_are_refused(self) -> None:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
            with self.subTest(kind):
                empty = FILES | {"models/ivory/1/model.toml": b""}
                policy = bundles.member("models/policy.toml", POLICY)
                bundles.write_of(self.file, empty, members=[policy, bundles.member("models/ivory/1/model.toml", b"", type=kind, linkname="/etc/passwd")])
                self.refused("is a link, a folder")

    def test_names_that_leave_the_folder_are_refused(self) -> None:
        for name in ("models/../../etc/passwd", "/etc/passwd", "policy.toml", "models//a", "models/./a", "models/..\\a", "models", "models/"):
            with self.subTest(name):
                bundles.write_of(self.file, FILES | {name: b"x"})
                self.refused("every file of a bundle is below models/")

    def test_other_formats_and_other_files_are_refused(self) -> None:
        bundles.write_of(self.file, FILES, bundles.listed(FILES, format=2))
        self.refused("format 2")
        for listing in ({"format": 1}, bundles.listed(FILES) | {"files": [{"path": "models/a"}]}, []):
            bundles.write_of(self.file, FILES, listing)
            self.refused("not what `wildwarden bundle` writes")
        bundles.write_of(self.file, {"models/a": b""})
        self.refused("does not list models/policy.toml")
        self.file.write_bytes(b"PAR1" * 1000)
        self.refused("no bundle")
        self.file.write_bytes(b"")
        self.refused("no bundle")

    def test_a_file_that_ends_early_is_refused(self) -> None:
        bundles.write_of(self.file, FILES)
        whole = self.file.read_bytes()
        self.file.unlink()
        with self.assertRaisesRegex(bundle.BundleError, "cannot be read: No such file"):
            bundle.read(self.file)
        for size in (600, 1400, len(POLICY)):
            with self.subTest(size):
                self.file.write_bytes(whole[:size])
                with self.assertRaises(bundle.BundleError):
                    bundle.unpack(self.file, self.folder / "unpacked")


def alive(process: int) -> bool:
    """Whether it runs. What was killed and not yet reaped does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(true, within: float = WITHIN) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.05)
    return False


# A task in a process of its own. It says when it is ready, waits for a line, says the address and holds its lease to the end of its input.
TASK = """
import json, sys
from pathlib import Path
from wildwarden import host
serving, file = json.loads(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
with host.Lease(host.Serving(**serving), lambda: Path(file), idle_seconds=1) as lease:
    print(lease.address(), flush=True)
    sys.stdin.read()
"""


@unittest.skipIf(Client is None, "needs the packages of clients/python")
class AHost(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.file = bundles.write(Path(folder.name) / "models.bundle")
        cls.id = bundle.read(cls.file).id

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name) / "host"
        before = os.environ.get("WILDWARDEN_HOST_DIR")
        os.environ["WILDWARDEN_HOST_DIR"] = str(self.folder)
        self.addCleanup(lambda: os.environ.__setitem__("WILDWARDEN_HOST_DIR", before) if before else os.environ.pop("WILDWARDEN_HOST_DIR"))
        self.serving = host.Serving(self.id, (("scheduler.workers", "1"),), str(PROGRAM))
        self.processes: set[int] = set()
        # Before the folder goes: whoever a test leaves alive would make a new one.
        self.addCleanup(lambda: self.assertTrue(eventually(lambda: not any(map(alive, self.processes))), "all ended"))

    def lease(self, idle_seconds: float = 1, fetch=None) -> "host.Lease":
        lease = host.Lease(self.serving, fetch or (lambda: self.file), idle_seconds=idle_seconds)
        self.addCleanup(lease.close)
        return lease

    def state(self) -> dict:
        """As it is once the server serves."""
        self.assertTrue(eventually(lambda: host.state(self.serving)))
        state = host.state(self.serving)
        self.processes |= {state["server"], state["supervisor"]}
        return state

    def rates(self, address: str) -> None:
        with Client(address) as client:
            self.assertEqual(client.rate(Listing(title="象牙手镯 私聊")).categories[0].category, "ivory")

    def test_a_server_lives_as_long_as_leases_do_and_leaves_nothing(self) -> None:
        lease = self.lease()
        self.rates(lease.address())
        state = self.state()
        time.sleep(2)  # longer than it would be idle
        self.assertTrue(alive(state["server"]))
        lease.close()
        self.assertTrue(eventually(lambda: not alive(state["supervisor"])))
        self.assertFalse(alive(state["server"]))
        (folder,) = self.folder.iterdir()
        self.assertEqual({path.name for path in folder.iterdir()}, {"lock", "log"})

    def test_what_it_writes_is_the_users_alone(self) -> None:
        self.lease().address()
        self.state()
        for path in [self.folder, *self.folder.rglob("*")]:
            self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, path)

    def task(self) -> subprocess.Popen:
        order = json.dumps([dataclasses.asdict(self.serving), str(self.file)])
        environment = os.environ | {"PYTHONPATH": str(ROOT / "clients" / "python")}
        task = subprocess.Popen([sys.executable, "-c", TASK, order], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.addCleanup(lambda: (task.kill(), task.wait(), task.stdin.close(), task.stdout.close()))
        return task

    def test_tasks_that_begin_at_once_start_one_server(self) -> None:
        tasks = [self.task() for _ in range(4)]
        for task in tasks:
            self.assertEqual(task.stdout.readline(), "ready\n")
        for task in tasks:
            task.stdin.write("\n")
            task.stdin.flush()
        self.assertEqual(len({task.stdout.readline() for task in tasks}), 1)
        state = self.state()
        self.assertEqual(state["starts"], 1)
        servers = subprocess.run(["pgrep", "-f", f"serve.*{self.folder}"], capture_output=True, text=True).stdout.split()
        self.assertEqual([int(server) for server in servers if alive(int(server))], [state["server"]])
        # Two end as they should and two are killed: their leases end alike.
        for task in tasks[:2]:
            task.stdin.close()
        tasks[2].kill()
        self.assertFalse(eventually(lambda: not alive(state["server"]), 3), "the fourth still has its lease")
        tasks[3].kill()
        self.assertTrue(eventually(lambda: not alive(state["supervisor"])))

    def test_a_killed_server_is_started_again(self) -> None:
        lease = self.lease()
        lease.address()
        before = self.state()
        os.kill(before["server"], signal.SIGKILL)
        self.assertTrue(eventually(lambda: (host.state(self.serving) or before)["starts"] == 2))
        self.rates(lease.address())
        self.assertEqual(self.state()["supervisor"], before["supervisor"])

    def test_a_killed_supervisor_takes_its_server_along_and_another_follows(self) -> None:
        lease = self.lease()
        lease.address()
        before = self.state()
        os.kill(before["supervisor"], signal.SIGKILL)
        self.assertTrue(eventually(lambda: not alive(before["server"])))
        self.rates(lease.address())
        self.assertNotEqual(self.state()["supervisor"], before["supervisor"])

    def test_a_supervisor_that_is_killed_after_its_watch_takes_the_server_along(self) -> None:
        self.lease().address()
        state = self.state()
        children = Path(f"/proc/{state['supervisor']}/task/{state['supervisor']}/children")

        def watches() -> set[int]:
            return {int(child) for child in children.read_text().split()} - {state["server"]}

        (watch,) = watches()
        os.kill(watch, signal.SIGKILL)
        self.assertTrue(eventually(lambda: watches() not in ({watch}, set())), "another watches")
        os.kill(state["supervisor"], signal.SIGKILL)
        self.assertTrue(eventually(lambda: not alive(state["server"])))

    def test_what_lies_where_the_bundle_is_unpacked_is_removed(self) -> None:
        place = self.folder / self.serving.key() / "bundle"
        for stray in (lambda: place.write_bytes(b"stray"), lambda: place.symlink_to(self.file)):
            lease = self.lease()
            place.parent.mkdir(mode=0o700, exist_ok=True)
            stray()
            self.rates(lease.address())
            state = self.state()
            lease.close()
            self.assertTrue(eventually(lambda: not alive(state["supervisor"])))
        self.assertTrue(self.file.exists())

    def test_a_folder_that_cannot_be_made_is_an_error_that_says_so(self) -> None:
        self.folder.write_bytes(b"a file")
        with self.assertRaisesRegex(host.HostError, "mode 0700"):
            self.lease()
        os.environ["WILDWARDEN_HOST_DIR"] = str(self.folder / "below")
        with self.assertRaisesRegex(host.HostError, "cannot be made: Not a directory"):
            self.lease()

    def test_a_server_that_hangs_is_replaced(self) -> None:
        lease = self.lease()
        lease.address()
        before = self.state()
        os.kill(before["server"], signal.SIGSTOP)
        self.assertTrue(eventually(lambda: (host.state(self.serving) or before)["starts"] == 2, 3 * WITHIN))
        self.rates(lease.address())

    def test_a_file_that_is_no_bundle_is_an_error_that_says_so(self) -> None:
        bad = self.folder.with_name("bad")
        bad.write_bytes(b"nothing")
        with self.assertRaisesRegex(host.HostError, "no bundle"):
            self.lease(fetch=lambda: bad).address()
        self.rates(self.lease().address())  # and the next one is none the worse
        self.state()

    def test_models_that_do_not_load_are_an_error_with_the_end_of_the_log(self) -> None:
        broken = self.folder.with_name("broken.bundle")
        bundles.write_of(broken, FILES)
        self.serving = host.Serving(bundle.read(broken).id, (), str(PROGRAM))
        with self.assertRaisesRegex(host.HostError, "(?s)does not start, 3 times.*model.toml"):
            self.lease(fetch=lambda: broken).address()

    def test_a_folder_that_others_may_enter_is_refused(self) -> None:
        self.folder.mkdir(mode=0o755)
        with self.assertRaisesRegex(host.HostError, "mode 0700"):
            self.lease()
        self.folder.rmdir()
        elsewhere = self.folder.with_name("elsewhere")
        elsewhere.mkdir(mode=0o700)
        self.folder.symlink_to(elsewhere)
        with self.assertRaisesRegex(host.HostError, "mode 0700"):
            self.lease()

    def test_settings_reach_the_server_and_those_of_the_environment_do_not(self) -> None:
        self.serving = host.Serving(self.id, (("limits.max_images", "3"),), str(PROGRAM))
        os.environ["WILDWARDEN_LIMITS_MAX_BATCH_ITEMS"] = "2"
        self.addCleanup(os.environ.pop, "WILDWARDEN_LIMITS_MAX_BATCH_ITEMS")
        with Client(self.lease().address()) as client:
            limits = client.info().limits
        self.state()
        self.assertEqual((limits.max_images, limits.max_batch_items), (3, 64))

    def test_other_settings_are_another_server(self) -> None:
        one = self.lease().address()
        self.state()
        self.serving = host.Serving(self.id, (("scheduler.workers", "2"),), str(PROGRAM))
        self.assertNotEqual(self.lease().address(), one)
        self.state()


if __name__ == "__main__":
    unittest.main()
