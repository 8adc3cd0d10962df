//! Which program an image would start: the table used by templates without `command`.
//! The image itself is only a hint: nothing is pulled, and the host's programs run.

use serde::{Deserialize, Serialize};

use crate::Error;

/// Entry of the table. As in an image, `entrypoint` comes first, then the template's `args` or else `cmd`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Image name, with `*` for any text; a name without a tag matches any tag and any registry prefix.
    pub name: String,
    /// The image's ENTRYPOINT.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// The image's CMD.
    #[serde(default)]
    pub cmd: Vec<String>,
}

impl Image {
    /// An entry.
    pub fn new(name: &str, entrypoint: &[&str], cmd: &[&str]) -> Self {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Self { name: name.to_owned(), entrypoint: owned(entrypoint), cmd: owned(cmd) }
    }

    fn matches(&self, image: &str) -> bool {
        let image = image.split('@').next().unwrap_or(image);
        let untagged = match image.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => name,
            Some(_) | None => image,
        };
        let candidates = [image, untagged];
        candidates.iter().any(|candidate| {
            glob(&self.name, candidate)
                || candidate.match_indices('/').any(|(at, _)| glob(&self.name, &candidate[at + 1..]))
        })
    }
}

/// The entries known without configuration.
pub fn built_in() -> Vec<Image> {
    vec![
        Image::new("argoproj/argosay:v1", &["cowsay"], &[]),
        Image::new("argoproj/argosay", &["argosay"], &[]),
        Image::new("docker/whalesay", &[], &["bash"]),
        Image::new("hello-world", &["argosay", "echo", "Hello from Docker!"], &[]),
        Image::new("alpine", &[], &["sh"]),
        Image::new("busybox", &[], &["sh"]),
        Image::new("debian", &[], &["bash"]),
        Image::new("ubuntu", &[], &["bash"]),
        Image::new("bash", &[], &["bash"]),
        Image::new("python", &[], &["python3"]),
        Image::new("node", &[], &["node"]),
        Image::new("curlimages/curl", &["curl"], &[]),
        Image::new("alpine/git", &["git"], &[]),
        Image::new("jq", &["jq"], &[]),
    ]
}

/// The words a container starts, as Kubernetes combines `command` and `args` with the image's own.
///
/// The configured table is searched before the built-in one.
pub fn command_line(
    image: &str,
    command: &[String],
    args: &[String],
    configured: &[Image],
) -> Result<Vec<String>, Error> {
    if !command.is_empty() {
        return Ok(command.iter().chain(args).cloned().collect());
    }
    let image = image.trim();
    let built_in = built_in();
    let entry = configured.iter().chain(&built_in).find(|entry| entry.matches(image));
    let Some(entry) = entry else { return Err(Error::UnknownImage { image: image.to_owned() }) };
    let tail = if args.is_empty() { &entry.cmd } else { args };
    let words: Vec<String> = entry.entrypoint.iter().chain(tail).cloned().collect();
    if words.is_empty() { Err(Error::UnknownImage { image: image.to_owned() }) } else { Ok(words) }
}

/// `*` stands for any text. Linear: the pattern is cut at its stars and the pieces are found in order.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match text.find(piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn line(image: &str, args: &[&str]) -> Vec<String> {
        let args: Vec<String> = args.iter().map(|text| (*text).to_owned()).collect();
        command_line(image, &[], &args, &[]).unwrap()
    }

    #[test]
    fn known_images_start_what_they_start_in_a_container() {
        assert_eq!(line("argoproj/argosay:v2", &["echo", "a"]), ["argosay", "echo", "a"]);
        assert_eq!(line("argoproj/argosay:v1", &["hi"]), ["cowsay", "hi"]);
        assert_eq!(line("alpine:3.23", &["echo", "a"]), ["echo", "a"]);
        assert_eq!(line("docker.io/library/python:alpine3.23", &[]), ["python3"]);
        assert_eq!(line("localhost:5000/busybox@sha256:00", &[]), ["sh"]);
    }

    #[test]
    fn an_unknown_image_is_named_with_the_key_to_set() {
        let error = command_line("my-image", &[], &[], &[]).unwrap_err().to_string();
        assert!(error.contains("\"my-image\"") && error.contains("runners.process.images"), "{error}");
        let table = [Image::new("my-*", &["true"], &[])];
        assert_eq!(command_line("my-image", &[], &[], &table).unwrap(), ["true"]);
    }
}
