//! Triggers `email`: one mail to each recipient, by SMTP. A mail carries an id that follows from the firing, so that
//! one that is sent again is known as the same.
//! Does not try again: the machine decides that.

use std::net::IpAddr;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use runner_sensors::spec::EmailTrigger;

use super::{Done, Failed, Hands, Order};
use crate::ingress::identity::sha256;

/// Port of submission, when the trigger names none.
const PORT: u16 = 587;
/// Port where TLS comes first.
const WRAPPED: u16 = 465;
/// Time for each exchange with the server.
const TIMEOUT: Duration = Duration::from_secs(30);

type Transport = AsyncSmtpTransport<Tokio1Executor>;

impl Hands {
    pub(super) async fn email(&self, order: &Order, email: &EmailTrigger) -> Result<Done, Failed> {
        for (name, text) in
            [("host", &email.host), ("from", &email.from), ("subject", &email.subject), ("body", &email.body)]
        {
            if text.is_empty() {
                return Err(Failed::never(format!("email: {name} is empty")));
            }
        }
        if email.to.is_empty() {
            return Err(Failed::never("email: nobody to send it to"));
        }
        let mails: Result<Vec<Message>, Failed> = email.to.iter().map(|to| mail(order, email, to)).collect();
        let transport = self.transport(order, email)?;
        for (mail, to) in mails?.into_iter().zip(&email.to) {
            transport.send(mail).await.map_err(|error| Failed {
                retriable: !error.is_permanent(),
                message: format!("mail to {to} by {}: {error}", email.host),
            })?;
        }
        Ok(Done { message: format!("mail sent to {}", email.to.join(", ")), workflow: None })
    }

    fn transport(&self, order: &Order, email: &EmailTrigger) -> Result<Transport, Failed> {
        let port = match email.port {
            None | Some(0) => PORT,
            Some(port) => {
                u16::try_from(port).map_err(|_| Failed::never(format!("email: {port} is no port")))?
            }
        };
        let parameters = TlsParameters::new(email.host.clone());
        let parameters = parameters.map_err(|error| Failed::never(format!("email: TLS: {error}")))?;
        let near = email.host == "localhost"
            || email.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let login = !email.username.is_empty();
        let tls = match (port, login && !near) {
            (WRAPPED, _) => Tls::Wrapper(parameters),
            // a password goes through TLS or nowhere
            (_, true) => Tls::Required(parameters),
            (_, false) => Tls::Opportunistic(parameters),
        };
        let mut builder =
            Transport::builder_dangerous(&email.host).port(port).tls(tls).timeout(Some(TIMEOUT));
        if login {
            let password =
                email.smtp_password.as_ref().map(|selector| self.secret(&order.namespace, selector));
            let password = password.transpose()?.unwrap_or_default();
            builder = builder.credentials(Credentials::new(email.username.clone(), password));
        }
        Ok(builder.build())
    }
}

fn mail(order: &Order, email: &EmailTrigger, to: &str) -> Result<Message, Failed> {
    let address = |text: &str| {
        text.parse().map_err(|error| Failed::never(format!("email: `{text}` is no address: {error}")))
    };
    let id = sha256(format!("{}\n{to}", order.key).as_bytes());
    Message::builder()
        .from(address(&email.from)?)
        .to(address(to)?)
        .subject(email.subject.clone())
        .message_id(Some(format!("<{}@runner>", &id[..32])))
        .header(ContentType::TEXT_PLAIN)
        .body(email.body.clone())
        .map_err(|error| Failed::never(format!("email: {error}")))
}
