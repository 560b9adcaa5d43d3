//! A model test: random trees, crashes and floods, compared with a reference model after each step.
//!
//! A seed determines a plan (`plan.rs`, `generate.rs`): a tree and the steps that are taken with it.
//! `run.rs` takes each step on the real tree (`world.rs`), on one thread with a paused clock, and on
//! the reference model: OTP's rules of supervision (`reference.rs`), actors (`actors.rs`) and their
//! mailboxes (`traffic.rs`) with bounds in messages and in bytes, deadlines and priorities. After each step the two must agree on which actors live, their
//! generations, states and restarts, the order of starts and ends, the order of messages, every
//! caller's result, and the counts of messages. A step with two events in one millisecond that have
//! no defined order is left out.
//!
//! `ACTOREUM_SEEDS=0..10000 cargo test -p actoreum-supervision --release model` runs more seeds.

mod actors;
mod generate;
mod plan;
mod reference;
mod results;
mod run;
mod state;
mod traffic;
mod world;

use std::ops::Range;

use plan::{Plan, Step};
use run::{Mismatch, run};

/// The seeds that run where the environment names none.
const SEEDS: Range<u64> = 0..300;

/// Returns the range of seeds in `ACTOREUM_SEEDS`: `0..10000`, or one seed.
fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("ACTOREUM_SEEDS") else {
        return SEEDS;
    };
    let number = |text: &str| text.trim().parse::<u64>().unwrap();
    match text.split_once("..") {
        Some((begin, end)) => number(begin)..number(end),
        None => number(&text)..number(&text) + 1,
    }
}

/// Returns the plan without the steps that are not needed for a mismatch.
fn shrink(plan: &Plan, mismatch: Mismatch) -> (Plan, Mismatch) {
    let (mut smallest, mut mismatch) = (plan.clone(), mismatch);
    smallest.steps.truncate(mismatch.after);
    let mut try_plan = |smaller: Plan, smallest: &mut Plan| {
        if let Err(smaller_mismatch) = run(&smaller) {
            *smallest = smaller;
            smallest.steps.truncate(smaller_mismatch.after);
            mismatch = smaller_mismatch;
        }
    };
    for index in (0..plan.steps.len()).rev() {
        if index < smallest.steps.len() {
            let mut smaller = smallest.clone();
            smaller.steps.remove(index);
            try_plan(smaller, &mut smallest);
        }
    }
    for index in (0..smallest.steps.len()).rev() {
        let stimuli = match smallest.steps.get(index) {
            Some(Step::Batch(stimuli)) => stimuli.len(),
            _ => 0,
        };
        for stimulus in (0..stimuli).rev() {
            let mut smaller = smallest.clone();
            if let Some(Step::Batch(stimuli)) = smaller.steps.get_mut(index)
                && stimulus < stimuli.len()
            {
                stimuli.remove(stimulus);
                try_plan(smaller, &mut smallest);
            }
        }
    }
    (smallest, mismatch)
}

/// Returns the report of a mismatch: the tree, and the steps that lead to it.
fn report(plan: &Plan, mismatch: &Mismatch) -> String {
    let nodes = plan.nodes.iter().enumerate();
    let nodes: Vec<_> = nodes
        .map(|(id, node)| format!("  n{id} {node:?}"))
        .collect();
    let steps: Vec<_> = plan
        .steps
        .iter()
        .map(|step| format!("  {step:?}"))
        .collect();
    format!(
        "seed {}: the kernel differs from the model in {}\nnodes:\n{}\nfaults: {:?}\nsteps:\n{}",
        plan.seed,
        mismatch.text,
        nodes.join("\n"),
        plan.faults,
        steps.join("\n"),
    )
}

/// The sums of what the runs covered.
#[derive(Debug, Default)]
struct Sums {
    steps: u64,
    left_out: u64,
    messages: u64,
    expired: u64,
    overtaken: u64,
    too_heavy: u64,
    restarts: u64,
    gave_up: u64,
    failed_starts: u64,
}

#[test]
fn the_kernel_agrees_with_the_model() {
    let (mut sums, all) = (Sums::default(), seeds());
    let mut mismatches = Vec::new();
    for seed in all.clone() {
        let plan = generate::plan(seed);
        match run(&plan) {
            Ok(coverage) => {
                sums.steps += coverage.steps;
                sums.left_out += coverage.left_out;
                sums.messages += coverage.messages;
                sums.expired += coverage.expired;
                sums.overtaken += coverage.overtaken;
                sums.too_heavy += coverage.too_heavy;
                sums.restarts += coverage.restarts;
                sums.gave_up += coverage.gave_up;
                sums.failed_starts += coverage.failed_starts;
            }
            Err(mismatch) => mismatches.push((plan, mismatch)),
        }
    }
    let seeds: Vec<u64> = mismatches.iter().map(|(plan, _)| plan.seed).collect();
    if let Some((plan, mismatch)) = mismatches.into_iter().next() {
        let (plan, mismatch) = shrink(&plan, mismatch);
        panic!(
            "{}\nall seeds that fail: {seeds:?}",
            report(&plan, &mismatch)
        );
    }
    println!("{sums:?}");
    assert!(sums.left_out <= sums.steps, "most steps are compared");
    if all.count() as u64 >= SEEDS.end {
        let rules = [sums.expired, sums.overtaken, sums.too_heavy];
        assert!(rules.iter().all(|count| *count > 100), "{sums:?}");
    }
}

#[test]
fn a_seed_gives_the_same_run_each_time() {
    for seed in 0..20 {
        let plan = generate::plan(seed);
        let [first, second] = [0, 1].map(|_| run(&plan).map_err(|mismatch| mismatch.text));
        assert_eq!(first, second, "seed {seed}");
    }
}
