//! Where the paths a template names really are, in either isolation mode.
//! Moves no bytes; in remap mode it also rewrites the paths inside commands, scripts and variables.

use std::io;
use std::path::{Path, PathBuf};

use crate::Isolation;
use crate::attempt::ROOT;
use crate::beneath::{Beneath, Links};
use crate::job::{Bind, Job};

/// Directories of which only the named file itself is remapped, never the directory.
const SYSTEM_DIRS: [&str; 15] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root", "/run",
    "/sbin", "/sys", "/usr",
];

/// Resolves the paths of a template.
pub(super) struct Places {
    root: Beneath,
    /// Remap mode: path in the template, what it becomes.
    rewrites: Vec<(String, String)>,
    /// Remap mode: directories of the host that stand for paths of the template.
    mounted: Vec<(PathBuf, Beneath)>,
}

impl Places {
    /// The places of a job; in overlay mode the private root has been entered before.
    pub(super) fn new(job: &Job, mode: Isolation, dir: &Path) -> io::Result<Self> {
        match mode {
            Isolation::Overlay => {
                let root = Beneath::open(Path::new("/"), Links::InRoot)?;
                Ok(Self { root, rewrites: Vec::new(), mounted: Vec::new() })
            }
            Isolation::Remap => Self::remapped(job, dir),
        }
    }

    fn remapped(job: &Job, dir: &Path) -> io::Result<Self> {
        let private = dir.join(ROOT).join("mnt");
        std::fs::create_dir_all(private.join("tmp"))?;
        let root = Beneath::open(&private, Links::InRoot)?;
        if job.applets {
            super::files::link_applets(&root, &std::fs::read_link("/proc/self/exe")?)?;
        }
        let mut mounted = Vec::new();
        let mut rewrites = Vec::new();
        for bind in &job.binds {
            if bind.source.is_dir() {
                mounted.push((PathBuf::from(&bind.target), Beneath::open(&bind.source, Links::InRoot)?));
            }
            rewrites.push((bind.target.clone(), bind.source.to_string_lossy().into_owned()));
        }
        let text = private.to_string_lossy().into_owned();
        for prefix in prefixes(job) {
            let real = format!("{text}{prefix}");
            rewrites.push((prefix, real));
        }
        // The longest first: a volume below /tmp wins over /tmp.
        rewrites.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
        rewrites.dedup_by(|a, b| a.0 == b.0);
        Ok(Self { root, rewrites, mounted })
    }

    /// The places of containers: volumes where they are mounted, everything else below `root`.
    pub(super) fn over(root: &Path, binds: &[Bind]) -> io::Result<Self> {
        let mut mounted = Vec::new();
        for bind in binds.iter().filter(|bind| bind.source.is_dir()) {
            mounted.push((PathBuf::from(&bind.target), Beneath::open(&bind.source, Links::InRoot)?));
        }
        // The innermost mount holds the file.
        mounted.sort_by_key(|(target, _)| std::cmp::Reverse(target.components().count()));
        Ok(Self { root: Beneath::open(root, Links::InRoot)?, rewrites: Vec::new(), mounted })
    }

    /// The boundary that holds a path of the template, and the path below it.
    pub(super) fn locate<'a>(&'a self, path: &'a str) -> (&'a Beneath, &'a Path) {
        let path = Path::new(path);
        for (target, boundary) in &self.mounted {
            if let Ok(rest) = path.strip_prefix(target) {
                return (boundary, rest);
            }
        }
        (&self.root, path)
    }

    /// Whether `/` itself is private: an overlay, not remapped paths.
    pub(super) fn is_private(&self) -> bool {
        self.rewrites.is_empty()
    }

    /// The private root itself.
    pub(super) fn root(&self) -> &Beneath {
        &self.root
    }

    /// A text with the paths as the step has to see them. In overlay mode nothing changes.
    pub(super) fn rewrite(&self, text: &str) -> String {
        if self.rewrites.is_empty() {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut before = None;
        while let Some(next) = rest.chars().next() {
            let starts =
                !before.is_some_and(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'));
            let hit = self.rewrites.iter().find(|(from, _)| next == '/' && starts && begins(rest, from));
            if let Some((from, to)) = hit {
                out.push_str(to);
                rest = &rest[from.len()..];
                before = from.chars().last();
            } else {
                out.push(next);
                rest = &rest[next.len_utf8()..];
                before = Some(next);
            }
        }
        out
    }
}

fn begins(text: &str, path: &str) -> bool {
    text.strip_prefix(path).is_some_and(|after| {
        !after.chars().next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
    })
}

/// The paths that are private in remap mode: the engine's own, /tmp, and what the template declares.
fn prefixes(job: &Job) -> Vec<String> {
    let mut found = vec![crate::job::ARGO_DIR.to_owned(), "/tmp".to_owned()];
    let parameters =
        job.outputs.parameters.iter().filter_map(|p| p.value_from.as_ref()).map(|from| &from.path);
    let artifacts = job.outputs.artifacts.iter().chain(&job.inputs).map(|artifact| &artifact.path);
    for path in parameters.chain(artifacts).filter(|path| path.starts_with('/')) {
        let parent = Path::new(path).parent().and_then(Path::to_str).unwrap_or("/");
        let prefix = if SYSTEM_DIRS.contains(&parent) { path.as_str() } else { parent };
        found.push(prefix.to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn paths_are_rewritten_at_their_boundaries_only() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places {
            root: Beneath::open(dir.path(), Links::InRoot).unwrap(),
            rewrites: vec![("/tmp".into(), "/p/tmp".into())],
            mounted: Vec::new(),
        };
        let text = "echo >/tmp/a; cat /tmp; ls /tmpfs /var/tmp x/tmp; f=\"/tmp/b\"";
        assert_eq!(
            places.rewrite(text),
            "echo >/p/tmp/a; cat /p/tmp; ls /tmpfs /var/tmp x/tmp; f=\"/p/tmp/b\""
        );
    }
}
