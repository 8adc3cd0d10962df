//! Keeps one webhook: looks whether it is there and as it should be, makes or changes it, and deletes it at the end.
//! Decides nothing: `plan` does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use runner_brokers::Waits;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Pace;
use super::api::{Api, Credential, Reply, Trouble};
use super::login::{Door, Issued};
use super::plan::{self, Memory, Step};
use super::wanted::Wanted;

/// How many pages of webhooks are read. GitHub allows 20 webhooks for each event, GitLab 100.
const PAGES: u32 = 20;
/// So many webhooks are looked at as often as the pace says; more of them less often, for the sake of the provider's limits.
const CROWD: usize = 30;
/// How often deleting is tried, and the wait between.
const DELETE_TRIES: u32 = 3;
const DELETE_WAIT: Duration = Duration::from_secs(1);

/// A task that ends when this is dropped.
#[derive(Debug)]
pub(super) struct Task(pub(super) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Keeps one webhook.
pub(super) struct Keeper {
    pub(super) wanted: Wanted,
    pub(super) door: Arc<Door>,
    pub(super) api: Api,
    pub(super) pace: Pace,
    /// How many webhooks are kept in this process.
    pub(super) crowd: Arc<AtomicUsize>,
    /// Its secret is another one than before.
    pub(super) resign: bool,
}

/// The secrets as they were read for the last look: how to log in, and what is signed with.
type Read = (Option<String>, Option<String>);

/// What is held during one look.
struct Session {
    credential: Credential,
    token: String,
    secret: Option<String>,
}

impl Keeper {
    /// Keeps it until `leave` is true, then deletes it if that is wanted. Begins when `before`, which had the same webhook,
    /// has ended.
    pub(super) async fn run(self, before: Option<Task>, mut leave: watch::Receiver<bool>) {
        if let Some(mut before) = before {
            drop((&mut before.0).await);
        }
        let mut memory = Memory::default();
        let mut secret = self.resign.then(String::new);
        let mut read = Read::default();
        let Ok(mut waits) = Waits::new(self.pace.away.as_ref()) else { return };
        // several daemons on one store do not look at the same moment
        let mut wait = self.pace.spread.mul_f64(chance());
        loop {
            tokio::select! {
                biased;
                _ = leave.wait_for(|leave| *leave) => break,
                () = tokio::time::sleep(wait) => {}
                () = self.renewed(&read) => {}
            }
            read = self.read();
            wait = tokio::select! {
                biased;
                _ = leave.wait_for(|leave| *leave) => break,
                looked = self.look(&mut memory, &mut secret) => self.next(looked, &mut waits),
            };
        }
        if self.wanted.delete {
            self.remove().await;
        }
    }

    /// The secrets as they are now.
    fn read(&self) -> Read {
        (self.door.login(), self.wanted.secret.as_ref().and_then(|selector| self.door.signing(selector).ok()))
    }

    /// Waits until secrets are others than these.
    async fn renewed(&self, read: &Read) {
        loop {
            tokio::time::sleep(self.pace.renew).await;
            if self.read() != *read {
                return;
            }
        }
    }

    /// How long to wait after a look, and says what went wrong.
    fn next(&self, looked: Result<bool, Trouble>, waits: &mut Waits) -> Duration {
        let Wanted { source, event, place, .. } = &self.wanted;
        let (why, wait) = match looked {
            Ok(changed) => {
                waits.reset();
                let crowd = self.crowd.load(Ordering::Relaxed);
                return if changed { self.pace.again } else { spaced(self.pace.look, crowd) };
            }
            Err(Trouble::Refused(why)) => {
                let wait = self.pace.refused;
                // an error: it does not pass by itself, and nothing may be delivered until somebody does something
                tracing::error!(source, event, %place, why, ?wait, "the webhook cannot be made or looked after");
                return wait;
            }
            Err(Trouble::Away(why)) => (why, waits.next_wait()),
            Err(Trouble::Wait(wait, why)) => (why, wait),
        };
        tracing::warn!(source, event, %place, why, ?wait, "the webhook is not looked after; trying again");
        wait
    }

    /// Looks once and does what is to be done; answers whether something was.
    async fn look(&self, memory: &mut Memory, before: &mut Option<String>) -> Result<bool, Trouble> {
        let mut issued = self.door.turn().await;
        let session = self.enter(&mut issued).await?;
        let listed = self.list(&session, &mut issued).await?;
        memory.is_resigned = before.is_some() && session.secret != *before;
        let Wanted { source, event, place, url, .. } = &self.wanted;
        let step = plan::step(&self.wanted, &listed, memory);
        let did = match step {
            Step::Nothing => false,
            Step::Create => {
                let body = plan::body(&self.wanted, session.secret.as_deref(), None);
                let reply = self.ask(Method::POST, None, &session, Some(&body)).await?;
                if reply.status == 422 && reply.complaint(&[]).contains("already exists") {
                    // GitHub has one address once: the next look finds what another daemon made
                    return Err(Trouble::Away("somebody made it at the same time".to_owned()));
                }
                memory.made = plan::id_of(&self.good(reply, &session, &mut issued)?);
                memory.stubborn.clear();
                tracing::info!(source, event, %place, url, "the webhook is made");
                true
            }
            Step::Update { id, found, differs } => {
                let body = plan::body(&self.wanted, session.secret.as_deref(), Some(&found));
                let method = plan::change(&self.wanted);
                let reply = self.ask(method, Some(id), &session, Some(&body)).await?;
                let after = self.good(reply, &session, &mut issued)?;
                memory.stubborn = plan::differences(&self.wanted, &after);
                let remain = &memory.stubborn;
                if remain.is_empty() {
                    tracing::info!(source, event, %place, url, ?differs, "the webhook is changed");
                } else {
                    tracing::warn!(source, event, %place, url, ?remain, "the provider does not take all of the webhook");
                }
                true
            }
            Step::Withdraw(id) => {
                let reply = self.ask(Method::DELETE, Some(id), &session, None).await?;
                if reply.status != 404 {
                    self.good(reply, &session, &mut issued)?;
                }
                memory.made = None;
                tracing::info!(source, event, %place, url, "a second webhook, made at the same time, is deleted");
                true
            }
            Step::Elsewhere(id) => {
                let why = format!(
                    "webhook {id}, which was made here, has another address now and is left alone: give it {url} again, or \
                     delete it"
                );
                return Err(Trouble::Refused(why));
            }
        };
        *before = session.secret;
        Ok(did)
    }

    /// What is needed to ask: a token, and the secret of the webhook.
    async fn enter(&self, issued: &mut Issued) -> Result<Session, Trouble> {
        // first: without it nothing is asked
        let secret = self.wanted.secret.as_ref().map(|selector| self.door.signing(selector)).transpose()?;
        let (credential, token) = self.door.credential(&self.api, issued).await?;
        Ok(Session { credential, token, secret })
    }

    /// All webhooks of the place.
    async fn list(&self, session: &Session, issued: &mut Issued) -> Result<Vec<Value>, Trouble> {
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let path = self.wanted.place.path();
            let sent =
                self.api.send(Method::GET, &self.wanted.base, &path, Some(page), &session.credential, None);
            let reply = sent.await?;
            let more = reply.more;
            match self.good(reply, session, issued)? {
                Value::Array(items) => all.extend(items),
                _ => {
                    return Err(Trouble::Refused(format!(
                        "{} answers with no list of webhooks",
                        self.wanted.base
                    )));
                }
            }
            if !more {
                return Ok(all);
            }
        }
        Err(Trouble::Refused(format!("{} has too many webhooks to look at all of them", self.wanted.place)))
    }

    async fn ask(
        &self,
        method: Method,
        id: Option<u64>,
        session: &Session,
        body: Option<&Value>,
    ) -> Result<Reply, Trouble> {
        let id = id.map(|id| id.to_string());
        let mut path = self.wanted.place.path();
        path.extend(id.as_deref());
        self.api.send(method, &self.wanted.base, &path, None, &session.credential, body).await
    }

    /// The body of an answer that is good.
    fn good(&self, reply: Reply, session: &Session, issued: &mut Issued) -> Result<Value, Trouble> {
        if reply.ok() {
            return Ok(reply.body);
        }
        if reply.status == 401 {
            issued.forget();
        }
        let secret = session.secret.as_deref().unwrap_or_default();
        let complaint = reply.complaint(&[&session.token, secret]);
        let host = self.wanted.base.host_str().unwrap_or_default();
        let text = format!("{host} answers {} {complaint}", reply.status);
        Err(match (reply.patience, reply.status) {
            (Some(wait), _) => Trouble::Wait(wait, text),
            (None, 408 | 425 | 500..) => Trouble::Away(text),
            (None, status) => Trouble::Refused(format!("{text}: {}", plan::hint(&self.wanted.place, status))),
        })
    }

    /// Deletes the webhooks that have our address, and no other.
    async fn remove(&self) {
        let Wanted { source, event, place, url, .. } = &self.wanted;
        let mut why = String::new();
        for tried in 0..DELETE_TRIES {
            if tried > 0 {
                tokio::time::sleep(DELETE_WAIT).await;
            }
            match self.removed().await {
                Ok(deleted) => {
                    tracing::info!(source, event, %place, url, deleted, "the webhook is deleted");
                    return;
                }
                Err(Trouble::Away(text) | Trouble::Wait(_, text)) => why = text,
                Err(Trouble::Refused(text)) => {
                    why = text;
                    break;
                }
            }
        }
        tracing::warn!(source, event, %place, url, why, "the webhook stays at the provider: delete it there");
    }

    async fn removed(&self) -> Result<usize, Trouble> {
        let mut issued = self.door.turn().await;
        let (credential, token) = self.door.credential(&self.api, &mut issued).await?;
        let session = Session { credential, token, secret: None };
        let listed = self.list(&session, &mut issued).await?;
        let mine = plan::ours(&self.wanted, &listed);
        for (id, _) in &mine {
            let reply = self.ask(Method::DELETE, Some(*id), &session, None).await?;
            if reply.status != 404 {
                self.good(reply, &session, &mut issued)?;
            }
        }
        Ok(mine.len())
    }
}

/// The time between two looks at one of so many webhooks.
fn spaced(look: Duration, crowd: usize) -> Duration {
    look.saturating_mul(u32::try_from(crowd.div_ceil(CROWD).max(1)).unwrap_or(u32::MAX))
}

/// A number between 0 and 1.
fn chance() -> f64 {
    let bits = uuid::Uuid::new_v4().as_u128() as u32;
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_webhooks_are_looked_at_less_often() {
        let minute = Duration::from_secs(60);
        let all = [0, 1, 30, 31, 300].map(|crowd| spaced(minute, crowd).as_secs());
        assert_eq!(all, [60, 60, 60, 120, 600]);
    }
}
