//! Rows 4 to 6: bounds, cancelling and fairness of an actix mailbox.

use std::sync::atomic::Ordering::SeqCst;

use actix::dev::SendError;
use actix::{Actor, AsyncContext, Context, Handler};

use super::*;

/// Row 4: `do_send` ignores the bound, and so does a `send` through a fresh address.
#[test]
fn an_actix_mailbox_bound_is_easily_bypassed() {
    run(async {
        let bare = Bare::default();
        let handled = Arc::clone(&bare.handled);
        let actor = Bare::create(|ctx| {
            ctx.set_mailbox_capacity(1);
            bare
        });
        for _ in 0..100 {
            actor.do_send(Count);
        }
        let clones: Vec<_> = (0..100).map(|_| actor.clone()).collect();
        assert!(clones.iter().all(|clone| clone.try_send(Count).is_ok()));
        yield_often().await;
        assert_eq!(handled.load(SeqCst), 200);
    });
}

/// Row 4: only `try_send` on one long-lived address is refused.
#[test]
fn try_send_is_bounded_on_one_address_alone() {
    run(async {
        let actor = Bare::create(|ctx| {
            ctx.set_mailbox_capacity(4);
            Bare::default()
        });
        let accepted = (0..100).filter(|_| actor.try_send(Count).is_ok()).count();
        assert!((4..=5).contains(&accepted), "{accepted}");
        assert!(matches!(actor.try_send(Count), Err(SendError::Full(Count))));
        assert!(actor.clone().try_send(Count).is_ok());
    });
}

/// Row 4: awaiting a `send` waits for the reply, not for a free slot: the call itself queues the
/// message.
#[test]
fn send_queues_before_it_is_awaited() {
    run(async {
        let bare = Bare::default();
        let handled = Arc::clone(&bare.handled);
        let actor = bare.start();
        let request = actor.send(Count);
        yield_often().await;
        assert_eq!(handled.load(SeqCst), 1);
        assert_eq!(request.await, Ok(1));
    });
}

/// Row 5: dropping the future of a `send` takes the message back.
#[test]
fn dropping_a_send_cancels_the_message() {
    run(async {
        let bare = Bare::default();
        let handled = Arc::clone(&bare.handled);
        let actor = bare.start();
        drop(actor.send(Count));
        yield_often().await;
        assert_eq!(handled.load(SeqCst), 0);
    });
}

/// Row 6: the mailbox is drained completely before the actor's timers or other actors have a turn.
#[test]
fn a_flood_starves_timers_and_neighbours() {
    const FLOOD: usize = 200;
    struct Ticking(Bare);
    impl Actor for Ticking {
        type Context = Context<Self>;
        fn started(&mut self, ctx: &mut Context<Self>) {
            ctx.run_interval(Duration::from_millis(1), |this, _| {
                if this.0.ticks.fetch_add(1, SeqCst) == 0 {
                    let handled = this.0.handled.load(SeqCst);
                    this.0.handled_at_first_tick.store(handled, SeqCst);
                }
            });
        }
    }
    impl Handler<Spin> for Ticking {
        type Result = ();
        fn handle(&mut self, Spin(time): Spin, _: &mut Context<Self>) {
            self.0.handled.fetch_add(1, SeqCst);
            std::thread::sleep(time);
        }
    }
    run(async {
        let bare = Bare::default();
        let ticks = Arc::clone(&bare.ticks);
        let handled_at_first_tick = Arc::clone(&bare.handled_at_first_tick);
        let handled = Arc::clone(&bare.handled);
        let actor = Ticking(bare).start();
        let handled_at_turn = actix::spawn(async move { handled.load(SeqCst) });
        for _ in 0..FLOOD {
            actor.do_send(Spin(Duration::from_micros(100)));
        }
        assert_eq!(
            handled_at_turn.await.unwrap(),
            FLOOD,
            "the neighbour waited for all"
        );
        until(|| ticks.load(SeqCst) > 0).await;
        assert_eq!(handled_at_first_tick.load(SeqCst), FLOOD, "so did the tick");
    });
}
