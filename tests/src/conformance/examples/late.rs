//! Images that take their time: podman, a real registry on loopback, and a way between them that is slow on purpose.
//! For cases that end upstream as they do because images have to be fetched first.

use std::fs;
use std::path::Path;
use std::time::Duration;

use runner_container_parts::{IMAGE, Podman, Registry, SlowLink};

use crate::conformance::index::Case;

/// Cases whose deadline passes while the image is fetched (`imagePullPolicy: Always`): their steps end at once.
const CASES: [&str; 1] = ["e2e-script/workflow/TestWorkflowFailedWhenAllPodSetFailedFromPending"];
/// How long each connection to the registry waits: longer than the deadlines of those cases.
const PAUSE: Duration = Duration::from_secs(5);
/// The image of upstream's tests.
const NAMED: &str = "argoproj/argosay:v2";

/// Whether a case is one of them.
pub(super) fn is_late(case: &Case) -> bool {
    CASES.contains(&case.id.as_str())
}

/// The parts, running until this value goes.
#[derive(Debug)]
pub(super) struct LateImages {
    _podman: Podman,
    _registry: Registry,
    _link: SlowLink,
}

impl LateImages {
    /// Starts the parts below a home and writes the settings that use them; nothing where a part is missing.
    ///
    /// # Errors
    /// The image cannot be pushed, or the settings cannot be written.
    pub(super) fn start(home: &Path) -> Result<Option<Self>, String> {
        let (Some(registry), Some(podman)) = (Registry::start(home), Podman::start(home)) else {
            return Ok(None);
        };
        let image = format!("{}/argosay:v2", registry.address());
        let pushed = podman.command().args(["push", "--quiet", IMAGE, &image]).output();
        let pushed = pushed.map_err(|error| format!("podman push: {error}"))?;
        if !pushed.status.success() {
            return Err(format!("podman push: {}", String::from_utf8_lossy(&pushed.stderr)));
        }
        let link = SlowLink::to(registry.address(), PAUSE);
        let settings = format!(
            "runners:\n  default: container\n  container:\n    socket: {}\n    network: none\n    images:\n      \
             \"{NAMED}\": {}/argosay:v2\n",
            podman.socket().display(),
            link.address()
        );
        fs::write(home.join("runner.yaml"), settings).map_err(|error| format!("runner.yaml: {error}"))?;
        Ok(Some(Self { _podman: podman, _registry: registry, _link: link }))
    }
}
