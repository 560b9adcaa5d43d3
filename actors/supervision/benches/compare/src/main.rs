//! Compares the cost of actors with those of other libraries. The README says what is measured.

mod bare;
mod kameos;
mod ours;
mod ractors;

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

const LIBRARIES: [&str; 4] = ["actoreum", "actix", "kameo", "ractor"];
const ROUNDS: usize = 7;
const ASKS: u64 = 200_000;
const TELLS: u64 = 1_000_000;
const BURST: u64 = 64;
const FLOOD: u64 = 1_000_000;
const SENDERS: u64 = 4;
const MAILBOX: usize = 1024;
const CRASHES: u64 = 1_000;
const ACTORS: u64 = 100_000;

/// The work of one benchmark, and how often it is done.
#[derive(Clone, Copy)]
enum Work {
    Ask,
    Tell,
    Flood,
    Restart,
}

impl Work {
    const ALL: [(Self, &'static str, u64); 4] = [
        (Self::Ask, "ask", ASKS),
        (Self::Tell, "tell", TELLS),
        (Self::Flood, "flood", FLOOD),
        (Self::Restart, "restart", CRASHES),
    ];
}

/// The cost of a run.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Cost {
    processor: Duration,
    wall: Duration,
}

/// A reading of the clocks, from which a run is measured.
struct Stopwatch {
    processor: Duration,
    wall: Instant,
}

impl Stopwatch {
    fn start() -> Self {
        let (processor, wall) = (processor_time(), Instant::now());
        Self { processor, wall }
    }

    fn stop(self) -> Cost {
        Cost {
            processor: processor_time() - self.processor,
            wall: self.wall.elapsed(),
        }
    }
}

/// Returns the processor time of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = u32::try_from(time.tv_nsec).expect("because it is less than a second");
    Duration::new(time.tv_sec.cast_unsigned(), nanos)
}

/// Returns the sum that an actor has after the numbers below `count`.
fn sum_below(count: u64) -> u64 {
    count * (count - 1) / 2
}

/// Returns the resident memory of this process in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("because this is Linux");
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("because it is the second field") * 4096
}

fn run(library: &str, work: Work) -> Cost {
    actix::System::new().block_on(async {
        // With a timer the runtime reads its clock each time it is idle, as in every real program.
        actix::spawn(tokio::time::sleep(Duration::from_secs(3600)));
        match library {
            "actoreum" => ours::run(work).await,
            "actix" => bare::run(work).await,
            "kameo" => kameos::run(work).await,
            _ => ractors::run(work).await,
        }
    })
}

fn measure_memory(library: &str) {
    let grown = actix::System::new().block_on(async {
        let before = resident();
        match library {
            "actoreum" => ours::hold_actors(before).await,
            "actix" => bare::hold_actors(before).await,
            "kameo" => kameos::hold_actors(before).await,
            _ => ractors::hold_actors(before).await,
        }
    });
    println!("{}", grown / ACTORS);
    // Dropping the actors is not measured.
    std::process::exit(0);
}

fn memory_of(library: &str) -> u64 {
    let program = std::env::current_exe().expect("because it runs");
    let output = Command::new(program).args(["memory", library]).output();
    let output = output.expect("because this program can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    let number = text.trim().parse();
    number.unwrap_or_else(|_| panic!("{library}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn print_row(name: &str, unit: &str, costs: &[f64]) {
    print!("| {name}, {unit} |");
    let base = costs[0];
    for cost in costs {
        print!(" {cost:.0} ({:.2}) |", cost / base);
    }
    println!();
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, command, library] = arguments.as_slice()
        && command == "memory"
    {
        measure_memory(library);
    }
    // Panics are part of the work.
    std::panic::set_hook(Box::new(|info| {
        if info.payload_as_str() != Some("requested") {
            eprintln!("{info}");
        }
    }));
    println!("In parentheses: the ratio to actoreum-supervision.\n");
    println!("| | {} |", LIBRARIES.join(" | "));
    println!("|---|{}", "---|".repeat(LIBRARIES.len()));
    for (work, name, times) in Work::ALL {
        let mut best: [Option<Cost>; 4] = [None; 4];
        for _ in 0..ROUNDS {
            for (best, library) in best.iter_mut().zip(LIBRARIES) {
                let cost = run(library, work);
                if best.is_none_or(|best| cost < best) {
                    *best = Some(cost);
                }
            }
        }
        let per_item = |of: fn(Cost) -> Duration| {
            best.map(|cost| of(cost.expect("because each ran")).as_nanos() as f64 / times as f64)
        };
        print_row(
            name,
            "ns of processor time",
            &per_item(|cost| cost.processor),
        );
        print_row(name, "ns of wall time", &per_item(|cost| cost.wall));
    }
    print_row(
        "memory",
        "bytes per actor",
        &LIBRARIES.map(|library| memory_of(library) as f64),
    );
}
