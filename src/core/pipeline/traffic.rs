//! Which generation rates a listing: the stable one, or, of a share of listings, the candidate.

use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::generation::Generation;
use super::shadow::Comparison;
use crate::domain::Listing;

/// What serves.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// Rates all listings but a canary's share.
    pub stable: Arc<Generation>,
    /// What is tried beside it.
    pub candidate: Option<Arc<Candidate>>,
}

/// A generation on trial.
#[derive(Debug)]
pub struct Candidate {
    /// What is tried.
    pub generation: Arc<Generation>,
    /// How.
    pub trial: Trial,
    /// Of how many listings.
    pub share: Share,
}

/// How a generation is tried.
#[derive(Debug)]
pub enum Trial {
    /// It answers its share of listings. The stable generation rates some of these once more; the answers are compared.
    Canary(Arc<Comparison>),
    /// It rates its share of listings once more; the answers are compared and forgotten.
    Shadow(Arc<Comparison>),
}

impl Candidate {
    /// What the two say of the same listings.
    pub fn comparison(&self) -> &Arc<Comparison> {
        match &self.trial {
            Trial::Canary(comparison) | Trial::Shadow(comparison) => comparison,
        }
    }
}

/// A share of listings, always the same ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(f64);

impl Share {
    /// A share in (0, 1].
    pub fn new(share: f64) -> Option<Self> {
        (share > 0.0 && share <= 1.0).then_some(Self(share))
    }

    /// In (0, 1].
    pub fn value(self) -> f64 {
        self.0
    }

    /// Whether `listing` belongs to it: by its id, or by its content when it has none, so that the same listing gets the
    /// same answer every time, and a larger share holds every listing of a smaller one.
    pub fn holds(self, listing: &Listing) -> bool {
        let mut hash = Xxh3::new();
        if listing.listing_id.is_empty() {
            for text in [&listing.title, &listing.description] {
                hash.update(text.as_bytes());
                // Or a word could move from title to description and the hash would stay.
                hash.update(&[0]);
            }
            listing.images.iter().for_each(|image| hash.update(&image.content));
        } else {
            hash.update(listing.listing_id.as_bytes());
        }
        // 53 bits, all that fit a double exactly: a number in [0, 1).
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let place = (hash.digest() >> 11) as f64 / (1_u64 << 53) as f64;
        place < self.0
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::domain::{ListingImage, Options};

    fn listing(id: &str, title: &str, content: &'static [u8]) -> Listing {
        Listing {
            request_id: String::new(),
            listing_id: id.into(),
            title: title.into(),
            description: String::new(),
            images: vec![ListingImage { image_id: "0".into(), content: Bytes::from_static(content) }],
            options: Options {
                categories: Vec::new(),
                explain_text: false,
                explain_images: false,
                image_sha256: false,
            },
        }
    }

    #[test]
    fn a_share_holds_about_as_many_listings_as_it_says_and_always_the_same() {
        for share in [0.1, 0.5, 1.0].map(|share| Share::new(share).unwrap()) {
            let held = |_| (0..10_000).filter(|id| share.holds(&listing(&id.to_string(), "", b""))).collect::<Vec<_>>();
            assert_eq!(held(()), held(()));
            assert!((held(()).len() as f64 / 10_000.0 - share.value()).abs() < 0.02);
        }
    }

    #[test]
    fn a_larger_share_holds_every_listing_of_a_smaller_one() {
        let (small, large) = (Share::new(0.2).unwrap(), Share::new(0.3).unwrap());
        let listings = (0..1000).map(|id| listing(&id.to_string(), "", b""));
        assert!(listings.filter(|listing| small.holds(listing)).all(|listing| large.holds(&listing)));
    }

    #[test]
    fn without_an_id_the_content_decides() {
        let half = Share::new(0.5).unwrap();
        let titles: Vec<String> = (0..64).map(|n| format!("title {n}")).collect();
        let by_title: Vec<bool> = titles.iter().map(|title| half.holds(&listing("", title, b"x"))).collect();
        assert!(by_title.contains(&true) && by_title.contains(&false));
        let with_id = titles.iter().map(|title| half.holds(&listing("7", title, b"x"))).collect::<Vec<_>>();
        assert!(with_id.iter().all(|held| *held == with_id[0]), "the content does not matter when there is an id");
    }

    #[test]
    fn a_share_is_above_0_and_at_most_1() {
        for nonsense in [0.0, -0.1, 1.1, f64::NAN] {
            assert_eq!(Share::new(nonsense), None);
        }
    }
}
