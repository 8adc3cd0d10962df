//! A slow way to a server: every connection has to wait before its first byte goes on.
//! Changes no byte, and ends with the process.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// A listener on loopback that passes everything on, late.
#[derive(Debug)]
pub struct SlowLink {
    address: String,
}

impl SlowLink {
    /// A way to a server (`host:port`) with a pause at the beginning of each connection.
    pub fn to(server: &str, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = server.to_owned();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || {
                    std::thread::sleep(pause);
                    // Whoever lost patience is gone: nobody to tell.
                    let _ = TcpStream::connect(server).and_then(|far| join(near, far));
                });
            }
        });
        Self { address }
    }

    /// Where it listens: `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

fn join(near: TcpStream, far: TcpStream) -> io::Result<()> {
    let (mut from_near, mut to_far) = (near.try_clone()?, far.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut from_near, &mut to_far);
        let _ = to_far.shutdown(std::net::Shutdown::Write);
    });
    let (mut from_far, mut to_near) = (far, near);
    io::copy(&mut from_far, &mut to_near)?;
    to_near.shutdown(std::net::Shutdown::Write)
}
