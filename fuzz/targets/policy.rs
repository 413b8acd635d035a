#![no_main]
//! A policy, its categories and its looks are taken or refused with a sentence.

use wildwarden_core::domain::Logit;
use wildwarden_core::score::policy::Policy;

libfuzzer_sys::fuzz_target!(|text: &str| {
    match Policy::parse(text) {
        Ok(policy) => {
            assert!(!policy.categories.is_empty());
            for logit in [-9.0, 0.0, 9.0] {
                policy.levels.level(Logit(logit).probability());
            }
        }
        Err(problem) => assert!(!problem.is_empty()),
    }
});
