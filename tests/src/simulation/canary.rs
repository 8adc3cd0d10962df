//! Planted bugs: each is a way in which an engine could break its promises, put in between the real engine and
//! its ports. The product holds none of them and no switch for them.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// The store answers before the commit is durable, so effects come before their record.
    EffectBeforeCommit,
    /// Replaying passes over `retryScheduled`.
    FoldForgetsRetry,
    /// Replaying passes over the time at which a pause ends.
    RecoveryForgetsTimers,
    /// Appends are taken with whatever epoch and sequence number.
    AppendWithoutEpoch,
    /// Client keys are remembered in memory only.
    DedupInMemory,
    /// Locks look free to everybody, and grants are not counted.
    LocksWithoutCapacity,
    /// The runner forgets what it started when the engine dies.
    StartInsteadOfAdopt,
    /// The runner does not end what it is told to end.
    CancelForgotten,
    /// Node rows are not written with their facts.
    RowsForgotten,
    /// The time at which a sleeping workflow wants to be woken is not written.
    WakeupForgotten,
}

impl Canary {
    /// All of them, with their names on the command line.
    pub const ALL: [(&'static str, Self); 10] = [
        ("effect-before-commit", Self::EffectBeforeCommit),
        ("fold-forgets-retry", Self::FoldForgetsRetry),
        ("recovery-forgets-timers", Self::RecoveryForgetsTimers),
        ("append-without-epoch", Self::AppendWithoutEpoch),
        ("dedup-in-memory", Self::DedupInMemory),
        ("locks-without-capacity", Self::LocksWithoutCapacity),
        ("start-instead-of-adopt", Self::StartInsteadOfAdopt),
        ("cancel-forgotten", Self::CancelForgotten),
        ("rows-forgotten", Self::RowsForgotten),
        ("wakeup-forgotten", Self::WakeupForgotten),
    ];

    /// The canary of that name.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.replace('_', "-");
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, canary)| *canary)
    }
}
