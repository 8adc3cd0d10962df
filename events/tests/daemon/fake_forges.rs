//! A FAKE of the webhook parts of two APIs, GitHub's and GitLab's: webhooks per repository, organization, project and group,
//! in memory, in pages, behind a token. Nobody's real API was asked; fields are those that both document.
//! Delivers nothing: tests do, with what was registered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The token that is let in.
pub(crate) const TOKEN: &str = "tok-4f9d2c";

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) login: String,
    pub(crate) body: Value,
}

#[derive(Default)]
struct State {
    /// By `repos/o/r`, `orgs/o`, `projects/o%2Fr` and so on: only these exist. With their secrets.
    hooks: BTreeMap<String, Vec<Value>>,
    last: u64,
    asked: Vec<Asked>,
    /// Answered to everything.
    redirect: Option<String>,
    /// Another daemon makes the same webhook a moment earlier.
    rival: bool,
    /// Public key of the app that is let in, and the number of tokens it got.
    app: Option<(Vec<u8>, usize)>,
    /// How long its tokens live, in seconds.
    life_s: i64,
}

/// The fake.
#[derive(Clone)]
pub(crate) struct Forge {
    state: Arc<Mutex<State>>,
    pub(crate) port: u16,
}

impl Forge {
    /// With these places, which have no webhooks.
    pub(crate) async fn start(places: &[&str]) -> Self {
        Self::start_at(0, places).await
    }

    pub(crate) async fn start_at(port: u16, places: &[&str]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hooks = places.iter().map(|place| ((*place).to_owned(), Vec::new())).collect();
        let state = State { hooks, last: 100, life_s: 3600, ..State::default() };
        let forge = Self { state: Arc::new(Mutex::new(state)), port };
        let serving = forge.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let forge = serving.clone();
                tokio::spawn(async move { drop(forge.serve(stream).await) });
            }
        });
        forge
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn redirect(&self, to: &str) {
        self.state.lock().unwrap().redirect = Some(to.to_owned());
    }

    pub(crate) fn rival(&self) {
        self.state.lock().unwrap().rival = true;
    }

    /// Lets an app in, by its public key, with tokens that live so long.
    pub(crate) fn app(&self, public: &[u8], life_s: i64) {
        let mut state = self.state.lock().unwrap();
        (state.app, state.life_s) = (Some((public.to_vec(), 0)), life_s);
    }

    /// Puts a webhook there by hand.
    pub(crate) fn put(&self, place: &str, mut hook: Value) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.last += 1;
        hook["id"] = json!(state.last);
        let id = state.last;
        state.hooks.get_mut(place).unwrap().push(hook);
        id
    }

    /// What is there, with secrets.
    pub(crate) fn hooks(&self, place: &str) -> Vec<Value> {
        self.state.lock().unwrap().hooks.get(place).cloned().unwrap_or_default()
    }

    pub(crate) fn delete_all(&self, place: &str) {
        self.state.lock().unwrap().hooks.get_mut(place).unwrap().clear();
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }

    /// How many requests there were of a method.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.asked().iter().filter(|asked| asked.method == method).count()
    }

    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let (mut first, mut length) = (String::new(), 0);
        let mut login = String::new();
        stream.read_line(&mut first).await?;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "authorization" | "private-token" => {
                    login = format!("{}: {value}", name.to_ascii_lowercase())
                }
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let mut words = first.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let asked = Asked { method, path: path.to_owned(), login, body };
        let (status, headers, answer) = self.answer(&asked, query);
        let answer = if answer.is_null() { String::new() } else { answer.to_string() };
        let text = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{answer}",
            answer.len()
        );
        stream.get_mut().write_all(text.as_bytes()).await
    }

    fn answer(&self, asked: &Asked, query: &str) -> (u16, String, Value) {
        let mut state = self.state.lock().unwrap();
        state.asked.push(asked.clone());
        if let Some(to) = &state.redirect {
            return (302, format!("location: {to}{}\r\n", asked.path), Value::Null);
        }
        if let Some(installation) = asked.path.strip_prefix("/app/installations/") {
            return state.issue(asked, installation);
        }
        let gitlab = asked.path.strip_prefix("/api/v4/");
        let good = match (gitlab, &state.app) {
            (Some(_), _) => format!("private-token: {TOKEN}"),
            (None, Some((_, issued))) => format!("authorization: Bearer ghs_{issued}"),
            (None, None) => format!("authorization: Bearer {TOKEN}"),
        };
        if asked.login != good {
            return (401, String::new(), json!({"message": format!("Bad credentials {}", asked.login)}));
        }
        let path = gitlab.unwrap_or(asked.path.trim_start_matches('/'));
        let Some((place, id)) = path.split_once("/hooks") else { return not_found() };
        if !state.hooks.contains_key(place) {
            return not_found();
        }
        let id = id.strip_prefix('/').and_then(|id| id.parse::<u64>().ok());
        state.hook(asked, (place, id), gitlab.is_some(), query)
    }
}

