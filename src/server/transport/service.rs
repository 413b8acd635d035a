//! The RPCs: convert, rate, convert.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::sync::{OnceCell, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};
use wildwarden_core::config::Limits;
use wildwarden_core::error::{Error, Result};
use wildwarden_core::metrics::Metrics;
use wildwarden_core::pipeline::Pipeline;
use wildwarden_core::schedule::{Asked, Priority};
use wildwarden_proto::v1::classify_result::Outcome;
use wildwarden_proto::v1::risk_service_server::RiskService;
use wildwarden_proto::v1::{
    ClassifyBatchRequest, ClassifyBatchResponse, ClassifyRequest, ClassifyResponse, ClassifyResult,
    GetServerInfoRequest, GetServerInfoResponse,
};

use crate::transport::arriving::Answered;
use crate::transport::call::Call;
use crate::transport::caller::Callers;
use crate::transport::ledger::Ledger;
use crate::transport::repeats::Repeats;
use crate::transport::sentences::Sentences;
use crate::transport::status::{error_code_name, item_error, reason, status};
use crate::transport::traces::Traces;
use crate::transport::{convert, convert_info, guard};

/// Listings of one batch or stream that are rated at the same time: enough to keep the workers busy, few enough that one
/// caller's bulk does not fill the queue.
pub(crate) const CONCURRENT_ITEMS: usize = 16;

/// What all calls share.
#[derive(Debug)]
pub struct Shared {
    /// Set once models are loaded.
    pub pipeline: OnceCell<Arc<Pipeline>>,
    /// Set when the server stops taking work.
    pub draining: AtomicBool,
    /// Limits in force.
    pub limits: Limits,
    /// What operators watch.
    pub metrics: Arc<Metrics>,
    /// Bytes of messages under way.
    pub ledger: Arc<Ledger>,
    /// Calls under way, by caller.
    pub callers: Callers,
    /// Answers of a short while ago.
    pub repeats: Repeats,
    /// Where spans go.
    pub traces: Traces,
}

impl Shared {
    pub(super) fn pipeline(&self) -> Result<&Pipeline> {
        self.pipeline.get().map(Arc::as_ref).ok_or_else(|| Error::NotReady("the models are still loading".into()))
    }

    /// The pipeline, for work that comes in now. What was let in is finished: a drain refuses no part of a running batch.
    pub(super) fn admit(&self) -> Result<&Pipeline> {
        if self.draining.load(Ordering::Acquire) {
            return Err(Error::NotReady("the server is shutting down".into()));
        }
        self.pipeline()
    }

    /// Whether models are loaded and every worker returns from what it does.
    pub fn is_whole(&self) -> bool {
        self.pipeline.get().is_some_and(|pipeline| pipeline.lost_workers().0 == 0)
    }

    /// Rates one admitted request whose id is set.
    async fn rate(&self, request: ClassifyRequest, call: Call) -> Result<ClassifyResponse> {
        let pipeline = self.pipeline()?;
        let Call { mut asked, language, trace, key: _ } = call;
        asked.priority = convert::priority(&request, asked.priority)?;
        let request_id = request.request_id.clone();
        let listing = convert::listing(request, &self.limits)?;
        let came = Instant::now();
        let outcome = pipeline.rate(listing, &asked).await;
        trace.rated(&request_id, came.elapsed(), outcome.as_ref().map(|rating| rating.steps.as_slice()));
        let generation = pipeline.generation();
        Ok(convert::response(outcome?, Sentences::new(language, generation.policy())))
    }

    /// Rates one listing that comes in now, or finds the answer that its caller got just before; an error with the id that the listing has, its own or one made for it.
    pub(super) async fn classify(
        &self,
        mut message: ClassifyRequest,
        call: Call,
    ) -> Result<ClassifyResponse, (Error, String)> {
        let request_id = convert::request_id(&message.request_id);
        let generation = match self.admit() {
            Ok(pipeline) => pipeline.generation().number(),
            Err(error) => return Err((error, request_id)),
        };
        // Before it has an id that nobody gave it.
        let repeat = self.repeats.of(&message, &call, generation);
        message.request_id.clone_from(&request_id);
        if let Some(answer) = self.repeats.answer(repeat.as_ref()) {
            self.metrics.repeated();
            return Ok(answer);
        }
        let answer = self.rate(message, call).await.map_err(|error| (error, request_id))?;
        self.repeats.keep(repeat, &answer);
        Ok(answer)
    }

