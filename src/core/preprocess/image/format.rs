//! Tells a format by content, never by name: those that are read, and others well enough to say what was sent.

use image::ImageFormat;

/// Formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Jpeg,
    Png,
    WebP,
    Gif,
    Bmp,
    Tiff,
    /// By the name of what is in it.
    #[cfg(feature = "heif")]
    Heif(&'static str),
}

impl Format {
    /// The name used in answers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::WebP => "webp",
            Self::Gif => "gif",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
            #[cfg(feature = "heif")]
            Self::Heif(name) => name,
        }
    }
}

/// The format of `content`.
///
/// # Errors
/// The name of a format that is known and not read; "" when it is none of those either.
pub(super) fn recognise(content: &[u8]) -> Result<Format, &'static str> {
    match image::guess_format(content).ok() {
        Some(ImageFormat::Jpeg) => Ok(Format::Jpeg),
        Some(ImageFormat::Png) => Ok(Format::Png),
        Some(ImageFormat::WebP) => Ok(Format::WebP),
        Some(ImageFormat::Gif) => Ok(Format::Gif),
        Some(ImageFormat::Bmp) => Ok(Format::Bmp),
        Some(ImageFormat::Tiff) => Ok(Format::Tiff),
        _ => match not_read(content) {
            #[cfg(feature = "heif")]
            name @ ("heic" | "heif" | "avif") => Ok(Format::Heif(name)),
            name => Err(name),
        },
    }
}

/// First bytes of files that are not read: of pictures, and of what else is taken for a picture.
const STARTS: [(&[u8], &str); 17] = [
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"II\xbc\x01", "jxr"),
    (b"8BPS", "psd"),
    (b"\0\0\x01\0", "ico"),
    (b"qoif", "qoi"),
    (b"\x76\x2f\x31\x01", "exr"),
    (b"<svg", "svg"),
    (b"<?xml", "xml"),
    (b"<!DOCTYPE html", "html"),
    (b"<!doctype html", "html"),
    (b"<html", "html"),
    (b"%PDF-", "pdf"),
    (b"\x1a\x45\xdf\xa3", "webm"),
    (b"PK\x03\x04", "zip"),
];
/// Brands of files in boxes (ISO/IEC 14496-12), and what they stand for.
const BRANDS: [(&[u8], &str); 14] = [
    (b"avif", "avif"),
    (b"avis", "avif"),
    (b"heic", "heic"),
    (b"heix", "heic"),
    (b"heim", "heic"),
    (b"heis", "heic"),
    (b"hevc", "heic"),
    (b"hevx", "heic"),
    // Any codec may be inside; what comes later among the brands says which.
    (b"mif1", "heif"),
    (b"msf1", "heif"),
    (b"qt  ", "mov"),
    (b"mp41", "mp4"),
    (b"mp42", "mp4"),
    (b"isom", "mp4"),
];
/// Brands that are looked at: files have a handful.
const MAX_BRANDS: usize = 16;

fn not_read(content: &[u8]) -> &'static str {
    let start = STARTS.iter().find(|(start, _)| content.starts_with(start));
    start.map(|(_, name)| *name).or_else(|| of_brands(content)).unwrap_or_default()
}

/// The name that the brands in the first box say; a vague one only where no other says more.
fn of_brands(content: &[u8]) -> Option<&'static str> {
    let (size, rest) = content.split_first_chunk::<4>()?;
    let brands = rest.strip_prefix(b"ftyp")?;
    let length = usize::try_from(u32::from_be_bytes(*size)).ok()?.saturating_sub(8);
    let brands = brands.get(..length).unwrap_or(brands);
    let names = brands
        .chunks_exact(4)
        .take(MAX_BRANDS)
        .filter_map(|brand| BRANDS.iter().find(|(known, _)| *known == brand).map(|(_, name)| *name));
    names.reduce(|first, next| if first == "heif" { next } else { first })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(brands: &[&[u8; 4]]) -> Vec<u8> {
        // The version stands between the first brand and the others.
        let mut content = u32::try_from(12 + 4 * brands.len()).unwrap().to_be_bytes().to_vec();
        content.extend(b"ftyp");
        content.extend(brands[0]);
        content.extend([0; 4]);
        brands[1..].iter().for_each(|brand| content.extend(*brand));
        content.extend(b"\0\0\0\x08free");
        content
    }

    #[test]
    fn what_is_not_read_has_its_name() {
        for (brands, name) in [
            (vec![b"heic", b"mif1"], "heic"),
            (vec![b"mif1", b"miaf", b"heic"], "heic"),
            (vec![b"mif1", b"avif"], "avif"),
            (vec![b"avif", b"mif1"], "avif"),
            (vec![b"mif1", b"miaf"], "heif"),
            (vec![b"isom", b"avc1"], "mp4"),
            (vec![b"zzzz"], ""),
        ] {
            assert_eq!(recognise(&boxed(&brands)).map_or_else(|name| name, Format::name), name, "{brands:?}");
        }
        for (content, name) in [
            (&b"8BPS\0\x01"[..], "psd"),
            (b"\xff\x0a\xfa", "jxl"),
            (b"<!DOCTYPE html><p>not found", "html"),
            (b"%PDF-1.7", "pdf"),
            (b"no picture at all", ""),
            (b"", ""),
            (b"\0\0\0\x08ftyp", ""),
            (b"\xff\xff\xff\xffftypheic", "heic"),
        ] {
            assert_eq!(recognise(content).map_or_else(|name| name, Format::name), name, "{content:?}");
        }
    }

    #[test]
    fn what_is_read_is_told_by_its_first_bytes() {
        for (content, format) in [
            (&b"\xff\xd8\xff\xe0"[..], Format::Jpeg),
            (b"\x89PNG\r\n\x1a\n", Format::Png),
            (b"RIFF\0\0\0\0WEBP", Format::WebP),
            (b"GIF89a", Format::Gif),
            (b"BM", Format::Bmp),
            (b"II*\0", Format::Tiff),
            (b"MM\0*", Format::Tiff),
        ] {
            assert_eq!(recognise(content), Ok(format));
        }
    }
}
