//! The calls over HTTP as OpenAPI 3.1, from the same descriptors as everything else: messages become schemas of their canonical JSON,
//! comments descriptions.

use std::collections::{BTreeMap, BTreeSet};

use protox::prost_reflect::{DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

const PACKAGE: &str = "wildwarden.v1";
/// Each status that a refusal may have, and when.
const REFUSALS: [(&str, &str); 9] = [
    ("400", "A field that the contract does not allow: `field` names it."),
    ("401", "No key, or one that is not known (`authorization: Bearer <key>`)."),
    ("403", "The key lacks the role."),
    ("405", "The path takes another verb."),
    ("415", "The path takes another media type."),
    ("429", "The server is full, or the caller has as much as it may: come back after `retryAfterMs`."),
    ("500", "No model could answer."),
    ("503", "The server starts or drains."),
    ("504", "The deadline passed (`x-timeout-ms`)."),
];

/// The document, as it lies in the tree.
///
/// # Errors
/// When the descriptors lack a message that a path names.
pub(super) fn document(pool: &DescriptorPool) -> Result<String, Box<dyn std::error::Error>> {
    let comments = comments(pool);
    let [mut asked, mut answered] =
        [Side::Asked, Side::Answered].map(|side| Schemas { side, comments: &comments, found: BTreeMap::new() });
    let mut paths = calls(pool, &mut asked, &mut answered)?;
    paths.extend(probes());
    let mut components = asked.found;
    for (name, schema) in answered.found {
        if components.get(&name).is_some_and(|other| *other != schema) {
            return Err(format!("{name} would need two schemas: it is asked with and answered").into());
        }
        components.insert(name, schema);
    }
    components.extend(fixed().into_iter().map(|(name, schema)| (name.to_owned(), schema)));
    let description = "The contract of `proto/wildwarden/v1/risk.proto` as canonical protobuf JSON. A rating says \
                       \"suspected\": it never names a species, a value or an offence.";
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Wildwarden",
            "version": "1",
            "summary": "Rates marketplace listings for illegal wildlife trade.",
            "description": description,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": components,
            "parameters": {
                "timeout": {
                    "name": "x-timeout-ms", "in": "header", "required": false,
                    "description": "Milliseconds that the caller waits, from when the call comes.",
                    "schema": { "type": "integer", "minimum": 0, "maximum": 86_400_000 },
                },
                "language": {
                    "name": "accept-language", "in": "header", "required": false,
                    "description": "The language of `Reason.text`: English unless Chinese is preferred.",
                    "schema": { "type": "string" },
                },
            },
            "securitySchemes": { "key": {
                "type": "http", "scheme": "bearer",
                "description": "A key of `auth.keys`; none where there are none.",
            } },
        },
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// The paths of calls; the messages that they take and give become schemas.
fn calls(
    pool: &DescriptorPool,
    asked: &mut Schemas<'_>,
    answered: &mut Schemas<'_>,
) -> Result<Map<String, Value>, String> {
    let message = |name: &str| {
        pool.get_message_by_name(&format!("{PACKAGE}.{name}")).ok_or_else(|| format!("there is no message {name}"))
    };
    let rate = json!({
        "application/json": { "schema": asked.of(&message("ClassifyRequest")?) },
        "multipart/form-data": { "schema": { "$ref": "#/components/schemas/ListingForm" } },
    });
    let batch = json!({ "application/json": { "schema": asked.of(&message("ClassifyBatchRequest")?) } });
    let mut paths = Map::new();
    for (path, verb, id, summary, body, answer) in [
        ("/v1/listings:rate", "post", "rate", "Rates one listing.", Some(rate), "ClassifyResponse"),
        (
            "/v1/listings:batch",
            "post",
            "batch",
            "Rates several listings; each has a response or an error, in their order.",
            Some(batch),
            "ClassifyBatchResponse",
        ),
        (
            "/v1/server",
            "get",
            "server",
            "The limits in force, the categories, and the versions of policy and models.",
            None,
            "GetServerInfoResponse",
        ),
    ] {
        let schema = answered.of(&message(answer)?);
        let mut parameters = vec![json!({ "$ref": "#/components/parameters/timeout" })];
        // What is rated has reasons.
        if body.is_some() {
            parameters.push(json!({ "$ref": "#/components/parameters/language" }));
        }
        let mut operation = json!({
            "operationId": id,
            "summary": summary,
            "security": [{}, { "key": [] }],
            "parameters": parameters,
            "responses": responses("200", "The answer.", &schema),
        });
        if let (Some(body), Some(operation)) = (body, operation.as_object_mut()) {
            operation.insert("requestBody".into(), json!({ "required": true, "content": body }));
        }
        paths.insert(path.into(), json!({ verb: operation }));
    }
    Ok(paths)
}

/// The paths that balancers ask.
fn probes() -> Map<String, Value> {
    let schema = json!({ "$ref": "#/components/schemas/Serving" });
    let mut paths = Map::new();
    for (path, id, summary, others) in [
        ("/healthz", "live", "The server lives.", None),
        ("/readyz", "ready", "Whether the server rates listings now.", Some("It does not.")),
    ] {
        let mut responses = responses("200", "It does.", &schema);
        if let (Some(description), Some(responses)) = (others, responses.as_object_mut()) {
            responses.insert("503".into(), content(description, "application/json", &schema));
        }
        let operation = json!({
            "operationId": id,
            "summary": summary,
            "security": [{}, { "key": [] }],
            "responses": responses,
        });
        paths.insert(path.into(), json!({ "get": operation }));
    }
    paths
}

/// What no message of the contract is.
fn fixed() -> Vec<(&'static str, Value)> {
    let text = |description: &str| json!({ "type": "string", "description": description });
    vec![
        (
            "Problem",
            json!({
                "type": "object",
                "description": "A refusal (RFC 9457).",
                "required": ["type", "title", "status", "detail", "code", "reason"],
                "properties": {
                    "type": text("`about:blank`: the status says what kind it is."),
                    "title": text("The status in words."),
                    "status": {
                        "type": "integer", "minimum": 400, "maximum": 599,
                        "description": "The status again, for who sees the body alone.",
                    },
                    "detail": text("A sentence with the value and what is allowed."),
                    "code": text("The status code that gRPC has for it."),
                    "reason": text("Why, in a word that does not change when the sentence does."),
                    "field": text("Path of the field that is refused."),
                    "retryAfterMs": {
                        "type": "integer", "minimum": 1, "description": "When there is likely to be room.",
                    },
                    "requestId": text("Under which the server's log has the cause."),
                },
            }),
        ),
        (
            "Serving",
            json!({
                "type": "object",
                "description": "Whether it serves, in the words of `grpc.health.v1`.",
                "required": ["status"],
                "properties": { "status": {
                    "type": "string", "enum": ["SERVING", "NOT_SERVING"], "description": "`SERVING`: it does.",
                } },
            }),
        ),
        (
            "ListingForm",
            json!({
                "type": "object",
                "description": "A listing as a form. A file's name is the id of its image where it can be one.",
                "additionalProperties": false,
                "properties": {
                    "request_id": text("As `requestId`."),
                    "listing_id": text("As `listingId`."),
                    "title": text("As `title`."),
                    "description": text("As `description`."),
                    "options": { "$ref": "#/components/schemas/Options" },
                    "images": {
                        "type": "array",
                        "description": "Photos, one part a file, at most `Limits.max_images`.",
                        "items": { "type": "string", "contentMediaType": "application/octet-stream" },
                    },
                },
            }),
        ),
    ]
}

fn responses(status: &str, description: &str, schema: &Value) -> Value {
    let problem = json!({ "$ref": "#/components/schemas/Problem" });
    let refusals = REFUSALS.iter().map(|(status, when)| {
        let mut refusal = content(when, "application/problem+json", &problem);
        if let (Some(headers), Some(refusal)) = (headers(status), refusal.as_object_mut()) {
            refusal.insert("headers".into(), headers);
        }
        ((*status).to_owned(), refusal)
    });
    let own = (status.to_owned(), content(description, "application/json", schema));
    Value::Object(refusals.chain([own]).collect())
}

/// The headers of a refusal with that status.
fn headers(status: &str) -> Option<Value> {
    match status {
        "401" => Some(json!({ "www-authenticate": {
            "required": true, "description": "The scheme that keys are sent in.", "schema": { "type": "string" },
        } })),
        "405" => Some(json!({ "allow": {
            "required": true, "description": "The verb that the path takes.", "schema": { "type": "string" },
        } })),
        "429" => Some(json!({ "retry-after": {
            "required": false,
            "description": "`retryAfterMs` in whole seconds.",
            "schema": { "type": "integer", "minimum": 1 },
        } })),
        _ => None,
    }
}

fn content(description: &str, media_type: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": { media_type: { "schema": schema } } })
}

/// The side of a call on which a message is. Who reads protobuf JSON takes more than who writes it gives.
#[derive(Clone, Copy)]
enum Side {
    Asked,
    Answered,
}

/// Messages and enums as schemas, by name.
struct Schemas<'a> {
    side: Side,
    comments: &'a BTreeMap<String, String>,
    found: BTreeMap<String, Value>,
}