    /// Rates the listings of a batch, in their order.
    ///
    /// # Errors
    /// Of the batch itself: it is empty or too large, or nothing is rated now.
    pub(super) async fn classify_batch(
        self: &Arc<Self>,
        items: Vec<ClassifyRequest>,
        call: Call,
    ) -> Result<ClassifyBatchResponse> {
        let most = self.limits.max_batch_items;
        if items.is_empty() || items.len() > most {
            return Err(match items.len() {
                0 => Error::invalid("items", "a batch has at least one listing"),
                found => convert::over("items", found, "listings", most, "max_batch_items"),
            });
        }
        self.admit()?;
        let mut results: Vec<Option<ClassifyResult>> = items.iter().map(|_| None).collect();
        let mut waiting = items.into_iter().enumerate();
        // Dropping the set, when the caller leaves, aborts what is left.
        let mut running = JoinSet::new();
        loop {
            while running.len() < CONCURRENT_ITEMS
                && let Some((index, item)) = waiting.next()
            {
                let (shared, call) = (Arc::clone(self), call.clone());
                running.spawn(async move { (index, shared.rate_item(item, call).await) });
            }
            match running.join_next().await {
                Some(Ok((index, result))) => {
                    if let Some(slot) = results.get_mut(index) {
                        *slot = Some(result);
                    }
                }
                Some(Err(cause)) => return Err(Error::Bug(format!("rating an item: {cause}"))),
                None => break,
            }
        }
        Ok(ClassifyBatchResponse { results: results.into_iter().flatten().collect() })
    }

    /// Limits, categories and versions.
    ///
    /// # Errors
    /// [`Error::NotReady`].
    pub(super) fn info(&self) -> Result<GetServerInfoResponse> {
        let pipeline = self.admit()?;
        let generation = pipeline.generation();
        let providers = generation.engine().providers().into_iter();
        Ok(GetServerInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            limits: Some(convert_info::limits(&self.limits)),
            categories: generation
                .policy()
                .enabled()
                .map(|declared| convert_info::category_info(declared, generation.rates(declared.category)))
                .collect(),
            models: generation.models().iter().map(convert::model_version).collect(),
            policy: Some(convert::policy_version(generation.policy_version())),
            onnxruntime_build: pipeline.runtime_build().to_owned(),
            execution_providers: providers.map(|(provider, count)| (provider.name().to_owned(), count)).collect(),
        })
    }

    /// Whether a listing would be taken now; before the models are loaded that is not known.
    ///
    /// # Errors
    /// [`Error::Overloaded`].
    pub(super) fn foresees(&self, asked: &Asked) -> Result<()> {
        self.pipeline.get().map_or(Ok(()), |pipeline| pipeline.foresees(asked))
    }

    /// Rates one admitted listing of a batch or stream.
    async fn rate_item(&self, mut request: ClassifyRequest, call: Call) -> ClassifyResult {
        request.request_id = convert::request_id(&request.request_id);
        let request_id = request.request_id.clone();
        let asked = Asked { priority: Priority::Bulk, ..call.asked };
        let key = call.key.clone();
        let outcome = self.rate(request, Call { asked, ..call }).await;
        self.metrics.call("Classify item", outcome.as_ref().err().map_or("OK", error_code_name), key.as_deref());
        outcome.as_ref().err().into_iter().for_each(|error| self.metrics.refused(reason(error)));
        result(request_id, outcome)
    }
}

fn result(request_id: String, outcome: Result<ClassifyResponse>) -> ClassifyResult {
    let outcome = match outcome {
        Ok(response) => Outcome::Response(response),
        Err(error) => Outcome::Error(item_error(&error, &request_id)),
    };
    ClassifyResult { request_id, outcome: Some(outcome) }
}

