//! Where the engine works: on a thread of its own, or, in a simulation, as a task among others.

use serving::{Status, Supervised, supervised};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::error::Elapsed;
use tokio::time::timeout_at;

use crate::command::Command;
use crate::engine::Engine;
use crate::error::Error;

/// The most messages that are taken from the queue at once.
const BATCH: usize = 4_096;

/// Where an engine is to work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workplace {
    /// On a thread that nobody shares.
    #[default]
    Thread,
    /// Among the tasks of the service: what happens when is up to the runtime alone, so that it can be repeated. While the engine
    /// works, nothing else does.
    Task,
}

/// An engine that works.
#[derive(Debug)]
pub(crate) enum Working {
    Thread(std::thread::JoinHandle<()>),
    Task(Supervised),
}

impl Working {
    /// Waits for the engine's end, which comes when nobody can send commands any more.
    pub(crate) async fn ended(self) {
        match self {
            // A panic in it has been reported.
            Working::Thread(thread) => drop(tokio::task::spawn_blocking(move || thread.join()).await),
            Working::Task(task) => task.ended().await,
        }
    }
}

impl Workplace {
    /// Lets an engine work until nobody can send commands any more, or nobody takes orders.
    pub(crate) fn start(
        self,
        engine: Engine,
        commands: mpsc::Receiver<Command>,
        status: &Status,
    ) -> Result<Working, Error> {
        const PART: &str = "the engine";
        match self {
            Workplace::Task => Ok(Working::Task(Supervised::spawn(status, PART, as_task(engine, commands)))),
            Workplace::Thread => {
                let (status, runtime) = (status.clone(), Handle::current());
                let body = move || supervised(&status, PART, || on_thread(engine, commands, &runtime));
                let thread = std::thread::Builder::new().name("engine".to_owned()).spawn(body);
                Ok(Working::Thread(thread.map_err(Error::Thread)?))
            }
        }
    }
}

/// `runtime` keeps the time.
fn on_thread(mut engine: Engine, mut commands: mpsc::Receiver<Command>, runtime: &Handle) {
    let mut batch = Vec::new();
    loop {
        let received = match engine.next_due() {
            None => Ok(commands.blocking_recv_many(&mut batch, BATCH)),
            Some(due) => {
                let receive = commands.recv_many(&mut batch, BATCH);
                runtime.block_on(async { timeout_at(due, receive).await })
            }
        };
        if !goes_on(&mut engine, received, &mut batch) {
            return;
        }
    }
}

async fn as_task(mut engine: Engine, mut commands: mpsc::Receiver<Command>) {
    let mut batch = Vec::new();
    loop {
        let due = engine.next_due();
        let receive = commands.recv_many(&mut batch, BATCH);
        let received = match due {
            None => Ok(receive.await),
            Some(due) => timeout_at(due, receive).await,
        };
        if !goes_on(&mut engine, received, &mut batch) {
            return;
        }
    }
}

/// Works off what was received, or does what is due. Answers whether there is more to come.
fn goes_on(engine: &mut Engine, received: Result<usize, Elapsed>, batch: &mut Vec<Command>) -> bool {
    match received {
        Ok(0) => false,
        Ok(_) => engine.work_off(batch).is_ok(),
        Err(_) => engine.note_due(false).is_ok(),
    }
}
