//! Triggers `kafka`: one message to a topic. It carries the key of the firing as the header `Idempotency-Key`: Kafka
//! itself drops no message that comes again.
//! Does not try again: the machine decides that. Keeps no connection.

use std::sync::Arc;

use runner_brokers::Access;
use runner_brokers::kafka::{Message, Sender};
use runner_sensors::event::Events;
use runner_sensors::parameter;
use runner_sensors::spec::KafkaTrigger;

use super::{Done, Failed, Hands, Order};

impl Hands {
    pub(super) async fn kafka(
        &self,
        order: &Order,
        kafka: &KafkaTrigger,
        events: &Events,
    ) -> Result<Done, Failed> {
        let payload = parameter::payload(&kafka.payload, events).map_err(Failed::never)?;
        let payload = payload.ok_or_else(|| Failed::never("kafka: the payload is missing"))?;
        let mut headers = vec![("Idempotency-Key".to_owned(), order.key.clone())];
        headers.extend(kafka.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        for header in &kafka.secure_headers {
            headers.push((header.name.clone(), self.secure_header(order, header)?));
        }
        let access = Access::new(Arc::clone(&self.objects), order.namespace.clone());
        let sender = Sender::new(kafka, &access).map_err(Failed::never)?;
        let sent = sender.send(Message { payload: payload.into(), headers }).await;
        let message = sent.map_err(|why| Failed { message: why.message, retriable: why.retriable })?;
        Ok(Done { message, workflow: None })
    }
}
