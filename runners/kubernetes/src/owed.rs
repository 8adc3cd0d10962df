//! What is still to be deleted in the cluster for runs and steps that have ended: pods by `podGC`, volume claims.
//! Decides about nothing. Each is a note in the state directory from before it is done until it is, so that a later
//! engine does what this one did not come to.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use runner_runners::guests::blocking;
use runner_runners::release::Guests;
use runner_runners::{Error, Ledger, Release};
use serde::{Deserialize, Serialize};

use crate::api::{Failure, patiently};
use crate::begin::Halt;
use crate::claims::{self, Claim};
use crate::finish::selects;
use crate::note::{NOTE, Note};
use crate::runner::Shared;

/// Directory of the notes.
pub(crate) const OWED: &str = "cluster";
/// How long a caller waits for what is due. What takes longer goes on beside it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What somebody of this process waits to delete, or deletes: notes are looked through again and again, also while a
/// delay passes or the cluster is away.
#[derive(Debug, Default)]
pub(crate) struct InHand(Mutex<HashSet<Debt>>);

/// One of them, until it is dropped.
struct Hold<'h>(&'h InHand, Debt);

impl InHand {
    /// Takes it, unless it is in somebody's hand.
    fn take(&self, debt: &Debt) -> Option<Hold<'_>> {
        let new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(debt.clone());
        new.then(|| Hold(self, debt.clone()))
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// One thing that will be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Debt {
    /// From when on; none while it is needed.
    due: Option<Timestamp>,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum What {
    Pod { namespace: String, name: String, uid: String },
    Claim(Claim),
}

impl Debt {
    /// Name of its note: objects of Kubernetes have names that are names of files, and no `_`.
    fn name(&self) -> String {
        match &self.what {
            What::Pod { namespace, name, uid } => format!("pod_{namespace}_{name}_{uid}"),
            What::Claim(claim) => name_of(&claim.namespace, &claim.name),
        }
    }
}

fn name_of(namespace: &str, claim: &str) -> String {
    format!("claim_{namespace}_{claim}")
}

/// Makes the claims of a run. The note comes first: a claim that might be there is known.
///
/// # Errors
/// Why there are none.
pub(crate) async fn make_claims(
    shared: &Arc<Shared>,
    namespace: &str,
    uid: &str,
    wanted: &[PersistentVolumeClaim],
) -> Result<(), Halt> {
    let refused = |text: String| Halt::Refused(text, runner_runners::Reason::NotStarted);
    for one in wanted {
        let (namespace, workflow_uid) = (namespace.to_owned(), uid.to_owned());
        let name = one.metadata.name.clone().unwrap_or_default();
        let claim = Claim { namespace, name, workflow_uid };
        // Nothing is taken away while it is made: the note decides, and it is changed here.
        let _held = shared.claims.lock().await;
        let debt = Debt { due: None, what: What::Claim(claim.clone()) };
        let ledger = shared.process.ledger(OWED);
        let noted = blocking(move || ledger.write(&debt.name(), &debt)).await;
        noted.map_err(|error| refused(error.to_string()))?;
        let api = shared.api(&claim.namespace).await.map_err(refused)?;
        claims::make(&api, one, &claim).await?;
    }
    Ok(())
}

/// Notes what a run gives back, and does what is due, also what was left over by others.
///
/// # Errors
/// Of the notes.
pub(crate) async fn release(shared: &Arc<Shared>, release: Release) -> Result<(), Error> {
    let keeper = Arc::clone(shared);
    let due = blocking(move || {
        let ledger = keeper.process.ledger(OWED);
        let mut due = claims_of(&keeper, &ledger, &release)?;
        due.extend(release.guests.iter().flat_map(|guests| pods_of(&keeper, guests)));
        for debt in &due {
            ledger.write(&debt.name(), debt)?;
        }
        if release == Release::default() {
            for name in ledger.names()? {
                due.extend(ledger.read::<Debt>(&name)?.filter(|debt| debt.due.is_some()));
            }
        }
        Ok(due)
    });
    pay(shared, due.await?).await;
    Ok(())
}

/// A pod goes by the `podGC` of its step.
pub(crate) async fn release_pod(shared: &Arc<Shared>, note: &Note, due: Timestamp) {
    let Some(debt) = debt_of(note, due) else { return };
    let (ledger, kept) = (shared.process.ledger(OWED), debt.clone());
    if let Err(error) = blocking(move || ledger.write(&kept.name(), &kept)).await {
        tracing::warn!(pod = note.name(), %error, "a pod that has ended stays until its workflow is deleted");
        return;
    }
    drop(tokio::spawn(settle(Arc::clone(shared), debt)));
}

/// The claims of a run that were made in the cluster. Blocks on files.
fn claims_of(shared: &Shared, ledger: &Ledger, release: &Release) -> Result<Vec<Debt>, Error> {
    let namespace = shared.config.namespace.as_ref().unwrap_or(&release.namespace);
    let mut due = Vec::new();
    for name in &release.claims {
        let Some(mut debt) = ledger.read::<Debt>(&name_of(namespace, name))? else { continue };
        let ours = |claim: &Claim| claim.workflow_uid == release.workflow_uid;
        if matches!(&debt.what, What::Claim(claim) if ours(claim)) {
            debt.due = Some(Timestamp::now());
            due.push(debt);
        }
    }
    Ok(due)
}

/// The pods of attempts that the run ran here. Blocks on files.
fn pods_of(shared: &Shared, guests: &Guests) -> Vec<Debt> {
    let notes = guests.attempts.iter().filter_map(|id| shared.process.note_of::<Note>(id, NOTE).ok()?);
    let meant = notes.filter(|note| {
        let labels = note.pod.metadata.labels.clone().unwrap_or_default();
        guests.selector.as_ref().is_none_or(|selector| selects(selector, &labels))
    });
    meant.filter_map(|note| debt_of(&note, guests.due)).collect()
}

fn debt_of(note: &Note, due: Timestamp) -> Option<Debt> {
    let (namespace, name) = (note.namespace().to_owned(), note.name().to_owned());
    let what = What::Pod { namespace, name, uid: note.uid.clone()? };
    Some(Debt { due: Some(due), what })
}

/// Waits a while for what is due now; the rest goes on beside.
async fn pay(shared: &Arc<Shared>, debts: Vec<Debt>) {
    let now = Timestamp::now();
    let mut at_once = tokio::task::JoinSet::new();
    for debt in debts {
        if debt.due.is_some_and(|due| due <= now) {
            at_once.spawn(settle(Arc::clone(shared), debt));
        } else {
            drop(tokio::spawn(settle(Arc::clone(shared), debt)));
        }
    }
    let all = async { while at_once.join_next().await.is_some() {} };
    if tokio::time::timeout(PATIENCE, all).await.is_err() {
        tracing::info!("pods or volume claims of an ended workflow are still being deleted");
    }
    at_once.detach_all();
}

/// Deletes what is due when it is, unless it is needed again by then.
async fn settle(shared: Arc<Shared>, debt: Debt) {
    let Some(_hold) = shared.in_hand.take(&debt) else { return };
    if let Some(due) = debt.due {
        let left = due.duration_since(Timestamp::now());
        tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
    }
    let name = debt.name();
    match delete(&shared, &debt).await {
        Ok(()) => {}
        Err(failure) => {
            tracing::warn!(what = name, %failure, "could not be deleted; it is tried again later")
        }
    }
}

async fn delete(shared: &Arc<Shared>, debt: &Debt) -> Result<(), String> {
    let name = debt.name();
    let _held = match debt.what {
        What::Claim(_) => Some(shared.claims.lock().await),
        What::Pod { .. } => None,
    };
    let (ledger, asked) = (shared.process.ledger(OWED), name.clone());
    let noted: Option<Debt> =
        blocking(move || ledger.read(&asked)).await.map_err(|error| error.to_string())?;
    if noted.as_ref() != Some(debt) {
        return Ok(());
    }
    let text = |failure: Failure| failure.to_string();
    match &debt.what {
        What::Pod { namespace, name, uid } => {
            let api = shared.api(namespace).await?;
            patiently("delete a pod", || api.delete(name, Some(uid), None)).await.map_err(text)?;
        }
        What::Claim(claim) => {
            let api = shared.api(&claim.namespace).await?;
            claims::take_away(&api, claim).await.map_err(text)?;
        }
    }
    let ledger = shared.process.ledger(OWED);
    blocking(move || ledger.forget(&name)).await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_hand_is_not_taken_twice() {
        let what = What::Pod { namespace: "n".to_owned(), name: "p".to_owned(), uid: "u".to_owned() };
        let (hand, debt) = (InHand::default(), Debt { due: Some(Timestamp::UNIX_EPOCH), what });
        let later = Debt { due: Some(Timestamp::MAX), ..debt.clone() };
        let held = hand.take(&debt);
        assert!(held.is_some() && hand.take(&debt).is_none() && hand.take(&later).is_some());
        drop(held);
        assert!(hand.take(&debt).is_some());
    }
}
