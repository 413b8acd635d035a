//! What each stage costs alone, on one core, with the shipped models. Run: `cargo bench`. A performance claim is a ratio of
//! two lines of one run; absolute times are this machine's.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    unused_qualifications,
    reason = "a benchmark fails by panicking"
)]

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

use divan::{Bencher, black_box};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use ndarray::{Array2, Array4};
use wildwarden_core::config::{Config, Limits};
use wildwarden_core::domain::{Logit, Probability, Rating};
use wildwarden_core::input_spec::{TextForm, TokensInputSpec};
use wildwarden_core::model::folder::ModelFolder;
use wildwarden_core::model::folder::check::Checks;
use wildwarden_core::model::runtime::loaded::LoadedModel;
use wildwarden_core::model::runtime::pace::{Budget, Pace};
use wildwarden_core::model::runtime::session::Runtime;
use wildwarden_core::pipeline::Pipeline;
use wildwarden_core::preprocess::image::{DecodeLimits, MARGIN, TensorMaker, WantedSize, decode};
use wildwarden_core::preprocess::text::{
    Lexicon, Normalized, TextProcessor, TextReader, TokenReader, language, look_up,
};
use wildwarden_core::schedule::Asked;
use wildwarden_core::score::fuse::shift_prior;
use wildwarden_core::score::policy::Policy;
use wildwarden_proto::v1::{ClassifyRequest, Image};
use wildwarden_server::lifecycle::first_generation;
use wildwarden_server::transport::convert;
use wildwarden_server::transport::sentences::{Language, Sentences};

fn main() {
    divan::main();
}

const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 50_000_000 };
/// A listing photo and a phone photo.
const PHOTOS: [(u32, u32); 2] = [(1080, 720), (4032, 3024)];

fn config() -> Config {
    let library = std::env::vars().filter(|(name, _)| name == "ORT_DYLIB_PATH").collect::<HashMap<_, _>>();
    Config::from_parts(None, library, &[]).unwrap()
}

fn limits() -> Limits {
    config().limits
}

fn folder(name: &str) -> Arc<ModelFolder> {
    let path = config().folders.models.join(name).join("1");
    Arc::new(ModelFolder::read(&path, &Checks::logged(1 << 30)).unwrap())
}

fn loaded(name: &str) -> LoadedModel {
    let runtime = Runtime::load(&config().runtime.onnxruntime).unwrap();
    LoadedModel::load(
        runtime,
        &folder(name),
        Budget { workers: 1, threads: 1, pace: Pace::Full },
        &Checks::logged(1 << 30),
    )
    .unwrap()
}

/// What the shipped models need of a photo.
fn wanted() -> WantedSize {
    let encoder = folder("image_encoder");
    WantedSize::for_inputs(encoder.manifest.image.as_slice(), MARGIN)
}

/// A fixture scaled to `size`, as a camera would write it.
fn photo((width, height): (u32, u32)) -> Vec<u8> {
    let small = image::load_from_memory(include_bytes!("../tests/fixtures/images/tusk.jpg")).unwrap().into_rgb8();
    let large = resize(&small, width, height, FilterType::CatmullRom);
    let mut jpeg = Cursor::new(Vec::new());
    large.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, 90)).unwrap();
    jpeg.into_inner()
}

fn text(bytes: usize) -> String {
    let sentence =
        "老料手串，包浆自然，纹路清晰，懂的来。Old carved figure, natural grain, private message only! 18k 50g\n";
    sentence
        .chars()
        .cycle()
        .scan(0, |length, c| {
            *length += c.len_utf8();
            (*length <= bytes).then_some(c)
        })
        .collect()
}

fn text_processor() -> TextProcessor {
    let folder = folder("text_classifier");
    let text = folder.manifest.text.as_ref().unwrap();
    let words = folder.file(&text.words).unwrap();
    let words = std::str::from_utf8(&words).unwrap();
    TextProcessor::new(text.spec(), words).unwrap()
}

#[divan::bench(args = PHOTOS)]
fn image_decode(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    let content = photo(size);
    bencher.bench(|| decode(black_box(&content), LIMITS, wanted()).unwrap());
}

#[divan::bench(args = PHOTOS)]
fn image_decode_in_full(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    let content = photo(size);
    bencher.bench(|| decode(black_box(&content), LIMITS, WantedSize::FULL).unwrap());
}

#[divan::bench(args = PHOTOS)]
fn image_resize_and_normalise(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    let decoded = decode(&photo(size), LIMITS, wanted()).unwrap();
    let encoder = folder("image_encoder");
    let spec = encoder.manifest.image.as_ref().unwrap();
    let mut planes = vec![0.0; 3 * spec.width as usize * spec.height as usize];
    let mut maker = TensorMaker::default();
    bencher.bench_local(|| maker.fill(&mut planes, black_box(&decoded.frames[0]), spec).unwrap());
}

