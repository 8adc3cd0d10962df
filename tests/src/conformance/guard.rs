//! Runs one case so that a panic or a hang is that case's failure.
//! Does not know what a case does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Room for deep recursion in the code under test: less than a process's main thread has.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Runs `work` on a thread of its own and waits at most `limit`. A thread that hangs is left behind.
pub fn guarded<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let (sender, receiver) = channel();
    let body = move || {
        let result =
            catch_unwind(AssertUnwindSafe(work)).map_err(|panic| format!("panic: {}", words(&*panic)));
        // The receiver may have given up already.
        let _ = sender.send(result);
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).name("case".into()).spawn(body);
    let handle = thread.map_err(|error| format!("no thread: {error}"))?;
    match receiver.recv_timeout(limit) {
        Ok(result) => {
            let _ = handle.join();
            result
        }
        Err(RecvTimeoutError::Timeout) => Err(format!("hangs: no answer within {} s", limit.as_secs())),
        Err(RecvTimeoutError::Disconnected) => Err("the thread vanished".to_owned()),
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "without words".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::guarded;

    #[test]
    fn a_panic_and_a_hang_are_answers() {
        // A panic may take its time: it prints where it came from.
        let patient = Duration::from_secs(60);
        assert_eq!(guarded(patient, || 1), Ok(1));
        let panicked = guarded(patient, || std::panic::panic_any("boom"));
        assert_eq!(panicked, Err("panic: boom".to_owned()));
        let hung: Result<(), String> =
            guarded(Duration::from_millis(200), || std::thread::sleep(Duration::from_secs(3)));
        assert!(hung.is_err_and(|text| text.starts_with("hangs")));
    }
}
