//! What the server is and allows, on its way to the wire.

use wildwarden_core::config::Limits;
use wildwarden_core::score::policy::{Bilingual, CategoryPolicy};
use wildwarden_proto::v1 as proto;

/// What a policy declares, as a message; `rates`: whether models rate images, and texts, for it.
pub(super) fn category_info(declared: &CategoryPolicy, rates: (bool, bool)) -> proto::CategoryInfo {
    let words = |words: &Bilingual| [("en".to_owned(), words.en.clone()), ("zh".to_owned(), words.zh.clone())].into();
    proto::CategoryInfo {
        name: declared.category.to_string(),
        titles: words(&declared.title),
        descriptions: words(&declared.description),
        rated_by_images: rates.0,
        rated_by_texts: rates.1,
    }
}

/// Limits as a message.
pub(super) fn limits(limits: &Limits) -> proto::Limits {
    let wide = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    let short = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    proto::Limits {
        max_images: short(limits.max_images),
        max_image_bytes: wide(limits.max_image_bytes),
        max_image_pixels: limits.max_image_pixels,
        max_text_bytes: wide(limits.max_text_bytes),
        max_batch_items: short(limits.max_batch_items),
        max_message_bytes: wide(limits.max_message_bytes),
        max_id_bytes: short(limits.max_id_bytes),
        max_infer_rows: short(limits.max_infer_rows),
    }
}
