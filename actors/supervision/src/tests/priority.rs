//! Tests of the lane of high priority.

use super::*;
use crate::limits::HIGH_PRIORITY_RUN;

message!(Normal(usize) -> ());
message!(Urgent(usize) -> ());
message!(UrgentGossip(usize) -> ());

struct Nurse(Log);

impl Actor for Nurse {}

impl Handles<Normal> for Nurse {
    type Answer = ();

    fn handle(&mut self, Normal(number): Normal, _: &mut Ctx<Self>) {
        self.0.add(format!("normal {number}"));
    }
}

impl Handles<Urgent> for Nurse {
    type Answer = ();
    const PRIORITY: Priority = Priority::High;

    fn handle(&mut self, Urgent(number): Urgent, _: &mut Ctx<Self>) {
        self.0.add(format!("urgent {number}"));
    }
}

impl Handles<UrgentGossip> for Nurse {
    type Answer = ();
    const PRIORITY: Priority = Priority::High;
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, UrgentGossip(number): UrgentGossip, _: &mut Ctx<Self>) {
        self.0.add(format!("gossip {number}"));
    }
}

/// Starts a nurse on the thread of the test: what the test sends waits until the test waits.
async fn start(capacity: usize) -> (Tree, ActorRef<Nurse>, Log) {
    let (me, log) = (ActorRef::new("nurse"), Log::default());
    let made = log.clone();
    let child = ChildSpec::new(&me, move || Nurse(made.clone())).mailbox(capacity);
    let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(child);
    (start_single(spec).await, me, log)
}

#[test]
fn urgent_messages_are_handled_before_others() {
    run(async {
        let (tree, me, log) = start(100).await;
        me.tell(Normal(1)).unwrap();
        me.tell(Urgent(1)).unwrap();
        me.tell(Normal(2)).unwrap();
        me.tell(UrgentGossip(2)).unwrap();
        me.tell(Urgent(3)).unwrap();
        me.ask(Normal(3)).await.unwrap();
        let expected = [
            "urgent 1", "gossip 2", "urgent 3", "normal 1", "normal 2", "normal 3",
        ];
        assert_eq!(log.take(), expected);
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn urgent_messages_do_not_starve_the_others() {
    run(async {
        let (tree, me, log) = start(1000).await;
        for number in 0..3 {
            me.tell(Normal(number)).unwrap();
        }
        let urgent = 4 * HIGH_PRIORITY_RUN;
        for number in 0..urgent {
            me.tell(Urgent(number)).unwrap();
        }
        let all = || tree.handle().snapshot();
        until(|| all().find("root/nurse").unwrap().handling.count == urgent as u64 + 3).await;
        let runs = (0..urgent).map(|number| {
            let follows = (number + 1) % HIGH_PRIORITY_RUN == 0;
            let normal = follows.then(|| format!("normal {}", number / HIGH_PRIORITY_RUN));
            (format!("urgent {number}"), normal)
        });
        let runs = runs.flat_map(|(urgent, normal)| [Some(urgent), normal]);
        let mut expected: Vec<_> = runs.flatten().collect();
        expected.pop();
        assert_eq!(log.take(), expected);
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn priority_is_no_right_to_a_slot() {
    run(async {
        let (tree, me, log) = start(3).await;
        me.tell(Normal(1)).unwrap();
        me.tell(UrgentGossip(1)).unwrap();
        me.tell(UrgentGossip(2)).unwrap();
        me.tell(Urgent(1)).unwrap();
        me.tell(Normal(2)).unwrap();
        assert!(matches!(me.tell(Urgent(2)), Err(TellError::Full(_))));
        assert!(matches!(me.tell(UrgentGossip(3)), Err(TellError::Full(_))));
        let is_idle = || {
            me.node()
                .gauges
                .depth
                .load(std::sync::atomic::Ordering::Relaxed)
                == 0
        };
        until(is_idle).await;
        me.ask(Normal(3)).await.unwrap();
        assert_eq!(log.take(), ["urgent 1", "normal 1", "normal 2", "normal 3"]);
        assert!(tree.shutdown().await.is_clean());
    });
}
