//! Artifacts: paths and locations.
//! Does not check who supplies them: `process` and `arguments` do.

use super::report::{Place, Reporter};
use crate::resolve::location_kinds;
use crate::spec::{Artifact, HdfsArtifact};

/// Checks where in the container an artifact goes or comes from.
pub(super) fn check_path(reporter: &mut Reporter<'_>, artifact: &Artifact, leaf: bool, place: &Place) {
    let at = place.field("path");
    if !leaf {
        if !artifact.path.is_empty() {
            reporter.error(&at, "artifact-path", ".path only valid in container/script templates");
        }
        return;
    }
    if artifact.path.is_empty() {
        reporter.error(place, "artifact-path", ": the artifact did not specify a path");
    } else if escapes(&artifact.path) {
        reporter.error_hint(
            &at,
            "artifact-path",
            format!(": path '{}' containing '..' leaves its directory", artifact.path),
            "Directory traversal is not permitted",
        );
    }
}

/// True when the part after the first `..` leaves the part before it.
fn escapes(path: &str) -> bool {
    let safe = match (path.find("/../"), path.strip_suffix("/..")) {
        (Some(at), _) => path.get(..at).unwrap_or_default(),
        (None, Some(before)) => before,
        (None, None) => return false,
    };
    if safe.is_empty() {
        return false;
    }
    let inside = format!("{safe}/");
    let cleaned = clean(path);
    !cleaned.starts_with(&inside) || cleaned.len() <= inside.len()
}

/// The shortest equal path, `.` and `..` worked out.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    format!("{}{}", if rooted { "/" } else { "" }, parts.join("/"))
}

/// Checks the location of an artifact, of an archive or of a repository.
pub(super) fn check_location(reporter: &mut Reporter<'_>, artifact: &Artifact, place: &Place) {
    let kinds = location_kinds(artifact);
    if let [_, second, ..] = kinds.as_slice() {
        let text = format!(" has more than one location: {}", kinds.join(", "));
        reporter.error(&place.field(second), "artifact-location", text);
    }
    if artifact.git.as_ref().is_some_and(|git| git.repo.is_empty()) {
        reporter.error(&place.field("git"), "artifact-location", ".git.repo is required");
    }
    if let Some(hdfs) = &artifact.hdfs {
        check_hdfs(reporter, hdfs, &place.field("hdfs"));
    }
}

fn check_hdfs(reporter: &mut Reporter<'_>, hdfs: &HdfsArtifact, place: &Place) {
    let mut need = |missing: bool, text: &str| {
        if missing {
            reporter.error(place, "artifact-location", format!(".hdfs{text}"));
        }
    };
    need(hdfs.addresses.is_empty(), ".addresses is required");
    need(hdfs.path.is_empty(), ".path is required");
    need(!hdfs.path.is_empty() && !hdfs.path.starts_with('/'), ".path must be an absolute file path");
    let (cache, keytab) = (hdfs.krb_c_cache_secret.is_some(), hdfs.krb_keytab_secret.is_some());
    need(
        hdfs.hdfs_user.is_empty() && !cache && !keytab,
        ": hdfsUser, krbCCacheSecret or krbKeytabSecret is required",
    );
    let service = hdfs.krb_service_principal_name.is_empty() || hdfs.krb_config_config_map.is_none();
    need(cache && service, ": krbCCacheSecret needs krbServicePrincipalName and krbConfigConfigMap");
    let user = hdfs.krb_username.is_empty() || hdfs.krb_realm.is_empty();
    need(
        keytab && (service || user),
        ": krbKeytabSecret needs krbServicePrincipalName, krbConfigConfigMap, krbUsername and krbRealm",
    );
}

#[cfg(test)]
mod tests {
    use super::escapes;

    #[test]
    fn traversal_out_of_a_directory_is_found() {
        assert!(escapes("/tmp/safe/../../etc/passwd"));
        assert!(escapes("/tmp/safe/.."));
        assert!(!escapes("/tmp/safe/../safe/x"));
        assert!(!escapes("/tmp/a..b"));
        assert!(!escapes("/../etc"));
    }
}
