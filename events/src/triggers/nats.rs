//! Triggers `nats`: one message on a subject. It carries the key of the firing as `Nats-Msg-Id`: JetStream drops it when
//! it comes again.
//! Does not try again: the machine decides that. Keeps no connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{ConnectOptions, Event, HeaderMap};
use bytes::Bytes;
use runner_sensors::event::Events;
use runner_sensors::parameter;
use runner_sensors::spec::NatsTrigger;

use super::{Done, Failed, Hands, Order};

/// Time for the connection, and for the server to have taken the message.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a refusal that has come to be heard.
const HEARING: Duration = Duration::from_millis(50);

impl Hands {
    pub(super) async fn nats(
        &self,
        order: &Order,
        nats: &NatsTrigger,
        events: &Events,
    ) -> Result<Done, Failed> {
        let payload = parameter::payload(&nats.payload, events).map_err(Failed::never)?;
        let payload = payload.ok_or_else(|| Failed::never("nats: the payload is missing"))?;
        let complaint = Arc::new(Mutex::new(None));
        let heard = Arc::clone(&complaint);
        let options = self.options(order, nats)?.event_callback(move |event| {
            if let Event::ServerError(error) = event {
                heard.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.to_string());
            }
            std::future::ready(())
        });
        let failed =
            |what: &str, error: &dyn std::fmt::Display| Failed::now(format!("nats: {what}: {error}"));
        let client =
            options.connect(nats.url.as_str()).await.map_err(|error| failed("no connection", &error))?;
        // an own message behind the other one: when it is back, the server has taken both
        let inbox = client.new_inbox();
        let mut back = client.subscribe(inbox.clone()).await.map_err(|error| failed("no inbox", &error))?;
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", order.key.as_str());
        let sent = client.publish_with_headers(nats.subject.clone(), headers, payload.into());
        sent.await.map_err(|error| failed("not sent", &error))?;
        client.publish(inbox, Bytes::new()).await.map_err(|error| failed("not sent", &error))?;
        client.flush().await.map_err(|error| failed("not sent", &error))?;
        let taken = tokio::time::timeout(TIMEOUT, futures_util::StreamExt::next(&mut back)).await;
        // a refusal came before the own message, but is heard by another task
        tokio::time::sleep(HEARING).await;
        let said = complaint.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (taken, said) {
            (_, Some(why)) => Err(Failed::never(format!("nats: the server refused it: {why}"))),
            (Ok(Some(_)), None) => {
                Ok(Done { message: format!("message sent to {}", nats.subject), workflow: None })
            }
            (Ok(None) | Err(_), None) => {
                Err(Failed::now("nats: the server did not say that it took the message"))
            }
        }
    }

    fn options(&self, order: &Order, nats: &NatsTrigger) -> Result<ConnectOptions, Failed> {
        let secret = |selector| self.secret(&order.namespace, selector);
        let mut options = ConnectOptions::new().name("runner").connection_timeout(TIMEOUT).max_reconnects(1);
        if let Some(tls) = &nats.tls {
            options = options.tls_client_config(self.tls(tls, &order.namespace)?).require_tls(true);
        }
        let Some(auth) = &nats.auth else { return Ok(options) };
        if let Some(basic) = &auth.basic {
            let user = basic.username.as_ref().map(secret).transpose()?.unwrap_or_default();
            let password = basic.password.as_ref().map(secret).transpose()?.unwrap_or_default();
            return Ok(options.user_and_password(user, password));
        }
        if let Some(token) = &auth.token {
            return Ok(options.token(secret(token)?));
        }
        if let Some(seed) = &auth.nkey {
            return Ok(options.nkey(secret(seed)?));
        }
        match &auth.credential {
            Some(credential) => {
                // the library reads no last line without an end
                let options = options.credentials(&format!("{}\n", secret(credential)?));
                options.map_err(|error| Failed::never(format!("nats: auth.credential: {error}")))
            }
            None => Ok(options),
        }
    }
}
