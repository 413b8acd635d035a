//! Messages of the contract as canonical protobuf JSON, by the descriptors that reflection serves.

use std::collections::HashSet;
use std::sync::LazyLock;

use memchr::memchr3_iter;
use prost::Message;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
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
    let no_json = |cause: serde_json::Error| Error::invalid(field, format!("is no {name} in JSON: {cause}"));
    serde_json::from_slice::<Unique>(json).map_err(no_json)?;
    let descriptor = descriptor(name)?;
    let mut reader = serde_json::Deserializer::from_slice(json);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let read = DynamicMessage::deserialize_with_options(descriptor, &mut reader, &options);
    let read = read.and_then(|message| reader.end().map(|()| message));
    let message = read.map_err(no_json)?;
    message.transcode_to().map_err(|cause| Error::Bug(format!("a {name} from JSON: {cause}")))
}

/// Any JSON in which no object names a field twice, once as in protobuf and once as in JSON included: readers differ in which of the two
/// counts, so what a gateway saw would be another listing than what is rated.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> std::result::Result<Self, D::Error> {
        reader.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> std::result::Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> std::result::Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> std::result::Result<Self, A::Error> {
        while values.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> std::result::Result<Self, A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            let plain: String = name.chars().filter(|letter| *letter != '_').flat_map(char::to_lowercase).collect();
            if !seen.insert(plain) {
                return Err(serde::de::Error::custom(format_args!("the field {name:?} is there twice")));
            }
            fields.next_value::<Self>()?;
        }
        Ok(self)
    }
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
            ("{\"title\": \"a\", \"title\": \"b\"}", "twice"),
            ("{\"listing_id\": \"a\", \"listingId\": \"b\"}", "twice"),
            ("{\"images\": [{\"content\": \"\", \"content\": \"\"}]}", "twice"),
            ("[]", "line 1"),
        ] {
            let refused = refusal(json);
            assert!(refused.starts_with("body: is no ClassifyRequest") && refused.contains(said), "{json}: {refused}");
        }
        let many = format!("{{\"images\": [{}{{}}]}}", "{},".repeat(200_000));
        assert!(refusal(&many).contains("above the limit"), "{}", refusal(&many));
    }
}
