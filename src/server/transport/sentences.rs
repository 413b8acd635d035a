//! Reasons as sentences, in the language that the caller reads. The words are those of the console, so that every client says the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;
use wildwarden_core::domain::{Category, Reason};
use wildwarden_core::score::policy::Policy;

/// The text of each key.
type Texts = HashMap<String, String>;

static ENGLISH: LazyLock<Texts> = LazyLock::new(|| read(include_str!("../console/texts.en.json")));
static CHINESE: LazyLock<Texts> = LazyLock::new(|| read(include_str!("../console/texts.zh.json")));
/// Arguments that get a sentence of their own after the reason's.
const DETAILS: [&str; 2] = ["words", "probability"];
/// Preferences that are read of one header.
const MOST_PREFERENCES: usize = 32;

fn read(texts: &str) -> Texts {
    serde_json::from_str(texts).unwrap_or_default()
}

/// A language that sentences are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// For who asks for nothing else.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Language {
    /// The one that `accept-language` asks for most (RFC 9110, section 12.5.4); the first of several that it asks for alike.
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut best = (0.0, Self::default());
        for preference in given.split(',').take(MOST_PREFERENCES) {
            let (tag, weight) = preference.split_once(';').unwrap_or((preference, ""));
            let weight = weight.trim().strip_prefix("q=").map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
            let primary = tag.trim().split('-').next().unwrap_or_default();
            let language = if primary.eq_ignore_ascii_case("zh") {
                Self::Chinese
            } else if primary.eq_ignore_ascii_case("en") {
                Self::English
            } else {
                continue;
            };
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }

    fn texts(self) -> &'static Texts {
        match self {
            Self::English => &ENGLISH,
            Self::Chinese => &CHINESE,
        }
    }

    /// The text of `key`; a key that is newer than the texts stays as it is.
    fn say(self, key: &str) -> &str {
        self.texts().get(key).map_or(key, String::as_str)
    }

    /// What the contract calls `value`, in words: of the namespaces `suggestion`, `level`, `text_field` and others of the texts.
    pub fn name(self, namespace: &str, value: &str) -> String {
        self.texts().get(&format!("{namespace}.{value}")).map_or(value, String::as_str).to_owned()
    }
}

/// Writes sentences for one caller.
#[derive(Debug, Clone, Copy)]
pub struct Sentences<'a> {
    language: Language,
    policy: &'a Policy,
}

impl<'a> Sentences<'a> {
    /// In `language`, with the names that `policy` gives categories.
    pub fn new(language: Language, policy: &'a Policy) -> Self {
        Self { language, policy }
    }

    /// What `reason` says. Text of the listing stands in it as it was sent.
    pub fn reason(self, reason: &Reason) -> String {
        let language = self.language;
        let argument = |name: &str| reason.arguments.get(name).map_or("", String::as_str);
        let photo = fill(language.say("photo.named"), &BTreeMap::from([("id", argument("image_id").to_owned())]));
        let place = match argument("field") {
            "image" => fill(language.say("photo.words_in"), &BTreeMap::from([("photo", photo.clone())])),
            field => language.name("text_field", field),
        };
        let mut values: BTreeMap<&str, String> =
            reason.arguments.iter().map(|(name, value)| (*name, value.clone())).collect();
        // Reasons list words between commas.
        if let Some(words) = values.get_mut("words") {
            *words = words.replace(", ", language.say("reason.list"));
        }
        values.extend([
            ("category", reason.category.map_or_else(String::new, |category| self.title(category))),
            ("photo", photo),
            ("place", place),
            ("status", language.name("image_status", argument("status"))),
            ("kind", language.name("contact_kind", argument("kind"))),
        ]);
        let sentence = fill(language.say(&format!("reason_code.{}", reason.code.name())), &values);
        let details = DETAILS.iter().filter(|name| !argument(name).is_empty());
        let details = details.map(|name| fill(language.say(&format!("reason.{name}")), &values));
        std::iter::once(sentence).chain(details).collect::<Vec<_>>().join(language.say("reason.between"))
    }

    fn title(self, category: Category) -> String {
        let declared = self.policy.enabled().find(|declared| declared.category == category);
        declared.map_or_else(
            || category.to_string(),
            |declared| match self.language {
                Language::English => declared.title.en.clone(),
                Language::Chinese => declared.title.zh.clone(),
            },
        )
    }
}

/// `{name}` in `text` becomes the value of that name. Values are put in once, so braces in them stay what they are.
fn fill(text: &str, values: &BTreeMap<&str, String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let named = after.split_once('}').and_then(|(name, after)| Some((values.get(name)?, after)));
        if let Some((value, after)) = named {
            filled.push_str(value);
            rest = after;
        } else {
            filled.push('{');
            rest = after;
        }
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use wildwarden_proto::v1::ReasonCode;

    use super::*;

    fn asks_for(given: &str) -> Language {
        Language::of(&HeaderMap::from_iter([(ACCEPT_LANGUAGE, given.parse().unwrap())]))
    }

    #[test]
    fn the_language_is_the_one_asked_for_most() {
        for chinese in ["zh", "zh-CN", "ZH-Hant-TW,en;q=0.9", "fr, en;q=0.2, zh;q=0.3", "en;q=0, zh;q=0.1"] {
            assert_eq!(asks_for(chinese), Language::Chinese, "{chinese}");
        }
        for english in
            ["", "en", "fr", "*", "en-GB,zh;q=0.9", "en, zh", "zh;q=nonsense", "zhx", &"zh;q=0,".repeat(2000)]
        {
            assert_eq!(asks_for(english), Language::English, "{english}");
        }
        assert_eq!(Language::of(&HeaderMap::new()), Language::English);
    }

    #[test]
    fn every_reason_has_a_sentence_in_both_languages() {
        let codes: Vec<ReasonCode> = (1..).map_while(|number| ReasonCode::try_from(number).ok()).collect();
        assert!(codes.contains(&ReasonCode::ContactInImage));
        for code in codes {
            for language in [Language::English, Language::Chinese] {
                let key =
                    format!("reason_code.{}", code.as_str_name().trim_start_matches("REASON_CODE_").to_lowercase());
                assert_ne!(language.say(&key), key, "{language:?}");
            }
        }
    }

    #[test]
    fn braces_in_values_stay_what_they_are() {
        let values = BTreeMap::from([("term", "{place} {".to_owned()), ("place", "title".to_owned())]);
        assert_eq!(fill("the {place}: {term}, {unknown} {", &values), "the title: {place} {, {unknown} {");
    }
}
