//! Which columns of a table hold what.

use serde::{Deserialize, Serialize};
use wildwarden_core::error::{Error, Result};

/// What a listing has.
pub const FIELDS: [&str; 4] = ["listing_id", "title", "description", "images"];

/// Names of columns by field, as the user gave them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    listing_id: Option<String>,
    title: Option<String>,
    description: Option<String>,
    images: Option<String>,
}

/// The columns of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Of the caller's id.
    pub listing_id: Option<usize>,
    /// Of the title.
    pub title: Option<usize>,
    /// Of the description.
    pub description: Option<usize>,
    /// Of the photos.
    pub images: Option<usize>,
}

impl Columns {
    /// From `field=column` pairs.
    ///
    /// # Errors
    /// Names the pair that is none, or a field that is unknown or given twice.
    pub fn parse(pairs: &[String]) -> std::result::Result<Self, String> {
        let mut columns = Self::default();
        for pair in pairs {
            let (field, column) = pair.split_once('=').ok_or_else(|| format!("{pair:?} must be FIELD=COLUMN"))?;
            let slot = columns
                .slot(field)
                .ok_or_else(|| format!("{field:?} is no field of a listing; {} are", FIELDS.join(", ")))?;
            if slot.replace(column.to_owned()).is_some() {
                return Err(format!("{field} is given twice"));
            }
        }
        Ok(columns)
    }

    fn slot(&mut self, field: &str) -> Option<&mut Option<String>> {
        match field {
            "listing_id" => Some(&mut self.listing_id),
            "title" => Some(&mut self.title),
            "description" => Some(&mut self.description),
            "images" => Some(&mut self.images),
            _ => None,
        }
    }

    /// Names by which the columns of `field` go: the one that was given, or the usual ones.
    pub fn names(&self, field: &str) -> Vec<&str> {
        let (given, usual): (_, &[&str]) = match field {
            "listing_id" => (&self.listing_id, &["listing_id", "id"]),
            "title" => (&self.title, &["title"]),
            "description" => (&self.description, &["description"]),
            _ => (&self.images, &["images", "image"]),
        };
        given.as_ref().map_or_else(|| usual.to_vec(), |given| vec![given.as_str()])
    }

    /// Where they stand among `header`.
    ///
    /// # Errors
    /// [`Error::Setup`] naming a column that was given and is not there, or all that are there when none would be used.
    pub fn find(&self, header: &[&str]) -> Result<Found> {
        let place = |field: &str| {
            let names = self.names(field);
            names.iter().find_map(|name| header.iter().position(|column| column == name))
        };
        let there = || if header.is_empty() { "none".to_owned() } else { header.join(", ") };
        let given = [
            ("listing_id", &self.listing_id),
            ("title", &self.title),
            ("description", &self.description),
            ("images", &self.images),
        ];
        for (field, column) in given {
            if let Some(column) = column.as_ref().filter(|column| !header.contains(&column.as_str())) {
                return Err(Error::setup(format!("--map {field}={column}: there is no such column, but {}", there())));
            }
        }
        let found = Found {
            listing_id: place("listing_id"),
            title: place("title"),
            description: place("description"),
            images: place("images"),
        };
        if found.title.is_none() && found.description.is_none() && found.images.is_none() {
            return Err(Error::setup(format!(
                "no column is called title, description or images; name them with --map title=COLUMN,...; a folder with tables is read as tables, and photos beside them are not taken: there is {}",
                there()
            )));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_the_given_or_the_usual_names() {
        let columns = Columns::parse(&["title=goods_name".into()]).unwrap();
        let found = columns.find(&["id", "price", "goods_name", "image"]).unwrap();
        assert_eq!(found, Found { listing_id: Some(0), title: Some(2), description: None, images: Some(3) });
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is() {
        let columns = Columns::parse(&["title=goods".into()]).unwrap();
        let message = columns.find(&["id", "name"]).unwrap_err().to_string();
        assert!(message.contains("title=goods") && message.contains("id, name"), "{message}");
        let message = Columns::default().find(&["sku", "price"]).unwrap_err().to_string();
        assert!(message.contains("--map") && message.contains("sku, price"), "{message}");
        for (pairs, named) in
            [(vec!["colour=x"], "colour"), (vec!["title"], "FIELD=COLUMN"), (vec!["title=a", "title=b"], "twice")]
        {
            let pairs: Vec<String> = pairs.into_iter().map(str::to_owned).collect();
            assert!(Columns::parse(&pairs).unwrap_err().contains(named));
        }
    }
}
