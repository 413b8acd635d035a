//! Everything between a folder of models and the generation in service: which versions and policy serve, what is tried
//! beside them, what is returned to. Loads happen on one thread of their own; calls that only switch happen at once, also
//! while something loads. It never rates a listing.

pub mod check;
mod first;
mod judge;
mod keeper;
mod ledger;
mod load;
mod operations;
mod orders;
mod plan;
mod planning;
mod saved;
mod state;
mod status;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use notify::{RecursiveMode, Watcher};
use parking_lot::Mutex;
use tokio::sync::oneshot;

pub use self::status::{CandidateStatus, ModelsStatus, SetStatus, VersionState, VersionStatus};

use self::keeper::Keeper;
use self::ledger::Ledger;
use self::orders::{Common, Order, Reply};
use self::plan::Target;
use self::state::State;
use wildwarden_core::config::Config;
use wildwarden_core::domain::ModelVersion;
use wildwarden_core::error::{Error, Result};
use wildwarden_core::metrics::Metrics;
use wildwarden_core::model::catalogue::repository::Repository;
use wildwarden_core::model::folder::manifest::Manifest;
use wildwarden_core::pipeline::Pipeline;
use wildwarden_core::pipeline::generation::{Generation, PolicyFile};
use wildwarden_core::pipeline::shadow::ShadowReport;
use wildwarden_core::pipeline::traffic::Share;

/// Calls that may wait for the thread.
const WAITING_ORDERS: usize = 64;

/// The models of a server, from start to end.
#[derive(Debug)]
pub struct Lifecycle {
    common: Arc<Common>,
    orders: SyncSender<Order>,
    thread: Option<JoinHandle<()>>,
    /// Held: it ends when dropped.
    _watcher: Option<notify::RecommendedWatcher>,
}

/// What a server with this configuration starts with: what was decided before its last stop counts. `policy`: in the place of the
/// one that would serve.
///
/// # Errors
/// See [`Lifecycle::start`].
pub fn first_generation(config: &Config, policy: Option<PolicyFile>) -> Result<Generation> {
    Ok(first::load(config, policy.map(Arc::new).as_ref(), repository(config))?.generation)
}

/// The folders of `config`, not looked at yet.
fn repository(config: &Config) -> Repository {
    Repository::new(&config.folders.models, config.folders.max_file_bytes)
}

/// What a call names.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// Versions, in the place of those in service. None: what the call says.
    Versions(&'a [VersionName]),
    /// A named set, or `default`: what folders, rules and the policy file choose.
    Set(&'a str),
}

/// A version asked for by call: a version's name, or the label `stable` or `canary`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionName {
    /// Name of the model.
    pub name: String,
    /// Version or label.
    pub version: String,
}

impl Lifecycle {
    /// Loads what the configuration chooses, starts the workers, and keeps an eye on the folders from then on.
    ///
    /// # Errors
    /// [`Error::Setup`] or [`Error::Model`] naming file and value, when a model has no version that can serve.
    pub fn start(config: &Arc<Config>, metrics: Arc<Metrics>) -> Result<Self> {
        let first = first::load(config, None, repository(config))?;
        let pipeline = Arc::new(Pipeline::start(config, first.generation, Arc::clone(&metrics))?);
        let serving = pipeline.generation();
        let ledger = Ledger::new(serving, first.default, first.decisions, first.failures, first.policy_held);
        let state = State {
            config: Arc::clone(config),
            pipeline,
            metrics,
            versions: first.repository.versions(),
            incomplete: Vec::new(),
            sets: Vec::new(),
            ledger,
            waiting: first.waiting,
            policy_problem: None,
            kept: Vec::new(),
            retired: Vec::new(),
            loading: None,
        };
        state.announce();
        let (stop, changed) = (AtomicBool::new(false), AtomicBool::new(false));
        let common = Arc::new(Common { state: Mutex::new(state), stop, changed });
        let (orders, received) = sync_channel(WAITING_ORDERS);
        let keeper = Keeper {
            common: Arc::clone(&common),
            repository: first.repository,
            orders: received,
            saved: None,
            unsaved: None,
        };
        let thread = std::thread::Builder::new().name("models".into()).spawn(move || keeper.run());
        let thread = thread.map_err(|cause| Error::Bug(format!("starting the thread of models: {cause}")))?;
        let watcher = if config.folders.watch { watch(config, &common, &orders) } else { None };
        // A first look beside traffic: it loads what the rules want kept.
        common.tell_of_change(&orders);
        Ok(Self { common, orders, thread: Some(thread), _watcher: watcher })
    }

