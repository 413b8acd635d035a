//! Which sets of models gave the answers, and how many.

use wildwarden_core::model::folder::manifest::short_hash;
use wildwarden_proto::v1::ClassifyResponse;
use wildwarden_proto::v1::ModelVersion;
use wildwarden_proto::v1::PolicyVersion;

/// Models and policy of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct AnsweredBy {
    models: Vec<ModelVersion>,
    policy: Option<PolicyVersion>,
}

impl AnsweredBy {
    /// Of one answer.
    pub fn of(response: &ClassifyResponse) -> Self {
        Self { models: response.models.clone(), policy: response.policy.clone() }
    }

    /// Whether `response` was given by the same.
    pub fn gave(&self, response: &ClassifyResponse) -> bool {
        self.models == response.models && self.policy == response.policy
    }

    /// Whether no model of `response` is of another version than here, nor its policy. Each may have models that the other lacks.
    pub fn agrees_with(&self, response: &ClassifyResponse) -> bool {
        let is_other =
            |model: &ModelVersion| response.models.iter().any(|other| other.name == model.name && other != model);
        self.policy == response.policy && !self.models.iter().any(is_other)
    }

    /// For people: name, version and the start of the content's hash.
    pub fn name(&self) -> String {
        let short = |hash| short_hash(hash, 8);
        let models =
            self.models.iter().map(|model| format!("{} {} {}", model.name, model.version, short(&model.sha256)));
        let policy = self.policy.iter().map(|policy| format!("policy {} {}", policy.version, short(&policy.sha256)));
        models.chain(policy).collect::<Vec<_>>().join(", ")
    }
}

/// Answers by set. A set may be a part of another: a listing without photos needs no image model.
#[derive(Debug, Default)]
pub struct AnswerCounts(Vec<(AnsweredBy, u64)>);

impl AnswerCounts {
    /// Counts an answer. Sets are few, so looking at each costs less than making a key.
    pub fn count(&mut self, response: &ClassifyResponse) {
        match self.0.iter_mut().find(|(set, _)| set.gave(response)) {
            Some((_, answers)) => *answers += 1,
            None => self.0.push((AnsweredBy::of(response), 1)),
        }
    }

    /// Each set and its answers, in the order of their first answer.
    pub fn sets(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        self.0.iter().map(|(set, answers)| (set.name(), *answers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_the_models_that_gave_them() {
        let model =
            |version: &str| ModelVersion { name: "tusk".into(), version: version.into(), sha256: "0123456789".into() };
        let answer = |version: &str| ClassifyResponse { models: vec![model(version)], ..Default::default() };
        let mut versions = AnswerCounts::default();
        for version in ["1", "2", "1"] {
            versions.count(&answer(version));
        }
        let sets: Vec<_> = versions.sets().collect();
        assert_eq!(sets, [("tusk 1 01234567".to_owned(), 2), ("tusk 2 01234567".to_owned(), 1)]);
    }
}
