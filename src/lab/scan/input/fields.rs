//! Values of JSON as the fields of a draft.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Number, Value};

use super::draft::{Draft, Photo, Unreadable};
use crate::scan::columns::Columns;

/// The draft that an object is; fields that no listing has are passed over.
pub(super) fn draft(mut fields: Map<String, Value>, columns: &Columns) -> Result<Draft, Unreadable> {
    // Two fields may be one column. Photos are large, so they are taken, last.
    let get = |field: &str| columns.names(field).iter().find_map(|name| fields.get(*name).cloned());
    let (id, title, description) = (get("listing_id"), get("title"), get("description"));
    let images = columns.names("images").iter().find_map(|name| fields.remove(*name));
    let listing_id = match id {
        Some(Value::Number(number)) if is_rounded(&number) => {
            let problem = format!(
                "listing_id: {number} is rounded, a number has no place for so many digits; give it as a string"
            );
            return Err(Unreadable { listing_id: number.to_string(), problem });
        }
        Some(Value::Number(number)) => number.to_string(),
        other => text("listing_id", other)?,
    };
    let read = || -> Result<(String, String, Vec<Photo>), String> {
        Ok((text("title", title)?, text("description", description)?, photos(images)?))
    };
    match read() {
        Ok((title, description, photos)) => Ok(Draft { listing_id, title, description, photos }),
        Err(problem) => Err(Unreadable { listing_id, problem }),
    }
}

/// Whether another number may have been written: a double has some 16 digits.
fn is_rounded(number: &Number) -> bool {
    /// From here on not every whole number is a double.
    const FROM: f64 = 9_007_199_254_740_992.0;
    number.is_f64() && number.as_f64().is_none_or(|value| value.abs() >= FROM)
}

fn text(field: &str, value: Option<Value>) -> Result<String, String> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!("{field}: {} must be a string", shortened(&other))),
    }
}

/// One photo or a list: each a path, or as in a request, `{"content": BASE64}`.
fn photos(value: Option<Value>) -> Result<Vec<Photo>, String> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) => values.into_iter().map(photo).collect(),
        Some(one) => photo(one).map(|photo| vec![photo]),
    }
}

fn photo(value: Value) -> Result<Photo, String> {
    match value {
        Value::String(path) => Ok(Photo::Path(path)),
        Value::Object(mut fields) => match fields.remove("content") {
            Some(Value::String(content)) => {
                let content = BASE64_STANDARD.decode(content);
                content
                    .map(|content| Photo::Content(content.into()))
                    .map_err(|cause| format!("images: content: {cause}"))
            }
            _ => Err("images: an object must have `content`, a string of base64".into()),
        },
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) => {
            Err(format!("images: {} must be a path, or {{\"content\": BASE64}}", shortened(&other)))
        }
    }
}

/// The start of a value, for a message.
fn shortened(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= MOST { text } else { text.chars().take(MOST).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: Value) -> Result<Draft, Unreadable> {
        let Value::Object(fields) = json else { panic!("an object") };
        draft(fields, &Columns::default())
    }

    #[test]
    fn an_id_that_json_rounds_is_told() {
        let unreadable = read(serde_json::json!({"id": 1.0e22})).unwrap_err();
        assert!(unreadable.problem.starts_with("listing_id: 1e+22 is rounded"), "{}", unreadable.problem);
        assert_eq!(read(serde_json::json!({"id": u64::MAX})).unwrap().listing_id, u64::MAX.to_string());
    }

    #[test]
    fn photos_are_paths_or_base64_alone_or_in_a_list() {
        let draft =
            read(serde_json::json!({"id": 7, "title": "手串", "images": ["a.jpg", {"content": "AAE="}], "x": 1}))
                .unwrap();
        assert_eq!((draft.listing_id.as_str(), draft.title.as_str()), ("7", "手串"));
        assert_eq!(draft.photos, [Photo::Path("a.jpg".into()), Photo::Content(vec![0, 1].into())]);
        assert_eq!(read(serde_json::json!({"image": "a.jpg"})).unwrap().photos.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named_and_the_id_is_kept() {
        for (json, named) in [
            (serde_json::json!({"id": "7", "title": 5}), "title: 5"),
            (serde_json::json!({"id": "7", "images": [5]}), "images: 5"),
            (serde_json::json!({"id": "7", "images": [{"content": "%"}]}), "content"),
        ] {
            let fault = read(json).unwrap_err();
            assert!(fault.problem.contains(named) && fault.listing_id == "7", "{fault:?}");
        }
    }
}
