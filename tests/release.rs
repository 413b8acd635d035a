//! What of a model's folder stays in memory once the model serves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use wildwarden_core::model::folder::ModelFolder;
use wildwarden_core::model::folder::check::Checks;
use wildwarden_server::lifecycle::first_generation;

#[test]
fn files_of_a_loaded_model_are_not_kept_in_memory_but_for_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let models = common::models_with_head(folder.path(), "nan_head");
    common::copy_folder("models/ivory/1".as_ref(), &models.join("ivory").join("2"));
    let config = common::config(&[("models", "directory", models.display().to_string())]);
    let generation = first_generation(&config, None).unwrap();
    // What is not in memory has to be read, and there is nothing any more.
    std::fs::remove_dir_all(&models).unwrap();
    for model in generation.engine().models() {
        let folder = model.folder();
        assert!(folder.onnx().is_err(), "{} is kept", model.name());
        if let Some(text) = &folder.manifest.text {
            assert!(!folder.file(&text.words).unwrap().is_empty(), "the next policy needs them");
        }
    }
}

#[test]
fn a_released_file_is_read_again_only_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    common::copy_folder("models/ivory/1".as_ref(), folder.path());
    let model = ModelFolder::read(folder.path(), &Checks::logged(1 << 30)).unwrap();
    let bytes = model.onnx().unwrap();
    model.release();
    assert_eq!(model.onnx().unwrap(), bytes);
    std::fs::write(folder.path().join(&model.manifest.file), "other").unwrap();
    assert!(model.onnx().unwrap_err().to_string().contains("sha256"));
}
