//! The prover itself: what is wrong with a course must be caught by the proof that is there for it (P15).

use std::time::Duration;

use crate::support::Sandbox;

const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn whatever_is_planted_is_caught() {
    let sandbox = Sandbox::new();
    let proved = sandbox.bottleship(["prove", "--itself"]).patience(PATIENCE).output();
    assert_eq!(proved.code(), 0, "{}{}", proved.stdout, proved.stderr);
    let caught = |proof: &str| proved.stdout.contains(&format!("caught by {proof}:"));
    for proof in ["P1", "P2", "P3", "P4", "P5", "P7", "P8", "P9", "P10", "P11", "P12"] {
        assert!(caught(proof), "{proof} caught nothing:\n{}", proved.stdout);
    }
}

#[test]
fn a_killed_bottle_is_nobodys_fault() {
    let sandbox = Sandbox::new();
    let proved = sandbox.bottleship(["prove", "--seeds", "1", "by-hand/one-capability"]).patience(PATIENCE).output();
    let row = proved.stdout.lines().find(|line| line.contains("PID 1 killed"));
    assert!(row.is_some_and(|row| row.starts_with("proved   P6")), "{}{}", proved.stdout, proved.stderr);
}
