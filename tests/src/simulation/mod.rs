//! Simulation: the real machine, controller and store logic under virtual time, with a virtual disk and runner.
//! Holds no product code and no product switch: bugs are planted between the engine and its ports.
//!
//! A seed is a case: workflows, commands and moments. It is played undisturbed, then again with a crash, an error
//! or a standstill at its commits; the ends are compared with each other and with an oracle that knows no engine.

pub mod canary;
pub mod clock;
pub mod disk;
pub mod explore;
pub mod fate;
pub mod generate;
pub mod hands;
pub mod laws;
pub mod model;
pub mod oracle;
pub mod outcome;
mod planted;
pub mod play;
pub mod rng;
pub mod shadow;
pub mod suite;
pub mod trouble;
mod voice;
pub mod world;
pub mod yaml;
