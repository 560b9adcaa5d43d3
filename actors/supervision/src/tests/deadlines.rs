//! Tests of deadlines that travel with a message.

use super::fixture::Fixture;
use super::*;
use crate::observe::snapshot::DeadLetterReason;

message!(Note(u32) -> u32);
message!(
    /// Has a deadline of its own that passes at once.
    Brief(u32) -> u32
);
message!(
    /// Has none, whatever the specification says.
    Patient(u32) -> u32
);

struct Clerk(Log);

impl Actor for Clerk {}

impl Handles<Note> for Clerk {
    type Answer = u32;

    fn handle(&mut self, Note(number): Note, _: &mut Ctx<Self>) -> u32 {
        self.0.add(format!("note {number}"));
        number
    }
}

impl Handles<Brief> for Clerk {
    type Answer = u32;
    const DEADLINE: Option<Duration> = Some(Duration::ZERO);

    fn handle(&mut self, Brief(number): Brief, _: &mut Ctx<Self>) -> u32 {
        self.0.add(format!("brief {number}"));
        number
    }
}

impl Handles<Patient> for Clerk {
    type Answer = u32;
    const DEADLINE: Option<Duration> = Some(Duration::MAX);

    fn handle(&mut self, Patient(number): Patient, _: &mut Ctx<Self>) -> u32 {
        self.0.add(format!("patient {number}"));
        number
    }
}

impl Handles<Panic> for Clerk {
    type Answer = ();

    fn handle(&mut self, _: Panic, _: &mut Ctx<Self>) {
        panic!("requested");
    }
}

/// Starts a clerk on the thread of the test: what the test sends waits until the test waits.
async fn start(change: impl Fn(ChildSpec) -> ChildSpec) -> (Tree, ActorRef<Clerk>, Log) {
    let (me, log) = (ActorRef::new("clerk"), Log::default());
    let made = log.clone();
    let child = change(ChildSpec::new(&me, move || Clerk(made.clone())));
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .backoff(Backoff {
            first: Duration::from_millis(1),
            ..Backoff::default()
        })
        .child(child);
    (start_single(spec).await, me, log)
}

fn node(tree: &Tree) -> NodeSnapshot {
    tree.handle().snapshot().find("root/clerk").unwrap().clone()
}

fn expired(tree: &Tree, name: &str) -> u64 {
    node(tree).message(name).map_or(0, |of| of.expired)
}

#[test]
fn a_request_past_its_deadline_is_skipped_and_counted() {
    run(async {
        let (tree, me, log) = start(|child| child).await;
        let late = me.with_deadline(Duration::ZERO).ask(Note(1));
        let long = me.with_deadline(Duration::from_secs(600)).ask(Note(2));
        assert_eq!(late.await, Err(AskError::Expired));
        assert!(AskError::Expired.was_never_handled());
        assert_eq!(long.await, Ok(2));
        assert_eq!(log.take(), ["note 2"]);
        let clerk = node(&tree);
        let note = clerk.message("Note").unwrap();
        assert_eq!((note.handled, note.expired), (1, 1));
        let sample = clerk.dead_letters.first().unwrap();
        assert_eq!(sample.reason, DeadLetterReason::Expired);
        assert_eq!(
            (sample.message.as_str(), clerk.dead_letters.len()),
            ("Note", 1)
        );
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_message_type_may_have_a_deadline() {
    run(async {
        let (tree, me, log) = start(|child| child).await;
        assert_eq!(me.ask(Brief(1)).await, Err(AskError::Expired));
        let within = me.within(Duration::from_secs(600));
        assert_eq!(within.ask(Brief(2)).await, Err(AskError::Expired));
        let ask = me.with_deadline(Duration::from_secs(600)).ask(Brief(3));
        assert_eq!(ask.await, Ok(3), "the caller knows better");
        me.tell(Brief(4)).unwrap();
        assert_eq!(me.ask(Note(5)).await, Ok(5));
        assert_eq!(
            log.take(),
            ["brief 3", "brief 4", "note 5"],
            "a tell has none"
        );
        assert_eq!(expired(&tree, "Brief"), 2);
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_specification_sets_the_deadline_of_other_types() {
    run(async {
        let (tree, me, log) = start(|child| child.ask_deadline(Duration::ZERO)).await;
        assert_eq!(me.ask(Note(1)).await, Err(AskError::Expired));
        assert_eq!(me.ask(Patient(2)).await, Ok(2));
        me.tell(Note(3)).unwrap();
        assert_eq!(me.ask(Patient(4)).await, Ok(4));
        assert_eq!(log.take(), ["patient 2", "note 3", "patient 4"]);
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_message_without_a_caller_may_expire() {
    run(async {
        let (tree, me, log) = start(|child| child).await;
        me.with_deadline(Duration::ZERO).tell(Note(1)).unwrap();
        assert_eq!(me.ask(Note(2)).await, Ok(2));
        assert_eq!(log.take(), ["note 2"]);
        assert_eq!(expired(&tree, "Note"), 1);
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn an_expiring_request_is_not_handled_after_its_timeout() {
    run(async {
        let fixture = Fixture::new(8, Duration::ZERO).await;
        fixture.shut_gate().await;
        let soon = fixture.me.within(Duration::from_millis(10));
        assert_eq!(soon.ask(Add).await, Err(AskError::TimedOut));
        assert_eq!(soon.expiring().ask(Add).await, Err(AskError::TimedOut));
        fixture.open_gate();
        let patient = fixture.me.within(Duration::from_secs(60));
        assert_eq!(patient.expiring().ask(Add).await, Ok(0));
        let add = fixture.message("Add");
        assert_eq!((add.handled, add.expired), (3, 1), "the gate's, two asks");
        fixture.tree.shutdown().await;
    });
}

#[test]
fn a_deadline_outlives_a_restart_in_a_kept_mailbox() {
    run(async {
        let (tree, me, log) = start(|child| child.on_restart(Mailbox::Keep)).await;
        me.tell(Panic).unwrap();
        let brief = me.ask(Brief(1));
        let note = me.ask(Note(2));
        assert_eq!(brief.await, Err(AskError::Expired));
        assert_eq!(note.await, Ok(2));
        assert_eq!(
            (me.generation(), log.take()),
            (2, vec!["note 2".to_owned()])
        );
        assert!(tree.shutdown().await.is_clean());
    });
}
