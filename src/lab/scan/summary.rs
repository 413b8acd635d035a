//! What came out, counted from the parts themselves: so it holds whatever way they came to be, and each row is seen to be there once.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use serde::{Deserialize, Serialize};
use wildwarden_core::domain::{Level, Suggestion};
use wildwarden_core::error::{Error, Result};

use crate::scan::input::{Kind, Source};
use crate::scan::parts::{self, fractions, numbers, texts};
use crate::scan::plan::{Model, Plan, Policy};

/// Its file.
pub const FILE: &str = "summary.json";
/// Bins of a probability.
pub const BINS: usize = 20;
/// Rows of the highest risk that are named.
const NAMED: usize = 100;
const MILDEST: &str = Suggestion::Pass.name();

/// A scan in figures.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// All.
    pub rows: u64,
    /// Of them, those with a rating.
    pub rated: u64,
    /// The others, by code.
    pub errors: BTreeMap<String, u64>,
    /// What the first of each code says.
    pub first_errors: BTreeMap<String, String>,
    /// Of the rated, by suggestion.
    pub suggestions: BTreeMap<String, u64>,
    /// Of the rated, by level.
    pub levels: BTreeMap<String, u64>,
    /// Of the rated, those that lack something.
    pub degraded: u64,
    /// Of the rated, by reason.
    pub reasons: BTreeMap<String, u64>,
    /// By category.
    pub categories: BTreeMap<String, Category>,
    /// Rows by table or folder.
    pub sources: Vec<Rows>,
    /// Of the table's columns.
    pub schema: String,
    /// Version of the program.
    pub program: String,
    /// What is spent on looks after the first.
    pub profile: String,
    /// That rated.
    pub policy: Option<Policy>,
    /// That rated.
    pub models: Vec<Model>,
    /// The highest risks.
    pub highest: Vec<Row>,
    /// What the last run did.
    pub last_run: LastRun,
}

/// What one table or folder gave.
#[derive(Debug, Serialize)]
pub struct Rows {
    /// As it was named.
    pub path: PathBuf,
    /// How it was read.
    pub kind: Kind,
    /// How many.
    pub rows: u64,
}

/// What was found of one category.
#[derive(Debug, Default, Serialize)]
pub struct Category {
    /// Rows that were rated for it.
    pub rated: u64,
    /// Rows that are to be looked at, or held back, of which this is the likeliest category.
    pub flagged: u64,
    /// Rows by fused probability, in [`BINS`] bins of equal width from 0 to 1.
    pub histogram: [u64; BINS],
}

/// A row that is named.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// `[0, 1]`.
    pub risk: f64,
    /// File or folder.
    pub source: String,
    /// In the source.
    pub row: u64,
    /// The caller's id.
    pub listing_id: String,
    /// Lower case.
    pub level: String,
    /// Lower case.
    pub suggestion: String,
    /// Of the photo that says most.
    pub best_image: String,
    /// `code:category`.
    pub reasons: Vec<String>,
    /// The same as sentences.
    pub why: Vec<String>,
}

/// Of a rating, what the sentences are.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Why {
    reasons: Vec<Sentence>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sentence {
    text: String,
}

/// The sentences of a rating in JSON.
fn sentences(rating: &str) -> Vec<String> {
    let why: Why = serde_json::from_str(rating).unwrap_or_default();
    why.reasons.into_iter().map(|reason| reason.text).filter(|text| !text.is_empty()).collect()
}

/// What the run that ended the scan did.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct LastRun {
    /// Rows of it.
    pub rows: u64,
    /// Of them, those whose rating was kept from an earlier scan.
    pub kept: u64,
    /// From its first row to its last.
    pub seconds: f64,
}

impl Eq for Row {}