#[divan::bench(args = PHOTOS)]
fn image_sha256(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    let content = photo(size);
    bencher.bench(|| wildwarden_core::model::folder::manifest::hex_sha256(black_box(&content)));
}

#[divan::bench(args = [1, 2, 4, 8])]
fn image_encoder_batch_of(bencher: Bencher<'_, '_>, rows: usize) {
    let encoder = loaded("image_encoder");
    let side = encoder.folder().manifest.image.as_ref().unwrap().width as usize;
    let tensor = Array4::<f32>::from_shape_fn((rows, 3, side, side), |(n, c, y, x)| {
        f32::from(u8::try_from((n * 7 + c * 31 + y * 3 + x) % 251).unwrap()) / 128.0 - 1.0
    });
    bencher
        .counter(divan::counter::ItemsCount::new(rows))
        .bench_local(|| encoder.embed(0, tensor.view().into_dyn(), false).unwrap());
}

#[divan::bench]
fn head(bencher: Bencher<'_, '_>) {
    let head = loaded("ivory");
    let dimensions = usize::try_from(*head.folder().manifest.inputs[0].shape.last().unwrap()).unwrap();
    let embedding = Array2::<f32>::from_elem((1, dimensions), 0.3);
    bencher.bench_local(|| head.logits(0, embedding.view().into_dyn()).unwrap());
}

#[divan::bench(args = [60, 600, 6_000, 65_536])]
fn text_prepare_bytes(bencher: Bencher<'_, '_>, bytes: usize) {
    let reader = TextReader::Features(text_processor());
    let lexicon = Lexicon::new(Vec::new()).unwrap();
    let text = text(bytes);
    bencher.bench(|| {
        let normalized = Normalized::new(black_box(&text));
        (reader.read(&text, &normalized), look_up(&normalized, &lexicon), language(&text))
    });
}

/// A tokenizer as a Chinese BERT has it: every character a token, words of Latin letters in pieces.
fn tokenizer() -> TokenReader {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
    let han = ('\u{4E00}'..='\u{9FA5}').map(|c| c.to_string());
    let latin = ('!'..='~').flat_map(|c| [c.to_string(), format!("##{c}")]);
    let pairs = ('a'..='z').flat_map(|a| ('a'..='z').flat_map(move |b| [format!("{a}{b}"), format!("##{a}{b}")]));
    let vocabulary: serde_json::Map<String, serde_json::Value> = special
        .into_iter()
        .chain(han)
        .chain(latin)
        .chain(pairs)
        .enumerate()
        .map(|(id, token)| (token, id.into()))
        .collect();
    let json = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "decoder": null,
        "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": { "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2] },
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    });
    let spec = TokensInputSpec { max_length: 128, overlap: 16, windows: 16, text: TextForm::Raw };
    TokenReader::new(spec, json.to_string().as_bytes()).unwrap()
}

#[divan::bench(args = [60, 600, 6_000, 65_536])]
fn text_tokenize_bytes(bencher: Bencher<'_, '_>, bytes: usize) {
    let reader = tokenizer();
    let text = text(bytes);
    assert!(!reader.windows(&text).unwrap().is_empty());
    bencher.bench(|| reader.windows(black_box(&text)));
}

#[divan::bench]
fn fuse(bencher: Bencher<'_, '_>) {
    let policy = policy();
    let weights = policy.categories[0].fusion;
    let (from, to) = (Probability::new(0.5).unwrap(), Probability::new(0.01).unwrap());
    bencher.bench(|| shift_prior(weights.fuse(black_box(Some(Logit(1.2))), black_box(Some(Logit(-0.4)))), from, to));
}

fn request() -> ClassifyRequest {
    let image = |index: usize| Image { image_id: index.to_string(), content: photo((320, 240)).into() };
    ClassifyRequest {
        title: text(60),
        description: text(600),
        images: (0..3).map(image).collect(),
        ..Default::default()
    }
}

#[divan::bench]
fn convert_request(bencher: Bencher<'_, '_>) {
    let (request, limits) = (request(), limits());
    bencher.with_inputs(|| request.clone()).bench_values(|request| convert::listing(request, &limits).unwrap());
}

fn policy() -> Policy {
    Policy::parse(&std::fs::read_to_string(config().reloadable.policy).unwrap()).unwrap()
}

fn rating() -> Rating {
    let pipeline = Pipeline::start(&config(), first_generation(&config(), None).unwrap(), Arc::default()).unwrap();
    let listing = convert::listing(request(), &limits()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(pipeline.rate(listing, &Asked { patient: true, ..Asked::default() })).unwrap()
}

#[divan::bench]
fn convert_response(bencher: Bencher<'_, '_>) {
    let (rating, policy) = (rating(), policy());
    let sentences = Sentences::new(Language::Chinese, &policy);
    bencher.with_inputs(|| rating.clone()).bench_values(|rating| convert::response(rating, sentences));
}
