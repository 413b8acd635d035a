#![no_main]
//! The reader of ONNX files, before ONNX Runtime sees one.

use wildwarden_core::model::folder::onnx::Graph;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    match Graph::read(bytes) {
        Ok(graph) => assert!(graph.nodes <= bytes.len()),
        Err(problem) => assert!(!problem.is_empty()),
    }
});