impl Ord for Row {
    /// The lowest risk first, and of equals the last in the input.
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |row: &Self| (row.source.clone(), row.row);
        other.risk.total_cmp(&self.risk).then_with(|| place(self).cmp(&place(other)))
    }
}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Counts the parts of the scan in `folder`.
///
/// # Errors
/// [`Error::Setup`] naming a part that cannot be read, or in which a row is missing, or there twice.
pub fn summary(folder: &Path, plan: &Plan, last_run: LastRun) -> Result<Summary> {
    let found = parts::found(folder)?;
    let mut counting = Counting { plan, due: (0, 0), highest: BinaryHeap::new(), summary: Summary::default() };
    let of_categories: Vec<String> = plan.categories.iter().map(|name| format!("probability_{name}")).collect();
    let mut columns = vec!["source", "row", "listing_id", "error_code", "error", "risk", "level", "suggestion"];
    columns.extend(["best_image", "reasons", "degraded", "rating"]);
    columns.extend(of_categories.iter().map(String::as_str));
    for path in &found.parts {
        parts::read(path, &columns, |batch| counting.add(batch).map_err(|error| Error::file(path, error)))?;
    }
    let Counting { mut summary, highest, .. } = counting;
    for source in plan.sources.iter().skip(summary.sources.len()) {
        summary.sources.push(Rows { path: source.path.clone(), kind: source.kind, rows: 0 });
    }
    for (source, found) in plan.sources.iter().zip(&summary.sources) {
        check_count(source, found.rows)?;
    }
    summary.highest = highest.into_sorted_vec();
    let Plan { schema, program, profile, policy, models, .. } = plan.clone();
    Ok(Summary { schema, program, profile, policy: Some(policy), models, last_run, ..summary })
}

/// What a source says of its own rows, where it does.
fn check_count(source: &Source, rows: u64) -> Result<()> {
    if source.kind == Kind::Photos && source.files != rows {
        let (path, files) = (source.path.display(), source.files);
        return Err(Error::Bug(format!("{path}: {files} files, and {rows} rows")));
    }
    Ok(())
}

struct Counting<'a> {
    plan: &'a Plan,
    /// Number of the source and of the row in it that come next.
    due: (usize, u64),
    /// The lowest of them on top.
    highest: BinaryHeap<Row>,
    summary: Summary,
}

