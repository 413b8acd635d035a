//! What a right answer is: the rating that the same listing had when it was sent alone, or the one a file states.

use std::collections::BTreeMap;
use std::path::Path;

use wildwarden_core::error::Error;
use wildwarden_core::error::Result;
use wildwarden_proto::v1::ClassifyResponse;

/// How far a probability may be off: batches of another size may round otherwise.
pub const TOLERANCE: f64 = 1e-4;

/// The part of a rating that must be the same each time.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// See the contract.
    pub risk: f64,
    /// Name in the contract, `SUGGESTION_REVIEW` for example.
    pub suggestion: String,
    /// Fused probabilities by name of the category.
    pub categories: BTreeMap<String, f64>,
    /// Further looks that the server wanted to take and gave up, as `missing` has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given_up: Vec<String>,
}

impl Known {
    /// What `response` says.
    pub fn of(response: &ClassifyResponse) -> Self {
        let categories = response.categories.iter();
        Self {
            risk: response.risk,
            suggestion: response.suggestion().as_str_name().to_owned(),
            categories: categories.map(|rating| (rating.category.clone(), rating.probability)).collect(),
            given_up: given_up(response),
        }
    }

    /// Whether `response` rests on other looks: under load the server gives up further ones, which is no fault of the answer.
    pub fn was_looked_at_otherwise(&self, response: &ClassifyResponse) -> bool {
        self.given_up != given_up(response)
    }

    /// Whether `response` says the same, where it rests on the same looks.
    ///
    /// # Errors
    /// What it says otherwise.
    pub fn compare(&self, response: &ClassifyResponse) -> Result<(), String> {
        if self.was_looked_at_otherwise(response) {
            return Ok(());
        }
        near("risk", response.risk, self.risk)?;
        let suggestion = response.suggestion().as_str_name();
        if suggestion != self.suggestion {
            return Err(format!("suggestion is {suggestion}, not {}", self.suggestion));
        }
        for rating in &response.categories {
            let name = rating.category.as_str();
            let known = self.categories.get(name).ok_or_else(|| format!("{name} was not rated before"))?;
            near(name, rating.probability, *known)?;
        }
        if response.categories.len() != self.categories.len() {
            return Err(format!("{} categories, not {}", response.categories.len(), self.categories.len()));
        }
        Ok(())
    }
}

fn given_up(response: &ClassifyResponse) -> Vec<String> {
    let is_look = |missing: &&String| matches!(missing.rsplit(':').nth(1), Some("look" | "words"));
    response.missing.iter().filter(is_look).cloned().collect()
}

/// NaN is near nothing.
fn near(name: &str, found: f64, known: f64) -> Result<(), String> {
    if (found - known).abs() <= TOLERANCE { Ok(()) } else { Err(format!("{name} is {found:.6}, not {known:.6}")) }
}

/// Whether one answer agrees with itself, whatever models gave it: one version a model, and the risk is the highest fused
/// probability.
///
/// # Errors
/// What does not.
pub fn agrees_with_itself(response: &ClassifyResponse) -> Result<(), String> {
    for (index, model) in response.models.iter().enumerate() {
        if response.models.iter().take(index).any(|other| other.name == model.name) {
            return Err(format!("two versions of {} in one answer", model.name));
        }
    }
    let highest = response.categories.iter().map(|rating| rating.probability).fold(f64::NEG_INFINITY, f64::max);
    near("risk", response.risk, highest)
}

/// Reads known ratings by listing.
///
/// # Errors
/// [`Error::Setup`] naming the file.
pub fn read(path: &Path) -> Result<BTreeMap<String, Known>> {
    let text = std::fs::read_to_string(path).map_err(|cause| Error::file(path, cause))?;
    serde_json::from_str(&text).map_err(|cause| Error::file(path, cause))
}

/// Writes what [`read`] reads.
///
/// # Errors
/// [`Error::Setup`] naming the file.
pub fn write(path: &Path, known: &BTreeMap<&str, &Known>) -> Result<()> {
    let text = serde_json::to_string_pretty(known).map_err(|cause| Error::file(path, cause))?;
    std::fs::write(path, text).map_err(|cause| Error::file(path, cause))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wildwarden_proto::v1::CategoryRating;
    use wildwarden_proto::v1::ModelVersion;

    fn answer(risk: f64) -> ClassifyResponse {
        let categories = vec![CategoryRating { category: "cups".into(), probability: risk, ..Default::default() }];
        ClassifyResponse { risk, suggestion: 2, categories, ..Default::default() }
    }

    #[test]
    fn an_answer_with_a_look_less_is_another_and_not_wrong() {
        let known = Known::of(&answer(0.9));
        let hurried = ClassifyResponse { missing: vec!["image:a:look:busy".into(), "text".into()], ..answer(0.2) };
        assert!(known.was_looked_at_otherwise(&hurried) && known.compare(&hurried).is_ok());
        assert!(Known::of(&hurried).compare(&ClassifyResponse { risk: 0.3, ..hurried.clone() }).is_err());
        let without_text = ClassifyResponse { missing: vec!["text".into()], ..answer(0.2) };
        assert!(known.compare(&without_text).is_err());
    }

    #[test]
    fn only_rounding_is_forgiven() {
        let known = Known::of(&answer(0.5));
        assert_eq!(known.compare(&answer(0.500_05)), Ok(()));
        let problem = known.compare(&answer(0.5002)).unwrap_err();
        assert!(problem.contains("risk is 0.500200, not 0.500000"), "{problem}");
        assert!(known.compare(&answer(f64::NAN)).is_err());
        assert!(known.compare(&ClassifyResponse { suggestion: 1, ..answer(0.5) }).is_err());
        assert!(known.compare(&ClassifyResponse { categories: vec![], ..answer(0.5) }).is_err());
        let mut other = answer(0.5);
        other.categories[0].probability = 0.4;
        assert!(known.compare(&other).unwrap_err().contains("cups"));
    }

    #[test]
    fn an_answer_of_two_versions_of_a_model_does_not_agree_with_itself() {
        let model = |version: &str| ModelVersion { name: "tusk".into(), version: version.into(), ..Default::default() };
        let mixed = ClassifyResponse { models: vec![model("1"), model("2")], ..answer(0.5) };
        assert!(agrees_with_itself(&mixed).unwrap_err().contains("tusk"));
        assert_eq!(agrees_with_itself(&ClassifyResponse { models: vec![model("2")], ..answer(0.5) }), Ok(()));
        assert!(agrees_with_itself(&ClassifyResponse { risk: 0.9, ..answer(0.5) }).is_err());
    }

    #[test]
    fn known_ratings_survive_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known.json");
        let known = Known::of(&answer(0.123_456_789));
        write(&path, &BTreeMap::from([("a.jpg", &known)])).unwrap();
        assert_eq!(read(&path).unwrap().get("a.jpg"), Some(&known));
    }
}
