//! Tests of spans across mailboxes.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, info_span};
use tracing_core::span::Current;

use super::*;

message!(
    /// Sends [`Add`] to the target, once in the handler and once in a future.
    Pass -> ()
);

struct Passer {
    target: ActorRef<TestActor>,
}

impl Actor for Passer {}

impl Handles<Pass> for Passer {
    type Answer = Later<()>;

    fn handle(&mut self, _: Pass, _: &mut Ctx<Self>) -> Later<()> {
        self.target.tell(Add).unwrap();
        let target = self.target.clone();
        Later::new(async move {
            tokio::task::yield_now().await;
            target.ask(Add).await.unwrap();
        })
    }
}

/// A subscriber that remembers the spans of one thread: each with its fields and its parent.
#[derive(Clone, Default)]
struct Recorder {
    spans: Arc<Mutex<Vec<Recorded>>>,
    entered: Arc<Mutex<Vec<Id>>>,
}

struct Recorded {
    text: String,
    parent: Option<Id>,
    metadata: &'static Metadata<'static>,
}

/// Writes the values of all fields.
struct Values<'a>(&'a mut String);

impl Visit for Values<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!(" {field}={value:?}"));
    }
}

impl Recorder {
    fn index(id: &Id) -> usize {
        usize::try_from(id.into_u64()).unwrap() - 1
    }

    /// Returns each span with the spans around it, the outermost first.
    fn traces(&self) -> Vec<String> {
        let spans = self.spans.lock();
        let trace = |recorded: &Recorded| {
            let mut texts = vec![recorded.text.clone()];
            let mut parent = recorded.parent.clone();
            while let Some(recorded) = parent.map(|id| &spans[Self::index(&id)]) {
                texts.insert(0, recorded.text.clone());
                parent = recorded.parent.clone();
            }
            texts.join(" > ")
        };
        spans.iter().map(trace).collect()
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span()
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut text = attributes.metadata().name().to_owned();
        attributes.record(&mut Values(&mut text));
        let parent = if attributes.is_contextual() {
            self.entered.lock().last().cloned()
        } else {
            attributes.parent().cloned()
        };
        let mut spans = self.spans.lock();
        spans.push(Recorded {
            text,
            parent,
            metadata: attributes.metadata(),
        });
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, id: &Id) {
        self.entered.lock().push(id.clone());
    }

    fn exit(&self, id: &Id) {
        let last = self.entered.lock().pop();
        assert_eq!(last.as_ref(), Some(id), "spans are left in order");
    }

    fn current_span(&self) -> Current {
        match self.entered.lock().last() {
            Some(id) => Current::new(id.clone(), self.spans.lock()[Self::index(id)].metadata),
            None => Current::none(),
        }
    }
}

#[test]
fn a_handler_runs_in_a_span_below_that_of_the_sender() {
    continue_spans();
    let recorder = Recorder::default();
    let _default = tracing::subscriber::set_default(recorder.clone());
    run(async {
        let (target, log) = (ActorRef::new("target"), Log::default());
        let (passer, to_passer) = (ActorRef::new("passer"), target.clone());
        let passer_spec = ChildSpec::new(&passer, move || Passer {
            target: to_passer.clone(),
        });
        let spec = SupervisorSpec::new("root", Strategy::OneForOne)
            .child(TestActor::child(&target, &log))
            .child(passer_spec);
        let tree = start_single(spec).await;
        let answer = info_span!("request", id = 7).in_scope(|| passer.ask(Pass));
        answer.await.unwrap();
        // Nothing is recorded of a message that belongs to no trace.
        target.ask(Add).await.unwrap();
        let begin = "request id=7 > handle otel.name=root/passer Pass actor=\"root/passer\" message=\"Pass\"";
        let add = "handle otel.name=root/target Add actor=\"root/target\" message=\"Add\"";
        let expected = [
            "request id=7".to_owned(),
            begin.to_owned(),
            format!("{begin} > {add}"),
            format!("{begin} > {add}"),
        ];
        assert_eq!(recorder.traces(), expected);
        tree.shutdown().await;
    });
}
