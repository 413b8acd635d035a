//! A listing as a form, `multipart/form-data`: what `curl -F` and a page send.

use std::collections::HashSet;

use axum::extract::multipart::Field;
use axum::extract::{FromRequest, Multipart, Request};
use wildwarden_core::config::Limits;
use wildwarden_core::error::{Error, Result};
use wildwarden_proto::v1::{ClassifyRequest, Image};

use super::json;
use crate::transport::convert::{check_id, over};

const FIELDS: &str = "title, description, listing_id, request_id, options (JSON), and images, one part a file";

/// The listing of a form whose body is there.
///
/// # Errors
/// [`Error::Invalid`] naming the part.
pub(super) async fn listing(request: Request, limits: &Limits) -> Result<ClassifyRequest> {
    let broken = |cause: &dyn std::fmt::Display| Error::invalid("body", format!("is no form: {cause}"));
    let mut form = Multipart::from_request(request, &()).await.map_err(|cause| broken(&cause))?;
    let (mut listing, mut seen) = (ClassifyRequest::default(), HashSet::new());
    while let Some(part) = form.next_field().await.map_err(|cause| broken(&cause))? {
        let Some(name) = part.name().map(str::to_owned) else {
            return Err(Error::invalid("body", format!("a part of the form has no name; there are {FIELDS}")));
        };
        let name = match name.as_str() {
            "listingId" => "listing_id",
            "requestId" => "request_id",
            "image" => "images",
            other => other,
        };
        // Who reads the first of two sees another listing than who reads the last.
        if name != "images" && !seen.insert(name.to_owned()) {
            return Err(Error::invalid(name, "is in the form twice"));
        }
        match name {
            "title" => listing.title = text(part).await?,
            "description" => listing.description = text(part).await?,
            "listing_id" => listing.listing_id = text(part).await?,
            "request_id" => listing.request_id = text(part).await?,
            "options" => listing.options = Some(json::read(text(part).await?.as_bytes(), "Options", "options")?),
            "images" => {
                if listing.images.len() == limits.max_images {
                    let found = limits.max_images + 1;
                    return Err(over("images", found, "images and more", limits.max_images, "max_images"));
                }
                let image_id = part.file_name().unwrap_or_default().to_owned();
                let content = part.bytes().await.map_err(|cause| broken(&cause))?;
                // A file's name serves as an id where it can: it need not be unique, nor short.
                let is_id = check_id("", &image_id, limits).is_ok()
                    && listing.images.iter().all(|other| other.image_id != image_id);
                let image_id = if is_id { image_id } else { String::new() };
                listing.images.push(Image { image_id, content });
            }
            other => return Err(Error::invalid(other, format!("is no field of the form; there are {FIELDS}"))),
        }
    }
    Ok(listing)
}

async fn text(part: Field<'_>) -> Result<String> {
    let name = part.name().unwrap_or_default().to_owned();
    let bytes = part.bytes().await.map_err(|cause| Error::invalid(&name, format!("is not whole: {cause}")))?;
    String::from_utf8(bytes.into()).map_err(|cause| Error::invalid(name, format!("is not UTF-8: {cause}")))
}
