//! Lines of JSONL and records of CSV as rows of the same kind.

use serde_json::Map;
use serde_json::Value;

use super::row::Row;

/// Separates values in one CSV field.
const SEPARATOR: char = ';';
const LISTS: [&str; 3] = ["images", "labels", "slices"];

pub(super) fn jsonl(text: &str) -> Vec<Result<Row, String>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let line_number = index + 1;
            let fields: Map<String, Value> =
                serde_json::from_str(line).map_err(|cause| format!("line {line_number}: {cause}"))?;
            Ok(Row::new(line_number, fields))
        })
        .collect()
}

/// `text` with a header and fields between `delimiter`s.
pub(super) fn csv(text: &str, delimiter: u8) -> Vec<Result<Row, String>> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(cause) => return vec![Err(format!("line 1: {cause}"))],
    };
    reader
        .records()
        .map(|record| {
            let record = record.map_err(|cause| cause.to_string())?;
            let line = record.position().map_or(0, |position| usize::try_from(position.line()).unwrap_or(usize::MAX));
            if record.len() != header.len() {
                return Err(format!("line {line}: {} fields, but the header has {}", record.len(), header.len()));
            }
            let fields = header.iter().zip(record.iter()).map(|(name, text)| (name.to_owned(), value(name, text)));
            Ok(Row::new(line, fields.collect()))
        })
        .collect()
}

fn value(name: &str, text: &str) -> Value {
    if LISTS.contains(&name) {
        text.split(SEPARATOR).map(str::trim).filter(|part| !part.is_empty()).collect()
    } else {
        Value::from(text)
    }
}
