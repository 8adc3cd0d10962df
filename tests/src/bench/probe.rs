//! What the machine says about processes: processor time, memory, how fast it is just now.
//! Starts nothing.

use std::hint::black_box;
use std::time::Instant;

/// Clock ticks per second in `/proc`: 100 on every Linux that is in use.
const TICKS: f64 = 100.0;

/// Processor time so far, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    own: f64,
    machine: f64,
}

impl Cpu {
    /// As of now. Children count once they were waited for.
    pub fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields = stat.rfind(')').map_or("", |end| &stat[end + 1..]);
        let times = fields.split_ascii_whitespace().skip(11).take(4).filter_map(number);
        let own = times.sum::<f64>() / TICKS;
        let all = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        // user nice system idle iowait irq softirq: all but the two in which nothing is done.
        let line = all.lines().next().unwrap_or_default().split_ascii_whitespace().skip(1);
        let busy = line.take(7).enumerate().filter(|(at, _)| !matches!(at, 3 | 4));
        Self { own, machine: busy.filter_map(|(_, word)| number(word)).sum::<f64>() / TICKS }
    }

    /// Seconds of this process and its children since then.
    pub fn own_since(&self, before: &Self) -> f64 {
        self.own - before.own
    }

    /// Seconds of everybody else since then.
    pub fn foreign_since(&self, before: &Self) -> f64 {
        (self.machine - before.machine - self.own_since(before)).max(0.0)
    }
}

fn number(word: &str) -> Option<f64> {
    word.parse().ok()
}

/// Milliseconds of a fixed loop.
pub fn calibrate() -> f64 {
    let began = Instant::now();
    let mut state = 1_u64;
    for _ in 0..black_box(20_000_000_u32) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    }
    black_box(state);
    began.elapsed().as_secs_f64() * 1e3
}

/// Largest resident set of a process so far, in KiB.
pub fn peak_rss_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