    /// What rates listings.
    pub fn pipeline(&self) -> Arc<Pipeline> {
        Arc::clone(&self.common.state().pipeline)
    }

    /// All that is known of models.
    pub fn status(&self) -> ModelsStatus {
        self.common.state().status()
    }

    /// Manifest and status of a version.
    ///
    /// # Errors
    /// [`Error::NotFound`] saying what there is; [`Error::Refused`] with the reason when the version is incomplete.
    pub fn describe(&self, wanted: &VersionName) -> Result<(ModelVersion, Manifest, VersionStatus)> {
        let state = self.common.state();
        let identity = state.find(&wanted.name, &wanted.version)?;
        let (manifest, status) = state.describe(&wanted.name, &identity.version)?;
        Ok((identity, manifest, status))
    }

    /// Looks at folders and policy now, with `config` from now on if given, and returns once what is chosen serves or failed.
    ///
    /// # Errors
    /// [`Error::Refused`] when too many calls wait; [`Error::NotReady`] when the server shuts down.
    pub async fn reload(&self, config: Option<Config>) -> Result<()> {
        self.order(|reply| Order::Reload(config.map(Box::new), reply)).await
    }

    /// Loads and checks versions and keeps them in memory.
    ///
    /// # Errors
    /// [`Error::Invalid`] when nothing is named, or a name is given twice; [`Error::NotFound`]; [`Error::Refused`] with the reason
    /// when they do not load or fit, or too many calls wait; [`Error::NotReady`] when the server shuts down. Nothing changed then.
    pub async fn load(&self, asked: Asked<'_>) -> Result<()> {
        let target = self.target(asked)?;
        let target = target.ok_or_else(|| Error::invalid("versions", "name at least one, or a set"))?;
        self.order(|reply| Order::Load(target, reply)).await
    }

    /// Puts versions in service, loading them first if need be; without any, the candidate.
    ///
    /// # Errors
    /// See [`Self::load`]; [`Error::Refused`] without any when nothing is tried, or when another call came in between.
    pub async fn promote(&self, asked: Asked<'_>) -> Result<()> {
        let target = self.target(asked)?;
        self.order(|reply| Order::Promote(target, reply)).await
    }

    /// Tries versions on a share of listings, as canary or as shadow. Without any, those labelled `canary` in the
    /// configuration.
    ///
    /// # Errors
    /// See [`Self::promote`]; [`Error::Invalid`] for the share, or when nothing is named and nothing labelled.
    pub async fn try_out(&self, asked: Asked<'_>, share: f64, shadow: bool) -> Result<()> {
        let problem = || Error::invalid("share", format!("{share} must be above 0 and at most 1"));
        let share = Share::new(share).ok_or_else(problem)?;
        let target = match self.target(asked)? {
            Some(target) => target,
            None => Target::Versions(self.labelled_canary()?),
        };
        self.order(|reply| Order::Try { target, share, shadow, reply }).await
    }

    /// Ends a trial.
    ///
    /// # Errors
    /// [`Error::Refused`] when nothing is tried.
    pub fn stop_candidate(&self) -> Result<()> {
        self.common.state().stop_candidate()
    }

    /// Undoes the last change, at once: ends a trial, or returns to what served before.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is nothing to return to.
    pub fn roll_back(&self) -> Result<()> {
        self.common.state().roll_back("rolled_back")?;
        self.remember();
        Ok(())
    }

