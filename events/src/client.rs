//! The HTTP client of triggers and sources: TLS by rustls with ring and the roots that are built in.
//! Sends nothing by itself.

use std::sync::Arc;

/// A client that is about to be made.
///
/// # Errors
/// When TLS cannot be set up.
pub(crate) fn builder() -> Result<reqwest::ClientBuilder, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let _installed_before = provider.as_ref().clone().install_default();
    Ok(reqwest::Client::builder().connect_timeout(std::time::Duration::from_secs(10)))
}
