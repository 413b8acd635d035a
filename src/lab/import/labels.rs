//! Names of columns, and which of them are what a policy looks for.

use wildwarden_core::domain::Category;
use wildwarden_core::score::policy::Policy;

/// A name a line, with its number before it or without; empty lines at the end are none.
pub fn lines(text: &str) -> Vec<String> {
    // Windows' editors put a mark before UTF-8.
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut names: Vec<String> = text.lines().enumerate().map(|(number, line)| name_in(number, line)).collect();
    while names.last().is_some_and(String::is_empty) {
        names.pop();
    }
    names
}

fn name_in(number: usize, line: &str) -> String {
    wildwarden_core::model::folder::columns::name_in(number, line).to_owned()
}

/// Names as YOLO exports keep them in a graph, `{0: 'person', 1: "car"}`; none where it is something else.
pub(super) fn python_dict(text: &str) -> Vec<String> {
    let inner = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    let mut names = Vec::new();
    let mut rest = inner;
    while let Some((number, after)) = rest.split_once(':') {
        let after = after.trim_start();
        let Some(quote) = after.chars().next().filter(|c| matches!(c, '\'' | '"')) else { return Vec::new() };
        let Some(end) = after.get(1..).and_then(|after| after.find(quote)) else { return Vec::new() };
        if number.trim().trim_start_matches(',').trim().parse() != Ok(names.len()) {
            return Vec::new();
        }
        names.push(after.get(1..=end).unwrap_or_default().to_owned());
        rest = after.get(end + 2..).unwrap_or_default();
    }
    names
}

/// The category that a label names: by its own name, an alias or a title of it, whatever its case.
pub fn by_category(policy: Option<&Policy>, label: &str) -> Option<Category> {
    let same =
        |name: &str| name.to_lowercase().replace(['_', '-'], " ") == label.to_lowercase().replace(['_', '-'], " ");
    let found = policy?.categories.iter().find(|declared| {
        let names = declared.aliases.iter().map(String::as_str);
        let names = names.chain([declared.category.name(), &declared.title.en, &declared.title.zh]);
        names.into_iter().any(same)
    });
    found.map(|declared| declared.category)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_lines_and_from_a_dict() {
        assert_eq!(lines("0 tench\n1 gold fish\nbird\n\n"), ["tench", "gold fish", "bird"]);
        assert_eq!(python_dict("{0: 'person', 1: \"it's\"}"), ["person", "it's"]);
        for odd in ["", "{}", "{1: 'a'}", "{0: a}", "[1]", "{0: 'a"] {
            assert!(python_dict(odd).is_empty(), "{odd}");
        }
    }
}
