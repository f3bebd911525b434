//! A thread that owns an engine: it computes while there is work, and sleeps otherwise.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use engine::{Engine, Event, Outlook, Request, RequestId};
use model::kv::KvPolicy;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::error::ApiError;
use crate::metrics::Metrics;

/// What the thread is told.
enum Command {
    Submit {
        request: Box<Request>,
        /// Where events go: nobody who reads slowly keeps the thread waiting, and an answer is
        /// never longer than the context.
        listener: Listener,
        reply: oneshot::Sender<Result<RequestId, engine::Error>>,
    },
    Cancel(RequestId),
    Outlook {
        prompt: Vec<u32>,
        policy: KvPolicy,
        reply: oneshot::Sender<Result<Outlook, engine::Error>>,
    },
}

/// When events reach whoever asked. To wake them takes a core from those who compute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    AtOnce,
    AtTheEnd,
}

impl Delivery {
    /// Who reads a stream reads each part; who does not, waits for all of them.
    pub(crate) fn of_stream(is_stream: bool) -> Self {
        if is_stream { Self::AtOnce } else { Self::AtTheEnd }
    }
}

/// Events, each with the time when it was there.
type Dated = Vec<(Instant, Event)>;

/// Where the events of a request go.
struct Listener {
    events: UnboundedSender<Dated>,
    delivery: Delivery,
    held: Dated,
}

/// Nobody listens any more.
struct Gone;

impl Listener {
    fn tell(&mut self, event: Event) -> Result<(), Gone> {
        let waits = self.delivery == Delivery::AtTheEnd && !is_last(&event);
        self.held.push((Instant::now(), event));
        match waits {
            true if self.events.is_closed() => Err(Gone),
            true => Ok(()),
            false => self.events.send(std::mem::take(&mut self.held)).map_err(|_| Gone),
        }
    }
}

fn is_last(event: &Event) -> bool {
    matches!(event, Event::Finished { .. } | Event::Failed { .. })
}

/// The way to an engine's thread, which ends with it and the last of its requests.
pub(crate) struct EngineHandle {
    commands: Sender<Command>,
    n_in_flight: Arc<AtomicUsize>,
    metrics: Metrics,
    /// What the thread holds as long as it runs.
    alive: Weak<()>,
}

impl EngineHandle {
    pub(crate) fn start(engine: Engine) -> Self {
        let (commands, receiver) = channel();
        let thread = std::thread::Builder::new().name("engine".into());
        let of_thread = Arc::new(());
        let alive = Arc::downgrade(&of_thread);
        let metrics = Metrics::new(&engine);
        let of_engine = metrics.clone();
        let work = move || {
            let _of_thread = of_thread;
            run(engine, &receiver, &of_engine);
        };
        thread.spawn(work).expect("a thread");
        Self { commands, n_in_flight: Arc::default(), metrics, alive }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Gives the engine a request. Whoever drops its events cancels it.
    ///
    /// # Errors
    /// `n_in_flight_max` requests already, and whatever the engine says of this one; `prompt` is
    /// the field that its prompt came from.
    pub(crate) async fn submit(
        &self,
        request: Request,
        (n_in_flight_max, delivery): (usize, Delivery),
        prompt: &str,
    ) -> Result<Events, ApiError> {
        let place = Place::take(&self.n_in_flight, n_in_flight_max)?;
        let ((sender, events), (reply, answer)) = (unbounded_channel(), oneshot::channel());
        let request = Box::new(request);
        let listener = Listener { events: sender, delivery, held: Vec::new() };
        let command = Command::Submit { request, listener, reply };
        self.commands.send(command).map_err(|_| ApiError::gone())?;
        let id = answer.await.map_err(|_| ApiError::gone())?;
        let id = id.map_err(|error| ApiError::engine(&error, prompt))?;
        let (came, commands) = (VecDeque::new(), self.commands.clone());
        Ok(Events { id, events, came, commands, has_ended: false, _place: place })
    }

    /// What a prompt would find if it were submitted now.
    ///
    /// # Errors
    /// A policy that has no room.
    pub(crate) async fn outlook(
        &self,
        prompt: Vec<u32>,
        policy: KvPolicy,
    ) -> Result<Outlook, ApiError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Outlook { prompt, policy, reply };
        self.commands.send(command).map_err(|_| ApiError::gone())?;
        let outlook = answer.await.map_err(|_| ApiError::gone())?;
        outlook.map_err(|error| ApiError::engine(&error, "messages"))
    }

