"""Runs every model through Triton's own client and compares with ONNX Runtime: python tests/oip_client.py ADDRESS DESCRIPTORS.

DESCRIPTORS is a file with the server's encoded FileDescriptorSet. Needs `tritonclient[grpc]` and `onnxruntime`.
"""

import re
import sys
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import onnxruntime
from google.protobuf import descriptor_pb2
from tritonclient import grpc as triton
from tritonclient.grpc import model_config_pb2, service_pb2
from tritonclient.utils import InferenceServerException

ROOT = Path(__file__).parent.parent
TOLERANCE = 1e-5
HEADS = ["ivory", "pangolin_scale", "rhino_horn"]
# Messages of which the server sends a part: what it leaves out a client reads as empty.
IN_PART = {"ModelConfig", "ModelInput", "ModelOutput", "ModelStatistics"}
DTYPES = {"FP32": np.float32, "INT64": np.int64}


def messages(prefix: str, found: dict, nested: list) -> None:
    """Adds `nested` and what is nested in it to `found`, by name."""
    for message in nested:
        found[prefix + message.name] = message
        messages(f"{prefix}{message.name}.", found, message.nested_type)


def field(message: descriptor_pb2.DescriptorProto, field: descriptor_pb2.FieldDescriptorProto) -> tuple:
    """All of a field that the wire or the generated code knows."""
    oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
    return field.name, field.number, field.type, field.label, field.type_name, oneof, field.options.packed


def compare_contract(descriptors: bytes) -> int:
    """The server's messages and methods against those compiled into the client; the number of fields compared."""
    ours = [file for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file if file.package == "inference"]
    theirs = [descriptor_pb2.FileDescriptorProto() for _ in range(2)]
    service_pb2.DESCRIPTOR.CopyToProto(theirs[0])
    model_config_pb2.DESCRIPTOR.CopyToProto(theirs[1])
    own, known = {}, {}
    for files, into in ((ours, own), (theirs, known)):
        for file in files:
            messages("", into, file.message_type)
    compared = 0
    for name, message in own.items():
        wanted = {entry.name: field(known[name], entry) for entry in known[name].field}
        for entry in message.field:
            assert field(message, entry) == wanted.pop(entry.name), f"{name}.{entry.name} differs"
            compared += 1
        assert not wanted or name in IN_PART, f"{name} lacks {list(wanted)}"
    methods = {method.name: method for file in theirs for service in file.service for method in service.method}
    for method in (method for file in ours for service in file.service for method in service.method):
        other = methods[method.name]
        for part in ("input_type", "output_type", "client_streaming", "server_streaming"):
            assert getattr(method, part) == getattr(other, part), f"{method.name}: {part} differs"
    enums = {enum.name: enum for file in theirs for enum in file.enum_type}
    for enum in (enum for file in ours for enum in file.enum_type):
        assert {v.name: v.number for v in enum.value} == {v.name: v.number for v in enums[enum.name].value}, enum.name
    assert compared > 60, compared
    return compared


def direct(name: str) -> onnxruntime.InferenceSession:
    """The model's file in a session like the server's: one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(ROOT / "models" / name / "1" / "model.onnx", options, providers=["CPUExecutionProvider"])


def samples(name: str, rows: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Inputs of a model by name; of an image encoder, smooth pictures with some noise, in the range of its input."""
    if name == "image_encoder":
        coarse = random.uniform(-1, 1, (rows, 3, 5, 5)).repeat(32, axis=2).repeat(32, axis=3)
        return {"input": (coarse * 0.8 + random.uniform(-0.2, 0.2, coarse.shape)).astype(np.float32)}
    if name == "text_classifier":
        shape = (rows, 40)
        return {"ids": random.integers(0, 1 << 18, shape), "values": random.uniform(0, 0.3, shape).astype(np.float32)}
    return {"embedding": random.uniform(0, 2, (rows, 1280)).astype(np.float32)}


def tensors(arrays: dict[str, np.ndarray]) -> list[triton.InferInput]:
    """Arrays in the client's form."""
    inputs = []
    for name, array in arrays.items():
        tensor = triton.InferInput(name, list(array.shape), "INT64" if array.dtype == np.int64 else "FP32")
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    return inputs


def difference(result: triton.InferResult, session: onnxruntime.InferenceSession, arrays: dict[str, np.ndarray]) -> float:
    """Largest difference of any output from the direct run."""
    names = [output.name for output in session.get_outputs()]
    largest = 0.0
    for name, expected in zip(names, session.run(names, arrays)):
        found = result.as_numpy(name)
        assert found.shape == expected.shape and found.dtype == expected.dtype, f"{name}: {found.shape}"
        largest = max(largest, float(np.abs(found - expected).max()))
    return largest


def refused(call, status: str, named: str) -> None:
    """A call that must fail with `status` and name something."""
    try:
        call()
    except InferenceServerException as error:
        assert status in error.status() and named in error.message(), error
        return
    raise AssertionError(f"{status} was expected")


