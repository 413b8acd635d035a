//! Messages as canonical protobuf JSON, from the same descriptors that reflection serves.

use anyhow::Context;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use wildwarden_proto::DESCRIPTORS;

/// `message`, whose full name is `wildwarden.v1.<name>`, as one line of JSON with the proto's own field names.
///
/// # Errors
/// When there is no such message.
pub fn line(message: &impl Message, name: &str) -> anyhow::Result<String> {
    let pool = DescriptorPool::decode(DESCRIPTORS).context("reading the descriptors")?;
    let descriptor = pool.get_message_by_name(&format!("wildwarden.v1.{name}")).context("finding the message")?;
    let dynamic =
        DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).context("reading the message")?;
    let mut json = Vec::new();
    let options =
        SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false).stringify_64_bit_integers(false);
    dynamic.serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options).context("writing JSON")?;
    String::from_utf8(json).context("writing JSON")
}