    /// Requests that run or wait; `None`: the thread has ended, and nobody will be answered.
    pub(crate) fn n_in_flight(&self) -> Option<usize> {
        let is_alive = self.alive.strong_count() > 0;
        is_alive.then(|| self.n_in_flight.load(Ordering::Relaxed))
    }
}

/// One of the requests that may be in flight.
pub(crate) struct Place(Arc<AtomicUsize>);

impl Place {
    /// # Errors
    /// All are taken.
    pub(crate) fn take(n_in_flight: &Arc<AtomicUsize>, n_max: usize) -> Result<Self, ApiError> {
        let one_more = |n: usize| (n < n_max).then_some(n + 1);
        let taken = n_in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.map_err(|_| ApiError::busy(n_max))?;
        Ok(Self(Arc::clone(n_in_flight)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What becomes of one request.
pub(crate) struct Events {
    id: RequestId,
    events: UnboundedReceiver<Dated>,
    /// Those that came and were not looked at.
    came: VecDeque<(Instant, Event)>,
    commands: Sender<Command>,
    has_ended: bool,
    _place: Place,
}

impl Events {
    /// `None` after the last one.
    pub(crate) async fn next(&mut self) -> Option<(Instant, Event)> {
        if self.came.is_empty() {
            self.came.extend(self.events.recv().await.into_iter().flatten());
        }
        let next = self.came.pop_front();
        self.has_ended |= next.as_ref().is_none_or(|(_, event)| is_last(event));
        next
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if !self.has_ended {
            // A thread that has ended has nothing to cancel.
            let _ = self.commands.send(Command::Cancel(self.id));
        }
    }
}

/// Between looks at how things stand.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

fn run(mut engine: Engine, commands: &Receiver<Command>, metrics: &Metrics) {
    let mut listeners: HashMap<RequestId, Listener> = HashMap::new();
    let mut next_look = Instant::now();
    loop {
        if engine.is_idle() {
            match commands.recv() {
                Ok(command) => obey(&mut engine, &mut listeners, command),
                Err(_) => return,
            }
        }
        loop {
            match commands.try_recv() {
                Ok(command) => obey(&mut engine, &mut listeners, command),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        for event in engine.step() {
            let id = event.id();
            let is_last = is_last(&event);
            let listener = listeners.get_mut(&id);
            // Whoever hung up before the request had a number could not cancel it.
            if listener.is_some_and(|listener| listener.tell(event).is_err()) {
                engine.cancel(id);
            }
            if is_last {
                listeners.remove(&id);
            }
        }
        // What it looks at takes longer than a look is worth at each step.
        if engine.is_idle() || next_look <= Instant::now() {
            metrics.observe(&engine);
            next_look = Instant::now() + LOOK_PAUSE;
        }
    }
}

fn obey(engine: &mut Engine, listeners: &mut HashMap<RequestId, Listener>, command: Command) {
    match command {
        Command::Cancel(id) => engine.cancel(id),
        Command::Outlook { prompt, policy, reply } => {
            // Whoever asked may be gone.
            let _ = reply.send(engine.outlook(&prompt, policy));
        }
        Command::Submit { request, listener, reply } => {
            let id = engine.submit(*request);
            if let Ok(id) = id {
                listeners.insert(id, listener);
            }
            // Nobody waits any more: nobody will read.
            if let Err(Ok(id)) = reply.send(id) {
                engine.cancel(id);
            }
        }
    }
}
