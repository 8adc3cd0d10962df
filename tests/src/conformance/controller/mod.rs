//! The corpus `workflows/controller`: scripts of upstream's controller tests, driven on the pure machine.
//! Has no controller and no store: a scripted executor stands in for pods, a table for locks, a map for caches.

mod drive;
mod given;
mod locks;
mod memo;
mod pods;
mod poke;
mod run;
mod script;
mod world;

pub use script::run_case;
