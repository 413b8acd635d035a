//! Between the wire and the domain. All checks of wire values are here.

use wildwarden_core::config::Limits;
use wildwarden_core::domain::{
    Attribution, Category, CategoryRating, FoundTerm, ImageCategoryScore, ImageFacts, ImageRating, ImageStatus,
    Language, LegalBasis, Level, Listing, ListingImage, ModelVersion, Options, PolicyVersion, Probability, Rating,
    Reason, ReasonCode, Suggestion, TermKind, TextCategoryScore, TextExplanation, TextField, TextRating, Timings,
    TokenContribution,
};
use wildwarden_core::error::{Error, Result};
use wildwarden_core::schedule::Priority;
use wildwarden_core::score::policy::MAX_CATEGORIES;
use wildwarden_proto::v1 as proto;

use crate::transport::convert_words::{span, written};
use crate::transport::sentences::Sentences;

/// Checks a request against the contract and `limits`. An empty request id is filled in first, so that every answer,
/// also a refusal, can be matched.
///
/// # Errors
/// [`Error::Invalid`] naming field, value and limit.
pub fn listing(request: proto::ClassifyRequest, limits: &Limits) -> Result<Listing> {
    check_id("request_id", &request.request_id, limits)?;
    check_id("listing_id", &request.listing_id, limits)?;
    let text_bytes = request.title.len() + request.description.len();
    if text_bytes > limits.max_text_bytes {
        // The longer one is the one to shorten.
        let (field, unit) = if request.title.len() > request.description.len() {
            ("title", "bytes with the description")
        } else {
            ("description", "bytes with the title")
        };
        return Err(over(field, text_bytes, unit, limits.max_text_bytes, "max_text_bytes"));
    }
    if request.images.len() > limits.max_images {
        return Err(over("images", request.images.len(), "images", limits.max_images, "max_images"));
    }
    if request.images.is_empty() && request.title.trim().is_empty() && request.description.trim().is_empty() {
        return Err(Error::invalid("images", "nothing to look at: no image, no title, no description"));
    }
    let mut images: Vec<ListingImage> = Vec::with_capacity(request.images.len());
    for (index, image) in request.images.into_iter().enumerate() {
        check_id(&format!("images[{index}].image_id"), &image.image_id, limits)?;
        if image.content.len() > limits.max_image_bytes {
            let field = format!("images[{index}].content");
            return Err(over(&field, image.content.len(), "bytes", limits.max_image_bytes, "max_image_bytes"));
        }
        let image_id = if image.image_id.is_empty() { index.to_string() } else { image.image_id };
        if images.iter().any(|other| other.image_id == image_id) {
            return Err(Error::invalid(format!("images[{index}].image_id"), format!("{image_id:?} is given twice")));
        }
        images.push(ListingImage { image_id, content: image.content });
    }
    let options = options(request.options.unwrap_or_default())?;
    let (request_id, listing_id) = (request.request_id, request.listing_id);
    Ok(Listing { request_id, listing_id, title: request.title, description: request.description, images, options })
}

/// The caller's id, or a new random one.
pub fn request_id(given: &str) -> String {
    if given.is_empty() { format!("req-{:016x}", rand::random::<u64>()) } else { given.to_owned() }
}

/// Checks a caller's id: its length, and that a line of a log can hold it.
///
/// # Errors
/// [`Error::Invalid`] naming field, value and limit.
pub fn check_id(field: &str, id: &str, limits: &Limits) -> Result<()> {
    if id.len() > limits.max_id_bytes {
        return Err(over(field, id.len(), "bytes", limits.max_id_bytes, "max_id_bytes"));
    }
    // Ids go to logs and terminals, where such a character would begin a line or an escape, or turn what follows around unseen.
    let is_control = |character: char| {
        let is_unseen = matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
        character.is_control() || is_unseen
    };
    if let Some((at, found)) = id.char_indices().find(|(_, character)| is_control(*character)) {
        let found = u32::from(found);
        return Err(Error::invalid(field, format!("byte {at} is the control character U+{found:04X}")));
    }
    Ok(())
}

