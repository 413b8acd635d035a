//! Ratings of an earlier scan of the same input that a new model cannot have changed.
//!
//! An answer names the models that took part in it, and a further look is taken for what the first said alone. So where policy,
//! profile and program are the same, a rating stands unless one of the models that made it has changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use serde::Deserialize;
use wildwarden_core::domain::Category;
use wildwarden_core::error::{Error, Result};
use wildwarden_proto::v1::ClassifyResponse;
use wildwarden_server::transport::rest::json;

use crate::scan::input::draft::Row;
use crate::scan::parts;
use crate::scan::plan::{Model, Plan};
use crate::scan::table::{Rated, Record};

/// Columns that are read of an earlier scan.
const COLUMNS: [&str; 4] = ["source", "row", "listing_id", "rating"];

/// What an earlier scan can spare.
#[derive(Debug)]
pub enum Spared {
    /// Everything has to be rated, and why.
    Nothing(String),
    /// Rows that these models, of then, took no part in.
    AllBut(BTreeSet<Model>),
}

/// What of the scan in `folder` still stands for `plan`.
///
/// # Errors
/// [`Error::Setup`] when there is no whole scan.
pub fn spared(folder: &Path, plan: &Plan) -> Result<Spared> {
    let before = Plan::of(folder)?.ok_or_else(|| Error::file(folder, "holds no scan"))?;
    if !folder.join(crate::scan::summary::FILE).exists() {
        return Err(Error::file(folder, "holds a scan that has not ended"));
    }
    let mut other = plan.differs(&before, (usize::MAX, 0));
    other.retain(|what| !matches!(*what, "a model" | "--only-changed"));
    let names = |plan: &Plan| plan.models.iter().map(|model| model.name.clone()).collect::<BTreeSet<_>>();
    if names(plan) != names(&before) {
        other.push("which models serve");
    }
    if !other.is_empty() {
        return Ok(Spared::Nothing(format!("not the same as then: {}", other.join(", "))));
    }
    let changed = before.models.into_iter().filter(|model| !plan.models.contains(model)).collect();
    Ok(Spared::AllBut(changed))
}

/// Of an answer, what it says of models.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    models: Vec<Model>,
}

/// Rows of an earlier scan, in the order of the input.
pub struct Kept {
    changed: BTreeSet<Model>,
    categories: Vec<Category>,
    waiting: std::vec::IntoIter<PathBuf>,
    open: Option<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>>,
    batch: Option<(RecordBatch, usize)>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("changed", &self.changed).finish_non_exhaustive()
    }
}

impl Kept {
    /// Of the scan in `folder`, after its first rows.
    ///
    /// # Errors
    /// [`Error::Setup`] naming a part that cannot be read.
    pub fn of(folder: &Path, changed: BTreeSet<Model>, categories: &[Category], rows_before: u64) -> Result<Self> {
        let found = parts::found(folder)?;
        let mut kept = Self {
            changed,
            categories: categories.to_vec(),
            waiting: found.parts.into_iter(),
            open: None,
            batch: None,
        };
        for _ in 0..rows_before {
            kept.advance()?;
        }
        Ok(kept)
    }

    /// The rating of the next row, where it still stands; `row` is that row in the input.
    ///
    /// # Errors
    /// [`Error::Setup`] when the earlier scan has another row here, or cannot be read.
    pub fn next(&mut self, source: &Arc<str>, row: &Row) -> Result<Option<Record>> {
        let Some((batch, at)) = self.advance()? else { return Ok(None) };
        let (row, Ok(draft)) = (row.number, &row.draft) else { return Ok(None) };
        let listing_id = draft.listing_id.as_str();
        let text = |name| Ok::<_, Error>(parts::texts(&batch, name)?.nth(at).flatten().unwrap_or_default().to_owned());
        let found = parts::numbers(&batch, "row")?.nth(at).flatten();
        if found != i64::try_from(row).ok() || text("source")? != **source {
            return Err(Error::setup(format!(
                "--only-changed: the earlier scan has row {} of {} where the input has row {row} of {source}",
                found.unwrap_or(-1),
                text("source")?
            )));
        }
        // What has no rating, or is another listing by now, is looked at again.
        let json = text("rating")?;
        if json.is_empty() || text("listing_id")? != listing_id {
            return Ok(None);
        }
        let fault = |cause: String| Error::setup(format!("--only-changed: row {row} of {source}: {cause}"));
        let answer: Answer = serde_json::from_str(&json).map_err(|cause| fault(cause.to_string()))?;
        if answer.models.iter().any(|model| self.changed.contains(model)) {
            return Ok(None);
        }
        let answer: ClassifyResponse =
            json::read(json.as_bytes(), "ClassifyResponse", "rating").map_err(|error| fault(error.to_string()))?;
        let rated = Rated::new(&answer, json, &self.categories);
        Ok(Some(Record { source: Arc::clone(source), row, listing_id: listing_id.to_owned(), outcome: Ok(rated) }))
    }

    /// The batch that holds the next row, and where.
    fn advance(&mut self) -> Result<Option<(RecordBatch, usize)>> {
        loop {
            if let Some((batch, at)) = &mut self.batch
                && *at < batch.num_rows()
            {
                *at += 1;
                return Ok(Some((batch.clone(), *at - 1)));
            }
            if let Some(batch) = self.open.as_mut().and_then(Iterator::next) {
                self.batch = Some((batch?, 0));
                continue;
            }
            let Some(path) = self.waiting.next() else { return Ok(None) };
            self.open = Some(Box::new(parts::batches(&path, &COLUMNS)?));
        }
    }
}
