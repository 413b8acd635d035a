//! A row of a JSONL or CSV file becomes a case.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Map;
use serde_json::Value;
use wildwarden_core::domain::Category;

use crate::evaluate::case::Case;
use crate::evaluate::case::LabelNames;

/// Named values and the line they came from.
pub(super) struct Row {
    line: usize,
    fields: Map<String, Value>,
}

impl Row {
    pub(super) fn new(line: usize, fields: Map<String, Value>) -> Self {
        Self { line, fields }
    }

    /// The case; names of fields it does not use go to `unused`.
    pub(super) fn case(
        mut self,
        root: &Path,
        names: &LabelNames,
        unused: &mut BTreeSet<String>,
    ) -> Result<Case, String> {
        let line = self.line;
        let case = self.take_case(root, names).map_err(|problem| format!("line {line}: {problem}"))?;
        unused.extend(self.fields.into_iter().map(|(name, _)| name));
        Ok(case)
    }

    fn take_case(&mut self, root: &Path, names: &LabelNames) -> Result<Case, String> {
        let images = match self.texts("images")? {
            Some(images) => images,
            None => self.text(&["image", "file"])?.into_iter().filter(|file| !file.is_empty()).collect(),
        };
        let labels = self.labels(names)?;
        let note = self.text(&["note"])?.unwrap_or_default();
        let mut slices = self.texts("slices")?.unwrap_or_default();
        slices
            .extend(self.text(&["subclass"])?.filter(|name| !name.is_empty()).map(|name| format!("subclass: {name}")));
        let case = Case {
            id: match (self.text(&["listing_id", "id"])?.filter(|id| !id.is_empty()), images.as_slice()) {
                (Some(id), _) => id,
                (None, [only]) => only.clone(),
                (None, _) => format!("line {}", self.line),
            },
            title: self.text(&["title", "text"])?.unwrap_or_default(),
            description: self.text(&["description"])?.unwrap_or_default(),
            images: images.iter().map(|file| root.join(file)).collect(),
            labels,
            source: self.text(&["source", "source_repo"])?.unwrap_or_default(),
            seller: match self.text(&["seller"])? {
                Some(seller) => seller,
                None => seller_in(&note).to_owned(),
            },
            group: self.text(&["group"])?.unwrap_or_default(),
            slices,
            note,
        };
        if case.images.is_empty() && case.title.trim().is_empty() && case.description.trim().is_empty() {
            return Err("title, description, images: all are empty; a listing needs one of them".into());
        }
        Ok(case)
    }

    fn labels(&mut self, names: &LabelNames) -> Result<Vec<Category>, String> {
        let (field, given) = match self.texts("labels")? {
            Some(labels) => ("labels", labels),
            None => {
                let one = self.text(&["label", "class"])?;
                let missing = "labels: missing; give labels (may be empty), label or class";
                ("label", vec![one.ok_or(missing)?])
            }
        };
        names.read(given.iter().map(String::as_str)).map_err(|problem| format!("{field}: {problem}"))
    }

    /// The first of the fields `names` that is there.
    fn text(&mut self, names: &[&str]) -> Result<Option<String>, String> {
        for name in names {
            match self.fields.remove(*name) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) => return Ok(Some(text)),
                Some(other) => return Err(format!("{name}: {other} must be a string")),
            }
        }
        Ok(None)
    }

    fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, String> {
        let allowed = |found: &Value| format!("{name}: {found} must be an array of strings");
        match self.fields.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(values)) => {
                let texts = values.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(|| allowed(value)));
                texts.collect::<Result<_, _>>().map(Some)
            }
            Some(other) => Err(allowed(&other)),
        }
    }
}

/// The name after `seller=`, up to a semicolon, comma or blank.
fn seller_in(note: &str) -> &str {
    let after = note.split("seller=").nth(1).unwrap_or_default();
    after.split([';', ',', ' ']).next().unwrap_or_default()
}
