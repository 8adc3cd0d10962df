//! Readiness of a daemon: asks it the way its readinessProbe says, until it answers.
//! Gives up on nothing: how long a daemon may take is the deadline's business.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::engine::Engine;

/// Waits until the container is ready; at once when it has no probe.
pub(super) async fn ready(engine: &Engine, name: &str, ip: &str, container: &Container) {
    let Some(probe) = &container.readiness_probe else { return };
    let seconds = |value: Option<i32>, default: u64| {
        Duration::from_secs(value.and_then(|v| u64::try_from(v).ok()).unwrap_or(default))
    };
    tokio::time::sleep(seconds(probe.initial_delay_seconds, 0)).await;
    let (timeout, wanted) =
        (seconds(probe.timeout_seconds, 1).max(Duration::from_secs(1)), probe.success_threshold);
    let mut successes = 0;
    loop {
        let asked = tokio::time::timeout(timeout, ask(engine, name, ip, container, probe)).await;
        successes = if asked.unwrap_or(false) { successes + 1 } else { 0 };
        if successes >= wanted.unwrap_or(1) {
            return;
        }
        tokio::time::sleep(seconds(probe.period_seconds, 10).max(Duration::from_secs(1))).await;
    }
}

async fn ask(engine: &Engine, name: &str, ip: &str, container: &Container, probe: &Probe) -> bool {
    let port = |port: &IntOrString| match port {
        IntOrString::Int(number) => u16::try_from(*number).ok(),
        IntOrString::String(text) => text.parse().ok().or_else(|| named(container, text)),
    };
    if let Some(exec) = &probe.exec {
        return engine.exec(name, exec.command.clone().unwrap_or_default()).await.is_ok_and(|code| code == 0);
    }
    if let Some(tcp) = &probe.tcp_socket {
        let host = tcp.host.as_deref().unwrap_or(ip);
        let Some(port) = port(&tcp.port) else { return false };
        return TcpStream::connect((host, port)).await.is_ok();
    }
    if let Some(http) = &probe.http_get {
        let host = http.host.as_deref().unwrap_or(ip);
        let Some(port) = port(&http.port) else { return false };
        return get(host, port, http.path.as_deref().unwrap_or("/"))
            .await
            .is_some_and(|code| (200..400).contains(&code));
    }
    true
}

fn named(container: &Container, name: &str) -> Option<u16> {
    let ports = container.ports.iter().flatten();
    let mut found = ports.filter(|port| port.name.as_deref() == Some(name));
    u16::try_from(found.next()?.container_port).ok()
}

/// The status of a plain HTTP request. TLS is not spoken: as the kubelet, which does not verify it either, a
/// daemon that only speaks TLS is better asked by tcpSocket.
async fn get(host: &str, port: u16, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect((host, port)).await.ok()?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: runner\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut head = [0u8; 12];
    stream.read_exact(&mut head).await.ok()?;
    std::str::from_utf8(&head).ok()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()
}
