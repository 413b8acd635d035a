#![no_main]
//! A listing from the wire: refused with field and value, or a listing within the limits.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message;
use wildwarden_core::config::{Config, Limits};
use wildwarden_core::error::Error;
use wildwarden_proto::v1::ClassifyRequest;
use wildwarden_server::transport::convert;

static LIMITS: LazyLock<Limits> =
    LazyLock::new(|| Config::from_parts(None, HashMap::new(), &[]).expect("the defaults").limits);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = ClassifyRequest::decode(bytes) else { return };
    match convert::listing(request, &LIMITS) {
        Ok(listing) => {
            assert!(listing.images.len() <= LIMITS.max_images);
            assert!(listing.title.len() + listing.description.len() <= LIMITS.max_text_bytes);
        }
        Err(Error::Invalid { .. }) => {}
        Err(other) => panic!("{other}"),
    }
});
