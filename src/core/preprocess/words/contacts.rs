//! Contact details in what was read: sellers write them into pictures to leave the platform.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::domain::{Contact, ContactKind, Span};

/// Each kind and what one looks like; the group is what is reported. Who reads a picture may take a colon, a space or the case of a
/// letter for another, and an l for a 1.
static PATTERNS: LazyLock<Vec<(ContactKind, Regex)>> = LazyLock::new(|| {
    [
        (ContactKind::WeChat, r"(?i)(?:微信|微倌|薇信|威信|卫星|wechat|weixin|加[微vV➕])[号號iIdD]{0,2}[\s:：;；.=_—-]{0,3}((?:[a-z]|1[a-z])[a-z0-9_-]{5,19}|1[3-9][0-9]{9})(?:$|[^0-9a-z_])"),
        (ContactKind::WeChat, r"(?i)(?:^|[^a-z0-9])(?:[vw]x[号號]?[\s:：;；.=_—-]{0,3}|v[号號]?\s?[:：]\s?)((?:[a-z]|1[a-z])[a-z0-9_-]{5,19}|1[3-9][0-9]{9})(?:$|[^0-9a-z_])"),
        (ContactKind::Qq, r"(?i)(?:qq|扣扣|企鹅|球球|Q群)[号號群]{0,2}[\s:：;；.=—-]{0,3}([1-9][0-9]{4,10})(?:$|[^0-9])"),
        (ContactKind::Phone, r"(?:^|[^0-9])((?:\+?86[\s-]?)?1[3-9][0-9][\s-]?[0-9]{4}[\s-]?[0-9]{4})(?:$|[^0-9])"),
        (ContactKind::Phone, r"(?:^|[^0-9])(0[1-9][0-9]{1,2}[- ][0-9]{7,8}|400[- ]?[0-9]{3,4}[- ]?[0-9]{3,4})(?:$|[^0-9])"),
        (ContactKind::Phone, r"(\+[1-9][0-9]{0,2}(?:[\s-]?[0-9]){7,12})"),
    ]
    .into_iter()
    .filter_map(|(kind, pattern)| Some((kind, Regex::new(pattern).ok()?)))
    .collect()
});

/// The contact details in `text`, in its order; no two share a character.
pub fn contacts(text: &str) -> Vec<Contact> {
    let mut found: Vec<(ContactKind, Range<usize>)> = Vec::new();
    for (kind, pattern) in PATTERNS.iter() {
        // From each name on, not from what bounds it: that may bound the next one, too.
        let mut from = 0;
        while let Some(name) = pattern.captures_at(text, from).and_then(|captures| captures.get(1)) {
            let range = name.range();
            from = range.end;
            if !found.iter().any(|(_, other)| other.start < range.end && range.start < other.end) {
                found.push((*kind, range));
            }
        }
    }
    found.sort_by_key(|(_, range)| range.start);
    let chars = |at: usize| text.get(..at).map_or(0, |before| before.chars().count());
    let contact = |(kind, bytes): (ContactKind, Range<usize>)| Contact {
        kind,
        span: Span { chars: chars(bytes.start)..chars(bytes.end), bytes },
    };
    found.into_iter().map(contact).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(&'static str, &str)> {
        contacts(text).into_iter().map(|contact| (contact.kind.name(), &text[contact.span.bytes])).collect()
    }

    #[test]
    fn every_pattern_is_one() {
        assert_eq!(PATTERNS.len(), 6);
    }

    #[test]
    fn ways_to_reach_somebody_are_found() {
        assert_eq!(told("诚信经营 微信：xiangya_88"), [("wechat", "xiangya_88")]);
        assert_eq!(told("加V 13812345678"), [("wechat", "13812345678")]);
        assert_eq!(told("VX:abc12345"), [("wechat", "abc12345")]);
        assert_eq!(told("VX：1ao1iao88"), [("wechat", "1ao1iao88")]);
        assert_eq!(told("VX_xiangya88"), [("wechat", "xiangya88")]);
        assert_eq!(told("13712345678/13612345678"), [("phone", "13712345678"), ("phone", "13612345678")]);
        assert_eq!(told("400-820-8820"), [("phone", "400-820-8820")]);
        assert_eq!(told("QQ号 12345678 电话138 1234 5678"), [("qq", "12345678"), ("phone", "138 1234 5678")]);
        assert_eq!(told("热线0755-26991234"), [("phone", "0755-26991234")]);
        assert_eq!(told("WhatsApp +44 7911 123456"), [("phone", "+44 7911 123456")]);
    }

    #[test]
    fn prices_sizes_numbers_and_words_are_none() {
        for text in [
            "¥12800.00 包邮",
            "110x220mm 2024-11-29",
            "货号 6901234567892",
            "tv remote controls",
            "2v2 battle",
            "QQ糖 250克",
            "充电宝 5V 10000mAh",
            "Vintage ivory tusk",
            "Victorian valuable vehicle",
            "12V battery 5V adapter",
            "V-necked viscose dress",
            "QQ1234567890123",
        ] {
            assert_eq!(told(text), [], "{text}");
        }
    }
}
