//! What the policy looks for, as far as an evaluation needs to know.

use serde::Serialize;
use wildwarden_core::domain::Category;
use wildwarden_core::score::policy::CategoryPolicy;

/// A category as the policy declares it.
#[derive(Debug, Serialize)]
pub struct DeclaredCategory {
    /// Its name.
    pub category: Category,
    /// What people call it, in English.
    pub title: String,
    /// Fused probability from which REVIEW is suggested.
    pub review: f64,
    /// Fused probability from which BLOCK is suggested.
    pub block: f64,
}

impl DeclaredCategory {
    /// What the policy says.
    pub fn of(policy: &CategoryPolicy) -> Self {
        Self {
            category: policy.category,
            title: policy.title.en.clone(),
            review: policy.review.value(),
            block: policy.block.value(),
        }
    }
}
