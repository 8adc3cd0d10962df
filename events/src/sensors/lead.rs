//! Who drives the sensors of a store: one process, the others stand by. An event that was judged is settled, and one
//! that does not drive every sensor cannot judge it.

use jiff::Timestamp;
use runner_store::{
    Append, Appended, ClaimRequest, Create, Epoch, FirstLease, Journal, Lease, Maintenance, Seq, Store,
    StreamId,
};

use super::TTL;
use super::error::Result;

/// The stream whose lease says who drives; it has no records.
const STREAM: (&str, &str) = ("driver", "sensors");

/// The lease of the one that drives; none while another process does.
pub(super) async fn lead(
    store: &dyn Store,
    owner: &str,
    now: Timestamp,
    dead: Vec<String>,
) -> Result<Option<Lease>> {
    let (kind, name) = STREAM;
    let stream = StreamId::parse(&format!("{kind}/{name}"))?;
    Ok(lease(store, stream, (kind, name), owner, now, dead).await?.map(|(lease, _)| lease))
}

/// The lease of a stream, which is made if need be; its end where it was made. None while another process has it.
pub(super) async fn lease(
    store: &dyn Store,
    stream: StreamId,
    (namespace, name): (&str, &str),
    owner: &str,
    now: Timestamp,
    dead: Vec<String>,
) -> Result<Option<(Lease, Option<Seq>)>> {
    if Maintenance::stream(store, &stream).await?.is_none() {
        let until = now.saturating_add(TTL).unwrap_or(Timestamp::MAX);
        let mut append = Append::new(stream.clone(), Epoch::FIRST, Seq::ZERO, now, Vec::new());
        append.create = Some(Create {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            idempotency_key: None,
            lease: Some(FirstLease { owner: owner.to_owned(), until }),
        });
        return match Journal::append(store, append).await {
            Ok(Appended::Done(seq)) => Ok(Some((Lease { stream, epoch: Epoch::FIRST, until }, Some(seq)))),
            Ok(Appended::Exists { .. })
            | Err(runner_store::Error::NameTaken { .. } | runner_store::Error::SeqConflict { .. }) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        };
    }
    let mut request = ClaimRequest::only(owner, TTL, now, stream);
    request.dead_owners = dead;
    Ok(Journal::claim(store, request).await?.into_iter().next().map(|lease| (lease, None)))
}
