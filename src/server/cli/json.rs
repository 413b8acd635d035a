//! Messages as canonical protobuf JSON, from the same descriptors that reflection serves.

use anyhow::Context;
use prost::Message;
use prost_reflect::SerializeOptions;

use crate::transport::rest::json;

/// `message`, whose full name is `wildwarden.v1.<name>`, as one line of JSON with the proto's own field names.
///
/// # Errors
/// When there is no such message.
pub fn line(message: &impl Message, name: &str) -> anyhow::Result<String> {
    let options =
        SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false).stringify_64_bit_integers(false);
    String::from_utf8(json::written(message, name, &options)?).context("writing JSON")
}
