//! A FAKE of Google cloud storage's XML API: PUT, GET, DELETE and listing over a map in memory.
//! Checks no token and knows no bucket: whatever stands first in the path is one.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Starts it; it ends with the test's process. Gives its address.
pub(crate) fn gcs() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let objects = Objects::default();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, objects) = (stream.unwrap(), Arc::clone(&objects));
            std::thread::spawn(move || serve(stream, &objects));
        }
    });
    address
}

fn serve(mut stream: TcpStream, objects: &Objects) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut request, mut line, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut request).unwrap();
    while reader.read_line(&mut line).unwrap() > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap().to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let key =
        path.trim_start_matches('/').split_once('/').map_or("", |(_bucket, key)| key).replace("%2F", "/");
    let mut objects = objects.lock().unwrap();
    let (status, body) = match (method, key.as_str()) {
        ("GET", "") => ("200 OK", listing(&objects, query)),
        ("GET", _) => match objects.get(&key) {
            Some(content) => ("200 OK", content.clone()),
            None => ("404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
        },
        ("PUT", _) => {
            objects.insert(key, body);
            ("200 OK", Vec::new())
        }
        ("DELETE", _) if objects.remove(&key).is_some() => ("204 No Content", Vec::new()),
        (_, _) => ("404 Not Found", Vec::new()),
    };
    let head = "ETag: \"1\"\r\nLast-Modified: Sat, 21 Nov 2026 00:00:00 GMT\r\nConnection: close";
    write!(stream, "HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
    stream.write_all(&body).unwrap();
}

fn listing(objects: &BTreeMap<String, Vec<u8>>, query: &str) -> Vec<u8> {
    let prefix =
        query.split('&').find_map(|part| part.strip_prefix("prefix=")).unwrap_or("").replace("%2F", "/");
    let found = objects.iter().filter(|(key, _)| key.starts_with(&prefix)).map(|(key, content)| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2026-11-21T00:00:00.000Z</LastModified>\
             <ETag>\"1\"</ETag><Size>{}</Size></Contents>",
            content.len()
        )
    });
    let found: String = found.collect();
    format!(
        "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"
    )
    .into()
}
