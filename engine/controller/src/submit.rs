//! Submitting: a resolved workflow becomes a journal stream whose first append holds the first intents.
//! Deliberately resolves and validates nothing: what arrives here is what runs.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use runner_machine::{Action, Estimates, Fact, Input, Plan, Reuse, Submit};
use runner_store::{
    Append, Appended, Create, Epoch, FirstLease, Journal, Lease, Maintenance, Seq, Store, StreamId, Wakeup,
};
use runner_workflows::resolve::ResolvedWorkflow;

use crate::clock::after;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::estimate::estimate;
use crate::inbox::Incoming;
use crate::lease;
use crate::load;
use crate::locks::Locks;
use crate::record::{self, Entry};
use crate::turn::{Run, commit};
use crate::worker::Origin;

/// Annotation with the directory that steps may see and write; set by the submitter, never by the file.
pub const SHARE_CWD: &str = "runner/share-cwd";
/// Tries of a generated name before giving up.
const NAME_TRIES: usize = 8;

/// A workflow to be run.
#[derive(Clone, Debug, Default)]
pub struct SubmitRequest {
    /// Namespace.
    pub namespace: String,
    /// Exact name; else one is generated.
    pub name: Option<String>,
    /// Prefix of a generated name; else the workflow's own `name` or `generateName`.
    pub generate_name: Option<String>,
    /// What it does, frozen.
    pub resolved: ResolvedWorkflow,
    /// A second submit with the same key in the namespace answers the first one's workflow (F60).
    pub idempotency_key: Option<String>,
    /// A directory of this machine that the steps may see and write.
    pub share_cwd: Option<PathBuf>,
    /// Nodes that it takes over from an earlier run.
    pub reuse: Option<Reuse>,
    /// Only record it, for an engine in another process that adopts.
    pub detached: bool,
}

/// A workflow that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Unique id.
    pub uid: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// It is the one that an earlier submit with the same key made.
    pub existing: bool,
}

enum Naming {
    Exact(String),
    Prefix(String),
}

fn naming(request: &SubmitRequest) -> Result<Naming> {
    let metadata = &request.resolved.metadata;
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    if let Some(name) = &request.name {
        return Ok(Naming::Exact(name.clone()));
    }
    if let Some(prefix) = &request.generate_name {
        return Ok(Naming::Prefix(prefix.clone()));
    }
    if let Some(name) = given(&metadata.name) {
        return Ok(Naming::Exact(name));
    }
    given(&metadata.generate_name)
        .map(Naming::Prefix)
        .ok_or_else(|| Error::Invalid("a workflow needs a name or generateName".to_owned()))
}

/// Makes the workflow durable and, unless it is detached, starts it here.
pub(crate) async fn submit(core: &Arc<Core>, request: SubmitRequest) -> Result<Submitted> {
    if core.is_closing() {
        return Err(Error::Closing);
    }
    if request.namespace.is_empty() {
        return Err(Error::Invalid("a workflow needs a namespace".to_owned()));
    }
    let labels = &request.resolved.metadata.labels;
    let estimates = estimate(core.store.as_ref(), &request.namespace, labels).await;
    match naming(&request)? {
        Naming::Exact(name) => attempt(core, &request, name, estimates).await,
        Naming::Prefix(prefix) => {
            let mut last = Error::Invalid("no name".to_owned());
            for _ in 0..NAME_TRIES {
                let name = format!("{prefix}{}", core.ids.suffix());
                match attempt(core, &request, name, estimates.clone()).await {
                    Err(error @ Error::NameTaken { .. }) => last = error,
                    other => return other,
                }
            }
            Err(last)
        }
    }
}

/// A workflow whose first turn is decided.
struct Prepared {
    run: Run,
    append: Append,
    actions: Vec<Action>,
    facts: Vec<Fact>,
    lease: Option<Lease>,
}