/// A refusal that names value, limit and key.
pub fn over(field: &str, found: usize, unit: &str, limit: usize, key: &str) -> Error {
    Error::invalid(field, format!("{found} {unit}, above the limit of {limit} (limits.{key})"))
}

/// Whether the policy looks for them is told once it is clear which policy rates the listing.
fn options(options: proto::Options) -> Result<Options> {
    if options.categories.len() > MAX_CATEGORIES {
        let found = options.categories.len();
        let problem = format!("{found} categories, above the limit of {MAX_CATEGORIES}");
        return Err(Error::invalid("options.categories", problem));
    }
    let named = |(index, name): (usize, &String)| {
        Category::new(name).map_err(|problem| Error::invalid(format!("options.categories[{index}]"), problem))
    };
    let categories = options.categories.iter().enumerate().map(named).collect::<Result<_>>()?;
    let proto::Options { explain_text, explain_images, image_sha256, .. } = options;
    Ok(Options { categories, explain_text, explain_images, image_sha256 })
}

/// The priority that a request asks for; `usual` when it asks for none.
///
/// # Errors
/// [`Error::Invalid`] when the number is no priority.
pub fn priority(request: &proto::ClassifyRequest, usual: Priority) -> Result<Priority> {
    let Some(options) = &request.options else { return Ok(usual) };
    match proto::Priority::try_from(options.priority) {
        Ok(proto::Priority::Unspecified) => Ok(usual),
        Ok(proto::Priority::Interactive) => Ok(Priority::Interactive),
        Ok(proto::Priority::Bulk) => Ok(Priority::Bulk),
        Err(_) => {
            Err(Error::invalid("options.priority", format!("{} is not a priority; 1 and 2 are", options.priority)))
        }
    }
}

/// A rating as a message, whose reasons `sentences` writes.
pub fn response(rating: Rating, sentences: Sentences<'_>) -> proto::ClassifyResponse {
    proto::ClassifyResponse {
        request_id: rating.request_id,
        listing_id: rating.listing_id,
        risk: rating.risk.value(),
        level: level(rating.level).into(),
        suggestion: suggestion(rating.suggestion).into(),
        categories: rating.categories.into_iter().map(category_rating).collect(),
        images: rating.images.into_iter().map(image_rating).collect(),
        texts: rating.texts.into_iter().map(text_rating).collect(),
        reasons: rating.reasons.into_iter().map(|given| reason(given, sentences)).collect(),
        legal_basis: rating.legal_basis.into_iter().map(legal_basis).collect(),
        degraded: rating.degraded,
        missing: rating.missing.iter().map(ToString::to_string).collect(),
        models: rating.models.iter().map(model_version).collect(),
        policy: Some(policy_version(&rating.policy)),
        timings: Some(timings(rating.timings)),
        rated_at: Some(rating.rated_at.into()),
    }
}

/// A model version as a message.
pub fn model_version(version: &ModelVersion) -> proto::ModelVersion {
    let ModelVersion { name, version, sha256 } = version.clone();
    proto::ModelVersion { name, version, sha256 }
}

/// A policy version as a message.
pub fn policy_version(version: &PolicyVersion) -> proto::PolicyVersion {
    proto::PolicyVersion { version: version.version.clone(), sha256: version.sha256.clone() }
}

fn level(level: Level) -> proto::Level {
    match level {
        Level::Minimal => proto::Level::Minimal,
        Level::Low => proto::Level::Low,
        Level::Medium => proto::Level::Medium,
        Level::High => proto::Level::High,
        Level::Critical => proto::Level::Critical,
    }
}

/// A suggestion on the wire.
pub fn suggestion(suggestion: Suggestion) -> proto::Suggestion {
    match suggestion {
        Suggestion::Pass => proto::Suggestion::Pass,
        Suggestion::Review => proto::Suggestion::Review,
        Suggestion::Block => proto::Suggestion::Block,
    }
}

