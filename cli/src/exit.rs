//! Exit codes, and the one error type that commands end with.
//! Does not print, `main` does that once; but for the end of a process whose store is dead.

use std::fmt;
use std::io::Write;

/// The documented exit codes (`runner --help`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Done; the workflow succeeded.
    Ok,
    /// The workflow ended Failed or Error.
    Failed,
    /// Wrong use of the command line.
    Usage,
    /// A manifest is invalid.
    Invalid,
    /// No such workflow, template, node or file.
    NotFound,
    /// The workflow waits for a person (`--wait --no-suspend`).
    Waiting,
    /// The store is locked or cannot be reached; worth trying again.
    Unreachable,
    /// It exists already, or its state does not allow the command.
    Conflict,
    /// `--timeout` passed.
    Timeout,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// The exit code of a step (`--exit-code-from`).
    Step(u8),
}

impl Code {
    /// The number the process ends with.
    pub fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::NotFound => 4,
            Self::Waiting => 5,
            Self::Unreachable => 6,
            Self::Conflict => 7,
            Self::Timeout => 124,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Step(code) => code,
        }
    }

    /// The code for a workflow phase, as Argo prints it; unfinished phases are no failure.
    pub fn of_phase(phase: &str) -> Self {
        if matches!(phase, "Failed" | "Error") { Self::Failed } else { Self::Ok }
    }

    /// The worse of two outcomes of one command over several workflows: the first that is not 0.
    pub fn or(self, other: Self) -> Self {
        if self.number() == 0 { other } else { self }
    }
}

impl From<Code> for std::process::ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.number())
    }
}

/// Why a command could not do what it was asked to.
#[derive(Debug)]
pub struct Failure {
    /// What the process ends with.
    pub code: Code,
    /// One clear sentence for stderr; empty when everything has been said already.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with a message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Wrong use.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// Something named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// Ends with a code without saying more.
    pub fn silent(code: Code) -> Self {
        Self::new(code, "")
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The store takes no more writes in this process (F18): says so and ends the process. Nothing that was confirmed
/// is lost, and running steps go on under their supervisors.
pub fn store_failed(why: &str) {
    let mut stderr = std::io::stderr().lock();
    // Nobody is left to be told when stderr is gone too.
    let _gone = writeln!(
        stderr,
        "error: the store can be written no more: {why}\nhint: steps that run go on; see to the disk, then go on \
         where it was with `runner resume`"
    );
    std::process::exit(Code::Unreachable.number().into());
}

/// What commands answer.
pub type Result<T = Code> = std::result::Result<T, Failure>;

/// A reader that went away (`runner list | head -1`) is no failure; anything else that stdout refuses is.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::silent(Code::Ok)
        } else {
            Self::new(Code::Failed, format!("cannot write the output: {error}"))
        }
    }
}

impl From<runner_store::Error> for Failure {
    fn from(error: runner_store::Error) -> Self {
        use runner_store::Error as E;
        let code = match &error {
            E::NameTaken { .. } | E::StillOpen(_) | E::LockBusy { .. } => Code::Conflict,
            E::NotFound(_) => Code::NotFound,
            E::Invalid(_) => Code::Usage,
            E::StaleEpoch { .. }
            | E::SeqConflict { .. }
            | E::SchemaTooNew { .. }
            | E::SqliteTooOld(_)
            | E::UnsafePlace(_)
            | E::Corrupt(_)
            | E::Full(_)
            | E::Busy(_)
            | E::Io(_)
            | E::Closed => Code::Unreachable,
        };
        Self::new(code, format!("store: {error}"))
    }
}

impl From<runner_controller::Error> for Failure {
    fn from(error: runner_controller::Error) -> Self {
        use runner_controller::Error as E;
        let error = match error {
            E::Store(error) => return error.into(),
            E::Runner(error) => return error.into(),
            other => other,
        };
        let code = match &error {
            E::Store(_) | E::Runner(_) => Code::Failed,
            E::NameTaken { .. } | E::Refused(_) | E::OwnedElsewhere { .. } => Code::Conflict,
            E::NotFound(_) => Code::NotFound,
            E::Spec(_) => Code::Invalid,
            E::Invalid(_) | E::NotBuiltIn(_) => Code::Usage,
            E::NoAnswer { .. } | E::Closing | E::Corrupt { .. } => Code::Unreachable,
        };
        let failure = Self::new(code, error.to_string());
        match error {
            E::NameTaken { name, .. } => failure.hint(format!(
                "choose another name with --name; `runner get {name}` shows the one that is there"
            )),
            _ => failure,
        }
    }
}

impl From<runner_runners::Error> for Failure {
    fn from(error: runner_runners::Error) -> Self {
        let code = match &error {
            runner_runners::Error::NotFound(_) => Code::NotFound,
            _ => Code::Failed,
        };
        Self::new(code, error.to_string())
    }
}

/// The table of exit codes shown by `runner --help` and `runner help`.
pub const HELP: &str = "\
Exit codes:
  0    done; the workflow Succeeded
  1    the workflow ended Failed or Error
  2    wrong use of the command line, ambiguous name
  3    invalid manifest; nothing was stored
  4    not found
  5    waiting for a person (--wait --no-suspend)
  6    the store is locked or unreachable; try again
  7    already exists, or the state of the workflow does not allow it
  124  --timeout passed          the run is checkpointed: continue it with `runner resume NAME`
  130  interrupted by Ctrl-C     (the same)
  143  ended by SIGTERM          (the same)";