impl Counting<'_> {
    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let places = texts(batch, "source")?.zip(numbers(batch, "row")?);
        for (source, row) in places {
            self.check(source.unwrap_or_default(), row.unwrap_or(-1))?;
        }
        let summary = &mut self.summary;
        let count = |of: &mut BTreeMap<String, u64>, name: &str| *of.entry(name.to_owned()).or_default() += 1;
        for (code, error) in texts(batch, "error_code")?.zip(texts(batch, "error")?) {
            let Some(code) = code else { continue };
            count(&mut summary.errors, code);
            summary.first_errors.entry(code.to_owned()).or_insert_with(|| error.unwrap_or_default().to_owned());
        }
        for (names, column, of) in [
            (&Suggestion::NAMES[..], "suggestion", &mut summary.suggestions),
            (&Level::NAMES[..], "level", &mut summary.levels),
        ] {
            for name in names {
                of.entry((*name).to_owned()).or_default();
            }
            texts(batch, column)?.flatten().for_each(|name| count(of, name));
        }
        let lacking = batch.column_by_name("degraded").and_then(|column| column.as_boolean_opt());
        summary.degraded += lacking.map_or(0, |column| column.true_count() as u64);
        let reasons: Vec<Vec<String>> = lists(batch, "reasons");
        for reasons in &reasons {
            let mut codes: Vec<&str> =
                reasons.iter().map(|reason| reason.split(':').next().unwrap_or(reason)).collect();
            codes.sort_unstable();
            codes.dedup();
            codes.into_iter().for_each(|code| count(&mut summary.reasons, code));
        }
        let flagged: Vec<bool> =
            texts(batch, "suggestion")?.map(|name| name.is_some_and(|name| name != MILDEST)).collect();
        let mut likeliest: Vec<Option<(f64, &str)>> = vec![None; batch.num_rows()];
        for name in &self.plan.categories {
            let category = summary.categories.entry(name.clone()).or_default();
            let column = format!("probability_{name}");
            for (probability, best) in fractions(batch, &column)?.zip(&mut likeliest) {
                let Some(probability) = probability else { continue };
                category.rated += 1;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to BINS")]
                let bin = (probability * BINS as f64) as usize;
                if let Some(bin) = category.histogram.get_mut(bin.min(BINS - 1)) {
                    *bin += 1;
                }
                if best.is_none_or(|(most, _)| probability > most) {
                    *best = Some((probability, name));
                }
            }
        }
        for (_, best) in flagged.iter().zip(&likeliest).filter(|(flagged, _)| **flagged) {
            if let Some(category) = best.and_then(|(_, name)| summary.categories.get_mut(name)) {
                category.flagged += 1;
            }
        }
        self.name_highest(batch, reasons)
    }

    /// Each row of the input is due once, in order.
    fn check(&mut self, source: &str, row: i64) -> Result<()> {
        let name = |place: usize| self.plan.sources.get(place).map(|source| source.path.display().to_string());
        let mut place = self.due.0;
        let goes_on = u64::try_from(row).is_ok_and(|row| row == self.due.1) && name(place).as_deref() == Some(source);
        if !goes_on {
            // The next source that has rows begins.
            let begins = |next: &usize| row == 0 && name(*next).as_deref() == Some(source);
            let from = if self.due.1 == 0 { place } else { place + 1 };
            place = (from..self.plan.sources.len()).find(begins).ok_or_else(|| {
                Error::Bug(format!(
                    "row {row} of {source} stands where row {} of {} is due",
                    self.due.1,
                    name(self.due.0).unwrap_or_default()
                ))
            })?;
        }
        for source in self.plan.sources.iter().take(place + 1).skip(self.summary.sources.len()) {
            self.summary.sources.push(Rows { path: source.path.clone(), kind: source.kind, rows: 0 });
        }
        let row = u64::try_from(row).unwrap_or_default();
        if let Some(found) = self.summary.sources.get_mut(place) {
            found.rows = row + 1;
        }
        self.due = (place, row + 1);
        self.summary.rows += 1;
        Ok(())
    }

    fn name_highest(&mut self, batch: &RecordBatch, reasons: Vec<Vec<String>>) -> Result<()> {
        let [mut source, mut listing_id, mut level, mut suggestion, mut best_image, mut rating] = [
            texts(batch, "source")?,
            texts(batch, "listing_id")?,
            texts(batch, "level")?,
            texts(batch, "suggestion")?,
            texts(batch, "best_image")?,
            texts(batch, "rating")?,
        ];
        let places = fractions(batch, "risk")?.zip(numbers(batch, "row")?).zip(reasons);
        for ((risk, row), reasons) in places {
            let owned =
                |column: &mut dyn Iterator<Item = Option<&str>>| column.next().flatten().unwrap_or_default().to_owned();
            let texts = [
                owned(&mut source),
                owned(&mut listing_id),
                owned(&mut level),
                owned(&mut suggestion),
                owned(&mut best_image),
            ];
            let rating = rating.next().flatten().unwrap_or_default();
            let Some(risk) = risk else { continue };
            self.summary.rated += 1;
            // Of what is not named nothing need be read.
            if self.highest.len() == NAMED && self.highest.peek().is_some_and(|least| risk < least.risk) {
                continue;
            }
            let why = sentences(rating);
            let [source, listing_id, level, suggestion, best_image] = texts;
            let row = u64::try_from(row.unwrap_or_default()).unwrap_or_default();
            self.highest.push(Row { risk, source, row, listing_id, level, suggestion, best_image, reasons, why });
            if self.highest.len() > NAMED {
                self.highest.pop();
            }
        }
        Ok(())
    }
}

