#![no_main]
//! Tensors of the Open Inference Protocol: refused with field and value, or as many elements as their shape needs.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message;
use wildwarden_core::config::{Config, Limits};
use wildwarden_core::error::Error;
use wildwarden_core::pipeline::infer::{Dtype, Elements, TensorSpec};
use wildwarden_proto::inference::ModelInferRequest;
use wildwarden_server::transport::oip::request::{Signature, infer};

static LIMITS: LazyLock<Limits> =
    LazyLock::new(|| Config::from_parts(None, HashMap::new(), &[]).expect("the defaults").limits);
static INPUTS: LazyLock<[TensorSpec; 2]> = LazyLock::new(|| {
    [("image", Dtype::Float32, vec![-1, 3, 2, 2]), ("ids", Dtype::Int64, vec![-1, -1])]
        .map(|(name, dtype, shape)| TensorSpec { name: name.into(), dtype, shape })
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = ModelInferRequest::decode(bytes) else { return };
    match infer(request, Signature { inputs: &*INPUTS, outputs: &*INPUTS }, &LIMITS) {
        Ok(infer) => {
            for input in infer.wanted.inputs {
                let needed: usize = input.shape.iter().product();
                let found = match input.elements {
                    Elements::F32(values) => values.len(),
                    Elements::U8(values) => values.len(),
                    Elements::I32(values) => values.len(),
                    Elements::I64(values) => values.len(),
                    Elements::Raw(dtype, bytes) => bytes.len() / dtype.width(),
                };
                assert_eq!(found, needed);
            }
        }
        Err(Error::Invalid { .. }) => {}
        Err(other) => panic!("{other}"),
    }
});
