//! Steps that are held for somebody who looks at them: `ARGO_DEBUG_PAUSE_BEFORE` and `ARGO_DEBUG_PAUSE_AFTER` are `true`
//! in a main container, as in Argo. It goes on once a marker file is in the directory of the attempt.
//! Starts and ends nothing: `run` asks.

use std::path::Path;

use rustix::fs::{AtFlags, Mode, mkdirat, statat};

use super::member::{Member, Role};
use crate::attempt::{AttemptDir, PAUSES};
use crate::job::Pause;

/// Where markers of an attempt are looked for.
pub(super) struct Pauses<'a> {
    attempt: &'a AttemptDir,
    /// The same directory, as the host calls it.
    dir: &'a Path,
}

impl<'a> Pauses<'a> {
    pub(super) fn new(attempt: &'a AttemptDir, dir: &'a Path) -> Self {
        Self { attempt, dir }
    }

    /// What a container waits for, if it is held there.
    pub(super) fn hold(&self, member: &Member<'_>, at: Pause) -> Option<String> {
        if member.ended.role != Role::Main || !member.plan.pauses(at) {
            return None;
        }
        let marker = format!("{PAUSES}/{}", marker(&member.plan.name, at));
        if statat(self.attempt.as_fd(), marker.as_str(), AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return None;
        }
        // There already, from the second look on; where it cannot be made, whoever touches the marker sees why.
        let _ = mkdirat(self.attempt.as_fd(), PAUSES, Mode::RWXU);
        let place = match at {
            Pause::Before => "before its command",
            Pause::After => "after its command",
        };
        Some(format!("paused {place}; to go on: touch {}", self.dir.join(marker).display()))
    }
}

/// Name of a marker. Names of containers come from manifests: nothing but letters and digits of them counts as a path.
fn marker(container: &str, at: Pause) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = container.chars().map(plain).collect();
    match at {
        Pause::Before => format!("{name}.before"),
        Pause::After => format!("{name}.after"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v8_a_marker_stays_in_its_directory() {
        assert_eq!(marker("main", Pause::After), "main.after");
        assert_eq!(marker("../../etc/x y", Pause::Before), "______etc_x_y.before");
    }
}
