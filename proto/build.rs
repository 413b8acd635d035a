//! Generates the gRPC code from the proto files into `OUT_DIR`, without protoc.

use std::error::Error;
use std::path::PathBuf;

use protox::prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let protos = ["wildwarden/v1/risk.proto", "wildwarden/v1/models.proto", "inference/grpc_service.proto"];
    let descriptors = protox::compile(protos, ["proto"])?;
    // Reflection and the JSON output of the command line read the descriptors at run time.
    #[expect(clippy::disallowed_methods, reason = "cargo tells a build script its folder this way only")]
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let mut public = descriptors.clone();
    public.file.retain(|file| file.name() != "wildwarden/v1/models.proto");
    std::fs::write(out.join("public_descriptors.bin"), public.encode_to_vec())?;
    tonic_prost_build::configure()
        // A slice of the received message instead of a copy.
        .bytes(".wildwarden.v1.Image.content")
        .bytes(".inference.ModelInferRequest.raw_input_contents")
        .bytes(".inference.ModelInferResponse.raw_output_contents")
        // The messages are documented in the proto; rustdoc need not read it as Markdown.
        .compile_fds(descriptors)?;
    // Of files, not of calls: no part of what reflection tells.
    tonic_prost_build::configure().compile_fds(protox::compile(["onnx/onnx.proto"], ["proto"])?)?;
    Ok(())
}
