//! Every bound of the supervision layer, with its reason.

use std::time::Duration;

/// Messages that an actor's mailbox holds unless its specification says otherwise.
///
/// Large enough to absorb a burst while one slow handler runs, small enough that a
/// caller gets `Full` within milliseconds when the actor cannot keep up.
pub const MAILBOX_CAPACITY: usize = 1024;

/// Answers that a generation of an actor owes at most: messages that were handled and are answered
/// later. An actor with a mailbox of less owes no more than its mailbox holds.
///
/// A message that would owe another answer stays queued, whether or not its caller waits, so that
/// the bound of the mailbox holds for requests that take long. Messages that an actor sends to
/// itself do not wait, because they are not queued.
pub const OWED_ANSWERS: usize = 1024;

/// Messages of high priority that an actor handles, one after the other, while a message of normal
/// priority waits. Then it handles one of those, so that a flood of urgent messages slows the others
/// down and does not starve them.
pub const HIGH_PRIORITY_RUN: usize = 8;

/// Slots of the actix mailbox, which carries control messages only: one stop, one probe, one crash
/// request. Every control message is sent through a fresh address, which has a slot of
/// its own on top of these, so that control is never refused.
pub const CONTROL_CAPACITY: usize = 4;

/// Messages, completed futures and timers, and items of streams that an actor handles in one turn
/// before its control messages and the other actors of its arbiter get their turn. A turn that futures
/// use up is followed by one that begins with messages, and the other way round. Together with
/// [`TURN_TIME`] this bound keeps a flooded actor from missing its ticks.
pub const TURN_MESSAGES: usize = 64;

/// Time that one turn may take, checked after each message. Bounds a turn whose handlers are
/// slow; a handler should take at most this long.
pub const TURN_TIME: Duration = Duration::from_micros(500);

/// Time that an actor whose turn took too long leaves to the busy actors of its arbiter afterwards, at
/// most. In between it is the time by which the turn was too long, so that an actor with slow handlers
/// gets no larger share of the thread than others. Bounded, so that one slow handler does not delay
/// its own actor much more.
pub const TURN_DEBT: Duration = Duration::from_millis(10);

/// A busy actor whose turn took this long is not polled again before the actors of its arbiter that
/// other threads woke. After a shorter turn it is: looking for those costs about a microsecond.
pub const LONG_TURN: Duration = Duration::from_micros(50);

/// Where all other actors of an arbiter together take less than this between two turns of an actor,
/// they are idle: nobody gains by its waiting.
pub const IDLE_ROUND: Duration = Duration::from_micros(20);

/// A handler (or one poll of a future that it spawned) that holds its thread for this long
/// is logged as a warning: everything else on the arbiter waited for it.
pub const SLOW_HANDLER: Duration = Duration::from_millis(50);

/// Time between two warnings about slow handlers of one message type. All are counted.
pub const SLOW_WARNING_PERIOD: Duration = Duration::from_secs(10);

/// Time that a child has to start (factory and `started`) unless its specification says
/// otherwise. Generous, because opening a large store after a crash takes a while.
pub const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Time that a child has to stop unless its specification says otherwise; then it is killed.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Time that a child without a drain time has for the messages that later siblings sent from their
/// `stopped` hooks; at most half of its stop timeout.
pub const PARTING_TIME: Duration = Duration::from_secs(1);

/// Time that a killed child has to release its thread. A child that does not is stuck in
/// a handler that never returns; it is reported, and its thread cannot be joined.
pub const KILL_GRACE: Duration = Duration::from_millis(500);

/// Time that an arbiter's thread has to end once nothing runs on it.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Restarts that a supervisor makes within [`RESTART_PERIOD`] before it gives up.
pub const RESTARTS: u32 = 5;

/// The period of [`RESTARTS`].
pub const RESTART_PERIOD: Duration = Duration::from_secs(60);

/// Pause before the first restart; it doubles with each failure in a row.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(50);

/// The longest pause before a restart.
pub const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// A child that ran this long without failing starts again from [`BACKOFF_FIRST`].
pub const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// Incidents (failures, restarts and their reasons) that a node of the tree remembers.
pub const MAX_INCIDENTS: usize = 16;

/// Incidents that the log of a tree holds in memory.
pub const LOGGED_INCIDENTS: usize = 256;

/// Incidents that wait for the sink of a log. Restart intensities bound how many a second there are.
pub const SINK_QUEUE: usize = 256;

/// Time that the end of a tree waits for the sink of its incidents.
pub const SINK_TIME: Duration = Duration::from_secs(2);

/// Samples of messages that were not handled that an actor holds.
pub const DEAD_LETTERS: usize = 8;

/// Time between two samples of one message type that was not handled. All are counted.
pub const DEAD_LETTER_PERIOD: Duration = Duration::from_millis(100);

/// Characters of a panic's or an error's text that are kept: such a text may quote untrusted
/// input of any length.
pub const MAX_REASON_CHARS: usize = 500;

/// Pause between two health rounds; each actor has at most one probe under way.
pub const PROBE_PERIOD: Duration = Duration::from_secs(1);

/// An actor that has not answered its probe in this time shows as stuck.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// An ask that has waited this long shows in snapshots, and the health monitor looks whether it
/// waits for itself: actors that ask each other in a circle.
pub const ASK_OVERDUE: Duration = Duration::from_secs(1);

/// Waiting requests of one mailbox that a snapshot and the health monitor look at, the oldest of each
/// lane first.
pub const WAITS_READ: usize = 256;

/// Children that a dynamic supervisor holds unless its specification says otherwise.
pub const DYNAMIC_CHILDREN: usize = 1024;

/// Requests to a dynamic supervisor that may be queued.
pub const DYNAMIC_REQUESTS: usize = 1024;

/// Time that a job of a pool may run before the health monitor reports it, unless the job says
/// otherwise. Longer than any job takes that waits for nothing but the processor and the disk, since
/// a report also makes the node count as not ready.
pub const JOB_TIME: Duration = Duration::from_secs(60);

/// Crashes of an actor by one message type, within the period of its restart intensity, after which
/// the type is quarantined, where the actor keeps its mailbox over restarts. Less than [`RESTARTS`],
/// so that one kind of message does not end the supervisor.
pub const QUARANTINE_AFTER: u32 = 3;

/// Jobs that wait for a thread of a pool unless the pool says otherwise.
pub const POOL_QUEUE: usize = 256;
