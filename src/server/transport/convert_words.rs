//! Places in texts, and words in images, on the wire.

use wildwarden_core::domain::{Contact, ContactKind, Span, Written, WrittenLine};
use wildwarden_proto::v1 as proto;

/// What is written in an image.
pub(super) fn written(text: Written) -> proto::WrittenText {
    let line = |line: WrittenLine| proto::WrittenLine {
        span: Some(span(&line.span)),
        corners: line.corners.map(|[x, y]| proto::Point { x, y }).into(),
        confidence: line.confidence,
    };
    let contact = |contact: Contact| {
        let kind = match contact.kind {
            ContactKind::Phone => proto::ContactKind::Phone,
            ContactKind::WeChat => proto::ContactKind::Wechat,
            ContactKind::Qq => proto::ContactKind::Qq,
        };
        proto::Contact { kind: kind.into(), span: Some(span(&contact.span)) }
    };
    let (lines, contacts) = (text.lines.into_iter().map(line), text.contacts.into_iter().map(contact));
    proto::WrittenText { lines: lines.collect(), contacts: contacts.collect(), text: text.text }
}

/// A place in a text.
pub(super) fn span(span: &Span) -> proto::Span {
    // Texts are limited to megabytes, far below 4 GiB.
    let short = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
    proto::Span {
        byte_start: short(span.bytes.start),
        byte_end: short(span.bytes.end),
        char_start: short(span.chars.start),
        char_end: short(span.chars.end),
    }
}