/// The values of a column of lists.
fn lists(batch: &RecordBatch, name: &str) -> Vec<Vec<String>> {
    let column = batch.column_by_name(name).and_then(|column| column.as_list_opt::<i32>());
    let values = |list: Option<arrow_array::ArrayRef>| {
        let list = list?;
        let texts = list.as_string_opt::<i32>()?.iter().flatten().map(str::to_owned);
        Some(texts.collect())
    };
    column.into_iter().flat_map(|column| column.iter()).map(|list| values(list).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::columns::Columns;
    use crate::scan::parts::{Found, Parts};
    use crate::scan::table::{NotRated, Rated, Record, Scores};

    fn plan() -> Plan {
        let source = |name: &str| Source { path: name.into(), kind: Kind::Csv, bytes: 1, modified_us: 1, files: 1 };
        Plan {
            schema: "1".into(),
            program: "0".into(),
            sources: vec![source("a.csv"), source("empty.csv"), source("b.csv")],
            columns: Columns::default(),
            images_root: None,
            profile: "balanced".into(),
            language: "en".into(),
            categories: vec!["tusk".into(), "horn".into()],
            policy: Policy { version: "1".into(), sha256: "x".into() },
            models: Vec::new(),
            previous: None,
        }
    }

    fn rated(risk: f64, suggestion: &str) -> Rated {
        let of = |probability| Scores { probability: Some(probability), image: None, text: None };
        Rated {
            risk,
            level: "low".into(),
            suggestion: suggestion.into(),
            categories: vec![of(risk / 2.0), of(risk)],
            best_image: None,
            reasons: vec!["claim_term:horn".into(), "claim_term:tusk".into()],
            degraded: risk > 0.8,
            missing: Vec::new(),
            versions: Vec::new(),
            rating: "{}".into(),
        }
    }

    fn write(folder: &Path, rows: &[(&str, u64)]) {
        let categories = ["tusk", "horn"].map(|name| wildwarden_core::domain::Category::new(name).unwrap());
        let mut parts = Parts::after(&Found::default(), folder, &categories).unwrap();
        for (place, (source, row)) in rows.iter().enumerate() {
            let outcome = match place {
                0 => Err(NotRated::unreadable("x".into())),
                1 => Ok(rated(0.9, "review")),
                _ => Ok(rated(0.1, "pass")),
            };
            let record = Record { source: (*source).into(), row: *row, listing_id: String::new(), outcome };
            parts.push(&record, (0, 0)).unwrap();
        }
        parts.close((3, 0)).unwrap();
    }

    #[test]
    fn rows_are_counted_by_source_outcome_and_category() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[("a.csv", 0), ("a.csv", 1), ("b.csv", 0), ("b.csv", 1)]);
        let summary = summary(folder.path(), &plan(), LastRun::default()).unwrap();
        assert_eq!(summary.sources.iter().map(|found| found.rows).collect::<Vec<_>>(), [2, 0, 2]);
        assert_eq!((summary.rows, summary.rated, summary.degraded), (4, 3, 1));
        assert_eq!(summary.errors["UNREADABLE"], 1);
        assert_eq!((summary.suggestions["pass"], summary.suggestions["block"]), (2, 0));
        assert_eq!(summary.reasons["claim_term"], 3);
        assert_eq!((summary.categories["horn"].flagged, summary.categories["tusk"].flagged), (1, 0));
        assert_eq!(summary.categories["horn"].histogram[18], 1);
        assert_eq!(summary.highest.iter().map(|row| row.row).collect::<Vec<_>>(), [1, 0, 1]);
    }

    #[test]
    fn a_row_that_is_missing_or_there_twice_is_found() {
        for rows in [
            &[("a.csv", 0), ("a.csv", 2)][..],
            &[("a.csv", 0), ("a.csv", 0)],
            &[("b.csv", 0), ("a.csv", 0)],
            &[("a.csv", 1)],
        ] {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), rows);
            assert!(summary(folder.path(), &plan(), LastRun::default()).is_err(), "{rows:?}");
        }
    }
}