    /// Frees a version that is in memory but not in service.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is in service, tried or incomplete; [`Error::NotFound`] when it is not in memory.
    pub fn unload(&self, wanted: &VersionName) -> Result<()> {
        let mut state = self.common.state();
        let identity = state.find(&wanted.name, &wanted.version)?;
        state.unload(&identity.name, &identity.version)
    }

    /// What a trial shows so far.
    ///
    /// # Errors
    /// [`Error::Refused`] when nothing is tried.
    pub fn shadow_report(&self) -> Result<ShadowReport> {
        let candidate = self.common.state().candidate();
        let comparison = candidate.as_ref().map(|candidate| candidate.comparison());
        comparison
            .map(|comparison| comparison.report())
            .ok_or_else(|| Error::Refused("no candidate is being tried".into()))
    }

    /// Has the thread write down what was decided. When it is busy it does so as soon as it is not.
    fn remember(&self) {
        let _ = self.orders.try_send(Order::Remember);
    }

    /// `None`: nothing is named.
    fn target(&self, asked: Asked<'_>) -> Result<Option<Target>> {
        Ok(match asked {
            Asked::Versions([]) => None,
            Asked::Versions(wanted) => Some(Target::Versions(self.find(wanted)?)),
            Asked::Set(name) => Some(Target::Set(name.to_owned())),
        })
    }

    fn find(&self, wanted: &[VersionName]) -> Result<Vec<ModelVersion>> {
        let state = self.common.state();
        let mut found: Vec<ModelVersion> = Vec::new();
        for (index, VersionName { name, version }) in wanted.iter().enumerate() {
            if found.iter().any(|other| other.name == *name) {
                return Err(Error::invalid(format!("versions[{index}].name"), format!("{name:?} is given twice")));
            }
            found.push(state.find(name, version)?);
        }
        Ok(found)
    }

    fn labelled_canary(&self) -> Result<Vec<ModelVersion>> {
        let state = self.common.state();
        let rules = state.config.reloadable.versions.iter();
        let labelled = rules.filter_map(|(name, rule)| Some(state.find(name, rule.canary.as_ref()?)));
        let labelled = labelled.collect::<Result<Vec<_>>>()?;
        if labelled.is_empty() {
            return Err(Error::invalid("versions", "name at least one; models.labels has no canary"));
        }
        Ok(labelled)
    }

    async fn order(&self, order: impl FnOnce(Reply) -> Order) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.orders.try_send(order(reply)).map_err(|refused| match refused {
            TrySendError::Full(_) => Error::Refused(format!("{WAITING_ORDERS} calls wait already; try again later")),
            TrySendError::Disconnected(_) => Error::Bug("the thread of models has ended".into()),
        })?;
        answer.await.unwrap_or_else(|_| Err(Error::NotReady("the server is shutting down".into())))
    }
}

impl Drop for Lifecycle {
    /// A load that runs is given up between two models. The thread is joined: sessions must not outlive the process's exit
    /// handlers.
    fn drop(&mut self) {
        self.common.stop.store(true, Ordering::Relaxed);
        // Full: the thread is busy, and sees the flag; it ends when the sender is gone, too.
        let _ = self.orders.try_send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to clean up.
            let _ = thread.join();
        }
    }
}

/// Has the system tell of changes. Where it cannot, polling finds them.
fn watch(config: &Config, common: &Arc<Common>, orders: &SyncSender<Order>) -> Option<notify::RecommendedWatcher> {
    let (common, orders) = (Arc::clone(common), orders.clone());
    let tell = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            common.tell_of_change(&orders);
        }
    };
    let start = || -> notify::Result<notify::RecommendedWatcher> {
        let mut watcher = notify::recommended_watcher(tell)?;
        watcher.watch(&config.folders.models, RecursiveMode::Recursive)?;
        if let Some(folder) = config.reloadable.policy.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    };
    start().inspect_err(|cause| tracing::warn!(%cause, "the system does not tell of changes; polling finds them")).ok()
}
