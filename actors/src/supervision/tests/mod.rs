//! Each promise of the layer, and each fact of actix that made it necessary.

mod actix_facts;
mod backpressure;
mod delivery;
mod dynamic;
mod lifecycle;
mod observe;
mod pool;
mod restart;
mod stage;
mod storm;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::*;

/// Runs a test in an actix system of its own.
fn run<F: Future>(test: F) -> F::Output {
    actix::System::new().block_on(test)
}

/// As [`run`], with a clock that jumps to the next timer whenever nothing else is to do.
/// Only for trees on a single thread.
fn run_paused<F: Future>(test: F) -> F::Output {
    actix::System::new().block_on(async {
        tokio::time::pause();
        test.await
    })
}

async fn start_single(spec: SupervisorSpec) -> Tree {
    TreeOptions::default()
        .single_thread()
        .start(spec)
        .await
        .unwrap()
}

/// Waits, at most half a minute of real time, until `condition` holds.
async fn until(condition: impl Fn() -> bool) {
    for _ in 0..30_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came true");
}

/// What happened, in order.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Log {
    fn add(&self, line: impl Into<String>) {
        self.lines.lock().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock())
    }
}

/// An actor that does what it is told and logs its life.
struct Puppet {
    log: Log,
    name: String,
    count: u64,
}

impl Puppet {
    fn new(name: &str, log: &Log) -> Self {
        Self {
            log: log.clone(),
            name: name.to_owned(),
            count: 0,
        }
    }

    /// A specification of a puppet, with quick timeouts.
    fn child(me: &ActorRef<Puppet>, log: &Log) -> ChildSpec {
        let name = me.path().to_owned();
        let log = log.clone();
        ChildSpec::new(me, move || Puppet::new(&name, &log))
    }
}

impl Actor for Puppet {
    fn started(&mut self, _: &mut Ctx<Self>) -> Result<(), Failure> {
        self.log.add(format!("{} up", self.name));
        Ok(())
    }

    async fn stopped(self, exit: &Exit) {
        self.log.add(format!("{} down: {exit}", self.name));
    }
}

macro_rules! message {
    ($(#[$doc:meta])* $scope:vis $name:ident $(($($field:ty),*))? -> $result:ty) => {
        $(#[$doc])*
        #[derive(Debug)]
        $scope struct $name $(($($scope $field),*))?;

        impl Message for $name {
            type Result = $result;
        }
    };
}
use message;

message!(
    /// Adds one; the answer is the sum.
    Add -> u64
);
message!(Panic -> ());
message!(Fail -> ());
message!(Quit -> ());
message!(
    /// Holds the thread.
    Block(Duration) -> ()
);
message!(
    /// Leaves a future behind that panics.
    PanicLater -> ()
);
message!(
    /// Runs a timer whose message panics.
    PanicByTimer -> ()
);

impl Handles<Add> for Puppet {
    type Answer = u64;

    fn handle(&mut self, _: Add, _: &mut Ctx<Self>) -> u64 {
        self.count += 1;
        self.count
    }
}

impl Handles<Panic> for Puppet {
    type Answer = ();

    fn handle(&mut self, _: Panic, _: &mut Ctx<Self>) {
        panic!("told to");
    }
}

impl Handles<Fail> for Puppet {
    type Answer = ();

    fn handle(&mut self, _: Fail, ctx: &mut Ctx<Self>) {
        ctx.fail("told to");
    }
}

impl Handles<Quit> for Puppet {
    type Answer = ();

    fn handle(&mut self, _: Quit, ctx: &mut Ctx<Self>) {
        ctx.stop();
    }
}

impl Handles<Block> for Puppet {
    type Answer = ();

    fn handle(&mut self, Block(time): Block, _: &mut Ctx<Self>) {
        std::thread::sleep(time);
    }
}

impl Handles<PanicLater> for Puppet {
    type Answer = ();

    fn handle(&mut self, _: PanicLater, ctx: &mut Ctx<Self>) {
        ctx.spawn(async { panic!("in a future") });
    }
}

impl Handles<PanicByTimer> for Puppet {
    type Answer = ();

    fn handle(&mut self, _: PanicByTimer, ctx: &mut Ctx<Self>) {
        ctx.notify_after(Duration::from_millis(1), Panic);
    }
}
