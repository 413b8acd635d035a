//! The table that a scan makes: its columns, and a rating as one row of them.
//!
//! Version [`VERSION`] of the columns. `source` and `row` say where the listing stood; the rating columns after them are those that
//! the Python package makes of an answer, too. All may be null. In this order:
//!
//! | column | type | |
//! | --- | --- | --- |
//! | `source` | text | file or folder, as it was named |
//! | `row` | 64-bit integer | in the source, from 0 |
//! | `listing_id` | text | the caller's |
//! | `error_code` | text | null when there is a rating; else a status of gRPC, or [`UNREADABLE`] |
//! | `error` | text | names field, value and limit |
//! | `risk` | 64-bit float | |
//! | `level`, `suggestion` | text | lower case |
//! | `probability_C`, `image_C`, `text_C` | 64-bit float | of each category C, in the policy's order: fused, of the best photo, of the strongest passage; null where it was not rated |
//! | `best_image` | text | the photo that says most for the category with the highest probability |
//! | `reasons` | list of text | `code:category`, lower case |
//! | `degraded` | boolean | |
//! | `missing` | list of text | |
//! | `versions` | list of text | `policy=VERSION`, and `NAME=VERSION` of each model that took part |
//! | `rating` | text | the whole answer as canonical JSON of the contract |

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use wildwarden_core::domain::Category;
use wildwarden_core::error::Error;
use wildwarden_proto::v1::{CategoryRating, ClassifyResponse};
use wildwarden_server::transport::status::{code, code_name};

/// Of the columns; it rises when one changes its name, type or meaning.
pub const VERSION: &str = "1";
/// What of the table's metadata says [`VERSION`].
pub const VERSION_KEY: &str = "wildwarden.schema";
/// `error_code` of a row that is no listing: a column of another type, a photo that is not there.
pub const UNREADABLE: &str = "UNREADABLE";

/// A listing that has no rating.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRated {
    /// See [`UNREADABLE`].
    pub code: String,
    /// Names field, value and limit.
    pub message: String,
}

impl NotRated {
    /// A row that is no listing.
    pub fn unreadable(message: String) -> Self {
        Self { code: UNREADABLE.to_owned(), message }
    }
}

/// Bytes of an id or message that are written.
const WRITTEN: usize = 2048;

/// The start of a text, with a mark where the rest is left out.
pub fn shortened(mut text: String) -> String {
    if text.len() > WRITTEN {
        text.truncate(text.floor_char_boundary(WRITTEN));
        text.push('…');
    }
    text
}

impl NotRated {
    /// With as much of its message as is written.
    #[must_use]
    pub fn shortened(self) -> Self {
        Self { message: shortened(self.message), ..self }
    }
}

impl From<Error> for NotRated {
    fn from(error: Error) -> Self {
        Self { code: code_name(code(&error)).to_owned(), message: error.to_string() }
    }
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// File or folder.
    pub source: Arc<str>,
    /// In the source.
    pub row: u64,
    /// The caller's id.
    pub listing_id: String,
    /// What became of it.
    pub outcome: Result<Rated, NotRated>,
}

/// A rating as columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Rated {
    /// `[0, 1]`.
    pub risk: f64,
    /// Lower case.
    pub level: String,
    /// Lower case.
    pub suggestion: String,
    /// One a category of the policy.
    pub categories: Vec<Scores>,
    /// Id of a photo.
    pub best_image: Option<String>,
    /// `code:category`.
    pub reasons: Vec<String>,
    /// Something did not take part.
    pub degraded: bool,
    /// What did not.
    pub missing: Vec<String>,
    /// Of policy and models.
    pub versions: Vec<String>,
    /// The answer as JSON.
    pub rating: String,
}

/// What was found of one category.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Scores {
    /// Fused.
    pub probability: Option<f64>,
    /// Of the best photo.
    pub image: Option<f64>,
    /// Of the strongest passage.
    pub text: Option<f64>,
}

