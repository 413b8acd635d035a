from wildwarden.v1 import risk_pb2 as _risk_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VersionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERSION_STATE_UNSPECIFIED: _ClassVar[VersionState]
    VERSION_STATE_SERVING: _ClassVar[VersionState]
    VERSION_STATE_CANARY: _ClassVar[VersionState]
    VERSION_STATE_SHADOW: _ClassVar[VersionState]
    VERSION_STATE_PREVIOUS: _ClassVar[VersionState]
    VERSION_STATE_LOADED: _ClassVar[VersionState]
    VERSION_STATE_AVAILABLE: _ClassVar[VersionState]
    VERSION_STATE_INCOMPLETE: _ClassVar[VersionState]
    VERSION_STATE_FAILED: _ClassVar[VersionState]
VERSION_STATE_UNSPECIFIED: VersionState
VERSION_STATE_SERVING: VersionState
VERSION_STATE_CANARY: VersionState
VERSION_STATE_SHADOW: VersionState
VERSION_STATE_PREVIOUS: VersionState
VERSION_STATE_LOADED: VersionState
VERSION_STATE_AVAILABLE: VersionState
VERSION_STATE_INCOMPLETE: VersionState
VERSION_STATE_FAILED: VersionState

class VersionName(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReloadRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeModelRequest(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: VersionName
    def __init__(self, version: _Optional[_Union[VersionName, _Mapping]] = ...) -> None: ...

class LoadVersionRequest(_message.Message):
    __slots__ = ("versions", "set")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[VersionName]
    set: str
    def __init__(self, versions: _Optional[_Iterable[_Union[VersionName, _Mapping]]] = ..., set: _Optional[str] = ...) -> None: ...

class PromoteRequest(_message.Message):
    __slots__ = ("versions", "set")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[VersionName]
    set: str
    def __init__(self, versions: _Optional[_Iterable[_Union[VersionName, _Mapping]]] = ..., set: _Optional[str] = ...) -> None: ...

class RollBackRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UnloadRequest(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: VersionName
    def __init__(self, version: _Optional[_Union[VersionName, _Mapping]] = ...) -> None: ...

class StartTrialRequest(_message.Message):
    __slots__ = ("versions", "share", "set")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[VersionName]
    share: float
    set: str
    def __init__(self, versions: _Optional[_Iterable[_Union[VersionName, _Mapping]]] = ..., share: _Optional[float] = ..., set: _Optional[str] = ...) -> None: ...

class StopCandidateRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetShadowReportRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VersionStatus(_message.Message):
    __slots__ = ("version", "sha256", "state", "labels", "reason", "retry_in_ms", "held_back")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRY_IN_MS_FIELD_NUMBER: _ClassVar[int]
    HELD_BACK_FIELD_NUMBER: _ClassVar[int]
    version: str
    sha256: str
    state: VersionState
    labels: _containers.RepeatedScalarFieldContainer[str]
    reason: str
    retry_in_ms: int
    held_back: bool
    def __init__(self, version: _Optional[str] = ..., sha256: _Optional[str] = ..., state: _Optional[_Union[VersionState, str]] = ..., labels: _Optional[_Iterable[str]] = ..., reason: _Optional[str] = ..., retry_in_ms: _Optional[int] = ..., held_back: _Optional[bool] = ...) -> None: ...

class ModelStatus(_message.Message):
    __slots__ = ("name", "versions")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    versions: _containers.RepeatedCompositeFieldContainer[VersionStatus]
    def __init__(self, name: _Optional[str] = ..., versions: _Optional[_Iterable[_Union[VersionStatus, _Mapping]]] = ...) -> None: ...

class CandidateStatus(_message.Message):
    __slots__ = ("trial", "share", "models", "policy", "set")
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    trial: VersionState
    share: float
    models: _containers.RepeatedCompositeFieldContainer[_risk_pb2.ModelVersion]
    policy: _risk_pb2.PolicyVersion
    set: SetVersion
    def __init__(self, trial: _Optional[_Union[VersionState, str]] = ..., share: _Optional[float] = ..., models: _Optional[_Iterable[_Union[_risk_pb2.ModelVersion, _Mapping]]] = ..., policy: _Optional[_Union[_risk_pb2.PolicyVersion, _Mapping]] = ..., set: _Optional[_Union[SetVersion, _Mapping]] = ...) -> None: ...

class SetVersion(_message.Message):
    __slots__ = ("name", "sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    sha256: str
    def __init__(self, name: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class SetStatus(_message.Message):
    __slots__ = ("name", "summary", "state", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    summary: str
    state: VersionState
    reason: str
    def __init__(self, name: _Optional[str] = ..., summary: _Optional[str] = ..., state: _Optional[_Union[VersionState, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class ModelsStatus(_message.Message):
    __slots__ = ("generation", "policy", "policy_problem", "models", "waiting", "loading", "candidate", "previous", "set", "sets", "previous_policy", "previous_set")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    POLICY_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    LOADING_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    SETS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_POLICY_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_SET_FIELD_NUMBER: _ClassVar[int]
    generation: int
    policy: _risk_pb2.PolicyVersion
    policy_problem: str
    models: _containers.RepeatedCompositeFieldContainer[ModelStatus]
    waiting: _containers.RepeatedScalarFieldContainer[str]
    loading: str
    candidate: CandidateStatus
    previous: _containers.RepeatedCompositeFieldContainer[_risk_pb2.ModelVersion]
    set: SetVersion
    sets: _containers.RepeatedCompositeFieldContainer[SetStatus]
    previous_policy: _risk_pb2.PolicyVersion
    previous_set: SetVersion
    def __init__(self, generation: _Optional[int] = ..., policy: _Optional[_Union[_risk_pb2.PolicyVersion, _Mapping]] = ..., policy_problem: _Optional[str] = ..., models: _Optional[_Iterable[_Union[ModelStatus, _Mapping]]] = ..., waiting: _Optional[_Iterable[str]] = ..., loading: _Optional[str] = ..., candidate: _Optional[_Union[CandidateStatus, _Mapping]] = ..., previous: _Optional[_Iterable[_Union[_risk_pb2.ModelVersion, _Mapping]]] = ..., set: _Optional[_Union[SetVersion, _Mapping]] = ..., sets: _Optional[_Iterable[_Union[SetStatus, _Mapping]]] = ..., previous_policy: _Optional[_Union[_risk_pb2.PolicyVersion, _Mapping]] = ..., previous_set: _Optional[_Union[SetVersion, _Mapping]] = ...) -> None: ...

class Tensor(_message.Message):
    __slots__ = ("name", "dtype", "shape")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    dtype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ...) -> None: ...

class ModelLabel(_message.Message):
    __slots__ = ("name", "category", "slope", "intercept")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    SLOPE_FIELD_NUMBER: _ClassVar[int]
    INTERCEPT_FIELD_NUMBER: _ClassVar[int]
    name: str
    category: str
    slope: float
    intercept: float
    def __init__(self, name: _Optional[str] = ..., category: _Optional[str] = ..., slope: _Optional[float] = ..., intercept: _Optional[float] = ...) -> None: ...

class DescribeModelResponse(_message.Message):
    __slots__ = ("model", "status", "kind", "inputs", "outputs", "labels", "files", "summary", "licence", "known_failures")
    class FilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FAILURES_FIELD_NUMBER: _ClassVar[int]
    model: _risk_pb2.ModelVersion
    status: VersionStatus
    kind: str
    inputs: _containers.RepeatedCompositeFieldContainer[Tensor]
    outputs: _containers.RepeatedCompositeFieldContainer[Tensor]
    labels: _containers.RepeatedCompositeFieldContainer[ModelLabel]
    files: _containers.ScalarMap[str, str]
    summary: str
    licence: str
    known_failures: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, model: _Optional[_Union[_risk_pb2.ModelVersion, _Mapping]] = ..., status: _Optional[_Union[VersionStatus, _Mapping]] = ..., kind: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ..., labels: _Optional[_Iterable[_Union[ModelLabel, _Mapping]]] = ..., files: _Optional[_Mapping[str, str]] = ..., summary: _Optional[str] = ..., licence: _Optional[str] = ..., known_failures: _Optional[_Iterable[str]] = ...) -> None: ...

class ScoreShift(_message.Message):
    __slots__ = ("category", "mean", "p99", "max", "signed_mean")
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    P99_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    SIGNED_MEAN_FIELD_NUMBER: _ClassVar[int]
    category: str
    mean: float
    p99: float
    max: float
    signed_mean: float
    def __init__(self, category: _Optional[str] = ..., mean: _Optional[float] = ..., p99: _Optional[float] = ..., max: _Optional[float] = ..., signed_mean: _Optional[float] = ...) -> None: ...

class Transition(_message.Message):
    __slots__ = ("stable", "candidate", "listings")
    STABLE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    LISTINGS_FIELD_NUMBER: _ClassVar[int]
    stable: _risk_pb2.Suggestion
    candidate: _risk_pb2.Suggestion
    listings: int
    def __init__(self, stable: _Optional[_Union[_risk_pb2.Suggestion, str]] = ..., candidate: _Optional[_Union[_risk_pb2.Suggestion, str]] = ..., listings: _Optional[int] = ...) -> None: ...

class WorkTime(_message.Message):
    __slots__ = ("p50_us", "p99_us")
    P50_US_FIELD_NUMBER: _ClassVar[int]
    P99_US_FIELD_NUMBER: _ClassVar[int]
    p50_us: int
    p99_us: int
    def __init__(self, p50_us: _Optional[int] = ..., p99_us: _Optional[int] = ...) -> None: ...

class Flip(_message.Message):
    __slots__ = ("listing_id", "request_id", "stable", "candidate", "stable_risk", "candidate_risk", "category", "reason")
    LISTING_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    STABLE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    STABLE_RISK_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_RISK_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    listing_id: str
    request_id: str
    stable: _risk_pb2.Suggestion
    candidate: _risk_pb2.Suggestion
    stable_risk: float
    candidate_risk: float
    category: str
    reason: _risk_pb2.ReasonCode
    def __init__(self, listing_id: _Optional[str] = ..., request_id: _Optional[str] = ..., stable: _Optional[_Union[_risk_pb2.Suggestion, str]] = ..., candidate: _Optional[_Union[_risk_pb2.Suggestion, str]] = ..., stable_risk: _Optional[float] = ..., candidate_risk: _Optional[float] = ..., category: _Optional[str] = ..., reason: _Optional[_Union[_risk_pb2.ReasonCode, str]] = ...) -> None: ...

class ShadowReport(_message.Message):
    __slots__ = ("compared", "agreed", "faults", "dropped", "shifts", "stable", "candidate", "flips", "transitions")
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    AGREED_FIELD_NUMBER: _ClassVar[int]
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    SHIFTS_FIELD_NUMBER: _ClassVar[int]
    STABLE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    FLIPS_FIELD_NUMBER: _ClassVar[int]
    TRANSITIONS_FIELD_NUMBER: _ClassVar[int]
    compared: int
    agreed: int
    faults: int
    dropped: int
    shifts: _containers.RepeatedCompositeFieldContainer[ScoreShift]
    stable: WorkTime
    candidate: WorkTime
    flips: _containers.RepeatedCompositeFieldContainer[Flip]
    transitions: _containers.RepeatedCompositeFieldContainer[Transition]
    def __init__(self, compared: _Optional[int] = ..., agreed: _Optional[int] = ..., faults: _Optional[int] = ..., dropped: _Optional[int] = ..., shifts: _Optional[_Iterable[_Union[ScoreShift, _Mapping]]] = ..., stable: _Optional[_Union[WorkTime, _Mapping]] = ..., candidate: _Optional[_Union[WorkTime, _Mapping]] = ..., flips: _Optional[_Iterable[_Union[Flip, _Mapping]]] = ..., transitions: _Optional[_Iterable[_Union[Transition, _Mapping]]] = ...) -> None: ...
