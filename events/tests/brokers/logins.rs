//! Logins and TLS of real servers that other files do not try: NATS by nkey and by credentials, Redis and RabbitMQ by TLS.
//! What the messages become is tested beside it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

use super::lab::{Lab, secret, until};
use super::servers::{Keys, Server};

/// A token as NATS makes them: claims of a kind about somebody, signed by who may say so.
fn token(by: &KeyPair, about: &str, mut nats: Value, kind: &str) -> String {
    nats["type"] = json!(kind);
    nats["version"] = json!(2);
    let claims = json!({"jti": "x", "iat": 1_700_000_000, "iss": by.public_key(), "name": kind, "sub": about,
        "nats": nats});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(&json!({"typ": "JWT", "alg": "ed25519-nkey"})), encode(&claims));
    let signed = by.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signed))
}

/// The file that `nsc` makes for a user.
fn credentials(token: &str, user: &KeyPair) -> String {
    let (begin, end) = ("-----BEGIN", "------END");
    format!(
        "{begin} NATS USER JWT-----\n{token}\n{end} NATS USER JWT------\n\n\
         {begin} USER NKEY SEED-----\n{}\n{end} USER NKEY SEED------\n",
        user.seed().unwrap()
    )
}

fn nats(server: &Server, auth: Value) -> Value {
    json!({"nats": {"e": {"url": format!("nats://127.0.0.1:{}", server.port), "subject": "orders.>", "jsonBody": true,
        "auth": auth, "connectionBackoff": {"duration": "50ms", "factor": 1, "jitter": 0.5, "steps": 3}}}})
}

