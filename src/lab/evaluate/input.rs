//! Labelled listings from a folder, a JSONL file or a CSV file.
//!
//! - A **folder** has a folder a label; every file below it, hidden ones left out, is a listing of one image.
//! - A **JSONL** line is an object. `images`, `labels` and `slices` are arrays of strings.
//! - A **CSV** file, or **TSV**, has a header; `images`, `labels` and `slices` are separated by `;`.
//!
//! Files are UTF-8, UTF-16 with a byte order mark, or GBK.
//!
//! | field, or another name of it | meaning |
//! | --- | --- |
//! | `listing_id`, `id` | unique; else the file name of an only image, else `line <n>` |
//! | `title`, `text`; `description` | texts |
//! | `images`, `image`, `file` | files, relative to `--images-root`, else to the input file |
//! | `labels`, `label`, `class` | categories, or names that mean negative; required, may be empty as `labels` |
//! | `source`, `source_repo` | where the data comes from |
//! | `seller`, or `seller=<name>` in `note` | who sells |
//! | `group` | near-duplicates share it |
//! | `slices`, and `subclass` as the slice `subclass: <name>` | names of slices |
//! | `note` | anything |
//!
//! Other fields are left alone and reported, so that a misspelt one is seen.

mod folder;
mod row;
mod table;

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;

use wildwarden_core::error::Error;
use wildwarden_core::error::Result;

use crate::evaluate::case::Case;
use crate::evaluate::case::LabelNames;

/// What was read.
#[derive(Debug, Default)]
pub struct Input {
    /// Listings, in the order of the input.
    pub cases: Vec<Case>,
    /// Fields that were not used.
    pub unused_fields: BTreeSet<String>,
}

/// Reads `path`; image paths of a file are relative to `images_root`, else to the file's folder.
///
/// # Errors
/// [`Error::Setup`] naming file, line, field, value and what is allowed.
pub fn read(path: &Path, images_root: Option<&Path>, names: &LabelNames) -> Result<Input> {
    let input = if path.is_dir() {
        folder::read(path, names)?
    } else {
        let beside = || path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let root = images_root.map_or_else(beside, Path::to_owned);
        let text = text(path)?;
        let rows = match path.extension().and_then(|extension| extension.to_str()) {
            Some("jsonl" | "ndjson") => table::jsonl(&text),
            Some("csv") => table::csv(&text, b','),
            Some("tsv") => table::csv(&text, b'\t'),
            _ => return Err(Error::file(path, "must be a folder, or a file that ends in .jsonl, .csv or .tsv")),
        };
        let mut input = Input::default();
        for row in rows {
            let case = row.and_then(|row| row.case(&root, names, &mut input.unused_fields));
            input.cases.push(case.map_err(|problem| Error::setup(format!("{}, {problem}", path.display())))?);
        }
        input
    };
    if input.cases.is_empty() {
        return Err(Error::file(path, "holds no listing"));
    }
    check_ids(path, &input.cases)?;
    Ok(input)
}

/// The text of a file: UTF-8, what its byte order mark says, or else GB 18030, which holds GBK: the table of a Chinese office.
fn text(path: &Path) -> Result<String> {
    let content = std::fs::read(path).map_err(|cause| Error::file(path, cause))?;
    let marked = encoding_rs::Encoding::for_bom(&content).map(|(encoding, _)| encoding);
    let utf_8 = std::str::from_utf8(&content).is_ok();
    let encoding = marked.unwrap_or(if utf_8 { encoding_rs::UTF_8 } else { encoding_rs::GB18030 });
    let (text, _, is_damaged) = encoding.decode(&content);
    if is_damaged {
        return Err(Error::file(
            path,
            format!("is not valid {}", if marked.is_some() { encoding.name() } else { "UTF-8 or GBK" }),
        ));
    }
    Ok(text.into_owned())
}

/// Every file below `folder`, by name, hidden ones left out.
///
/// # Errors
/// [`Error::Setup`] naming the folder that cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    folder::files_below(folder, &mut found)?;
    Ok(found)
}

