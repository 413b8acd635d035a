//! Sends listings over a few connections and judges every answer.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tonic::Code;
use tonic::Request;
use tonic::Status;
use tonic::metadata::Ascii;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::transport::Endpoint;
use wildwarden_core::error::Error;
use wildwarden_core::error::Result;
use wildwarden_proto::v1::ClassifyRequest;
use wildwarden_proto::v1::ClassifyResponse;
use wildwarden_proto::v1::Image;
use wildwarden_proto::v1::risk_service_client::RiskServiceClient;

use crate::bench::known;
use crate::bench::known::Known;
use crate::bench::listings::Listing;
use crate::bench::measure::Outcome;
use crate::bench::photo::Mark;
use crate::bench::versions::AnswerCounts;
use crate::bench::versions::AnsweredBy;

/// HTTP/2 windows for what comes in; those for photos, which go out, are the server's.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Whom to ask, and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// A URL.
    pub address: String,
    /// Sent as `authorization: Bearer`.
    pub key: Option<String>,
    /// A call without an answer by then counts as `DeadlineExceeded`.
    pub deadline: Duration,
    /// HTTP/2 connections, used in turn.
    pub connections: usize,
    /// Make every photo's bytes distinct, so that no cache knows it.
    pub unique: bool,
    /// Answers of other models than at the start are no fault; their scores are not compared.
    pub allow_model_change: bool,
}

/// Connections to one server.
#[derive(Debug)]
pub struct Connections {
    clients: Vec<RiskServiceClient<Channel>>,
    authorization: Option<MetadataValue<Ascii>>,
    target: Target,
    /// Tells request ids and marks of this run from those of others.
    run: u64,
    sent: AtomicU64,
}

/// A listing and what is known of it.
#[derive(Debug)]
pub struct ExpectedListing {
    /// What is sent.
    pub listing: Listing,
    /// What the answer must say.
    pub known: Known,
    /// Who said so.
    pub versions: AnsweredBy,
}

/// Sends rated listings in turn.
#[derive(Debug)]
pub struct LoadClient {
    connections: Connections,
    rated: Vec<ExpectedListing>,
    versions: Mutex<AnswerCounts>,
}

impl Connections {
    /// Opens `target.connections` connections, each within 5 s.
    ///
    /// # Errors
    /// [`Error::Setup`] naming the address or the key.
    pub async fn open(target: &Target) -> Result<Self> {
        let refused = |cause: &dyn std::fmt::Display| Error::setup(format!("--server {}: {cause}", target.address));
        let url = target.address.clone();
        let endpoint = Endpoint::from_shared(url).map_err(|cause| refused(&cause))?;
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let authorization = target.key.as_ref().map(|key| format!("Bearer {key}").parse()).transpose();
        let authorization = authorization.map_err(|cause| Error::setup(format!("--key: {cause}")))?;
        let mut clients = Vec::new();
        for _ in 0..target.connections {
            let channel = endpoint.connect().await;
            let channel = channel.map_err(|cause| refused(&format!("no server there ({})", root(&cause))))?;
            clients.push(
                RiskServiceClient::new(channel)
                    .max_encoding_message_size(usize::MAX)
                    .max_decoding_message_size(usize::MAX),
            );
        }
        Ok(Self { clients, authorization, target: target.clone(), run: rand::random(), sent: AtomicU64::new(0) })
    }

    /// Sends `listing`; returns the id it was sent under, too.
    async fn classify(&self, number: u64, listing: &Listing) -> (String, Result<ClassifyResponse, Status>) {
        let request_id = format!("bench-{:016x}-{number}", self.run);
        let content = |(index, photo): (usize, &crate::bench::photo::Photo)| {
            let content = if self.target.unique { photo.distinct(self.mark(number, index)) } else { photo.as_it_is() };
            Image { image_id: String::new(), content }
        };
        let message = ClassifyRequest {
            request_id: request_id.clone(),
            title: listing.title.clone(),
            description: listing.description.clone(),
            images: listing.photos.iter().enumerate().map(content).collect(),
            ..ClassifyRequest::default()
        };
        let mut request = Request::new(message);
        request.set_timeout(self.target.deadline);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        let sent = Instant::now();
        let turn = usize::try_from(number).unwrap_or_default() % self.clients.len().max(1);
        let Some(client) = self.clients.get(turn) else {
            return (request_id, Err(Status::internal("no connection"))); // at least one is opened
        };
        let answer = client.clone().classify(request).await.map(tonic::Response::into_inner);
        // The client's own timer, which runs as long, says CANCELLED.
        let answer = answer.map_err(|status| {
            let is_timer = status.code() == Code::Cancelled && sent.elapsed() >= self.target.deadline;
            if is_timer { Status::deadline_exceeded(status.message()) } else { status }
        });
        (request_id, answer)
    }

    /// Listings are sent less than 2^48 times and have less than 2^16 photos.
    fn mark(&self, number: u64, index: usize) -> Mark {
        let count = (number << 16) | (index as u64 & 0xFFFF);
        ((u128::from(self.run) << 64) | u128::from(count)).to_be_bytes()
    }