/// The service behind the contract.
#[derive(Debug, Clone)]
pub struct Service(pub Arc<Shared>);

#[tonic::async_trait]
impl RiskService for Service {
    async fn classify(&self, request: Request<ClassifyRequest>) -> Result<Response<ClassifyResponse>, Status> {
        let call = Call::of(request.extensions());
        let outcome = self.0.classify(request.into_inner(), call).await;
        outcome.map(Response::new).map_err(|(error, request_id)| status(&error, &request_id))
    }

    async fn classify_batch(
        &self,
        request: Request<ClassifyBatchRequest>,
    ) -> Result<Response<ClassifyBatchResponse>, Status> {
        let call = Call::of(request.extensions());
        let outcome = self.0.classify_batch(request.into_inner().items, call).await;
        outcome.map(Response::new).map_err(|error| status(&error, ""))
    }

    type ClassifyStreamStream = Answers;

    async fn classify_stream(
        &self,
        request: Request<Streaming<ClassifyRequest>>,
    ) -> Result<Response<Self::ClassifyStreamStream>, Status> {
        let call = Call::of(request.extensions());
        self.0.admit().map_err(|error| status(&error, ""))?;
        let (answers, stream) = mpsc::channel(CONCURRENT_ITEMS);
        let shared = Arc::clone(&self.0);
        // Ends when the caller closes its side and the last answer is sent, or when the caller has gone.
        let mut task = JoinSet::new();
        let answered = request.extensions().get::<Answered>().cloned().unwrap_or_default();
        task.spawn(async move { answer_stream(&shared, request.into_inner(), (call, answered), answers).await });
        Ok(Response::new(Answers { stream: ReceiverStream::new(stream), _task: task }))
    }

    async fn get_server_info(
        &self,
        _: Request<GetServerInfoRequest>,
    ) -> Result<Response<GetServerInfoResponse>, Status> {
        self.0.info().map(Response::new).map_err(|error| status(&error, ""))
    }
}

/// The answers of a stream, with the task that makes them: dropped, it ends.
#[derive(Debug)]
pub struct Answers {
    stream: ReceiverStream<Result<ClassifyResult, Status>>,
    _task: JoinSet<()>,
}

impl Stream for Answers {
    type Item = Result<ClassifyResult, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.stream).poll_next(context)
    }
}

/// Reads listings only as fast as they are rated and answers are taken, so a slow reader slows the sender and nothing
/// piles up.
async fn answer_stream(
    shared: &Arc<Shared>,
    mut requests: Streaming<ClassifyRequest>,
    (call, answered): (Call, Answered),
    answers: mpsc::Sender<Result<ClassifyResult, Status>>,
) {
    let mut running = JoinSet::new();
    let mut open = true;
    while open || !running.is_empty() {
        tokio::select! {
            () = answers.closed() => return,
            request = requests.next(), if open && running.len() < CONCURRENT_ITEMS => match request {
                Some(Ok(request)) => {
                    let (shared, call) = (Arc::clone(shared), call.clone());
                    // A stream may outlive the decision to drain: listings that come in after it are refused one by one.
                    let admitted = shared.admit().map(|_pipeline| ());
                    running.spawn(async move {
                        match admitted {
                            Ok(()) => shared.rate_item(request, call).await,
                            Err(error) => result(convert::request_id(&request.request_id), Err(error)),
                        }
                    });
                }
                Some(Err(broken)) => {
                    let problem = guard::as_invalid_argument(broken, shared.limits.max_message_bytes);
                    // The caller may have gone; then there is nobody to tell.
                    let _ = answers.send(Err(problem)).await;
                    return;
                }
                None => open = false,
            },
            Some(finished) = running.join_next() => {
                answered.one_more();
                let answer = finished.map_err(|cause| status(&Error::Bug(format!("rating an item: {cause}")), ""));
                if answers.send(answer).await.is_err() {
                    return;
                }
            }
        }
    }
}