impl Rated {
    /// The columns of `answer`, whose JSON is `rating`, for a table of `categories`.
    pub fn new(answer: &ClassifyResponse, rating: String, categories: &[Category]) -> Self {
        let of = |category: &Category| answer.categories.iter().find(|found| found.category == category.name());
        let scores = |found: &CategoryRating| Scores {
            probability: Some(found.probability).filter(|_| !found.unrated),
            image: found.image_probability,
            text: found.text_probability,
        };
        let best = answer.categories.iter().filter(|found| !found.unrated);
        // The first of equals.
        let best = best.rev().max_by(|a, b| a.probability.total_cmp(&b.probability));
        let policy = answer.policy.iter().map(|policy| format!("policy={}", policy.version));
        let models = answer.models.iter().map(|model| format!("{}={}", model.name, model.version));
        Self {
            risk: answer.risk,
            level: lower(answer.level().as_str_name(), "LEVEL_"),
            suggestion: lower(answer.suggestion().as_str_name(), "SUGGESTION_"),
            categories: categories.iter().map(|category| of(category).map(scores).unwrap_or_default()).collect(),
            best_image: best.map(|found| found.best_image_id.clone()).filter(|id| !id.is_empty()),
            reasons: answer
                .reasons
                .iter()
                .map(|reason| {
                    let code = lower(reason.code().as_str_name(), "REASON_CODE_");
                    if reason.category.is_empty() { code } else { format!("{code}:{}", reason.category) }
                })
                .collect(),
            degraded: answer.degraded,
            missing: answer.missing.clone(),
            versions: policy.chain(models).collect(),
            rating,
        }
    }
}

fn lower(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase()
}