    fn next_number(&self) -> u64 {
        self.sent.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends each of `listings` alone and keeps its rating. `done` is called after each.
    ///
    /// # Errors
    /// [`Error::Setup`] naming the listing that was not rated.
    pub async fn rate_each(&self, listings: Vec<Listing>, done: impl Fn()) -> Result<Vec<ExpectedListing>> {
        let mut rated = Vec::with_capacity(listings.len());
        for listing in listings {
            let (request_id, answer) = self.classify(self.next_number(), &listing).await;
            let fault =
                |problem: String| Error::setup(format!("{}: sent alone before the load: {problem}", listing.id));
            let answer = answer.map_err(|status| fault(explain(&status)))?;
            same_request(&request_id, &answer).and_then(|()| known::agrees_with_itself(&answer)).map_err(fault)?;
            rated.push(ExpectedListing { known: Known::of(&answer), versions: AnsweredBy::of(&answer), listing });
            done();
        }
        Ok(rated)
    }
}

impl LoadClient {
    /// Of at least one rated listing.
    pub fn new(connections: Connections, rated: Vec<ExpectedListing>) -> Self {
        Self { connections, rated, versions: Mutex::default() }
    }

    /// Sends the next listing; its photos and what became of it.
    pub async fn call(&self) -> (usize, Outcome) {
        let number = self.connections.next_number();
        let place = usize::try_from(number).unwrap_or_default() % self.rated.len().max(1);
        let Some(rated) = self.rated.get(place) else {
            return (0, Outcome::Failed(Code::Internal, "no listing".into()));
        };
        let (request_id, answer) = self.connections.classify(number, &rated.listing).await;
        let outcome = match answer {
            Ok(answer) => self.judge(rated, &request_id, answer),
            Err(status) => Outcome::Failed(status.code(), format!("{}: {}", rated.listing.id, explain(&status))),
        };
        (rated.listing.photos.len(), outcome)
    }

    fn judge(&self, rated: &ExpectedListing, request_id: &str, answer: ClassifyResponse) -> Outcome {
        self.versions.lock().count(&answer);
        let judged = judge(rated, request_id, &answer, self.connections.target.allow_model_change);
        match judged {
            Ok(()) => Outcome::Right(answer.timings.unwrap_or_default()),
            Err(problem) => Outcome::Wrong(format!("{}: {problem}", rated.listing.id)),
        }
    }

    /// Sets of models that answered under load, and their answers.
    pub fn versions(&self) -> Vec<(String, u64)> {
        self.versions.lock().sets().collect()
    }

    /// What is sent.
    pub fn rated(&self) -> &[ExpectedListing] {
        &self.rated
    }
}

fn judge(
    rated: &ExpectedListing,
    request_id: &str,
    answer: &ClassifyResponse,
    allow_model_change: bool,
) -> Result<(), String> {
    same_request(request_id, answer)?;
    known::agrees_with_itself(answer)?;
    // The models of a look that was given up took no part.
    let with_other_looks = rated.known.was_looked_at_otherwise(answer) && rated.versions.agrees_with(answer);
    if rated.versions.gave(answer) || with_other_looks {
        return rated.known.compare(answer);
    }
    if allow_model_change {
        return Ok(());
    }
    let (now, before) = (AnsweredBy::of(answer).name(), rated.versions.name());
    Err(format!("answered by {now}; before by {before} (--allow-model-change allows it)"))
}

fn same_request(request_id: &str, answer: &ClassifyResponse) -> Result<(), String> {
    if answer.request_id == request_id {
        Ok(())
    } else {
        Err(format!("the answer is of request {:?}, not of {request_id:?}", answer.request_id))
    }
}

fn explain(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// The innermost cause: the transport's own message is only "transport error".
fn root(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wildwarden_proto::v1::CategoryRating;
    use wildwarden_proto::v1::ModelVersion;

    fn answer(risk: f64, version: &str) -> ClassifyResponse {
        ClassifyResponse {
            request_id: "r".into(),
            risk,
            categories: vec![CategoryRating { category: "cups".into(), probability: risk, ..Default::default() }],
            models: vec![ModelVersion { name: "tusk".into(), version: version.into(), ..Default::default() }],
            ..Default::default()
        }
    }

    fn rated() -> ExpectedListing {
        let listing = Listing { id: "a".into(), title: "x".into(), description: String::new(), photos: Vec::new() };
        let first = answer(0.5, "1");
        ExpectedListing { listing, known: Known::of(&first), versions: AnsweredBy::of(&first) }
    }

    #[test]
    fn an_answer_to_another_request_or_with_another_score_is_wrong() {
        assert_eq!(judge(&rated(), "r", &answer(0.5, "1"), false), Ok(()));
        assert!(judge(&rated(), "s", &answer(0.5, "1"), false).unwrap_err().contains("request"));
        for allow_model_change in [false, true] {
            let problem = judge(&rated(), "r", &answer(0.6, "1"), allow_model_change).unwrap_err();
            assert!(problem.contains("0.6"), "the same models give the same scores: {problem}");
        }
    }

    #[test]
    fn other_models_are_wrong_unless_allowed() {
        let problem = judge(&rated(), "r", &answer(0.5, "2"), false).unwrap_err();
        assert!(problem.contains("tusk 2") && problem.contains("--allow-model-change"), "{problem}");
        assert_eq!(judge(&rated(), "r", &answer(0.9, "2"), true), Ok(()));
    }

    #[test]
    fn a_look_that_was_given_up_takes_its_models_along() {
        let missing = vec!["image:a:look:busy".to_owned()];
        let hurried = ClassifyResponse { missing: missing.clone(), models: Vec::new(), ..answer(0.4, "1") };
        assert_eq!(judge(&rated(), "r", &hurried, false), Ok(()));
        assert!(judge(&rated(), "r", &ClassifyResponse { missing, ..answer(0.4, "2") }, false).is_err());
    }
}
