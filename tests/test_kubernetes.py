"""The manifests of deploy/kubernetes: held against the schemas of Kubernetes and KServe, against one another, and against the program whose
settings, ports and health they name.

Needs PyYAML and kubernetes-validate (schemas), kserve (`pip install --no-deps kserve`: its models are read, not imported), and for some tests
target/debug/wildwarden (or WILDWARDEN, a path), kubectl 1.27 or newer, promtool (Debian: prometheus).
"""

import ast
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
import unittest
from copy import deepcopy
from importlib import metadata
from pathlib import Path

try:
    import jsonschema
    import kubernetes_validate
    import yaml
    from kubernetes_validate.utils import all_versions, latest_version, schema_contents
except ImportError:
    yaml = None

try:
    import grpc
except ImportError:
    grpc = None

from server_process import PROGRAM, serve
from test_docs import FENCE
from test_metrics import HAS_SERVER, TABLE, family

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "deploy" / "kubernetes"
NAME = {"app.kubernetes.io/name": "wildwarden"}
# The oldest in which probes over gRPC and PodDisruptionBudget.unhealthyPodEvictionPolicy are on.
OLDEST = (1, 27)
SHIPPED_HEALTH_TIMEOUT = 60  # seconds, on a busy machine

# Types of the openapi models of KServe, and what their values are in YAML.
PLAIN = {"str": str, "bool": bool, "int": int, "object": dict}
# What Kubernetes calls the types of its own that KServe's models name otherwise.
RENAMED = {"K8sIoApiAppsV1DeploymentStrategy": "apps.v1.DeploymentStrategy"}


def read(path: Path) -> list[dict]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def merge(onto: dict, patch: dict) -> dict:
    """A strategic merge, as far as the patches here go: null takes away, lists of things with a name or port are merged by it."""
    for key, value in patch.items():
        if value is None:
            onto.pop(key, None)
        elif isinstance(value, dict):
            onto[key] = merge(onto.get(key, {}), value)
        elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
            onto[key] = merge_lists(onto.get(key, []), value)
        else:
            onto[key] = value
    return onto


def merge_lists(onto: list[dict], patch: list[dict]) -> list[dict]:
    for item in patch:
        by = "name" if "name" in item else "port"
        (found,) = [other for other in onto if other.get(by) == item[by]] or [None]
        onto = [merge(other, item) if other is found else other for other in onto] if found else [*onto, item]
    return onto


def ordered(value: object) -> object:
    """Lists in an order that depends on what they hold alone."""
    if isinstance(value, dict):
        return {key: ordered(item) for key, item in value.items()}
    return sorted(map(ordered, value), key=lambda item: json.dumps(item, sort_keys=True)) if isinstance(value, list) else value


def containers(document: dict) -> list[dict]:
    spec = document.get("spec", {})
    return spec.get("template", {}).get("spec", spec).get("containers", [])


def rendered(folder: Path, *components: str) -> list[dict]:
    """What `kubectl kustomize` makes of a folder with those components."""
    (wanted,) = read(folder / "kustomization.yaml")
    documents = [document for name in wanted["resources"] for document in read(folder / name)]
    for component in components:
        for patch in read(folder / component / "kustomization.yaml")[0]["patches"]:
            (patch,) = read(folder / component / patch["path"])
            (target,) = [document for document in documents if (document["kind"], document["metadata"]["name"]) == (patch["kind"], patch["metadata"]["name"])]
            merge(target, patch)
    for document in documents:
        if "namespace" in wanted and document["kind"] != "Namespace":
            document["metadata"]["namespace"] = wanted["namespace"]
        for pairs in wanted.get("labels", []):
            document["metadata"].setdefault("labels", {}).update(pairs["pairs"])
        for image in wanted["images"]:
            for container in containers(document):
                if container["image"] == image["name"]:
                    container["image"] = f"{image['name']}:{image['newTag']}"
    return documents


# By name: folder and components.
VARIANTS = {"plain": (HERE,), "tls": (HERE, "tls"), "kserve": (HERE / "kserve",)}


def variables(container: dict) -> dict[str, str]:
    return {variable["name"]: variable.get("value") for variable in container["env"]}


