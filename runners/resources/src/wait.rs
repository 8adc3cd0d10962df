//! Waits until an object meets its success or its failure condition.
//! Has no deadline of its own: the template's ends the step.

use std::time::Duration;

use crate::action::Found;
use crate::api::{Api, passing};
use crate::condition::{Conditions, Verdict};
use crate::{Problem, Result, say};

/// Pauses between looks: soon at first, then as in Argo's executor.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// Waits. Trouble that passes by itself is waited out (F65): every look is a request of its own, so there is no
/// watch that could go silent.
///
/// # Errors
/// Refused when the failure condition is met, or the object is deleted meanwhile.
pub(crate) async fn wait(api: &Api, found: &Found, conditions: &Conditions) -> Result<()> {
    if conditions.none() {
        return Ok(());
    }
    say(&format!("waiting for {}", found.label));
    let mut pauses = PAUSES.iter();
    let mut pause = PAUSES[PAUSES.len() - 1];
    loop {
        match api.get(&found.path).await {
            Ok(object) => match conditions.judge(&object) {
                Verdict::Met => return Ok(()),
                Verdict::Failed(why) => return Err(Problem::Refused(why)),
                Verdict::Open => {}
            },
            Err(bad) if bad.not_found() => {
                return Err(Problem::Refused(format!(
                    "The resource has been deleted while its status was still being checked. Will not be retried: {}",
                    bad.message
                )));
            }
            Err(bad) if passing(&bad) => say(&bad.message),
            Err(bad) => return Err(bad.into()),
        }
        pause = pauses.next().copied().unwrap_or(pause);
        tokio::time::sleep(pause).await;
    }
}