fn check_ids(path: &Path, cases: &[Case]) -> Result<()> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (index, case) in cases.iter().enumerate() {
        if let Some(first) = seen.insert(&case.id, index) {
            let (first, second) = (first + 1, index + 1);
            return Err(Error::file(
                path,
                format!("listings {first} and {second}: listing_id: {:?} is given twice; ids must be unique", case.id),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wildwarden_core::domain::Category;

    fn tusk() -> Category {
        Category::new("tusk").unwrap()
    }

    fn horn() -> Category {
        Category::new("horn").unwrap()
    }

    fn names() -> LabelNames {
        let categories = vec![(tusk(), Vec::new()), (horn(), vec!["horns".to_owned()])];
        LabelNames::Known { categories, negative: Vec::new() }
    }

    fn read_text(name: &str, text: &str) -> Result<Input> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read(&path, Some(Path::new("photos")), &names())
    }

    #[test]
    fn a_jsonl_line_has_texts_images_labels_and_where_it_comes_from() {
        let line = r#"{"listing_id":"7","title":"手串","images":["a.jpg"],"labels":["horns","tusk"],"seller":"s","source":"w","slices":["x"],"colour":1}"#;
        let input = read_text("a.jsonl", line).unwrap();
        let case = &input.cases[0];
        assert_eq!((case.id.as_str(), case.title.as_str()), ("7", "手串"));
        assert_eq!(case.images, [Path::new("photos/a.jpg")]);
        assert_eq!(case.labels, [tusk(), horn()]);
        assert_eq!((case.seller.as_str(), case.source.as_str(), case.slices.len()), ("s", "w", 1));
        assert!(input.unused_fields.contains("colour"));
    }

    #[test]
    fn a_manifest_of_images_is_a_csv_file_too() {
        let text = "file,class,subclass,source_repo,group,note\n\
                    i/1.jpg,tusk,carving,o/r,g1,\"post, label=1; seller=follower_33\"\n\
                    e/2.jpg,elephant,,o/r,g2,\n";
        let input = read_text("manifest.csv", text).unwrap();
        assert_eq!(input.cases[0].seller, "follower_33");
        assert_eq!(input.cases[0].slices, ["subclass: carving"]);
        assert_eq!((input.cases[0].id.as_str(), input.cases[0].group.as_str()), ("i/1.jpg", "g1"));
        assert!(input.cases[1].labels.is_empty() && input.cases[1].slices.is_empty());
    }

    #[test]
    fn tables_of_a_chinese_office_are_read() {
        let tsv = "id\ttitle\tlabels\n1\t老象牙手串\ttusk\n";
        let csv = tsv.replace('\t', ",");
        let utf_16: Vec<u8> = [0xFEFF].into_iter().chain(tsv.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let gbk = |text: &str| encoding_rs::GBK.encode(text).0.into_owned();
        for (name, content) in [("a.tsv", gbk(tsv)), ("a.csv", gbk(&csv)), ("b.tsv", utf_16), ("c.tsv", tsv.into())] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            let input = read(&path, None, &names()).unwrap();
            assert_eq!(input.cases[0].title, "老象牙手串", "{name}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.csv");
        std::fs::write(&path, b"id,title\n1,\xff\xff\n").unwrap();
        assert!(read(&path, None, &names()).unwrap_err().to_string().contains("GBK"));
    }

    #[test]
    fn several_values_of_a_csv_field_are_separated_by_semicolons() {
        let input = read_text("a.csv", "id,title,images,labels\n1,x,a.jpg; b.jpg,tusk;horns\n2,y,,\n").unwrap();
        assert_eq!(input.cases[0].images.len(), 2);
        assert_eq!(input.cases[0].labels.len(), 2);
        assert!(input.cases[1].images.is_empty() && input.cases[1].labels.is_empty());
    }

    #[test]
    fn faults_name_file_line_field_value_and_what_is_allowed() {
        for (name, text, named) in [
            (
                "a.jsonl",
                "{\"title\":\"x\",\"labels\":[]}\n{\"title\":\"x\",\"labels\":[\"tiger\"]}",
                vec!["a.jsonl", "line 2", "labels", "tiger", "tusk"],
            ),
            ("a.jsonl", "{\"title\":\"x\"}", vec!["line 1", "labels", "missing"]),
            ("a.jsonl", "{\"title\":5,\"labels\":[]}", vec!["line 1", "title", "5", "string"]),
            ("a.jsonl", "{\"images\":\"a.jpg\",\"labels\":[]}", vec!["line 1", "images", "array"]),
            ("a.jsonl", "{\"labels\":[]}", vec!["line 1", "title", "images"]),
            ("a.jsonl", "{\"labels\":", vec!["line 1"]),
            ("a.csv", "file,label\na.jpg,vase\n", vec!["a.csv", "line 2", "label", "vase"]),
            ("a.csv", "file,label\na.jpg,tusk,x\n", vec!["line 2", "3", "2"]),
            ("a.csv", "file,label\na.jpg,tusk\na.jpg,tusk\n", vec!["listings 1 and 2", "a.jpg"]),
            ("a.csv", "file,label\n", vec!["no listing"]),
            ("a.txt", "x", vec![".jsonl", ".csv"]),
        ] {
            let message = read_text(name, text).unwrap_err().to_string();
            assert!(named.iter().all(|part| message.contains(part)), "{message:?} lacks one of {named:?}");
        }
    }
}