def probes(container: dict) -> dict[str, dict]:
    return {name: container[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")}


def keys() -> str:
    """What the commands of the README put into the Secret."""
    (block,) = [block for mark, block in FENCE.findall((HERE / "README.md").read_text(encoding="utf-8")) if "keys.toml" in block and mark == "sh runs"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=folder, check=True, capture_output=True, timeout=60)
        return (Path(folder) / "keys.toml").read_text(encoding="utf-8")


@unittest.skipUnless(yaml, "pip install kubernetes-validate: manifests are not tested")
class Manifests(unittest.TestCase):
    maxDiff = None

    def of_kind(self, kind: str, variant: str = "plain") -> dict:
        (found,) = [document for document in rendered(*VARIANTS[variant]) if document["kind"] == kind]
        return found

    def pod(self, variant: str = "plain") -> tuple[dict, dict]:
        """What the pods of a variant are, and the container in them."""
        if variant == "kserve":
            (container,) = self.of_kind("ServingRuntime", variant)["spec"]["containers"]
            return self.of_kind("InferenceService", variant)["spec"]["predictor"], container
        spec = self.of_kind("Deployment", variant)["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        return spec, container


class Schemas(Manifests):
    def versions(self) -> list[str]:
        found = [version for version in all_versions() if tuple(map(int, version.split(".")[:2])) >= OLDEST]
        self.assertGreater(len(found), 5)
        return found

    def test_kubernetes_takes_them_and_knows_every_field(self) -> None:
        for variant in ("plain", "tls"):
            documents = rendered(*VARIANTS[variant])
            self.assertGreater(len(documents), 6)
            for document in documents:
                for version in self.versions():
                    with self.subTest(variant=variant, kind=document["kind"], kubernetes=version):
                        kubernetes_validate.validate(document, version, strict=True)

    def test_the_schemas_refuse_what_is_not_a_field(self) -> None:
        deployment = self.of_kind("Deployment")
        deployment["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(deployment, self.versions()[-1], strict=True)

    def test_every_file_is_part_of_something(self) -> None:
        named = set()
        for folder in HERE.rglob("kustomization.yaml"):
            (wanted,) = read(folder)
            parts = [*wanted.get("resources", []), *wanted.get("configurations", []), *(patch["path"] for patch in wanted.get("patches", []))]
            named |= {folder, *(folder.parent / part for part in parts)}
        self.assertEqual(named, set(HERE.rglob("*.yaml")))

    def test_kubectl_makes_of_them_what_is_tested_here(self) -> None:
        if not shutil.which("kubectl"):
            self.skipTest("no kubectl: kustomize does not run")
        for variant, (folder, *components) in VARIANTS.items():
            with self.subTest(variant), tempfile.TemporaryDirectory() as scratch:
                copy = shutil.copytree(folder, Path(scratch) / "copy")
                with (copy / "kustomization.yaml").open("a") as file:
                    file.write(f"components: {json.dumps(components)}\n" if components else "")
                run = subprocess.run(["kubectl", "kustomize", str(copy)], capture_output=True, text=True, timeout=120)
                self.assertEqual((run.returncode, run.stderr), (0, ""))
                made = list(yaml.safe_load_all(run.stdout))
                self.assertEqual(ordered(made), ordered(rendered(folder, *components)))


@functools.cache
def kserve_models() -> dict[str, tuple[dict[str, str], list[str]]]:
    """By name of a model of the Python package of KServe: types by the name of the field in YAML, and fields that must be there."""
    found = {}
    for file in metadata.files("kserve"):
        if file.parts[:2] != ("kserve", "models") or file.suffix != ".py":
            continue
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.ClassDef):
                continue
            values = {one.targets[0].id: ast.literal_eval(one.value) for one in node.body if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name)}
            if "openapi_types" not in values:
                continue
            wire = values["attribute_map"]
            setters = ast.unparse(node)
            required = [name for field, name in wire.items() if f"Invalid value for `{field}`, must not be `None`" in setters]
            found[node.name] = ({wire[field]: kind for field, kind in values["openapi_types"].items()}, required)
    return found


@functools.cache
def kubernetes_types() -> dict:
    version = latest_version()
    return schema_contents(f"kubernetes-json-schema/v{version}-local-strict/_definitions.json", version)


def faults(value: object, kind: str, at: str) -> list[str]:
    """What KServe's types do not allow in a value."""
    if of := re.fullmatch(r"list\[(.+)\]", kind):
        return [fault for place, item in enumerate(value) for fault in faults(item, of[1], f"{at}[{place}]")] if isinstance(value, list) else [f"{at}: {value!r} is no list"]
    if of := re.fullmatch(r"dict\(str, (.+)\)", kind):
        return [fault for key, item in value.items() for fault in faults(item, of[1], f"{at}.{key}")] if isinstance(value, dict) else [f"{at}: {value!r} is no map"]
    if kind in PLAIN:
        return [] if type(value) is PLAIN[kind] else [f"{at}: {value!r} is no {kind}"]
    if kind in kserve_models():
        fields, required = kserve_models()[kind]
        if not isinstance(value, dict):
            return [f"{at}: {value!r} is no {kind}"]
        found = [f"{at}: {name} is missing" for name in required if name not in value]
        for name, item in value.items():
            found += faults(item, fields[name], f"{at}.{name}") if name in fields else [f"{at}: {kind} has no {name}"]
        return found
    return faults_of_kubernetes(value, kind, at)


def faults_of_kubernetes(value: object, kind: str, at: str) -> list[str]:
    """Types that KServe takes from Kubernetes."""
    definitions = kubernetes_types()
    names = [RENAMED[kind]] if kind in RENAMED else [f"{group}.{kind.removeprefix('V1')}" for group in ("core.v1", "meta.v1")]
    (name,) = [full for full in definitions["$defs"] if any(full.endswith(f".{name}") for name in names)]
    validator = jsonschema.Draft202012Validator({**definitions, "$ref": f"#/$defs/{name}"})
    return [f"{at}.{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(value)]


def has_kserve() -> bool:
    try:
        return bool(metadata.files("kserve"))
    except metadata.PackageNotFoundError:
        return False


@unittest.skipUnless(has_kserve(), "pip install --no-deps kserve: its schemas are not tested")
class KServe(Manifests):
    KINDS = {"ServingRuntime": "V1alpha1ServingRuntime", "InferenceService": "V1beta1InferenceService"}

    def test_kserve_takes_them_and_knows_every_field(self) -> None:
        documents = rendered(*VARIANTS["kserve"])
        self.assertEqual({document["kind"] for document in documents}, set(self.KINDS))
        for document in documents:
            with self.subTest(document["kind"]):
                model = self.KINDS[document["kind"]]
                self.assertEqual(document["apiVersion"].rpartition("/")[2], re.match(r"V\d(?:alpha|beta)?\d?", model)[0].lower())
                self.assertEqual(faults(document, model, document["kind"]), [])

    def test_the_schemas_refuse_what_is_not_a_field_or_of_another_type(self) -> None:
        runtime = self.of_kind("ServingRuntime", "kserve")
        for path, value, told in [
            (("spec", "protocolVersion"), ["grpc-v2"], "has no protocolVersion"),
            (("spec", "multiModel"), "no", "is no bool"),
            (("spec", "containers"), [{"name": "kserve-container", "imag": "x"}], "imag"),
            (("spec", "containers"), [{"image": "x"}], "'name' is a required property"),
            (("spec", "containers"), None, "None is no list"),
        ]:
            with self.subTest(told):
                broken = deepcopy(runtime)
                broken[path[0]][path[1]] = value
                self.assertRegex("\n".join(faults(broken, "V1alpha1ServingRuntime", "")), told)

    def test_the_example_asks_for_the_runtime_that_is_there(self) -> None:
        runtime, model = self.of_kind("ServingRuntime", "kserve"), self.of_kind("InferenceService", "kserve")["spec"]["predictor"]["model"]
        self.assertEqual(model["runtime"], runtime["metadata"]["name"])
        self.assertIn(model["protocolVersion"], runtime["spec"]["protocolVersions"])
        self.assertIn((model["modelFormat"]["name"], model["modelFormat"]["version"]), {(of["name"], of["version"]) for of in runtime["spec"]["supportedModelFormats"]})


class Together(Manifests):
    """What one manifest says of another."""

    def test_everything_is_about_the_pods_of_the_deployment(self) -> None:
        deployment = self.of_kind("Deployment")
        template = deployment["spec"]["template"]
        self.assertEqual(template["metadata"]["labels"], NAME)
        selectors = {
            "Deployment": deployment["spec"]["selector"]["matchLabels"],
            "Service": self.of_kind("Service")["spec"]["selector"],
            "PodDisruptionBudget": self.of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
            "NetworkPolicy": self.of_kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
            **{spread["topologyKey"]: spread["labelSelector"]["matchLabels"] for spread in template["spec"]["topologySpreadConstraints"]},
        }
        self.assertEqual(selectors, dict.fromkeys(selectors, NAME))
        target = self.of_kind("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
        self.assertEqual((target["apiVersion"], target["kind"], target["name"]), (deployment["apiVersion"], "Deployment", deployment["metadata"]["name"]))
        self.assertNotIn("replicas", deployment["spec"])
        self.assertEqual(template["spec"]["serviceAccountName"], self.of_kind("ServiceAccount")["metadata"]["name"])

    def test_ports_are_those_of_the_program(self) -> None:
        default = tomllib.loads((ROOT / "src" / "core" / "config.default.toml").read_text(encoding="utf-8"))["server"]
        callers, operators = (int(default[key].rpartition(":")[2]) for key in ("listen", "admin_listen"))
        for variant in VARIANTS:
            with self.subTest(variant):
                _, container = self.pod(variant)
                ports = {port["name"]: port["containerPort"] for port in container["ports"]}
                self.assertEqual(variables(container)["WILDWARDEN_SERVER_LISTEN"], f"0.0.0.0:{callers}")
                self.assertEqual(ports["h2c" if variant == "kserve" else "grpc"], callers)
                for probe in probes(container).values():
                    asked = probe["httpGet"]["port"] if variant == "tls" else probe["grpc"]["port"]
                    self.assertEqual(ports.get(asked, asked), callers)
                if variant == "kserve":
                    continue
                self.assertEqual(variables(container)["WILDWARDEN_SERVER_ADMIN_LISTEN"], f"0.0.0.0:{operators}")
                self.assertEqual(ports["operators"], operators)
                (port,) = self.of_kind("Service", variant)["spec"]["ports"]
                self.assertEqual((port["port"], ports[port["targetPort"]]), (callers, callers))
                allowed = [port["port"] for rule in self.of_kind("NetworkPolicy", variant)["spec"]["ingress"] for port in rule["ports"]]
                self.assertEqual(allowed, list(ports))
        (job,) = read(HERE / "monitoring" / "prometheus.yml")[0]["scrape_configs"]
        (keep,) = [rule for rule in job["relabel_configs"] if rule.get("action") == "keep"]
        self.assertEqual(keep["regex"], f"{NAME['app.kubernetes.io/name']};operators")
        self.assertEqual(job["kubernetes_sd_configs"][0]["namespaces"]["names"], [self.of_kind("Namespace")["metadata"]["name"]])
        (watched,) = read(ROOT / "deploy" / "prometheus" / "prometheus.yml")[0]["scrape_configs"]
        self.assertEqual(job["job_name"], watched["job_name"], "alerts look for it")

    def test_the_name_has_no_address_of_its_own(self) -> None:
        self.assertEqual(self.of_kind("Service")["spec"]["clusterIP"], "None")

    def test_the_image_is_that_of_this_version_everywhere(self) -> None:
        version = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]
        self.assertIn("--tag wildwarden ", (ROOT / "deploy" / "README.md").read_text(encoding="utf-8"))
        for variant in VARIANTS:
            self.assertEqual(self.pod(variant)[1]["image"], f"wildwarden:{version}", variant)

    def test_a_drain_has_the_time_that_it_takes(self) -> None:
        for variant in VARIANTS:
            with self.subTest(variant):
                pod, container = self.pod(variant)
                grace, drain = (int(variables(container)[f"WILDWARDEN_SERVER_{key}_SECONDS"]) for key in ("DRAIN_GRACE", "DRAIN"))
                self.assertGreaterEqual(pod["terminationGracePeriodSeconds"], grace + drain + 5)
                ready, alive = container["readinessProbe"], container["livenessProbe"]
                self.assertGreaterEqual(grace, ready["periodSeconds"] * ready["failureThreshold"], "balancers that ask Kubernetes have seen it")
                self.assertGreater(alive["periodSeconds"] * alive["failureThreshold"], pod["terminationGracePeriodSeconds"], "a drain is no fault")

    def test_nothing_may_be_done_but_to_serve(self) -> None:
        user = int(re.search(r"^USER (\d+):\d+$", (ROOT / "deploy" / "container" / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)[1])
        self.assertEqual(self.of_kind("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted")
        for variant in VARIANTS:
            with self.subTest(variant):
                pod, container = self.pod(variant)
                context = {**pod.get("securityContext", {}), **container["securityContext"]}
                self.assertEqual((context["runAsNonRoot"], context["runAsUser"], context["runAsGroup"]), (True, user, user))
                self.assertEqual((context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]), (True, False))
                self.assertEqual((context["capabilities"], context["seccompProfile"]), ({"drop": ["ALL"]}, {"type": "RuntimeDefault"}))
                self.assertIs(pod["automountServiceAccountToken"], False)
                self.assertIs(pod["enableServiceLinks"], False, "the server does not start with variables of Services")
        policy = self.of_kind("NetworkPolicy")["spec"]
        self.assertEqual((sorted(policy["policyTypes"]), policy["egress"]), (["Egress", "Ingress"], []))
        self.assertTrue(all(source.get("podSelector") for rule in policy["ingress"] for source in rule["from"]))

    def test_cores_are_whole_and_all_its_own(self) -> None:
        for variant in VARIANTS:
            resources = self.pod(variant)[1]["resources"]
            self.assertEqual(resources["requests"], resources["limits"], variant)
            self.assertRegex(resources["limits"]["cpu"], r"^\d+$")
            self.assertRegex(resources["limits"]["memory"], r"^\d+Gi$")

    def test_one_pod_goes_at_a_time_and_one_a_zone_stays(self) -> None:
        self.assertEqual(self.of_kind("PodDisruptionBudget")["spec"]["maxUnavailable"], 1)
        self.assertEqual(self.of_kind("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0)
        self.assertGreaterEqual(self.of_kind("HorizontalPodAutoscaler")["spec"]["minReplicas"], 3)


class QueueWait(Manifests):
    """The metric that pods are added by."""

    def setUp(self) -> None:
        (self.rule,) = read(HERE / "monitoring" / "adapter.yml")[0]["rules"]
        (self.wanted,) = [metric["pods"] for metric in self.of_kind("HorizontalPodAutoscaler")["spec"]["metrics"] if metric["type"] == "Pods"]

    def test_it_is_made_of_what_the_server_tells(self) -> None:
        self.assertEqual(self.rule["name"]["as"], self.wanted["metric"]["name"])
        for expression in (self.rule["seriesQuery"], self.rule["metricsQuery"]):
            for metric, stage in re.findall(r"(wildwarden_\w+)\{stage=\"(\w+)\"", expression):
                self.assertIn(stage, TABLE[family(metric)].labels["stage"])
        self.assertEqual(len(re.findall(r"stage=", self.rule["metricsQuery"])), 2)
        labels = {rule["target_label"] for rule in read(HERE / "monitoring" / "prometheus.yml")[0]["scrape_configs"][0]["relabel_configs"] if "target_label" in rule}
        self.assertEqual(labels, set(self.rule["resources"]["overrides"]))

    def test_pods_are_added_where_second_looks_begin_to_be_given_up(self) -> None:
        default = tomllib.loads((ROOT / "src" / "core" / "config.default.toml").read_text(encoding="utf-8"))
        narrows = float(re.search(r"const NARROWS: f64 = ([\d.]+);", (ROOT / "src" / "core" / "pipeline" / "looks.rs").read_text(encoding="utf-8"))[1])
        milliseconds = int(self.wanted["target"]["averageValue"].removesuffix("m"))
        self.assertEqual(milliseconds, narrows * default["scheduler"]["max_wait_ms"])

    def test_prometheus_works_it_out(self) -> None:
        if not shutil.which("promtool"):
            self.skipTest("apt-get install prometheus: the query is not run")
        query = self.rule["metricsQuery"].replace("<<.GroupBy>>", "pod").replace("<<.LabelMatchers>>", 'namespace="wildwarden",pod=~"busy|idle"')
        labels = '{stage="queue_wait",namespace="wildwarden",pod="%s"}'
        # 10 waits a second of 30 ms each; none.
        series = [("sum", "busy", "0+4.5x40"), ("count", "busy", "0+150x40"), ("sum", "idle", "7+0x40"), ("count", "idle", "9+0x40")]
        test = {
            "rule_files": ["rules.yml"],
            "tests": [
                {
                    "interval": "15s",
                    "input_series": [{"series": f"wildwarden_stage_duration_seconds_{part}{labels % pod}", "values": values} for part, pod, values in series],
                    "promql_expr_test": [
                        {"expr": "round(waits, 0.001)", "eval_time": "5m", "exp_samples": [{"labels": '{pod="busy"}', "value": 0.03}, {"labels": '{pod="idle"}', "value": 0}]}
                    ],
                }
            ],
        }
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [{"record": "waits", "expr": query}]}]}))
            (Path(folder) / "test.yml").write_text(yaml.safe_dump(test))
            run = subprocess.run(["promtool", "test", "rules", "test.yml"], cwd=folder, capture_output=True, text=True, timeout=120)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)


