//! Tests of each guarantee of the layer, and of the actix behaviour that it is built around.

mod actix_facts;
mod arbiter_table;
mod arbiters;
mod backpressure;
mod clocks;
mod deadlines;
mod deadlocks;
mod delivery;
mod drain;
mod dynamic;
mod fairness;
mod fixture;
mod foreign;
mod groups;
mod hang;
mod incidents;
mod jobs;
mod kept;
mod lifecycle;
mod model;
mod monitors;
mod observe;
mod owed;
mod pool;
mod priority;
mod restart;
mod retry;
mod senders;
#[cfg(feature = "spans")]
mod spans;
mod storm;
mod turns;
mod weights;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::block_on as run;
use crate::testing::{Log, run_paused, start_single, until};

/// An actor that is controlled by messages and logs its lifecycle.
struct TestActor {
    log: Log,
    name: String,
    count: u64,
}

impl TestActor {
    fn new(name: &str, log: &Log) -> Self {
        Self {
            log: log.clone(),
            name: name.to_owned(),
            count: 0,
        }
    }

    /// Returns the specification of a test actor.
    fn child(me: &ActorRef<TestActor>, log: &Log) -> ChildSpec {
        let name = me.path().to_owned();
        let log = log.clone();
        ChildSpec::new(me, move || TestActor::new(&name, &log))
    }
}

impl Actor for TestActor {
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
    /// Adds one. Answered with the sum.
    Add -> u64
);
message!(Panic -> ());
message!(Fail -> ());
message!(Quit -> ());
message!(
    /// Blocks the thread for a duration.
    Block(Duration) -> ()
);
message!(
    /// Spawns a future that panics.
    PanicLater -> ()
);
message!(
    /// Starts a timer whose message panics.
    PanicByTimer -> ()
);

impl Handles<Add> for TestActor {
    type Answer = u64;

    fn handle(&mut self, _: Add, _: &mut Ctx<Self>) -> u64 {
        self.count += 1;
        self.count
    }
}

impl Handles<Panic> for TestActor {
    type Answer = ();

    fn handle(&mut self, _: Panic, _: &mut Ctx<Self>) {
        panic!("requested");
    }
}

impl Handles<Fail> for TestActor {
    type Answer = ();

    fn handle(&mut self, _: Fail, ctx: &mut Ctx<Self>) {
        ctx.fail("requested");
    }
}

impl Handles<Quit> for TestActor {
    type Answer = ();

    fn handle(&mut self, _: Quit, ctx: &mut Ctx<Self>) {
        ctx.stop();
    }
}

impl Handles<Block> for TestActor {
    type Answer = ();

    fn handle(&mut self, Block(time): Block, _: &mut Ctx<Self>) {
        std::thread::sleep(time);
    }
}

impl Handles<PanicLater> for TestActor {
    type Answer = ();

    fn handle(&mut self, _: PanicLater, ctx: &mut Ctx<Self>) {
        ctx.spawn(async { panic!("in a future") });
    }
}

impl Handles<PanicByTimer> for TestActor {
    type Answer = ();

    fn handle(&mut self, _: PanicByTimer, ctx: &mut Ctx<Self>) {
        ctx.notify_after(Duration::from_millis(1), Panic);
    }
}
