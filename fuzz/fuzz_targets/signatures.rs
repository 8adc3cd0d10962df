//! Fuzzes who is believed: signatures of every provider.
//! Holds no rule of its own: what is fed and what must hold is in `feed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| {
    runner_fuzz::timed(input, runner_fuzz::feed::signatures);
});
