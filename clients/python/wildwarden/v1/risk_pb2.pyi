import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_UNSPECIFIED: _ClassVar[Priority]
    PRIORITY_INTERACTIVE: _ClassVar[Priority]
    PRIORITY_BULK: _ClassVar[Priority]

class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEVEL_UNSPECIFIED: _ClassVar[Level]
    LEVEL_MINIMAL: _ClassVar[Level]
    LEVEL_LOW: _ClassVar[Level]
    LEVEL_MEDIUM: _ClassVar[Level]
    LEVEL_HIGH: _ClassVar[Level]
    LEVEL_CRITICAL: _ClassVar[Level]

class Suggestion(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUGGESTION_UNSPECIFIED: _ClassVar[Suggestion]
    SUGGESTION_PASS: _ClassVar[Suggestion]
    SUGGESTION_REVIEW: _ClassVar[Suggestion]
    SUGGESTION_BLOCK: _ClassVar[Suggestion]

class ImageStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMAGE_STATUS_UNSPECIFIED: _ClassVar[ImageStatus]
    IMAGE_STATUS_OK: _ClassVar[ImageStatus]
    IMAGE_STATUS_EMPTY: _ClassVar[ImageStatus]
    IMAGE_STATUS_UNSUPPORTED_FORMAT: _ClassVar[ImageStatus]
    IMAGE_STATUS_CORRUPT: _ClassVar[ImageStatus]
    IMAGE_STATUS_TRUNCATED: _ClassVar[ImageStatus]
    IMAGE_STATUS_TOO_MANY_PIXELS: _ClassVar[ImageStatus]
    IMAGE_STATUS_NOT_RATED: _ClassVar[ImageStatus]

class TextField(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TEXT_FIELD_UNSPECIFIED: _ClassVar[TextField]
    TEXT_FIELD_TITLE: _ClassVar[TextField]
    TEXT_FIELD_DESCRIPTION: _ClassVar[TextField]
    TEXT_FIELD_IMAGE: _ClassVar[TextField]

class Language(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LANGUAGE_UNSPECIFIED: _ClassVar[Language]
    LANGUAGE_CHINESE: _ClassVar[Language]
    LANGUAGE_ENGLISH: _ClassVar[Language]
    LANGUAGE_MIXED: _ClassVar[Language]
    LANGUAGE_OTHER: _ClassVar[Language]

class ContactKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONTACT_KIND_UNSPECIFIED: _ClassVar[ContactKind]
    CONTACT_KIND_PHONE: _ClassVar[ContactKind]
    CONTACT_KIND_WECHAT: _ClassVar[ContactKind]
    CONTACT_KIND_QQ: _ClassVar[ContactKind]

class Attribution(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ATTRIBUTION_UNSPECIFIED: _ClassVar[Attribution]
    ATTRIBUTION_EXACT: _ClassVar[Attribution]
    ATTRIBUTION_OCCLUSION: _ClassVar[Attribution]

class TermKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TERM_KIND_UNSPECIFIED: _ClassVar[TermKind]
    TERM_KIND_CLAIM: _ClassVar[TermKind]
    TERM_KIND_CODE_WORD: _ClassVar[TermKind]
    TERM_KIND_LOOK_ALIKE: _ClassVar[TermKind]

class ReasonCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_CODE_UNSPECIFIED: _ClassVar[ReasonCode]
    REASON_CODE_IMAGE_EVIDENCE: _ClassVar[ReasonCode]
    REASON_CODE_TEXT_EVIDENCE: _ClassVar[ReasonCode]
    REASON_CODE_CLAIM_TERM: _ClassVar[ReasonCode]
    REASON_CODE_CODE_WORD: _ClassVar[ReasonCode]
    REASON_CODE_LOOK_ALIKE: _ClassVar[ReasonCode]
    REASON_CODE_MODALITIES_DISAGREE: _ClassVar[ReasonCode]
    REASON_CODE_IMAGE_UNREADABLE: _ClassVar[ReasonCode]
    REASON_CODE_MODEL_MISSING: _ClassVar[ReasonCode]
    REASON_CODE_OBFUSCATED_TEXT: _ClassVar[ReasonCode]
    REASON_CODE_DISGUISED_CLAIM: _ClassVar[ReasonCode]
    REASON_CODE_CLAIM_FOR_SALE: _ClassVar[ReasonCode]
    REASON_CODE_WANTED_TO_BUY: _ClassVar[ReasonCode]
    REASON_CODE_PHOTO_STANDS: _ClassVar[ReasonCode]
    REASON_CODE_LICENSED_MEDICINE: _ClassVar[ReasonCode]
    REASON_CODE_OTHER_WILDLIFE: _ClassVar[ReasonCode]
    REASON_CODE_UNSUPPORTED_LANGUAGE: _ClassVar[ReasonCode]
    REASON_CODE_LIVE_ANIMAL: _ClassVar[ReasonCode]
    REASON_CODE_TEXT_IN_IMAGE: _ClassVar[ReasonCode]
    REASON_CODE_CONTACT_IN_IMAGE: _ClassVar[ReasonCode]
PRIORITY_UNSPECIFIED: Priority
PRIORITY_INTERACTIVE: Priority
PRIORITY_BULK: Priority
LEVEL_UNSPECIFIED: Level
LEVEL_MINIMAL: Level
LEVEL_LOW: Level
LEVEL_MEDIUM: Level
LEVEL_HIGH: Level
LEVEL_CRITICAL: Level
SUGGESTION_UNSPECIFIED: Suggestion
SUGGESTION_PASS: Suggestion
SUGGESTION_REVIEW: Suggestion
SUGGESTION_BLOCK: Suggestion
IMAGE_STATUS_UNSPECIFIED: ImageStatus
IMAGE_STATUS_OK: ImageStatus
IMAGE_STATUS_EMPTY: ImageStatus
IMAGE_STATUS_UNSUPPORTED_FORMAT: ImageStatus
IMAGE_STATUS_CORRUPT: ImageStatus
IMAGE_STATUS_TRUNCATED: ImageStatus
IMAGE_STATUS_TOO_MANY_PIXELS: ImageStatus
IMAGE_STATUS_NOT_RATED: ImageStatus
TEXT_FIELD_UNSPECIFIED: TextField
TEXT_FIELD_TITLE: TextField
TEXT_FIELD_DESCRIPTION: TextField
TEXT_FIELD_IMAGE: TextField
LANGUAGE_UNSPECIFIED: Language
LANGUAGE_CHINESE: Language
LANGUAGE_ENGLISH: Language
LANGUAGE_MIXED: Language
LANGUAGE_OTHER: Language
CONTACT_KIND_UNSPECIFIED: ContactKind
CONTACT_KIND_PHONE: ContactKind
CONTACT_KIND_WECHAT: ContactKind
CONTACT_KIND_QQ: ContactKind
ATTRIBUTION_UNSPECIFIED: Attribution
ATTRIBUTION_EXACT: Attribution
ATTRIBUTION_OCCLUSION: Attribution
TERM_KIND_UNSPECIFIED: TermKind
TERM_KIND_CLAIM: TermKind
TERM_KIND_CODE_WORD: TermKind
TERM_KIND_LOOK_ALIKE: TermKind
REASON_CODE_UNSPECIFIED: ReasonCode
REASON_CODE_IMAGE_EVIDENCE: ReasonCode
REASON_CODE_TEXT_EVIDENCE: ReasonCode
REASON_CODE_CLAIM_TERM: ReasonCode
REASON_CODE_CODE_WORD: ReasonCode
REASON_CODE_LOOK_ALIKE: ReasonCode
REASON_CODE_MODALITIES_DISAGREE: ReasonCode
REASON_CODE_IMAGE_UNREADABLE: ReasonCode
REASON_CODE_MODEL_MISSING: ReasonCode
REASON_CODE_OBFUSCATED_TEXT: ReasonCode
REASON_CODE_DISGUISED_CLAIM: ReasonCode
REASON_CODE_CLAIM_FOR_SALE: ReasonCode
REASON_CODE_WANTED_TO_BUY: ReasonCode
REASON_CODE_PHOTO_STANDS: ReasonCode
REASON_CODE_LICENSED_MEDICINE: ReasonCode
REASON_CODE_OTHER_WILDLIFE: ReasonCode
REASON_CODE_UNSUPPORTED_LANGUAGE: ReasonCode
REASON_CODE_LIVE_ANIMAL: ReasonCode
REASON_CODE_TEXT_IN_IMAGE: ReasonCode
REASON_CODE_CONTACT_IN_IMAGE: ReasonCode

class ClassifyRequest(_message.Message):
    __slots__ = ("request_id", "listing_id", "title", "description", "images", "options")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    LISTING_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    listing_id: str
    title: str
    description: str
    images: _containers.RepeatedCompositeFieldContainer[Image]
    options: Options
    def __init__(self, request_id: _Optional[str] = ..., listing_id: _Optional[str] = ..., title: _Optional[str] = ..., description: _Optional[str] = ..., images: _Optional[_Iterable[_Union[Image, _Mapping]]] = ..., options: _Optional[_Union[Options, _Mapping]] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("image_id", "content")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    content: bytes
    def __init__(self, image_id: _Optional[str] = ..., content: _Optional[bytes] = ...) -> None: ...

class Options(_message.Message):
    __slots__ = ("categories", "explain_text", "explain_images", "priority", "image_sha256")
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_TEXT_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_IMAGES_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    IMAGE_SHA256_FIELD_NUMBER: _ClassVar[int]
    categories: _containers.RepeatedScalarFieldContainer[str]
    explain_text: bool
    explain_images: bool
    priority: Priority
    image_sha256: bool
    def __init__(self, categories: _Optional[_Iterable[str]] = ..., explain_text: _Optional[bool] = ..., explain_images: _Optional[bool] = ..., priority: _Optional[_Union[Priority, str]] = ..., image_sha256: _Optional[bool] = ...) -> None: ...

class CategoryInfo(_message.Message):
    __slots__ = ("name", "titles", "descriptions", "rated_by_images", "rated_by_texts")
    class TitlesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class DescriptionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLES_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    RATED_BY_IMAGES_FIELD_NUMBER: _ClassVar[int]
    RATED_BY_TEXTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    titles: _containers.ScalarMap[str, str]
    descriptions: _containers.ScalarMap[str, str]
    rated_by_images: bool
    rated_by_texts: bool
    def __init__(self, name: _Optional[str] = ..., titles: _Optional[_Mapping[str, str]] = ..., descriptions: _Optional[_Mapping[str, str]] = ..., rated_by_images: _Optional[bool] = ..., rated_by_texts: _Optional[bool] = ...) -> None: ...

class ClassifyResponse(_message.Message):
    __slots__ = ("request_id", "listing_id", "risk", "level", "suggestion", "categories", "images", "texts", "reasons", "legal_basis", "degraded", "missing", "models", "policy", "timings", "rated_at")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    LISTING_ID_FIELD_NUMBER: _ClassVar[int]
    RISK_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    SUGGESTION_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    LEGAL_BASIS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    RATED_AT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    listing_id: str
    risk: float
    level: Level
    suggestion: Suggestion
    categories: _containers.RepeatedCompositeFieldContainer[CategoryRating]
    images: _containers.RepeatedCompositeFieldContainer[ImageRating]
    texts: _containers.RepeatedCompositeFieldContainer[TextRating]
    reasons: _containers.RepeatedCompositeFieldContainer[Reason]
    legal_basis: _containers.RepeatedCompositeFieldContainer[LegalBasis]
    degraded: bool
    missing: _containers.RepeatedScalarFieldContainer[str]
    models: _containers.RepeatedCompositeFieldContainer[ModelVersion]
    policy: PolicyVersion
    timings: Timings
    rated_at: _timestamp_pb2.Timestamp
    def __init__(self, request_id: _Optional[str] = ..., listing_id: _Optional[str] = ..., risk: _Optional[float] = ..., level: _Optional[_Union[Level, str]] = ..., suggestion: _Optional[_Union[Suggestion, str]] = ..., categories: _Optional[_Iterable[_Union[CategoryRating, _Mapping]]] = ..., images: _Optional[_Iterable[_Union[ImageRating, _Mapping]]] = ..., texts: _Optional[_Iterable[_Union[TextRating, _Mapping]]] = ..., reasons: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ..., legal_basis: _Optional[_Iterable[_Union[LegalBasis, _Mapping]]] = ..., degraded: _Optional[bool] = ..., missing: _Optional[_Iterable[str]] = ..., models: _Optional[_Iterable[_Union[ModelVersion, _Mapping]]] = ..., policy: _Optional[_Union[PolicyVersion, _Mapping]] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., rated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CategoryRating(_message.Message):
    __slots__ = ("category", "probability", "image_probability", "text_probability", "level", "best_image_id", "unrated")
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    IMAGE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    TEXT_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    BEST_IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    UNRATED_FIELD_NUMBER: _ClassVar[int]
    category: str
    probability: float
    image_probability: float
    text_probability: float
    level: Level
    best_image_id: str
    unrated: bool
    def __init__(self, category: _Optional[str] = ..., probability: _Optional[float] = ..., image_probability: _Optional[float] = ..., text_probability: _Optional[float] = ..., level: _Optional[_Union[Level, str]] = ..., best_image_id: _Optional[str] = ..., unrated: _Optional[bool] = ...) -> None: ...

class ImageRating(_message.Message):
    __slots__ = ("image_id", "status", "message", "format", "width", "height", "sha256", "scores", "frames", "cached", "labels", "looks")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    LOOKS_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    status: ImageStatus
    message: str
    format: str
    width: int
    height: int
    sha256: str
    scores: _containers.RepeatedCompositeFieldContainer[ImageCategoryScore]
    frames: int
    cached: bool
    labels: _containers.RepeatedCompositeFieldContainer[ImageLabel]
    looks: int
    def __init__(self, image_id: _Optional[str] = ..., status: _Optional[_Union[ImageStatus, str]] = ..., message: _Optional[str] = ..., format: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., sha256: _Optional[str] = ..., scores: _Optional[_Iterable[_Union[ImageCategoryScore, _Mapping]]] = ..., frames: _Optional[int] = ..., cached: _Optional[bool] = ..., labels: _Optional[_Iterable[_Union[ImageLabel, _Mapping]]] = ..., looks: _Optional[int] = ...) -> None: ...

class ImageLabel(_message.Message):
    __slots__ = ("name", "probability")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    name: str
    probability: float
    def __init__(self, name: _Optional[str] = ..., probability: _Optional[float] = ...) -> None: ...

class ImageCategoryScore(_message.Message):
    __slots__ = ("category", "probability", "explanation", "by_look")
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    BY_LOOK_FIELD_NUMBER: _ClassVar[int]
    category: str
    probability: float
    explanation: ImageExplanation
    by_look: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, category: _Optional[str] = ..., probability: _Optional[float] = ..., explanation: _Optional[_Union[ImageExplanation, _Mapping]] = ..., by_look: _Optional[_Iterable[float]] = ...) -> None: ...

class ImageExplanation(_message.Message):
    __slots__ = ("heat_map", "box", "attribution")
    HEAT_MAP_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    heat_map: HeatMap
    box: Box
    attribution: Attribution
    def __init__(self, heat_map: _Optional[_Union[HeatMap, _Mapping]] = ..., box: _Optional[_Union[Box, _Mapping]] = ..., attribution: _Optional[_Union[Attribution, str]] = ...) -> None: ...

class HeatMap(_message.Message):
    __slots__ = ("rows", "columns", "values")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    rows: int
    columns: int
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, rows: _Optional[int] = ..., columns: _Optional[int] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class Box(_message.Message):
    __slots__ = ("left", "top", "right", "bottom")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    BOTTOM_FIELD_NUMBER: _ClassVar[int]
    left: float
    top: float
    right: float
    bottom: float
    def __init__(self, left: _Optional[float] = ..., top: _Optional[float] = ..., right: _Optional[float] = ..., bottom: _Optional[float] = ...) -> None: ...

class TextRating(_message.Message):
    __slots__ = ("field", "language", "scores", "terms", "looks", "image_id", "written")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    LOOKS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_FIELD_NUMBER: _ClassVar[int]
    field: TextField
    language: Language
    scores: _containers.RepeatedCompositeFieldContainer[TextCategoryScore]
    terms: _containers.RepeatedCompositeFieldContainer[Term]
    looks: int
    image_id: str
    written: WrittenText
    def __init__(self, field: _Optional[_Union[TextField, str]] = ..., language: _Optional[_Union[Language, str]] = ..., scores: _Optional[_Iterable[_Union[TextCategoryScore, _Mapping]]] = ..., terms: _Optional[_Iterable[_Union[Term, _Mapping]]] = ..., looks: _Optional[int] = ..., image_id: _Optional[str] = ..., written: _Optional[_Union[WrittenText, _Mapping]] = ...) -> None: ...

class WrittenText(_message.Message):
    __slots__ = ("text", "lines", "contacts")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_FIELD_NUMBER: _ClassVar[int]
    text: str
    lines: _containers.RepeatedCompositeFieldContainer[WrittenLine]
    contacts: _containers.RepeatedCompositeFieldContainer[Contact]
    def __init__(self, text: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[WrittenLine, _Mapping]]] = ..., contacts: _Optional[_Iterable[_Union[Contact, _Mapping]]] = ...) -> None: ...

class WrittenLine(_message.Message):
    __slots__ = ("span", "corners", "confidence")
    SPAN_FIELD_NUMBER: _ClassVar[int]
    CORNERS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    span: Span
    corners: _containers.RepeatedCompositeFieldContainer[Point]
    confidence: float
    def __init__(self, span: _Optional[_Union[Span, _Mapping]] = ..., corners: _Optional[_Iterable[_Union[Point, _Mapping]]] = ..., confidence: _Optional[float] = ...) -> None: ...

class Point(_message.Message):
    __slots__ = ("x", "y")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ...) -> None: ...

class Contact(_message.Message):
    __slots__ = ("kind", "span")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SPAN_FIELD_NUMBER: _ClassVar[int]
    kind: ContactKind
    span: Span
    def __init__(self, kind: _Optional[_Union[ContactKind, str]] = ..., span: _Optional[_Union[Span, _Mapping]] = ...) -> None: ...

class TextCategoryScore(_message.Message):
    __slots__ = ("category", "probability", "tokens", "bias", "attribution", "by_look")
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    BIAS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    BY_LOOK_FIELD_NUMBER: _ClassVar[int]
    category: str
    probability: float
    tokens: _containers.RepeatedCompositeFieldContainer[TokenContribution]
    bias: float
    attribution: Attribution
    by_look: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, category: _Optional[str] = ..., probability: _Optional[float] = ..., tokens: _Optional[_Iterable[_Union[TokenContribution, _Mapping]]] = ..., bias: _Optional[float] = ..., attribution: _Optional[_Union[Attribution, str]] = ..., by_look: _Optional[_Iterable[float]] = ...) -> None: ...

class Span(_message.Message):
    __slots__ = ("byte_start", "byte_end", "char_start", "char_end")
    BYTE_START_FIELD_NUMBER: _ClassVar[int]
    BYTE_END_FIELD_NUMBER: _ClassVar[int]
    CHAR_START_FIELD_NUMBER: _ClassVar[int]
    CHAR_END_FIELD_NUMBER: _ClassVar[int]
    byte_start: int
    byte_end: int
    char_start: int
    char_end: int
    def __init__(self, byte_start: _Optional[int] = ..., byte_end: _Optional[int] = ..., char_start: _Optional[int] = ..., char_end: _Optional[int] = ...) -> None: ...

class TokenContribution(_message.Message):
    __slots__ = ("span", "token", "contribution")
    SPAN_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    span: Span
    token: str
    contribution: float
    def __init__(self, span: _Optional[_Union[Span, _Mapping]] = ..., token: _Optional[str] = ..., contribution: _Optional[float] = ...) -> None: ...

class Term(_message.Message):
    __slots__ = ("span", "term", "kind", "category", "obfuscated")
    SPAN_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    OBFUSCATED_FIELD_NUMBER: _ClassVar[int]
    span: Span
    term: str
    kind: TermKind
    category: str
    obfuscated: bool
    def __init__(self, span: _Optional[_Union[Span, _Mapping]] = ..., term: _Optional[str] = ..., kind: _Optional[_Union[TermKind, str]] = ..., category: _Optional[str] = ..., obfuscated: _Optional[bool] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("code", "category", "arguments", "text")
    class ArgumentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    code: ReasonCode
    category: str
    arguments: _containers.ScalarMap[str, str]
    text: str
    def __init__(self, code: _Optional[_Union[ReasonCode, str]] = ..., category: _Optional[str] = ..., arguments: _Optional[_Mapping[str, str]] = ..., text: _Optional[str] = ...) -> None: ...

class LegalBasis(_message.Message):
    __slots__ = ("id", "instrument", "article", "in_force_since", "summary", "unverified")
    ID_FIELD_NUMBER: _ClassVar[int]
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    ARTICLE_FIELD_NUMBER: _ClassVar[int]
    IN_FORCE_SINCE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    UNVERIFIED_FIELD_NUMBER: _ClassVar[int]
    id: str
    instrument: str
    article: str
    in_force_since: str
    summary: str
    unverified: bool
    def __init__(self, id: _Optional[str] = ..., instrument: _Optional[str] = ..., article: _Optional[str] = ..., in_force_since: _Optional[str] = ..., summary: _Optional[str] = ..., unverified: _Optional[bool] = ...) -> None: ...

class ModelVersion(_message.Message):
    __slots__ = ("name", "version", "sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    sha256: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class PolicyVersion(_message.Message):
    __slots__ = ("version", "sha256")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    version: str
    sha256: str
    def __init__(self, version: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class Timings(_message.Message):
    __slots__ = ("queue_wait_us", "decode_us", "resize_us", "image_inference_us", "text_features_us", "text_inference_us", "score_us", "total_us", "later_looks_us", "words_us")
    QUEUE_WAIT_US_FIELD_NUMBER: _ClassVar[int]
    DECODE_US_FIELD_NUMBER: _ClassVar[int]
    RESIZE_US_FIELD_NUMBER: _ClassVar[int]
    IMAGE_INFERENCE_US_FIELD_NUMBER: _ClassVar[int]
    TEXT_FEATURES_US_FIELD_NUMBER: _ClassVar[int]
    TEXT_INFERENCE_US_FIELD_NUMBER: _ClassVar[int]
    SCORE_US_FIELD_NUMBER: _ClassVar[int]
    TOTAL_US_FIELD_NUMBER: _ClassVar[int]
    LATER_LOOKS_US_FIELD_NUMBER: _ClassVar[int]
    WORDS_US_FIELD_NUMBER: _ClassVar[int]
    queue_wait_us: int
    decode_us: int
    resize_us: int
    image_inference_us: int
    text_features_us: int
    text_inference_us: int
    score_us: int
    total_us: int
    later_looks_us: int
    words_us: int
    def __init__(self, queue_wait_us: _Optional[int] = ..., decode_us: _Optional[int] = ..., resize_us: _Optional[int] = ..., image_inference_us: _Optional[int] = ..., text_features_us: _Optional[int] = ..., text_inference_us: _Optional[int] = ..., score_us: _Optional[int] = ..., total_us: _Optional[int] = ..., later_looks_us: _Optional[int] = ..., words_us: _Optional[int] = ...) -> None: ...

class ClassifyBatchRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ClassifyRequest]
    def __init__(self, items: _Optional[_Iterable[_Union[ClassifyRequest, _Mapping]]] = ...) -> None: ...

class ClassifyBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ClassifyResult]
    def __init__(self, results: _Optional[_Iterable[_Union[ClassifyResult, _Mapping]]] = ...) -> None: ...

class ClassifyResult(_message.Message):
    __slots__ = ("request_id", "response", "error")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    response: ClassifyResponse
    error: ItemError
    def __init__(self, request_id: _Optional[str] = ..., response: _Optional[_Union[ClassifyResponse, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ...) -> None: ...

class ItemError(_message.Message):
    __slots__ = ("code", "message", "field", "retry_after_ms")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    field: str
    retry_after_ms: int
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., field: _Optional[str] = ..., retry_after_ms: _Optional[int] = ...) -> None: ...

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("version", "limits", "categories", "models", "policy", "onnxruntime_build", "execution_providers")
    class ExecutionProvidersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    ONNXRUNTIME_BUILD_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    version: str
    limits: Limits
    categories: _containers.RepeatedCompositeFieldContainer[CategoryInfo]
    models: _containers.RepeatedCompositeFieldContainer[ModelVersion]
    policy: PolicyVersion
    onnxruntime_build: str
    execution_providers: _containers.ScalarMap[str, int]
    def __init__(self, version: _Optional[str] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., categories: _Optional[_Iterable[_Union[CategoryInfo, _Mapping]]] = ..., models: _Optional[_Iterable[_Union[ModelVersion, _Mapping]]] = ..., policy: _Optional[_Union[PolicyVersion, _Mapping]] = ..., onnxruntime_build: _Optional[str] = ..., execution_providers: _Optional[_Mapping[str, int]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_images", "max_image_bytes", "max_image_pixels", "max_text_bytes", "max_batch_items", "max_message_bytes", "max_id_bytes", "max_infer_rows")
    MAX_IMAGES_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGE_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_TEXT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_ITEMS_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_ID_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_INFER_ROWS_FIELD_NUMBER: _ClassVar[int]
    max_images: int
    max_image_bytes: int
    max_image_pixels: int
    max_text_bytes: int
    max_batch_items: int
    max_message_bytes: int
    max_id_bytes: int
    max_infer_rows: int
    def __init__(self, max_images: _Optional[int] = ..., max_image_bytes: _Optional[int] = ..., max_image_pixels: _Optional[int] = ..., max_text_bytes: _Optional[int] = ..., max_batch_items: _Optional[int] = ..., max_message_bytes: _Optional[int] = ..., max_id_bytes: _Optional[int] = ..., max_infer_rows: _Optional[int] = ...) -> None: ...