async fn attempt(
    core: &Arc<Core>,
    request: &SubmitRequest,
    name: String,
    estimates: Option<Estimates>,
) -> Result<Submitted> {
    let now = core.clock.now();
    let prepared = prepare(core, request, &name, estimates, now)?;
    let Prepared { mut run, append, actions, facts, lease } = prepared;
    let stream = run.stream.clone();
    let store = core.store.as_ref();
    let submitted = Submitted {
        uid: stream.key().to_owned(),
        namespace: request.namespace.clone(),
        name,
        existing: false,
    };
    match commit(store, append).await {
        Ok(Appended::Done(seq)) => {
            run.seq = seq;
            core.emit(&stream, &run.plan, &run.status, &facts);
            if let Some(lease) = lease {
                core.own(stream);
                lease::take_on(core, lease, Origin::Submitted(Box::new(run), actions));
            }
            Ok(submitted)
        }
        Ok(Appended::Exists { stream }) => existing(store, &stream).await,
        Err(runner_store::Error::NameTaken { namespace, name, .. }) => {
            Err(Error::NameTaken { namespace, name })
        }
        Err(error @ runner_store::Error::Io(_)) => {
            // It may be durable all the same: then it is accepted, and its journal is what counts.
            match Maintenance::stream(store, &stream).await {
                Ok(Some(_)) => {
                    if let Some(lease) = lease {
                        core.own(stream);
                        lease::take_on(core, lease, Origin::Claimed);
                    }
                    Ok(submitted)
                }
                Ok(None) | Err(_) => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn prepare(
    core: &Arc<Core>,
    request: &SubmitRequest,
    name: &str,
    estimates: Option<Estimates>,
    now: Timestamp,
) -> Result<Prepared> {
    let uid = core.ids.uid(now);
    let stream = StreamId::workflow(&uid)?;
    let mut workflow = request.resolved.clone();
    name.clone_into(&mut workflow.metadata.name);
    workflow.metadata.namespace.clone_from(&request.namespace);
    workflow.metadata.annotations.remove(SHARE_CWD);
    if let Some(cwd) = &request.share_cwd {
        let cwd = cwd.to_str().ok_or_else(|| Error::Invalid(format!("{} is not UTF-8", cwd.display())))?;
        workflow.metadata.annotations.insert(SHARE_CWD.to_owned(), cwd.to_owned());
    }
    let plan = Plan::new(Arc::new(workflow.clone())).map_err(|e| Error::Spec(e.to_string()))?;
    let until = after(now, core.options.ttl);
    let epoch = if request.detached { Epoch::ZERO } else { Epoch::FIRST };
    let lease = (!request.detached).then(|| Lease { stream: stream.clone(), epoch, until });
    let mut run = Run::fresh(stream, epoch, Arc::new(plan));
    let submit = Submit {
        name: name.to_owned(),
        namespace: request.namespace.clone(),
        uid,
        workflow,
        reuse: request.reuse.clone(),
        estimates,
    };
    let inputs = [Input::Submit(Box::new(submit)), Input::Begin].map(Incoming::Input);
    let decision = run.decide(inputs.into(), now).map_err(|e| Error::Spec(e.0))?;
    let mut locks = Locks::new(run.stream.key());
    locks.note(&decision.actions, &decision.touched);
    let changes = locks.changes(&decision.facts);
    let mut append = run.append(&decision, changes, now).map_err(|e| Error::Spec(e.0))?;
    if request.detached {
        append.wakeup = Wakeup::At(now);
    }
    append.create = Some(Create {
        namespace: request.namespace.clone(),
        name: name.to_owned(),
        idempotency_key: request.idempotency_key.clone(),
        lease: lease
            .as_ref()
            .map(|lease| FirstLease { owner: core.options.owner.clone(), until: lease.until }),
    });
    Ok(Prepared { run, append, actions: decision.actions, facts: decision.facts, lease })
}

/// What an earlier submit made.
async fn existing(store: &dyn Store, stream: &StreamId) -> Result<Submitted> {
    let (namespace, name) = identity(store, stream).await?;
    Ok(Submitted { uid: stream.key().to_owned(), namespace, name, existing: true })
}

/// Namespace and name of a workflow, from its first record.
pub(crate) async fn identity(store: &dyn Store, stream: &StreamId) -> Result<(String, String)> {
    let first = Journal::read(store, stream, Seq::ZERO, 1).await?;
    let record = first.first().ok_or_else(|| Error::NotFound(stream.key().to_owned()))?;
    match record::read(record) {
        Ok(Entry::Fact(fact)) if matches!(*fact, Fact::WorkflowSubmitted { .. }) => match *fact {
            Fact::WorkflowSubmitted { namespace, name, .. } => Ok((namespace, name)),
            _ => Err(Error::NotFound(stream.key().to_owned())),
        },
        Ok(_) => Err(Error::Corrupt {
            stream: stream.clone(),
            reason: "the first record is no submission".to_owned(),
        }),
        Err(reason) => Err(Error::Corrupt { stream: stream.clone(), reason }),
    }
}

/// Changes of a resubmit.
#[derive(Clone, Debug, Default)]
pub struct Resubmit {
    /// Take over the outputs of nodes that succeeded.
    pub memoized: bool,
    /// Parameters that replace those of the original, by name.
    pub parameters: Vec<(String, String)>,
}

/// Argo's label on a workflow made from another.
const RESUBMITTED_FROM: &str = "workflows.argoproj.io/resubmitted-from-workflow";

/// A request for the same workflow again, under a new name.
pub(crate) async fn resubmit(
    store: &dyn Store,
    stream: &StreamId,
    changes: &Resubmit,
) -> Result<SubmitRequest> {
    let snapshot = load::load(store, stream).await?;
    let reuse = if changes.memoized { Some(take_from(&snapshot)?) } else { None };
    let mut resolved = ResolvedWorkflow::clone(&snapshot.plan.workflow);
    let share_cwd = resolved.metadata.annotations.remove(SHARE_CWD).map(PathBuf::from);
    let name = snapshot.status.name.clone();
    let prefix = match resolved.metadata.generate_name.as_str() {
        "" => format!("{name}-"),
        prefix => prefix.to_owned(),
    };
    resolved.metadata.name.clear();
    resolved.metadata.uid.clear();
    resolved.spec.shutdown.clear();
    resolved.spec.active_deadline_seconds = resolved.spec.active_deadline_seconds.filter(|s| *s != 0);
    resolved.metadata.labels.insert(RESUBMITTED_FROM.to_owned(), name);
    for (name, value) in &changes.parameters {
        let parameters = &mut resolved.spec.arguments.parameters;
        let new = runner_workflows::spec::Parameter::literal(name, value);
        match parameters.iter_mut().find(|p| p.name == *name) {
            Some(parameter) => {
                parameter.value = new.value;
                parameter.value_from = None;
            }
            None => parameters.push(new),
        }
    }
    let namespace = snapshot.status.namespace.clone();
    Ok(SubmitRequest {
        namespace,
        generate_name: Some(prefix),
        resolved,
        share_cwd,
        reuse,
        ..SubmitRequest::default()
    })
}

fn take_from(snapshot: &load::Snapshot) -> Result<Reuse> {
    runner_machine::reuse(&snapshot.plan, &snapshot.status).map_err(|e| Error::Refused(e.to_string()))
}
