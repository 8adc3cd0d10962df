//! What a typed step says about itself: its phase, message and outputs, read from the report it left.
//! Trusts it no further than a step can be trusted: it is bounded, and the deadline has the last word.

use std::io::Read;

use runner_workflows::spec::Outputs;

use super::outputs::Verdict;
use super::places::Places;
use crate::job::Job;
use crate::limits::REPORT_BYTES;
use crate::typed::Report;
use crate::{ExitPhase, Reason};

/// Reads a report; the text says why there is none.
pub(super) fn read(path: &str, places: &Places) -> Result<Report, String> {
    let (boundary, inner) = places.locate(path);
    let (file, size) = boundary.open_regular(inner).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "it left no report".to_owned(),
        _other => format!("its report cannot be read: {error}"),
    })?;
    if size > REPORT_BYTES {
        return Err(format!("its report has {size} bytes, more than the {REPORT_BYTES} allowed"));
    }
    let mut text = Vec::new();
    file.take(REPORT_BYTES).read_to_end(&mut text).map_err(|e| format!("its report cannot be read: {e}"))?;
    serde_json::from_slice(&text).map_err(|error| format!("its report is damaged: {error}"))
}

/// Takes a report over into verdict and outputs. Returns the names of the parameters that are settled by it.
pub(super) fn merge(
    report: Result<Report, String>,
    job: &Job,
    stopped: bool,
    verdict: &mut Verdict,
    outputs: &mut Outputs,
) -> Vec<String> {
    outputs.exit_code = None;
    let report = match report {
        Ok(report) => report,
        Err(why) => {
            if !stopped {
                let how = if verdict.message.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", verdict.message)
                };
                verdict.phase = ExitPhase::Error;
                verdict.message = format!("the step ended unexpectedly{how}: {why}");
                verdict.reason = verdict.reason.or(Some(Reason::NotStarted));
            }
            return Vec::new();
        }
    };
    if !stopped {
        (verdict.phase, verdict.message, verdict.reason) = (report.phase, report.message, None);
    }
    outputs.result = report.outputs.result;
    outputs.artifacts = report.outputs.artifacts;
    let mut settled = Vec::new();
    for mut parameter in report.outputs.parameters {
        settled.push(parameter.name.clone());
        // What the template says about it stays: globalName, description, default.
        if let Some(declared) = job.outputs.parameters.iter().find(|known| known.name == parameter.name) {
            let value = parameter.value.take();
            parameter = declared.clone();
            parameter.value = value;
        }
        outputs.parameters.push(parameter);
    }
    settled
}