/// A category's name; empty where none is meant.
pub(super) fn category_name(category: Option<Category>) -> String {
    category.map(|category| category.to_string()).unwrap_or_default()
}

fn category_rating(rating: CategoryRating) -> proto::CategoryRating {
    proto::CategoryRating {
        category: rating.category.to_string(),
        unrated: rating.is_unrated(),
        probability: rating.probability.value(),
        image_probability: rating.image_probability.map(|p| p.value()),
        text_probability: rating.text_probability.map(|p| p.value()),
        level: level(rating.level).into(),
        best_image_id: rating.best_image_id.unwrap_or_default(),
    }
}

fn image_rating(rating: ImageRating) -> proto::ImageRating {
    let ImageFacts { status, message, format, width, height, frames } = rating.facts;
    let status = match status {
        ImageStatus::Ok => proto::ImageStatus::Ok,
        ImageStatus::Empty => proto::ImageStatus::Empty,
        ImageStatus::UnsupportedFormat => proto::ImageStatus::UnsupportedFormat,
        ImageStatus::Corrupt => proto::ImageStatus::Corrupt,
        ImageStatus::Truncated => proto::ImageStatus::Truncated,
        ImageStatus::TooManyPixels => proto::ImageStatus::TooManyPixels,
        ImageStatus::NotRated => proto::ImageStatus::NotRated,
    };
    proto::ImageRating {
        image_id: rating.image_id,
        status: status.into(),
        message,
        format: format.to_owned(),
        width,
        height,
        sha256: rating.sha256,
        scores: rating.scores.into_iter().map(image_score).collect(),
        labels: rating.labels.into_iter().map(image_label).collect(),
        cached: rating.cached,
        frames: u32::try_from(frames).unwrap_or(u32::MAX),
        looks: look_count(rating.looks),
    }
}

fn image_label((name, probability): (String, Probability)) -> proto::ImageLabel {
    proto::ImageLabel { name, probability: probability.value() }
}