@unittest.skipUnless(HAS_SERVER, "build the server, and unpack ONNX Runtime: manifests are not held against them")
class Program(Manifests):
    """What the program makes of the variables."""

    def environment(self, variant: str) -> dict[str, str]:
        _, container = self.pod(variant)
        given = {name: value for name, value in variables(container).items() if value is not None}
        return given | ({"WILDWARDEN_AUTH_KEYS": keys()} if variant != "kserve" else {})

    def test_keys_are_made_for_all_roles_that_are_needed(self) -> None:
        made = tomllib.loads(f"keys = {keys()}")["keys"]
        self.assertEqual({role for key in made for role in key["roles"]}, {"classify", "info", "metrics", "admin"})
        self.assertEqual(len({key["sha256"] for key in made}), len(made))

    def check(self, environment: dict[str, str]) -> subprocess.CompletedProcess:
        return subprocess.run([PROGRAM, "check"], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=300)

    def test_every_variable_is_a_setting_and_together_they_are_right(self) -> None:
        for variant in VARIANTS:
            with self.subTest(variant):
                run = self.check(self.environment(variant))
                self.assertEqual(run.returncode, 0, run.stderr)

    def test_without_keys_it_does_not_answer_operators_from_elsewhere(self) -> None:
        run = self.check(self.environment("plain") | {"WILDWARDEN_AUTH_KEYS": "[]"})
        self.assertEqual(run.returncode, 2)
        self.assertIn("server.admin_listen", run.stderr)

    def test_variables_of_services_would_keep_it_from_starting(self) -> None:
        run = self.check({"WILDWARDEN_PORT_50051_TCP": "tcp://10.0.0.1:50051"})
        self.assertEqual(run.returncode, 2)
        self.assertIn("WILDWARDEN_PORT_50051_TCP is not a setting", run.stderr)

    @unittest.skipUnless(grpc, "pip install grpcio: probes are not asked")
    def test_probes_ask_for_services_that_there_are_and_take_no_key(self) -> None:
        asked = {probe["grpc"]["service"] for variant in ("plain", "kserve") for probe in probes(self.pod(variant)[1]).values()}
        settings = {name.removeprefix("WILDWARDEN_"): value for name, value in self.environment("plain").items() if not name.endswith("LISTEN")}
        with tempfile.TemporaryDirectory() as folder:
            address = serve(Path(folder) / "server.log", self.addCleanup, **settings)["serving"]
            with grpc.insecure_channel(address) as channel:
                health = channel.unary_unary("/grpc.health.v1.Health/Check")
                for service in asked:
                    # A HealthCheckRequest with its one field, and an answer whose status is SERVING.
                    answer = health(b"\x0a" + bytes([len(service)]) + service.encode(), timeout=SHIPPED_HEALTH_TIMEOUT)
                    self.assertEqual(answer, b"\x08\x01", service)
                with self.assertRaises(grpc.RpcError) as refused:
                    channel.unary_unary("/wildwarden.v1.RiskService/GetServerInfo")(b"", timeout=SHIPPED_HEALTH_TIMEOUT)
                self.assertEqual(refused.exception.code(), grpc.StatusCode.UNAUTHENTICATED)


if __name__ == "__main__":
    unittest.main()
