//! Columns of scores become one entry a score: those that feed one category are joined.

use std::collections::BTreeMap;

use crate::model::folder::manifest::{ColumnJoin, Holds, Label, Manifest};
use crate::model::folder::tensor::TensorSpec;

/// The labels of a manifest as the file has them, with their columns, those of one category as one.
///
/// # Errors
/// A sentence naming the label: some with a column and some without, a column twice, or columns that are not joined.
pub(super) fn joined(manifest: &Manifest) -> Result<Vec<Label>, String> {
    let labels = &manifest.labels;
    let stated = labels.iter().filter(|label| label.column.is_some()).count();
    if stated > 0 && manifest.text.is_some() {
        return Err(
            "labels: column is for scores without contributions; a text_classifier with [text] names every column"
                .into(),
        );
    }
    if let Some(without) = labels.iter().find(|label| stated > 0 && label.column.is_none()) {
        return Err(format!("labels.{}: has no column, and others have; give it one", without.name));
    }
    if let Some(join) = manifest.scores.as_ref().and_then(|scores| scores.join)
        && join_of(manifest).is_none()
    {
        let holds = manifest.holds();
        return Err(format!(
            "scores.join: {join:?} is not for what scores.holds says, {holds:?}; it allows {}",
            allowed(holds)
        ));
    }
    let mut taken: BTreeMap<usize, &str> = BTreeMap::new();
    let mut joined: Vec<Label> = Vec::with_capacity(labels.len());
    for (place, label) in labels.iter().enumerate() {
        let column = label.column.unwrap_or(place);
        if let Some(other) = taken.insert(column, &label.name) {
            return Err(format!("labels.{}: column {column} is that of {other}, too", label.name));
        }
        let of_category = |other: &&mut Label| label.category.is_some() && other.category == label.category;
        match joined.iter_mut().find(of_category) {
            Some(first) => {
                check_join(manifest, first, label)?;
                first.columns.push(column);
                first.members.push(label.name.clone());
            }
            None => joined.push(Label { columns: vec![column], members: vec![label.name.clone()], ..label.clone() }),
        }
    }
    Ok(joined)
}

fn check_join(manifest: &Manifest, first: &Label, label: &Label) -> Result<(), String> {
    let category = first.category.as_ref().map(|category| category.name()).unwrap_or_default();
    let allowed = allowed(manifest.holds());
    if manifest.text.is_some() {
        return Err(format!("labels: more than one feeds the category {category}"));
    }
    if join_of(manifest).is_none() {
        return Err(format!(
            "labels: more than one feeds the category {category}; say scores = {{ join = ... }}: {allowed}"
        ));
    }
    if first.calibration != label.calibration {
        let (one, other) = (&first.name, &label.name);
        return Err(format!("labels.{other}: feeds {category} together with {one}; both must have one calibration"));
    }
    Ok(())
}

fn allowed(holds: Holds) -> &'static str {
    match holds {
        Holds::Logits | Holds::Sigmoid => "max or logsumexp",
        Holds::ClassLogits | Holds::Softmax => "sum or max",
    }
}

/// How the columns of a category become one; `None`: the manifest does not say, or says what its scores do not allow.
pub(in crate::model) fn join_of(manifest: &Manifest) -> Option<ColumnJoin> {
    let scores = manifest.scores.as_ref()?;
    match (scores.holds, scores.join) {
        (Holds::Softmax | Holds::ClassLogits, None) => Some(ColumnJoin::Sum),
        (Holds::Softmax | Holds::ClassLogits, Some(ColumnJoin::Logsumexp)) => None,
        (Holds::Logits | Holds::Sigmoid, Some(ColumnJoin::Sum) | None) => None,
        (_, join) => join,
    }
}

/// Holds the lines of a label file against the labels. A line is a name, with its number before it or without.
///
/// # Errors
/// A sentence with the label, or the number of lines.
pub(super) fn check_label_file(manifest: &Manifest, text: &str) -> Result<(), String> {
    let lines: Vec<&str> = text.lines().enumerate().map(|(number, line)| name_in(number, line)).collect();
    let output = manifest.outputs.iter().find(|output| output.name == manifest.score_output());
    let columns = output.map_or(1, TensorSpec::values);
    if columns > 0 && usize::try_from(columns).is_ok_and(|columns| columns != lines.len()) {
        return Err(format!("names {} labels, and the scores have {columns} columns", lines.len()));
    }
    let named = manifest.labels.iter().flat_map(|label| label.columns.iter().zip(&label.members));
    for (&column, name) in named {
        let found = lines.get(column).copied().unwrap_or_default();
        if found != name {
            return Err(format!("line {} says {found:?}, and labels say that column {column} is {name:?}", column + 1));
        }
    }
    Ok(())
}

/// The name that line `number` of a label file gives.
pub fn name_in(number: usize, line: &str) -> &str {
    let line = line.trim();
    let after = line.strip_prefix(&number.to_string()).filter(|rest| rest.starts_with([' ', '\t', ':', ',']));
    after.map_or(line, |rest| rest.trim_start_matches([' ', '\t', ':', ',']))
}
