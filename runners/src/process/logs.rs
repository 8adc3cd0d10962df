//! Logs of an attempt as a stream of lines.
//! Reads files only: the attempt may be running, ended or lost.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use super::launch::{open_lock, try_lock};
use crate::attempt::{AttemptDir, EXIT, SPEC};
use crate::error::Doing;
use crate::job::Job;
use crate::logs::{Frames, Lines};
use crate::supervisor::log_name;
use crate::{AttemptId, Error, LogLine, LogQuery, LogStream};

/// How often a followed log is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Starts reading; needs a runtime around it.
pub(super) fn stream(path: PathBuf, id: &AttemptId, query: LogQuery) -> Result<LogStream, Error> {
    let dir = AttemptDir::open(&path).doing(|| format!("open attempt {id}"))?;
    let dir = dir.ok_or_else(|| Error::NotFound(id.to_string()))?;
    let name = file_of(&dir, &query)?;
    let (sender, lines) = mpsc::channel(256);
    tokio::spawn(async move {
        let reader = Reader { dir, frames: Frames::new(&name), lines: Lines::default(), query };
        if let Err(error) = reader.run(&sender).await {
            // The reader of the stream has gone: so may the error.
            let _ = sender.send(Err(error)).await;
        }
    });
    Ok(LogStream::new(lines))
}

/// The file that holds the log of the container asked for.
fn file_of(dir: &AttemptDir, query: &LogQuery) -> Result<String, Error> {
    let job = dir.read_json::<Job>(SPEC).doing(|| "read the job".into())?;
    let wanted = query.container.as_deref();
    let Some(Ok(job)) = job else { return Ok(log_name("main", 0)) };
    let mut all = job.init.iter().chain(&job.main).chain(&job.sidecars).enumerate();
    let first_main = job.init.len();
    let found = match wanted {
        Some(name) => all.find(|(_, process)| process.name == name),
        None => {
            let named = all.clone().find(|(_, process)| process.name == "main");
            named.or_else(|| all.find(|(position, _)| *position == first_main))
        }
    };
    match found {
        Some((position, process)) => Ok(log_name(&process.name, position)),
        None => Err(Error::NotFound(format!("container {:?}", wanted.unwrap_or("main")))),
    }
}

struct Reader {
    dir: AttemptDir,
    frames: Frames,
    lines: Lines,
    query: LogQuery,
}

impl Reader {
    async fn run(mut self, sender: &mpsc::Sender<Result<LogLine, Error>>) -> Result<(), Error> {
        let mut kept: VecDeque<LogLine> = VecDeque::new();
        // The last lines are known at the end of what is there now; followed ones are sent as they come.
        let mut holding = self.query.tail.is_some();
        loop {
            let ended = !self.query.follow || self.has_ended()?;
            while let Some(frame) = self.frames.next(&self.dir, ended).doing(|| "read the log".into())? {
                for line in self.lines.push(&frame) {
                    if !self.deliver(line, &mut kept, holding, sender).await {
                        return Ok(());
                    }
                }
            }
            if ended {
                for line in self.lines.finish() {
                    if !self.deliver(line, &mut kept, holding, sender).await {
                        return Ok(());
                    }
                }
            }
            if holding {
                holding = false;
                for line in std::mem::take(&mut kept) {
                    if sender.send(Ok(line)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            if ended {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sends or keeps a line; false when nobody listens any more.
    async fn deliver(
        &self,
        line: LogLine,
        kept: &mut VecDeque<LogLine>,
        holding: bool,
        sender: &mpsc::Sender<Result<LogLine, Error>>,
    ) -> bool {
        if self.query.since.is_some_and(|since| line.at < since) {
            return true;
        }
        if !holding {
            return sender.send(Ok(line)).await.is_ok();
        }
        kept.push_back(line);
        if kept.len() > self.query.tail.unwrap_or(usize::MAX) {
            kept.pop_front();
        }
        true
    }

    /// Nobody will write to the log any more.
    fn has_ended(&self) -> Result<bool, Error> {
        let looking = || "look at the attempt".to_owned();
        if self.dir.read(EXIT).doing(looking)?.is_some() {
            return Ok(true);
        }
        // Taken and given back at once: a supervisor holds it for as long as it lives.
        try_lock(&open_lock(&self.dir).doing(looking)?).doing(looking)
    }
}