def check_model(client: triton.InferenceServerClient, name: str, session: onnxruntime.InferenceSession) -> None:
    """Metadata as the graph has it, and answers of 1 and 3 rows as ONNX Runtime gives them."""
    random = np.random.default_rng(7)
    metadata = client.get_model_metadata(name)
    assert metadata.versions == ["1"] and client.is_model_ready(name) and client.is_model_ready(name, "1")
    for told, graph in ((metadata.inputs, session.get_inputs()), (metadata.outputs, session.get_outputs())):
        assert [tensor.name for tensor in told] == [tensor.name for tensor in graph]
        for tensor, other in zip(told, graph):
            assert list(tensor.shape) == [size if isinstance(size, int) else -1 for size in other.shape], tensor
            assert DTYPES[tensor.datatype] == {"tensor(float)": np.float32, "tensor(int64)": np.int64}[other.type]
    config = client.get_model_config(name).config
    assert config.backend == "onnxruntime" and config.max_batch_size == 32
    assert [list(tensor.dims) for tensor in config.input] == [list(tensor.shape)[1:] for tensor in metadata.inputs]
    for rows in (1, 3):
        arrays = samples(name, rows, random)
        result = client.infer(name, tensors(arrays), request_id=f"{name}-{rows}")
        response = result.get_response()
        assert (response.id, response.model_name, response.model_version) == (f"{name}-{rows}", name, "1")
        off = difference(result, session, arrays)
        assert off <= TOLERANCE, f"{name}, {rows} rows: off by {off}"
        print(f"{name}, {rows} rows: equal to ONNX Runtime within {off:.1e}")
    wanted = metadata.outputs[-1].name
    only = client.infer(name, tensors(arrays), outputs=[triton.InferRequestedOutput(wanted)])
    assert [output.name for output in only.get_response().outputs] == [wanted]


def check_concurrent(client: triton.InferenceServerClient, sessions: dict[str, onnxruntime.InferenceSession]) -> None:
    """32 calls at once, of four models and with inputs of their own: each answer must be its call's."""
    random = np.random.default_rng(11)
    names = [*HEADS, "text_classifier"]
    running = []
    for index in range(32):
        name = names[index % len(names)]
        arrays = samples(name, 1 + index % 5, random)
        future: Future = Future()

        def done(result, error, future=future) -> None:
            future.set_exception(error) if error else future.set_result(result)

        client.async_infer(name, tensors(arrays), done, request_id=str(index), client_timeout=30)
        running.append((name, arrays, future))
    for index, (name, arrays, future) in enumerate(running):
        result = future.result(timeout=60)
        assert result.get_response().id == str(index) and result.get_response().model_name == name
        off = difference(result, sessions[name], arrays)
        assert off <= TOLERANCE, f"call {index} of {name}: off by {off}"
    print("32 calls at once: each got its own answer")


def run_example(address: str) -> None:
    """The example of the handbook, as it stands there."""
    page = ROOT / "docs" / "en" / "src" / "integrate.md"
    blocks = re.findall(r"```python[^\n]*\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    (example,) = [block for block in blocks if "tritonclient" in block]
    assert "127.0.0.1:50051" in example
    exec(compile(example.replace("127.0.0.1:50051", address), page.name, "exec"), {})


def main(address: str, descriptors: str) -> None:
    print(f"{compare_contract(Path(descriptors).read_bytes())} fields as in tritonclient")
    client = triton.InferenceServerClient(address)
    assert client.is_server_live() and client.is_server_ready()
    about = client.get_server_metadata()
    assert about.name == "wildwarden" and "statistics" in about.extensions, about
    index = client.get_model_repository_index().models
    names = [entry.name for entry in index]
    assert names == sorted(["image_encoder", *HEADS, "live_animal", "text_classifier"]) and {entry.state for entry in index} == {"READY"}, index

    sessions = {name: direct(name) for name in names}
    for name in names:
        check_model(client, name, sessions[name])
    check_concurrent(client, sessions)

    sums = {entry.name: entry for entry in client.get_inference_statistics().model_stats}
    assert set(sums) == set(names)
    encoder = client.get_inference_statistics("image_encoder", "1").model_stats[0]
    # Rows 1 and 3, and the run for one output with 3 rows again.
    assert (encoder.inference_count, encoder.execution_count) == (7, 3), encoder
    assert encoder.inference_stats.success.count == 3 and encoder.inference_stats.compute_infer.ns > 0
    assert encoder.inference_stats.fail.count == 0 and encoder.last_inference > 0

    head = tensors(samples("ivory", 1, np.random.default_rng(1)))
    assert not client.is_model_ready("nothing")
    refused(lambda: client.infer("nothing", head), "NOT_FOUND", "nothing")
    refused(lambda: client.infer("ivory", head, model_version="9"), "NOT_FOUND", "9")
    refused(lambda: client.infer("image_encoder", head), "INVALID_ARGUMENT", "embedding")
    refused(lambda: client.infer("ivory", head, timeout=1), "DEADLINE_EXCEEDED", "deadline")
    refused(lambda: client.load_model("ivory"), "PERMISSION_DENIED", "auth.keys")
    refused(lambda: client.unload_model("ivory"), "PERMISSION_DENIED", "auth.keys")
    refused(lambda: client.get_trace_settings(), "UNIMPLEMENTED", "")
    run_example(address)


if __name__ == "__main__":
    main(*sys.argv[1:])
