//! Writes the code of `wildwarden-proto` from the proto files, without protoc. Run it in the project's folder after a proto
//! file was changed.

mod openapi;

use std::error::Error;
use std::path::Path;

use protox::prost::Message;
use protox::prost_reflect::DescriptorPool;

const GENERATED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/generated");
const PROTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn main() -> Result<(), Box<dyn Error>> {
    generate(Path::new(GENERATED))
}

fn generate(folder: &Path) -> Result<(), Box<dyn Error>> {
    let protos = ["wildwarden/v1/risk.proto", "wildwarden/v1/models.proto", "inference/grpc_service.proto"];
    let descriptors = protox::compile(protos, [PROTO])?;
    // Reflection and the JSON output of the command line read the descriptors at run time.
    std::fs::write(folder.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let pool = DescriptorPool::from_file_descriptor_set(descriptors.clone())?;
    std::fs::write(folder.join("openapi.json"), openapi::document(&pool)?)?;
    tonic_prost_build::configure()
        .out_dir(folder)
        .codec_path("crate::counting::CountingCodec")
        // A slice of the received message instead of a copy.
        .bytes(".wildwarden.v1.Image.content")
        .bytes(".inference.ModelInferRequest.raw_input_contents")
        .bytes(".inference.ModelInferResponse.raw_output_contents")
        // The messages are documented in the proto; rustdoc need not read it as Markdown.
        .compile_fds(descriptors)?;
    // Of files, not of calls: no part of what reflection tells.
    tonic_prost_build::configure().out_dir(folder).compile_fds(protox::compile(["onnx/onnx.proto"], [PROTO])?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_tree_is_what_the_proto_files_say() {
        let fresh = tempfile::tempdir().unwrap();
        generate(fresh.path()).unwrap();
        let mut files = 0;
        for entry in std::fs::read_dir(GENERATED).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap();
            assert!(
                std::fs::read(&path).unwrap() == std::fs::read(fresh.path().join(name)).unwrap(),
                "{} is not what the proto files say: cargo run -p wildwarden-generate",
                path.display()
            );
            files += 1;
        }
        assert_eq!(files, 5);
    }
}
