//! THE LANGUAGE OF EVENTS and the machine that decides on them: Argo Events' kinds, filters, transforms, parameters.
//! Pure: no clock, no network, no files; what acts on a decision is in `runner-events`.

pub mod spec;
