//! The HTTP client of sources: TLS by rustls with ring and the authorities of the system.
//! Sends nothing by itself.

use std::sync::Arc;

/// A client that is about to be made.
///
/// # Errors
/// When TLS cannot be set up.
fn builder() -> Result<reqwest::ClientBuilder, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let _installed_before = provider.as_ref().clone().install_default();
    Ok(reqwest::Client::builder().connect_timeout(std::time::Duration::from_secs(10)))
}

/// Makes a client. A system without any authorities, such as an image that holds nothing but this binary, can still
/// speak http.
///
/// # Errors
/// When TLS cannot be set up.
pub(crate) fn build(
    with: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<reqwest::Client, String> {
    let client = with(builder()?).build();
    let client = match client {
        Err(_) => with(builder()?).tls_certs_only([]).build(),
        client => client,
    };
    client.map_err(|error| format!("http client: {}", runner_runners::error::chain(&error)))
}