/// The columns of a table of `categories`.
pub fn schema(categories: &[Category]) -> SchemaRef {
    let field = |name: &str, kind: DataType| Field::new(name, kind, true);
    let texts = || DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    let mut fields = vec![field("source", DataType::Utf8), field("row", DataType::Int64)];
    for name in ["listing_id", "error_code", "error"] {
        fields.push(field(name, DataType::Utf8));
    }
    fields.push(field("risk", DataType::Float64));
    fields.extend(["level", "suggestion"].map(|name| field(name, DataType::Utf8)));
    for category in categories {
        let columns = ["probability", "image", "text"].map(|of| format!("{of}_{category}"));
        fields.extend(columns.iter().map(|name| field(name, DataType::Float64)));
    }
    fields.extend([
        field("best_image", DataType::Utf8),
        field("reasons", texts()),
        field("degraded", DataType::Boolean),
        field("missing", texts()),
        field("versions", texts()),
        field("rating", DataType::Utf8),
    ]);
    let metadata = HashMap::from([(VERSION_KEY.to_owned(), VERSION.to_owned())]);
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// Rows that become columns.
#[derive(Debug)]
pub struct Batch {
    schema: SchemaRef,
    rows: usize,
    source: StringBuilder,
    row: Int64Builder,
    listing_id: StringBuilder,
    error: [StringBuilder; 2],
    risk: Float64Builder,
    level: StringBuilder,
    suggestion: StringBuilder,
    categories: Vec<[Float64Builder; 3]>,
    best_image: StringBuilder,
    reasons: ListBuilder<StringBuilder>,
    degraded: BooleanBuilder,
    missing: ListBuilder<StringBuilder>,
    versions: ListBuilder<StringBuilder>,
    rating: StringBuilder,
}

impl Batch {
    /// Of a table of `categories`.
    pub fn new(categories: &[Category]) -> Self {
        Self {
            schema: schema(categories),
            rows: 0,
            source: StringBuilder::new(),
            row: Int64Builder::new(),
            listing_id: StringBuilder::new(),
            error: Default::default(),
            risk: Float64Builder::new(),
            level: StringBuilder::new(),
            suggestion: StringBuilder::new(),
            categories: categories.iter().map(|_| Default::default()).collect(),
            best_image: StringBuilder::new(),
            reasons: ListBuilder::new(StringBuilder::new()),
            degraded: BooleanBuilder::new(),
            missing: ListBuilder::new(StringBuilder::new()),
            versions: ListBuilder::new(StringBuilder::new()),
            rating: StringBuilder::new(),
        }
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Adds a row.
    pub fn push(&mut self, record: &Record) {
        self.rows += 1;
        self.source.append_value(&record.source);
        self.row.append_value(i64::try_from(record.row).unwrap_or(i64::MAX));
        self.listing_id.append_option(Some(&record.listing_id).filter(|id| !id.is_empty()));
        let (rated, fault) = match &record.outcome {
            Ok(rated) => (Some(rated), None),
            Err(fault) => (None, Some(fault)),
        };
        let [error_code, error] = &mut self.error;
        error_code.append_option(fault.map(|fault| &fault.code));
        error.append_option(fault.map(|fault| &fault.message));
        self.risk.append_option(rated.map(|rated| rated.risk));
        self.level.append_option(rated.map(|rated| &rated.level));
        self.suggestion.append_option(rated.map(|rated| &rated.suggestion));
        for (place, [probability, image, text]) in self.categories.iter_mut().enumerate() {
            let scores = rated.and_then(|rated| rated.categories.get(place)).copied().unwrap_or_default();
            probability.append_option(scores.probability);
            image.append_option(scores.image);
            text.append_option(scores.text);
        }
        self.best_image.append_option(rated.and_then(|rated| rated.best_image.as_ref()));
        self.degraded.append_option(rated.map(|rated| rated.degraded));
        let lists = [
            (&mut self.reasons, rated.map(|rated| &rated.reasons)),
            (&mut self.missing, rated.map(|rated| &rated.missing)),
            (&mut self.versions, rated.map(|rated| &rated.versions)),
        ];
        for (column, values) in lists {
            values.into_iter().flatten().for_each(|value| column.values().append_value(value));
            column.append(values.is_some());
        }
        self.rating.append_option(rated.map(|rated| &rated.rating));
    }

    /// The rows as columns; none are left.
    ///
    /// # Errors
    /// None is expected: builders and schema are made together.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.rows = 0;
        let [error_code, error] = &mut self.error;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.source.finish()),
            Arc::new(self.row.finish()),
            Arc::new(self.listing_id.finish()),
            Arc::new(error_code.finish()),
            Arc::new(error.finish()),
            Arc::new(self.risk.finish()),
            Arc::new(self.level.finish()),
            Arc::new(self.suggestion.finish()),
        ];
        for scores in &mut self.categories {
            columns.extend(scores.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        }
        columns.extend::<[ArrayRef; 6]>([
            Arc::new(self.best_image.finish()),
            Arc::new(self.reasons.finish()),
            Arc::new(self.degraded.finish()),
            Arc::new(self.missing.finish()),
            Arc::new(self.versions.finish()),
            Arc::new(self.rating.finish()),
        ]);
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use wildwarden_proto::v1::{Level, ModelVersion, PolicyVersion, Reason, ReasonCode, Suggestion};

    use super::*;

    fn categories() -> Vec<Category> {
        ["tusk", "horn"].map(|name| Category::new(name).unwrap()).to_vec()
    }

    fn answer() -> ClassifyResponse {
        let rated = |category: &str, probability, unrated: bool| CategoryRating {
            category: category.into(),
            probability,
            image_probability: Some(0.25).filter(|_| !unrated),
            best_image_id: if unrated { String::new() } else { "front".into() },
            unrated,
            ..CategoryRating::default()
        };
        ClassifyResponse {
            risk: 0.5,
            level: Level::High.into(),
            suggestion: Suggestion::Review.into(),
            categories: vec![rated("horn", 0.9, true), rated("tusk", 0.5, false)],
            reasons: vec![
                Reason { code: ReasonCode::ImageEvidence.into(), category: "tusk".into(), ..Reason::default() },
                Reason { code: ReasonCode::ModelMissing.into(), ..Reason::default() },
            ],
            models: vec![ModelVersion { name: "eye".into(), version: "2".into(), ..ModelVersion::default() }],
            policy: Some(PolicyVersion { version: "7".into(), ..PolicyVersion::default() }),
            ..ClassifyResponse::default()
        }
    }

    #[test]
    fn an_answer_is_a_row_with_a_column_for_each_category_of_the_table() {
        let rated = Rated::new(&answer(), "{}".into(), &categories());
        assert_eq!((rated.level.as_str(), rated.suggestion.as_str()), ("high", "review"));
        let tusk = Scores { probability: Some(0.5), image: Some(0.25), text: None };
        assert_eq!(rated.categories, [tusk, Scores::default()]);
        assert_eq!(rated.best_image.as_deref(), Some("front"));
        assert_eq!(rated.reasons, ["image_evidence:tusk", "model_missing"]);
        assert_eq!(rated.versions, ["policy=7", "eye=2"]);
    }

    #[test]
    fn rows_with_and_without_a_rating_fill_every_column() {
        let mut batch = Batch::new(&categories());
        let record = |row, outcome| Record { source: "a.csv".into(), row, listing_id: String::new(), outcome };
        batch.push(&record(0, Ok(Rated::new(&answer(), "{}".into(), &categories()))));
        batch.push(&record(1, Err(Error::invalid("images", "nothing to look at").into())));
        assert_eq!(batch.len(), 2);
        let columns = batch.finish().unwrap();
        assert!(batch.is_empty() && columns.num_rows() == 2);
        let column = |name: &str| columns.column_by_name(name).unwrap();
        assert_eq!(column("error_code").as_string::<i32>().value(1), "INVALID_ARGUMENT");
        for name in ["risk", "level", "probability_tusk", "image_tusk", "reasons", "degraded", "rating"] {
            assert!(column(name).is_valid(0) && column(name).is_null(1), "{name}");
        }
        assert!(column("probability_horn").is_null(0) && column("listing_id").is_null(0));
        assert_eq!(columns.schema().metadata()[VERSION_KEY], VERSION);
    }
}
