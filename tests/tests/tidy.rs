//! The house rules, one test each.
//! What a rule means is written beside it in `tests/src/tidy`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use runner_tests::paths::workspace;
use runner_tests::tidy::{edges, ratchet, rules, tree};

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} places:\n{}", wrong.len(), wrong.join("\n"));
}

fn files() -> Vec<tree::File> {
    tree::files(&workspace()).unwrap()
}

fn listed() -> ratchet::Exceptions {
    let text = std::fs::read_to_string(workspace().join("tests/tidy-ratchet.toml")).expect("the ratchet");
    ratchet::parse(&text).unwrap()
}

#[test]
fn crates_depend_only_on_what_they_may() {
    none(&edges::forbidden(&edges::metadata(&workspace()).unwrap()));
}

#[test]
fn pure_crates_reach_no_io() {
    none(&edges::impure(&edges::metadata(&workspace()).unwrap()));
}

#[test]
fn pure_crates_name_no_clock_sleep_env_or_randomness() {
    none(&rules::purity(&files()));
}

#[test]
fn files_and_functions_stay_small() {
    none(&ratchet::compare(&ratchet::measure(&files()), &listed()));
}

#[test]
fn files_say_what_they_are_for() {
    none(&rules::module_docs(&files()));
}

#[test]
fn work_put_off_names_an_issue() {
    none(&rules::put_off(&files()));
}

#[test]
fn lints_are_never_switched_off() {
    none(&rules::allowances(&files()));
}

#[test]
fn unsafe_code_stays_where_it_is_listed() {
    none(&rules::unsafe_code(&files(), &listed()));
}

#[test]
fn no_file_knows_the_machine() {
    none(&rules::own_paths(&files(), &workspace(), std::env::var("HOME").ok().as_deref()));
}

#[test]
fn store_ports_stay_small() {
    none(&rules::port_methods(&files(), 8));
}