impl Schemas<'_> {
    /// A reference to the schema of `message`, which is made if it is not there yet.
    fn of(&mut self, message: &MessageDescriptor) -> Value {
        let name = short(message.full_name());
        if !self.found.contains_key(&name) {
            // First its name, for messages that hold themselves.
            self.found.insert(name.clone(), Value::Null);
            let properties: Map<String, Value> =
                message.fields().map(|field| (field.json_name().to_owned(), self.field(&field))).collect();
            let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
            if let (Side::Answered, Some(schema)) = (self.side, schema.as_object_mut()) {
                // What has no presence is written whatever its value.
                let written = message.fields().filter(|field| !field.supports_presence());
                schema.insert("required".into(), written.map(|field| field.json_name().to_owned()).collect());
            }
            self.describe(message.full_name(), &mut schema);
            self.found.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        let mut schema = if field.is_map() {
            let Kind::Message(entry) = field.kind() else { return Value::Null };
            json!({ "type": "object", "additionalProperties": self.kind(entry.map_entry_value_field().kind()) })
        } else if field.is_list() {
            json!({ "type": "array", "items": self.kind(field.kind()) })
        } else {
            self.kind(field.kind())
        };
        // Null is as if it were not there, and is never written.
        if matches!(self.side, Side::Asked) {
            schema = json!({ "anyOf": [schema, { "type": "null" }] });
        }
        self.describe(field.full_name(), &mut schema);
        // What has neither a comment nor a schema of its own, its message explains.
        if schema.get("description").is_none() && schema.get("$ref").is_none() {
            self.describe(field.parent_message().full_name(), &mut schema);
        }
        schema
    }

    fn kind(&mut self, kind: Kind) -> Value {
        match kind {
            Kind::Double | Kind::Float => json!({ "type": "number" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX })
            }
            Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({ "type": "string", "pattern": "^-?[0-9]{1,19}$" }),
            Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "pattern": "^[0-9]{1,20}$" }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            // In either alphabet, padded or not.
            Kind::Bytes => json!({
                "type": "string", "contentEncoding": "base64",
                "pattern": "^(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}={0,2}|[A-Za-z0-9+/_-]{3}=?)?$",
            }),
            Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
                json!({ "type": "string", "format": "date-time" })
            }
            Kind::Message(message) => self.of(&message),
            Kind::Enum(found) => match self.side {
                Side::Asked => json!({ "anyOf": [self.of_enum(&found), self.kind(Kind::Int32)] }),
                Side::Answered => self.of_enum(&found),
            },
        }
    }

    fn of_enum(&mut self, found: &EnumDescriptor) -> Value {
        let name = short(found.full_name());
        if !self.found.contains_key(&name) {
            let values: BTreeSet<String> = found.values().map(|value| value.name().to_owned()).collect();
            let mut schema = json!({ "type": "string", "enum": values });
            self.describe(found.full_name(), &mut schema);
            self.found.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    fn describe(&self, name: &str, schema: &mut Value) {
        if let (Some(comment), Some(schema)) = (self.comments.get(name), schema.as_object_mut()) {
            schema.insert("description".into(), comment.clone().into());
        }
    }
}

fn short(full_name: &str) -> String {
    full_name.strip_prefix(&format!("{PACKAGE}.")).unwrap_or(full_name).replace('.', "_")
}

/// Comments before messages, their fields and enums, by full name.
fn comments(pool: &DescriptorPool) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for file in pool.files() {
        let descriptor = file.file_descriptor_proto();
        let Some(info) = &descriptor.source_code_info else { continue };
        let of = |path: &[i32]| {
            let location = info.location.iter().find(|location| location.path == path)?;
            let comment = location.leading_comments.as_deref()?.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            (!comment.trim().is_empty()).then(|| comment.trim().to_owned())
        };
        for message in pool.all_messages().filter(|message| message.parent_file() == file) {
            found.extend(of(message.path()).map(|comment| (message.full_name().to_owned(), comment)));
            for field in message.fields() {
                found.extend(of(field.path()).map(|comment| (field.full_name().to_owned(), comment)));
            }
        }
        for one in pool.all_enums().filter(|one| one.parent_file() == file) {
            found.extend(of(one.path()).map(|comment| (one.full_name().to_owned(), comment)));
        }
    }
    found
}
