//! Messages of the contract as canonical protobuf JSON, by the descriptors that reflection serves.

use std::sync::LazyLock;

use memchr::memchr3_iter;
use prost::Message;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use wildwarden_core::error::{Error, Result};
use wildwarden_proto::DESCRIPTORS;

static POOL: LazyLock<std::result::Result<DescriptorPool, String>> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).map_err(|cause| cause.to_string()));

/// Values that a message may have, as over gRPC: millions of empty ones would take many times their bytes.
const MOST_VALUES: usize = 262_144;

/// The message `wildwarden.v1.<name>`.
///
/// # Errors
/// [`Error::Bug`] when there is none.
pub fn descriptor(name: &str) -> Result<MessageDescriptor> {
    let pool = POOL.as_ref().map_err(|cause| Error::Bug(format!("descriptors: {cause}")))?;
    let found = pool.get_message_by_name(&format!("wildwarden.v1.{name}"));
    found.ok_or_else(|| Error::Bug(format!("there is no message {name}")))
}

/// The message of that name that `json` is. `field`: where it stands, for a refusal.
///
/// # Errors
/// [`Error::Invalid`] with line and column: it is no JSON, or none of that message.
pub fn read<M: Message + Default>(json: &[u8], name: &str, field: &str) -> Result<M> {
    let values = memchr3_iter(b',', b'{', b'[', json).count();
    if values > MOST_VALUES {
        return Err(Error::invalid(field, format!("{values} values and more, above the limit of {MOST_VALUES}")));
    }
    let descriptor = descriptor(name)?;
    let mut reader = serde_json::Deserializer::from_slice(json);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let read = DynamicMessage::deserialize_with_options(descriptor, &mut reader, &options);
    let read = read.and_then(|message| reader.end().map(|()| message));
    let message = read.map_err(|cause| Error::invalid(field, format!("is no {name} in JSON: {cause}")))?;
    message.transcode_to().map_err(|cause| Error::Bug(format!("a {name} from JSON: {cause}")))
}

/// `message`, whose name that is, with every field, by the names that JSON has for them.
///
/// # Errors
/// [`Error::Bug`] when it is no such message.
pub fn write(message: &impl Message, name: &str) -> Result<Vec<u8>> {
    written(message, name, &SerializeOptions::new().skip_default_fields(false))
}

/// As [`write()`], without the fields that have their default: as short as it can be read back from.
///
/// # Errors
/// See [`write()`].
pub fn brief(message: &impl Message, name: &str) -> Result<String> {
    let bytes = written(message, name, &SerializeOptions::new())?;
    String::from_utf8(bytes).map_err(|cause| Error::Bug(format!("a {name} as JSON: {cause}")))
}

/// As [`write()`], as `options` say.
///
/// # Errors
/// See [`write()`].
pub fn written(message: &impl Message, name: &str, options: &SerializeOptions) -> Result<Vec<u8>> {
    let failed = |cause: String| Error::Bug(format!("a {name} as JSON: {cause}"));
    let bytes = message.encode_to_vec();
    let dynamic =
        DynamicMessage::decode(descriptor(name)?, bytes.as_slice()).map_err(|cause| failed(cause.to_string()))?;
    let mut json = Vec::with_capacity(2 * bytes.len());
    let mut writer = serde_json::Serializer::new(&mut json);
    dynamic.serialize_with_options(&mut writer, options).map_err(|cause| failed(cause.to_string()))?;
    Ok(json)
}

#[cfg(test)]
mod tests {
    use wildwarden_proto::v1::{ClassifyRequest, Image, Options};

    use super::*;

    #[test]
    fn a_message_goes_to_json_and_back_and_bytes_are_base64() {
        let message = ClassifyRequest {
            title: "象牙".into(),
            images: vec![Image { image_id: "a".into(), content: vec![0, 255, 7].into() }],
            options: Some(Options { explain_text: true, ..Options::default() }),
            ..ClassifyRequest::default()
        };
        let json = write(&message, "ClassifyRequest").unwrap();
        let text = std::str::from_utf8(&json).unwrap();
        assert!(text.contains("\"content\":\"AP8H\"") && text.contains("\"explainText\":true"), "{text}");
        assert_eq!(read::<ClassifyRequest>(&json, "ClassifyRequest", "body").unwrap(), message);
    }

    #[test]
    fn what_is_no_such_message_is_refused_with_its_place() {
        let refusal =
            |json: &str| read::<ClassifyRequest>(json.as_bytes(), "ClassifyRequest", "body").unwrap_err().to_string();
        for (json, said) in [
            ("", "line 1"),
            ("{\"title\": 3}", "line 1"),
            ("{\"titel\": \"x\"}", "titel"),
            ("{\"images\": [{\"content\": \"*\"}]}", "line 1"),
            ("{} {}", "trailing"),
            ("[]", "line 1"),
        ] {
            let refused = refusal(json);
            assert!(refused.starts_with("body: is no ClassifyRequest") && refused.contains(said), "{json}: {refused}");
        }
        let many = format!("{{\"images\": [{}{{}}]}}", "{},".repeat(200_000));
        assert!(refusal(&many).contains("above the limit"), "{}", refusal(&many));
    }
}
