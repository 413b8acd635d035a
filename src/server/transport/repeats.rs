//! Answers of a short while ago. Whose answer got lost on its way asks again under the same request id, and gets it without the work being
//! done twice.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use prost::Message;
use wildwarden_proto::v1::{ClassifyRequest, ClassifyResponse};
use xxhash_rust::xxh3::Xxh3;

use crate::transport::call::Call;
use crate::transport::sentences::Language;

/// Bytes of all answers that are kept.
const MOST_BYTES: u64 = 32 << 20;
/// What an answer takes beside its own bytes.
const ENTRY_BYTES: usize = 256;

/// The answers, by who asked what.
#[derive(Debug)]
pub struct Repeats(Option<Cache<Repeat, Arc<ClassifyResponse>>>);

/// What makes a call the same as another: who asked whom, under which id, in which language, and all that the message says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Repeat {
    caller: Arc<str>,
    request_id: String,
    language: Language,
    /// Of the models and the policy that serve: others may answer otherwise.
    generation: u64,
    /// Not one that resists attacks: a caller can only hit upon an answer of their own.
    content: u128,
}

impl Repeats {
    /// Answers are kept for `time`; zero: none are.
    pub fn new(time: Duration) -> Self {
        let weight = |repeat: &Repeat, answer: &Arc<ClassifyResponse>| {
            u32::try_from(answer.encoded_len() + repeat.request_id.len() + ENTRY_BYTES).unwrap_or(u32::MAX)
        };
        Self(
            (!time.is_zero())
                .then(|| Cache::builder().max_capacity(MOST_BYTES).weigher(weight).time_to_live(time).build()),
        )
    }

    /// What `message` would be a repeat of; `None`: it has no id of its own, or nothing is kept.
    pub fn of(&self, message: &ClassifyRequest, call: &Call, generation: u64) -> Option<Repeat> {
        (self.0.is_some() && !message.request_id.is_empty()).then(|| Repeat {
            caller: Arc::clone(&call.asked.caller.name),
            request_id: message.request_id.clone(),
            language: call.language,
            generation,
            content: content(message),
        })
    }

    /// The answer that was given before.
    pub fn answer(&self, repeat: Option<&Repeat>) -> Option<ClassifyResponse> {
        self.0.as_ref()?.get(repeat?).map(Arc::unwrap_or_clone)
    }

    /// Keeps an answer, unless asking again may get a better one.
    pub fn keep(&self, repeat: Option<Repeat>, answer: &ClassifyResponse) {
        if let (Some(answers), Some(repeat)) = (&self.0, repeat)
            && !answer.degraded
        {
            answers.insert(repeat, Arc::new(answer.clone()));
        }
    }
}

/// A hash of what is asked: each part with its length, so that none runs into the next.
fn content(message: &ClassifyRequest) -> u128 {
    let ClassifyRequest { request_id: _, listing_id, title, description, images, options } = message;
    let mut hash = Xxh3::new();
    let mut part = |bytes: &[u8]| {
        hash.update(&bytes.len().to_le_bytes());
        hash.update(bytes);
    };
    for text in [listing_id, title, description] {
        part(text.as_bytes());
    }
    part(&options.as_ref().map(Message::encode_to_vec).unwrap_or_default());
    for image in images {
        part(image.image_id.as_bytes());
        part(&image.content);
    }
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use wildwarden_proto::v1::{Image, Options};

    use super::*;

    fn listing(request_id: &str, title: &str) -> ClassifyRequest {
        ClassifyRequest { request_id: request_id.into(), title: title.into(), ..Default::default() }
    }

    fn from(name: &str) -> Call {
        let mut call = Call::default();
        call.asked.caller.name = name.into();
        call
    }

    #[test]
    fn the_same_call_gets_its_answer_again_and_no_other_does() {
        let repeats = Repeats::new(Duration::from_secs(60));
        let first = listing("7", "a");
        let answer = ClassifyResponse { request_id: "7".into(), risk: 0.5, ..Default::default() };
        let mine = from("mine");
        repeats.keep(repeats.of(&first, &mine, 1), &answer);
        assert_eq!(repeats.answer(repeats.of(&first, &mine, 1).as_ref()), Some(answer));
        let chinese = Call { language: Language::Chinese, ..mine.clone() };
        let explained = Some(Options { explain_text: true, ..Default::default() });
        let image = |content: &'static [u8]| vec![Image { content: content.into(), ..Default::default() }];
        for (message, call) in [
            (first.clone(), &from("another")),
            (first.clone(), &chinese),
            (listing("8", "a"), &mine),
            (listing("7", "b"), &mine),
            (ClassifyRequest { options: explained, ..first.clone() }, &mine),
            (ClassifyRequest { images: image(b""), ..first.clone() }, &mine),
        ] {
            assert_eq!(repeats.answer(repeats.of(&message, call, 1).as_ref()), None, "{message:?}");
        }
        assert_eq!(repeats.answer(repeats.of(&first, &mine, 2).as_ref()), None, "other models or another policy");
        assert_ne!(
            content(&ClassifyRequest { images: image(b"x"), ..first.clone() }),
            content(&ClassifyRequest { images: image(b"y"), ..first })
        );
    }

    #[test]
    fn nothing_is_kept_without_an_id_or_a_time_or_of_an_answer_that_lacks_something() {
        let (call, answer) = (Call::default(), ClassifyResponse::default());
        let repeats = Repeats::new(Duration::from_secs(60));
        assert_eq!(repeats.of(&listing("", "a"), &call, 1), None);
        assert_eq!(Repeats::new(Duration::ZERO).of(&listing("7", "a"), &call, 1), None);
        let repeat = repeats.of(&listing("7", "a"), &call, 1);
        repeats.keep(repeat.clone(), &ClassifyResponse { degraded: true, ..answer });
        assert_eq!(repeats.answer(repeat.as_ref()), None);
    }
}
