//! What is looked for. The policy names the categories; nothing in the program knows any of them.

use std::fmt;

use arrayvec::ArrayString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name of a category, in bytes.
const MAX_NAME_BYTES: usize = 32;

/// A category by its name, `[a-z][a-z0-9_]{0,31}`. Compared by value, and as cheap to copy as a few words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Category(ArrayString<MAX_NAME_BYTES>);

impl Category {
    /// The category called `name`.
    ///
    /// # Errors
    /// What a name may look like.
    pub fn new(name: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain);
        ArrayString::from(name).ok().filter(|_| is_name).map(Self).ok_or_else(|| {
            // What a caller sent may be long.
            let shown: String = name.chars().take(2 * MAX_NAME_BYTES).collect();
            format!(
                "{shown:?} is no name of a category: a small letter, then small letters, digits and _, at most \
                 {MAX_NAME_BYTES} in all"
            )
        })
    }

    /// The name used everywhere: in files, answers, logs and on the command line.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Category {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Category {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A value a category, sorted by name: a handful, so a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct PerCategory<T>(Vec<(Category, T)>);

impl<T> Default for PerCategory<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> PerCategory<T> {
    fn place(&self, category: Category) -> Result<usize, usize> {
        self.0.binary_search_by_key(&category, |(of, _)| *of)
    }

    /// The value of `category`.
    pub fn get(&self, category: Category) -> Option<&T> {
        let (_, value) = self.0.get(self.place(category).ok()?)?;
        Some(value)
    }

    /// Sets the value of `category`.
    pub fn set(&mut self, category: Category, value: T) {
        match self.place(category) {
            Ok(place) => {
                if let Some((_, old)) = self.0.get_mut(place) {
                    *old = value;
                }
            }
            Err(place) => self.0.insert(place, (category, value)),
        }
    }

    /// Takes the value of `category` out.
    pub fn take(&mut self, category: Category) -> Option<T> {
        self.place(category).ok().map(|place| self.0.remove(place).1)
    }

    /// Every value that is there, by name of its category.
    pub fn iter(&self) -> impl Iterator<Item = (Category, &T)> {
        self.0.iter().map(|(category, value)| (*category, value))
    }

    /// Whether no category has a value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_small_letters_digits_and_underscores_and_not_long() {
        let longest = format!("a{}", "9".repeat(31));
        for name in ["a", "hornbill_casque", "a_1", longest.as_str()] {
            assert_eq!(Category::new(name).unwrap().name(), name);
        }
        let too_long = format!("{longest}_");
        for name in ["", "1a", "_a", "Cups", "a-b", "a b", "象牙", "a\u{301}", too_long.as_str()] {
            let problem = Category::new(name).unwrap_err();
            assert!(problem.contains("32") && problem.len() < 300, "{problem}");
        }
        assert!(Category::new(&"x".repeat(1 << 20)).unwrap_err().len() < 300);
    }

    #[test]
    fn values_are_set_replaced_and_taken_by_name() {
        let [a, b, c] = ["a", "b", "c"].map(|name| Category::new(name).unwrap());
        let mut values = PerCategory::default();
        for (category, value) in [(c, 3), (a, 1), (b, 2), (a, 4)] {
            values.set(category, value);
        }
        assert_eq!(values.iter().collect::<Vec<_>>(), [(a, &4), (b, &2), (c, &3)]);
        assert_eq!((values.take(b), values.take(b)), (Some(2), None));
        assert_eq!(values.get(b), None);
        assert_eq!(values.get(c), Some(&3));
    }
}