fn image_score(score: ImageCategoryScore) -> proto::ImageCategoryScore {
    let explanation = score.explanation.map(|explanation| {
        let side = |cells: usize| u32::try_from(cells).unwrap_or(u32::MAX);
        let (rows, columns) = (side(explanation.rows), side(explanation.columns));
        let heat_map = Some(proto::HeatMap { rows, columns, values: explanation.values });
        let to_box = |[left, top, right, bottom]: [f32; 4]| proto::Box { left, top, right, bottom };
        let attribution = attribution(explanation.attribution).into();
        proto::ImageExplanation { heat_map, r#box: explanation.bounding_box.map(to_box), attribution }
    });
    let (category, probability) = (score.category.to_string(), score.probability.value());
    proto::ImageCategoryScore { category, probability, by_look: by_look(&score.by_look), explanation }
}

fn text_rating(rating: TextRating) -> proto::TextRating {
    let language = match rating.language {
        Language::Chinese => proto::Language::Chinese,
        Language::English => proto::Language::English,
        Language::Mixed => proto::Language::Mixed,
        Language::Other => proto::Language::Other,
    };
    let field = match rating.field {
        TextField::Title => proto::TextField::Title,
        TextField::Description => proto::TextField::Description,
        TextField::Image(_) => proto::TextField::Image,
    };
    let (image_id, written) = rating.written.map(|(id, text)| (id, written(text))).unzip();
    proto::TextRating {
        image_id: image_id.unwrap_or_default(),
        written,
        field: field.into(),
        language: language.into(),
        scores: rating.scores.into_iter().map(text_score).collect(),
        terms: rating.terms.into_iter().map(term).collect(),
        looks: look_count(rating.looks),
    }
}

fn text_score(score: TextCategoryScore) -> proto::TextCategoryScore {
    let token = |token: TokenContribution| proto::TokenContribution {
        span: Some(span(&token.span)),
        token: token.token,
        contribution: token.contribution,
    };
    let (category, probability) = (score.category.to_string(), score.probability.value());
    let by_look = by_look(&score.by_look);
    let Some(TextExplanation { tokens, bias, attribution }) = score.explanation else {
        return proto::TextCategoryScore { category, probability, by_look, ..Default::default() };
    };
    let (tokens, attribution) = (tokens.into_iter().map(token).collect(), self::attribution(attribution).into());
    proto::TextCategoryScore { category, probability, by_look, tokens, bias, attribution }
}

fn look_count(looks: usize) -> u32 {
    u32::try_from(looks).unwrap_or(u32::MAX)
}

/// Where there was one look, `probability` says it all.
fn by_look(probabilities: &[Probability]) -> Vec<f64> {
    if probabilities.len() > 1 { probabilities.iter().map(|p| p.value()).collect() } else { Vec::new() }
}

fn attribution(attribution: Attribution) -> proto::Attribution {
    match attribution {
        Attribution::Exact => proto::Attribution::Exact,
        Attribution::Occlusion => proto::Attribution::Occlusion,
    }
}

fn term(term: FoundTerm) -> proto::Term {
    let kind = match term.kind {
        TermKind::Claim => proto::TermKind::Claim,
        TermKind::CodeWord => proto::TermKind::CodeWord,
        TermKind::LookAlike => proto::TermKind::LookAlike,
    };
    proto::Term {
        span: Some(span(&term.span)),
        term: term.term,
        kind: kind.into(),
        category: term.category.to_string(),
        obfuscated: term.obfuscated,
    }
}

/// The contract's name of a reason.
pub fn reason_code(code: ReasonCode) -> proto::ReasonCode {
    match code {
        ReasonCode::ImageEvidence => proto::ReasonCode::ImageEvidence,
        ReasonCode::TextEvidence => proto::ReasonCode::TextEvidence,
        ReasonCode::ClaimTerm => proto::ReasonCode::ClaimTerm,
        ReasonCode::CodeWord => proto::ReasonCode::CodeWord,
        ReasonCode::LookAlike => proto::ReasonCode::LookAlike,
        ReasonCode::ModalitiesDisagree => proto::ReasonCode::ModalitiesDisagree,
        ReasonCode::ImageUnreadable => proto::ReasonCode::ImageUnreadable,
        ReasonCode::ModelMissing => proto::ReasonCode::ModelMissing,
        ReasonCode::ObfuscatedText => proto::ReasonCode::ObfuscatedText,
        ReasonCode::DisguisedClaim => proto::ReasonCode::DisguisedClaim,
        ReasonCode::ClaimForSale => proto::ReasonCode::ClaimForSale,
        ReasonCode::WantedToBuy => proto::ReasonCode::WantedToBuy,
        ReasonCode::PhotoStands => proto::ReasonCode::PhotoStands,
        ReasonCode::LiveAnimal => proto::ReasonCode::LiveAnimal,
        ReasonCode::TextInImage => proto::ReasonCode::TextInImage,
        ReasonCode::ContactInImage => proto::ReasonCode::ContactInImage,
        ReasonCode::LicensedMedicine => proto::ReasonCode::LicensedMedicine,
        ReasonCode::OtherWildlife => proto::ReasonCode::OtherWildlife,
        ReasonCode::UnsupportedLanguage => proto::ReasonCode::UnsupportedLanguage,
    }
}

fn reason(reason: Reason, sentences: Sentences<'_>) -> proto::Reason {
    proto::Reason {
        text: sentences.reason(&reason),
        code: reason_code(reason.code).into(),
        category: category_name(reason.category),
        arguments: reason.arguments.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

fn legal_basis(basis: LegalBasis) -> proto::LegalBasis {
    let LegalBasis { id, instrument, article, in_force_since, summary, unverified } = basis;
    proto::LegalBasis { id, instrument, article, in_force_since, summary, unverified }
}

fn timings(t: Timings) -> proto::Timings {
    proto::Timings {
        queue_wait_us: t.queue_wait_us,
        decode_us: t.decode_us,
        resize_us: t.resize_us,
        image_inference_us: t.image_inference_us,
        text_features_us: t.text_features_us,
        text_inference_us: t.text_inference_us,
        later_looks_us: t.later_looks_us,
        words_us: t.words_us,
        score_us: t.score_us,
        total_us: t.total_us,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use wildwarden_core::config::Config;

    fn limits() -> Limits {
        Config::from_parts(None, std::collections::HashMap::new(), &[]).unwrap().limits
    }

    fn refusal(request: proto::ClassifyRequest) -> (String, String) {
        match listing(request, &limits()) {
            Err(Error::Invalid { field, message }) => (field, message),
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    fn titled() -> proto::ClassifyRequest {
        proto::ClassifyRequest { title: "手串".into(), ..Default::default() }
    }

    #[test]
    fn of_two_texts_that_are_too_long_together_the_longer_one_is_named() {
        let text = |bytes: usize| "x".repeat(bytes);
        let (field, _) = refusal(proto::ClassifyRequest { title: text(360_000), ..Default::default() });
        assert_eq!(field, "title");
        let (field, _) = refusal(proto::ClassifyRequest { description: text(360_000), ..titled() });
        assert_eq!(field, "description");
    }

    #[test]
    fn an_id_with_a_control_character_is_refused_naming_it() {
        for (id, told) in [("a\nb", "U+000A"), ("\u{1b}[2J", "U+001B"), ("\u{85}", "U+0085"), ("\0", "U+0000")] {
            let (field, message) = refusal(proto::ClassifyRequest { listing_id: id.into(), ..titled() });
            assert!(field == "listing_id" && message.contains(told), "{message}");
        }
        assert!(check_id("listing_id", "订单 7/ü", &limits()).is_ok());
    }

    #[test]
    fn refusals_name_field_value_and_limit() {
        let image = || proto::Image::default();
        let (field, message) = refusal(proto::ClassifyRequest { images: vec![image(); 10], ..titled() });
        assert!(field == "images" && message.contains("10") && message.contains("limits.max_images"), "{message}");
        let (field, message) = refusal(proto::ClassifyRequest { listing_id: "x".repeat(129), ..titled() });
        assert!(field == "listing_id" && message.contains("129") && message.contains("128"), "{message}");
        let asked = |categories: &[&str]| {
            let categories = categories.iter().map(|name| (*name).to_owned()).collect();
            let options = Some(proto::Options { categories, ..Default::default() });
            refusal(proto::ClassifyRequest { options, ..titled() })
        };
        let (field, message) = asked(&["cups", "Cups"]);
        assert!(field == "options.categories[1]" && message.contains("Cups"), "{message}");
        let (field, message) = asked(&["cups"; 65]);
        assert!(field == "options.categories" && message.contains("65") && message.contains("64"), "{message}");
        assert_eq!(refusal(proto::ClassifyRequest { title: " \n".into(), ..Default::default() }).0, "images");
    }

    #[test]
    fn images_without_ids_are_named_by_index_and_ids_are_unique() {
        let image = |id: &str| proto::Image { image_id: id.into(), content: b"x".as_slice().into() };
        let accepted =
            listing(proto::ClassifyRequest { images: vec![image(""), image("b")], ..titled() }, &limits()).unwrap();
        assert_eq!(accepted.images.iter().map(|i| i.image_id.as_str()).collect::<Vec<_>>(), ["0", "b"]);
        assert_eq!(
            refusal(proto::ClassifyRequest { images: vec![image(""), image("0")], ..titled() }).0,
            "images[1].image_id"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_within_the_limits(title in "\\PC{0,200}", images in 0_usize..14, ids in "[a-z]{0,200}") {
            let request = proto::ClassifyRequest {
                listing_id: ids, title, images: vec![proto::Image::default(); images.min(1) * images], ..Default::default()
            };
            if let Ok(listing) = listing(request, &limits()) {
                prop_assert!(listing.images.len() <= limits().max_images);
                prop_assert!(listing.listing_id.len() <= limits().max_id_bytes);
                prop_assert!(!listing.images.is_empty() || !listing.title.trim().is_empty());
            }
        }
    }
}
