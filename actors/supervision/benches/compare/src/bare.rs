//! The work with bare actix.

use actix::{Actor, Addr, Context, Handler, MailboxError, Message, dev::SendError};

use crate::{
    ACTORS, ASKS, BURST, CRASHES, Cost, FLOOD, MAILBOX, SENDERS, Stopwatch, TELLS, Work, resident,
    sum_below,
};

#[derive(Message)]
#[rtype(result = "u64")]
struct Number(u64);

#[derive(Message)]
#[rtype(result = "()")]
struct Note(u64);

#[derive(Message)]
#[rtype(result = "()")]
struct Crash;

struct Summer(u64);

impl Actor for Summer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<Number> for Summer {
    type Result = u64;

    fn handle(&mut self, Number(number): Number, _: &mut Context<Self>) -> u64 {
        self.0 += number;
        self.0
    }
}

impl Handler<Note> for Summer {
    type Result = ();

    fn handle(&mut self, Note(number): Note, _: &mut Context<Self>) {
        self.0 += number;
    }
}

impl Handler<Crash> for Summer {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("requested");
    }
}

pub(crate) async fn run(work: Work) -> Cost {
    let me = Summer(0).start();
    let stopwatch = Stopwatch::start();
    match work {
        Work::Ask => ask(&me).await,
        Work::Tell => tell(&me).await,
        Work::Flood => flood(&me).await,
        Work::Restart => restart(me).await,
    }
    stopwatch.stop()
}

async fn ask(me: &Addr<Summer>) {
    let mut sum = 0;
    for number in 0..ASKS {
        sum = me.send(Number(number)).await.expect("because it is up");
    }
    assert_eq!(sum, sum_below(ASKS));
}

async fn tell(me: &Addr<Summer>) {
    let mut sum = 0;
    for number in 0..TELLS {
        if number % BURST == BURST - 1 {
            sum = me.send(Number(number)).await.expect("because it is up");
        } else {
            me.do_send(Note(number));
        }
    }
    assert_eq!(sum, sum_below(TELLS));
}

async fn flood(me: &Addr<Summer>) {
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let me = me.clone();
            actix::spawn(async move {
                for number in (sender..FLOOD).step_by(SENDERS as usize) {
                    while let Err(SendError::Full(_)) = me.try_send(Note(number)) {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("because it does not panic");
    }
    assert_eq!(
        me.send(Number(0)).await.expect("because it is up"),
        sum_below(FLOOD)
    );
}

async fn restart(mut me: Addr<Summer>) {
    let mut restarts = 0;
    for _ in 0..CRASHES {
        me.do_send(Crash);
        loop {
            match me.send(Number(1)).await {
                Ok(sum) => break assert_eq!(sum, 1),
                Err(MailboxError::Closed | MailboxError::Timeout) => {
                    me = Summer(0).start();
                    restarts += 1;
                }
            }
        }
    }
    assert_eq!(restarts, CRASHES);
}

pub(crate) async fn hold_actors(before: u64) -> u64 {
    let mut actors = Vec::new();
    for number in 0..ACTORS {
        let me = Summer(0).start();
        assert_eq!(me.send(Number(number)).await.ok(), Some(number));
        actors.push(me);
    }
    let grown = resident() - before;
    assert!(actors.iter().all(Addr::connected));
    grown
}