fn not_found() -> (u16, String, Value) {
    (404, String::new(), json!({"message": "Not Found"}))
}

impl State {
    /// A token for an app that signs rightly.
    fn issue(&mut self, asked: &Asked, installation: &str) -> (u16, String, Value) {
        let Some((public, issued)) = &mut self.app else { return not_found() };
        let jwt = asked.login.strip_prefix("authorization: Bearer ").unwrap_or_default();
        let Some((text, signature)) = jwt.rsplit_once('.') else { return not_found() };
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.clone());
        let claims = text.split_once('.').map(|(_, claims)| BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap());
        let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
        let now = jiff::Timestamp::now().as_second();
        let (from, to) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        let fits = from <= now && now < to && to - now <= 600 && claims["iss"] == "42";
        if !fits || key.verify(text.as_bytes(), &signature).is_err() || installation != "7/access_tokens" {
            return (401, String::new(), json!({"message": "A JSON web token could not be decoded"}));
        }
        *issued += 1;
        let end = jiff::Timestamp::from_second(now + self.life_s).unwrap();
        (201, String::new(), json!({"token": format!("ghs_{issued}"), "expires_at": end.to_string()}))
    }

    fn hook(
        &mut self,
        asked: &Asked,
        (place, id): (&str, Option<u64>),
        gitlab: bool,
        query: &str,
    ) -> (u16, String, Value) {
        let shown = |hook: &Value| {
            let mut hook = hook.clone();
            // GitHub shows stars, GitLab nothing
            hook.as_object_mut().unwrap().remove("token");
            if hook["config"]["secret"].is_string() {
                hook["config"]["secret"] = json!("********");
            }
            hook
        };
        let hooks = self.hooks.get_mut(place).unwrap();
        let at = hooks.iter().position(|hook| id.is_some() && hook["id"].as_u64() == id);
        match (asked.method.as_str(), at) {
            ("GET", None) if id.is_none() => {
                let number = |name: &str, usual: usize| {
                    let mut all = url::form_urlencoded::parse(query.as_bytes());
                    all.find(|(key, _)| key == name).map_or(usual, |(_, value)| value.parse().unwrap())
                };
                let (size, page) = (number("per_page", 30).min(100), number("page", 1));
                let items: Vec<Value> = hooks.iter().skip(size * (page - 1)).take(size).map(shown).collect();
                (200, String::new(), Value::Array(items))
            }
            ("POST", None) if id.is_none() => {
                for _ in 0..1 + usize::from(std::mem::take(&mut self.rival)) {
                    // GitHub has one address once, GitLab as often as somebody likes
                    let same = |hook: &Value| hook["config"]["url"] == asked.body["config"]["url"];
                    if !gitlab && hooks.iter().any(same) {
                        let why = json!([{"resource": "Hook", "code": "custom",
                            "message": "Hook already exists on this repository"}]);
                        return (422, String::new(), json!({"message": "Validation Failed", "errors": why}));
                    }
                    self.last += 1;
                    let mut hook = asked.body.clone();
                    hook["id"] = json!(self.last);
                    hooks.push(hook);
                }
                (201, String::new(), shown(hooks.last().unwrap()))
            }
            ("PATCH", Some(at)) if !gitlab => {
                let hook = hooks.get_mut(at).unwrap();
                for (key, value) in asked.body.as_object().unwrap() {
                    hook[key] = value.clone();
                }
                (200, String::new(), shown(hook))
            }
            ("PUT", Some(at)) if gitlab => {
                let hook = hooks.get_mut(at).unwrap();
                for (key, value) in asked.body.as_object().unwrap() {
                    hook[key] = value.clone();
                }
                (200, String::new(), shown(hook))
            }
            ("DELETE", Some(at)) => {
                hooks.remove(at);
                (204, String::new(), Value::Null)
            }
            _ => not_found(),
        }
    }
}
