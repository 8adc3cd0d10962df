//! Waits between tries to connect: they grow, are bounded, and differ by chance, so that not all come back at once.
//! Does not wait.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use runner_sensors::duration;
use runner_sensors::spec::Backoff;

/// The longest wait unless the settings begin with a longer one.
const LONGEST: Duration = Duration::from_secs(60);

/// Waits of one connection.
#[derive(Clone, Debug)]
pub struct Waits {
    first: Duration,
    factor: f64,
    jitter: f64,
    /// Tries after which waits do not grow any more.
    steps: u32,
    tries: u32,
}

impl Waits {
    /// Waits as `connectionBackoff` says. Unlike in Argo Events `steps` is where waits stop to grow, not where the source
    /// is given up. Without settings: 1 s, doubled up to a minute, with up to half of it added by chance.
    ///
    /// # Errors
    /// A sentence for people: the duration cannot be read.
    pub fn new(backoff: Option<&Backoff>) -> Result<Self, String> {
        let mut waits =
            Self { first: Duration::from_secs(1), factor: 2.0, jitter: 0.5, steps: u32::MAX, tries: 0 };
        let Some(backoff) = backoff else { return Ok(waits) };
        if let Some(first) = &backoff.duration {
            let first = duration::of(first).map_err(|why| format!("connectionBackoff.duration: {why}"))?;
            waits.first = Duration::try_from(first)
                .map_err(|_| "connectionBackoff.duration is negative".to_owned())?
                .max(Duration::from_millis(1));
        }
        let share = |amount: f64| amount.is_finite() && amount >= 0.0;
        waits.factor = backoff.factor.map_or(1.0, |factor| factor.0).max(1.0);
        waits.jitter = backoff.jitter.map_or(waits.jitter, |jitter| jitter.0);
        if !share(waits.factor) || !share(waits.jitter) {
            return Err("connectionBackoff: factor and jitter must be numbers above 0".to_owned());
        }
        let steps = backoff.steps.and_then(|steps| u32::try_from(steps).ok());
        waits.steps = steps.filter(|steps| *steps > 0).unwrap_or(u32::MAX);
        Ok(waits)
    }

    /// Begins again with the first.
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.after(self.tries, chance());
        self.tries = self.tries.saturating_add(1);
        wait
    }

    /// The wait after so many tries; `chance` between 0 and 1 chooses the share that is added.
    fn after(&self, tries: u32, chance: f64) -> Duration {
        let longest = LONGEST.max(self.first).as_secs_f64();
        let grown = self.factor.powi(i32::try_from(tries.min(self.steps).min(1000)).unwrap_or(1000));
        let wait = (self.first.as_secs_f64() * grown).min(longest);
        Duration::try_from_secs_f64(wait * (1.0 + self.jitter * chance)).unwrap_or(LONGEST)
    }
}

/// A number between 0 and 1.
#[expect(clippy::cast_precision_loss, reason = "any will do")]
fn chance() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_differ() {
        let waits = Waits::new(None).unwrap();
        let seconds: Vec<u64> = (0..9).map(|tries| waits.after(tries, 0.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(waits.after(0, 1.0), Duration::from_millis(1500));
        assert_eq!(waits.after(u32::MAX, 1.0), Duration::from_secs(90));
        assert!((0..1000).map(|_| chance()).all(|chance| (0.0..1.0).contains(&chance)));
    }

    #[test]
    fn waits_are_as_the_settings_say() {
        let text = r#"{"duration": "200ms", "factor": 3, "jitter": "0", "steps": 2}"#;
        let waits = Waits::new(Some(&serde_json::from_str(text).unwrap())).unwrap();
        let millis: Vec<u128> = (0..4).map(|tries| waits.after(tries, 0.7).as_millis()).collect();
        assert_eq!(millis, [200, 600, 1800, 1800]);
        let wrong = serde_json::from_str(r#"{"duration": "soon"}"#).unwrap();
        assert!(Waits::new(Some(&wrong)).is_err());
    }
}
