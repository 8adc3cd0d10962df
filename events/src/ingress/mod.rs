//! HTTP in: who may send, what a request becomes, and the server that answers only for what is durable.
//! Knows no sensors and no triggers.

pub mod endpoint;
pub mod handle;
pub mod identity;
pub mod limits;
pub mod payload;
pub mod server;
pub mod sns;
pub mod table;
mod tls;
pub mod verify;
pub mod webhooks;
