//! What a text says of a trade besides naming the product: it sells, it wants to buy, or it reports on others who do.

use std::ops::Range;

use super::normalize::Normalized;
use crate::domain::{Sign, Signs};

/// When a sign counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignRule {
    /// What it says.
    pub sign: Sign,
    /// It counts when the clauses from it to a claim, whole, hold at most so many characters; `None`: anywhere in a text.
    pub within: Option<usize>,
    /// It counts only where a clause begins: one character that leads an offer.
    pub begins_clause: bool,
    /// It counts only right before or behind a number: a unit or a currency.
    pub beside_number: bool,
}

/// A sign that stands in a text.
#[derive(Debug)]
pub(super) struct FoundSign {
    /// Characters.
    pub(super) range: Range<usize>,
    /// When it counts.
    pub(super) rule: SignRule,
}

/// What `signs` say of `claims`, the places where something is named, both by position. Who reports neither sells nor buys.
pub(super) fn signs_beside(text: &Normalized, claims: &[Range<usize>], signs: &[FoundSign]) -> Signs {
    let mut said = Signs::default();
    for FoundSign { range, rule } in signs {
        let counts = (!rule.begins_clause || begins_clause(text, range.start))
            && (!rule.beside_number || is_beside_number(text, range))
            && rule.within.is_none_or(|most| is_near(text, claims, range, most));
        match rule.sign {
            _ if !counts => {}
            Sign::Sale => said.sale = true,
            Sign::Wanted => said.wanted = true,
            Sign::Report => said.reports = true,
        }
    }
    if said.reports { Signs { reports: true, ..Signs::default() } } else { said }
}

/// Whether the nearest claim on either side lies within a passage of `most` characters.
fn is_near(text: &Normalized, claims: &[Range<usize>], sign: &Range<usize>, most: usize) -> bool {
    let after = claims.partition_point(|claim| claim.start < sign.start);
    let nearest = [after.checked_sub(1), Some(after)];
    nearest.into_iter().flatten().filter_map(|index| claims.get(index)).any(|claim| {
        let (start, end) = (claim.start.min(sign.start), claim.end.max(sign.end));
        end - start <= most && passage(text, start..end, most) <= most
    })
}

/// Length of the whole clauses that `range` touches; counting stops beyond `most`.
fn passage(text: &Normalized, range: Range<usize>, most: usize) -> usize {
    let before = (0..range.start).rev().take_while(|&position| !text.ends_clause(position)).take(most + 1).count();
    let after =
        (range.end..text.chars().len()).take_while(|&position| !text.ends_clause(position)).take(most + 1).count();
    before + range.len() + after
}

fn begins_clause(text: &Normalized, position: usize) -> bool {
    let before = (0..position)
        .rev()
        .take_while(|&before| text.slice(before..before + 1).iter().all(|c| c.is_whitespace()))
        .count();
    let edge = position - before;
    edge == 0 || (edge..position).chain(edge.checked_sub(1)).any(|before| text.ends_clause(before))
}

fn is_beside_number(text: &Normalized, range: &Range<usize>) -> bool {
    let at = |position: usize| text.chars().get(position).copied();
    let is_space = |c: Option<char>| c == Some(' ');
    let is_digit = |c: Option<char>| c.is_some_and(char::is_numeric);
    let before = range.start.checked_sub(1);
    let before = if is_space(before.and_then(at)) { before.and_then(|b| b.checked_sub(1)) } else { before };
    let after = if is_space(at(range.end)) { range.end + 1 } else { range.end };
    let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic());
    let unit = is_digit(before.and_then(at)) && !is_letter(at(range.end));
    let currency =
        is_digit(at(after)) && !is_letter(range.start.checked_sub(1).and_then(at)) && !is_letter(at(range.start));
    unit || currency
}

#[cfg(test)]
mod tests {
    use super::super::lexicon::{Lexicon, LexiconEntry, Meaning};
    use super::*;
    use crate::domain::{Category, TermKind};

    fn named(name: &str) -> Category {
        Category::new(name).unwrap()
    }

    fn signs(text: &str) -> Signs {
        let sign = |term: &str, sign, within, begins_clause, beside_number| LexiconEntry {
            term: term.into(),
            meaning: Meaning::Sign(SignRule { sign, within, begins_clause, beside_number }),
        };
        let claim = LexiconEntry { term: "象牙".into(), meaning: Meaning::Term(TermKind::Claim, named("product")) };
        let entries = vec![
            claim,
            sign("私聊", Sign::Sale, None, false, false),
            sign("出售", Sign::Sale, Some(12), false, false),
            sign("收购", Sign::Wanted, Some(12), false, false),
            sign("出", Sign::Sale, Some(12), true, false),
            sign("克", Sign::Sale, Some(12), false, true),
            sign("g", Sign::Sale, Some(12), false, true),
            sign("¥", Sign::Sale, Some(12), false, true),
            sign("查获", Sign::Report, Some(30), false, false),
        ];
        Lexicon::new(entries).unwrap().find(&Normalized::new(text)).signs
    }

    #[test]
    fn a_sign_counts_beside_a_claim_however_long_the_text() {
        let shop = " 全国包邮 七天无理由退货".repeat(20);
        for text in ["象牙手串 出售", "出象牙手串", "象牙 120g", "象牙120 克", "象牙 ¥800", "象牙手串，私聊"]
        {
            assert!(signs(text).sale && signs(&format!("{text}{shop}")).sale, "{text}");
        }
        assert!(signs(&format!("收購象牙製品{shop}")).wanted);
        for text in
            ["被告人多次收购象牙制品并出售给他人", "支出象牙", "象牙 g", "出售手串。象牙的历史和文化在博物馆里展示"]
        {
            assert_eq!(signs(text), Signs::default(), "{text}");
        }
    }

    #[test]
    fn who_reports_does_not_trade() {
        assert_eq!(signs("海关查获象牙手串，嫌疑人私聊出售"), Signs { reports: true, ..Signs::default() });
        assert!(signs("象牙手串 私聊。请放心选购本店全部商品，欢迎新老客户光临，本店货物均非海关缉私查获").sale);
    }
}
