//! The header of `get`: name, status, times, parameters, outputs.
//! Does not show nodes: `tree` does.

use jiff::Timestamp;

use super::color::{Ink, Palette};
use super::tree::Look;
use super::view::View;
use super::{text, time};

/// The lines of the header.
pub fn lines(view: &View, now: Timestamp, look: Look, palette: Palette) -> Vec<String> {
    let mut out = Vec::new();
    let mut line = |key: &str, value: &str| {
        let key = format!("{key}:");
        out.push(format!("{} {}", text::pad(&key, 20), text::plain(value)).trim_end().to_owned());
    };
    line("Name", &view.name);
    line("Namespace", &view.namespace);
    if !view.service_account.is_empty() {
        line("ServiceAccount", &view.service_account);
    }
    line("Status", "\u{0}");
    if !view.message.is_empty() {
        line("Message", &view.message);
    }
    if !view.conditions.is_empty() {
        line("Conditions", &view.conditions.join(", "));
    }
    let times = [("Created", view.created), ("Started", view.started), ("Finished", view.finished)];
    for (key, at) in times {
        if let Some(at) = at {
            line(key, &time::ago(at, now));
        }
    }
    if let Some(duration) = view.duration(now) {
        line("Duration", &time::words(duration));
    }
    if !view.progress.is_empty() && view.progress != "0/0" {
        line("Progress", &view.progress);
    }
    for (title, pairs) in [("Parameters", &view.parameters), ("Output Parameters", &view.outputs)] {
        if !pairs.is_empty() {
            line(title, "");
        }
        for (name, value) in pairs {
            line(&format!("  {}", text::plain(name)), value);
        }
    }
    let suspended = view.suspended && !view.completed();
    let status =
        if suspended { format!("{} (Suspended)", view.phase_word()) } else { view.phase_word().to_owned() };
    let painted = palette
        .paint(Ink::of_phase(view.phase_word()), &format!("{} {status}", look.icon(&view.phase, suspended)));
    for line in &mut out {
        if line.starts_with("Status:") {
            *line = format!("{} {painted}", text::pad("Status:", 20));
        }
    }
    out
}