async fn heard(lab: &Lab, client: &async_nats::Client) -> bool {
    client.publish("orders.new", r#"{"n": 1}"#.into()).await.unwrap();
    client.flush().await.unwrap();
    !lab.bus.list(&Default::default()).await.unwrap().is_empty()
}

/// The right login brings events, the wrong one none.
async fn tried(server: &Server, client: &async_nats::Client, lab: &Lab, auth: impl Fn(&str) -> Value) {
    let stranger = lab.start(nats(server, auth("wrong")), json!({})).unwrap();
    for _ in 0..10 {
        assert!(!heard(lab, client).await, "who is not known gets no connection");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    drop(stranger);
    let _running = lab.start(nats(server, auth("right")), json!({})).unwrap();
    until("an event", || heard(lab, client)).await;
}

fn config(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_lets_in_by_the_seed_of_an_nkey() {
    let (user, other) = (KeyPair::new_user(), KeyPair::new_user());
    let file = config(&format!("authorization {{ users: [ {{ nkey: {} }} ] }}", user.public_key()));
    let Some(server) = Server::nats(&["-c", &file.path().display().to_string()]) else { return };
    let lab = Lab::new(&[
        ("login", "right", &format!("{}\n", user.seed().unwrap())),
        ("login", "wrong", &other.seed().unwrap()),
    ]);
    let options = async_nats::ConnectOptions::with_nkey(user.seed().unwrap());
    let client = options.connect(format!("127.0.0.1:{}", server.port)).await.unwrap();
    tried(&server, &client, &lab, |key| json!({"nkey": secret("login", key)})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_lets_in_by_a_file_of_credentials() {
    let (operator, account, user) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let rest = json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
        "conn": -1, "leaf": -1});
    let signed = token(&operator, &account.public_key(), json!({"limits": rest}), "account");
    let text = format!(
        "operator: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {signed} }}\n",
        token(&operator, &operator.public_key(), json!({}), "operator"),
        account.public_key()
    );
    let file = config(&text);
    let Some(server) = Server::nats_alone(&["-c", &file.path().display().to_string()]) else { return };
    let limits = json!({"subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}});
    let right = credentials(&token(&account, &user.public_key(), limits.clone(), "user"), &user);
    // signed by an account that nobody knows
    let stranger = KeyPair::new_account();
    let wrong = credentials(&token(&stranger, &user.public_key(), limits, "user"), &user);
    let lab = Lab::new(&[("login", "right", &right), ("login", "wrong", &wrong)]);
    let options = async_nats::ConnectOptions::with_credentials(&right).unwrap();
    let client = options.connect(format!("127.0.0.1:{}", server.port)).await.unwrap();
    tried(&server, &client, &lab, |key| json!({"credential": secret("login", key)})).await;
}

/// Starts a source with TLS that does not believe the server, then one that does.
async fn believed<F: Future<Output = ()>>(lab: &Lab, source: impl Fn(Value) -> Value, say: impl Fn() -> F) {
    let stranger = lab.start(source(json!({})), json!({})).unwrap();
    for _ in 0..10 {
        say().await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(
        lab.bus.list(&Default::default()).await.unwrap().is_empty(),
        "an unknown authority is not believed"
    );
    drop(stranger);
    let _running = lab.start(source(json!({"caCertSecret": secret("tls", "ca")})), json!({})).unwrap();
    until("an event over TLS", || async {
        say().await;
        !lab.bus.list(&Default::default()).await.unwrap().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_with_tls_is_believed_by_its_authority_alone() {
    let Some(keys) = Keys::new() else { return };
    let (ca, cert, key) = (keys.path("ca.pem"), keys.path("server.pem"), keys.path("server.key"));
    let more = ["--port", "0", "--tls-port", "PORT", "--tls-auth-clients", "no", "--tls-ca-cert-file", &ca];
    let more = [&more[..], &["--tls-cert-file", &cert, "--tls-key-file", &key]].concat();
    let Some(server) = Server::redis(&more) else { return };
    let lab = Lab::new(&[("tls", "ca", &keys.text("ca.pem"))]);
    let address = format!("localhost:{}", server.port);
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = redis::Client::open(format!("rediss://{address}/#insecure")).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let stream = |tls: Value| json!({"redisStream": {"e": {"hostAddress": address, "streams": ["orders"], "tls": tls}}});
    let say = || async {
        let mut connection = connection.clone();
        let _id: String =
            redis::AsyncCommands::xadd(&mut connection, "orders", "*", &[("n", "1")]).await.unwrap();
    };
    believed(&lab, stream, say).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_with_tls_is_believed_by_its_authority_alone() {
    let Some(keys) = Keys::new() else { return };
    let Some(server) = Server::rabbitmq_with(Some(&keys)) else { return };
    let lab = Lab::new(&[("tls", "ca", &keys.text("ca.pem"))]);
    drop(rustls::crypto::ring::default_provider().install_default());
    let url = format!("amqps://guest:guest@localhost:{}/%2f", server.port);
    let ca = lapin::tcp::OwnedTLSConfig { cert_chain: Some(keys.text("ca.pem")), ..Default::default() };
    let began = std::time::Instant::now();
    // the port is open before the server is ready
    let connection = loop {
        let (runtime, uri) = (lapin::runtime::default_runtime().unwrap(), url.parse().unwrap());
        let made =
            lapin::Connection::connect_uri_with_config(uri, Default::default(), ca.clone(), runtime).await;
        match made {
            Ok(connection) => break connection,
            Err(error) => assert!(began.elapsed().as_secs() < 30, "{error} {}", server.log()),
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    };
    let channel = connection.create_channel().await.unwrap();
    let source = |tls: Value| {
        json!({"amqp": {"e": {"url": url, "exchangeName": "shop", "exchangeType": "topic", "routingKey": "#",
            "exchangeDeclare": {"durable": true}, "queueDeclare": {"name": "orders", "durable": true},
            "tls": tls, "connectionBackoff": {"duration": "100ms"}}}})
    };
    let say = || async {
        let options = lapin::options::BasicPublishOptions::default();
        let sent = channel.basic_publish("".into(), "orders".into(), options, b"{}", Default::default());
        drop(sent.await.unwrap().await);
    };
    believed(&lab, source, say).await;
}
