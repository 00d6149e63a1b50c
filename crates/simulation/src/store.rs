//! SurrealDB itself, in this process: real statements, transactions and changefeeds, one request after the other.
//!
//! It works on a thread of its own, and the simulation stands still meanwhile: what a request costs takes no time in it, and what
//! comes first is up to the simulation.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::mpsc as blocking;

use surrealdb::engine::local::{Db, Mem};
use surrealdb::types::{Value, Variables};
use surrealdb::{IndexedResults, Surreal};
use tokio::sync::mpsc;

use crate::determinism::Clock;

type Job = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// The thread that databases work on. It ends when nobody can give it work any more.
#[derive(Clone, Debug)]
pub struct Engine {
    jobs: mpsc::UnboundedSender<Job>,
}

/// What a request has come to.
pub type Outcome = Result<IndexedResults, surrealdb::Error>;

impl Engine {
    /// Starts the thread, which lives by a clock.
    pub fn start(clock: Clock, seed: u64) -> Engine {
        let (jobs, mut queue) = mpsc::unbounded_channel::<Job>();
        let body = move || {
            clock.inhabit(seed);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                while let Some(job) = queue.recv().await {
                    job().await;
                }
            });
        };
        std::thread::Builder::new().name("surrealdb".to_owned()).stack_size(16 << 20).spawn(body).expect("a thread");
        Engine { jobs }
    }

    /// Has something done on the thread, and waits for it.
    fn run<T: Send + 'static, F: Future<Output = T> + 'static>(&self, work: impl FnOnce() -> F + Send + 'static) -> T {
        let (reply, answer) = blocking::channel();
        let job = move || -> Pin<Box<dyn Future<Output = ()>>> {
            let work = work();
            Box::pin(async move {
                // It is waited for below.
                let _ = reply.send(work.await);
            })
        };
        self.jobs.send(Box::new(job)).expect("the thread works");
        answer.recv().expect("the thread has not panicked")
    }
}

/// A database, which keeps its content as long as anybody has this.
#[derive(Clone, Debug)]
pub struct Store {
    engine: Engine,
    database: Surreal<Db>,
}

impl Store {
    /// An empty database.
    pub fn new(engine: &Engine) -> Store {
        let database = engine.run(|| async {
            let database = Surreal::new::<Mem>(()).await.expect("a database in memory");
            database.use_ns("simulation").use_db("app").await.expect("it takes any name");
            database
        });
        Store { engine: engine.clone(), database }
    }

    /// Runs statements.
    pub fn query(&self, text: impl Into<Cow<'static, str>>, variables: Variables) -> Outcome {
        let (database, text) = (self.database.clone(), text.into());
        self.engine.run(move || async move {
            // A clone of the handle is a session of its own, without a place.
            database.use_ns("simulation").use_db("app").await?;
            database.query(text).bind(variables).await
        })
    }

    /// Runs statements that have to succeed, and answers what the last of them does.
    pub fn run(&self, text: &str) -> Value {
        self.try_run(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Runs statements, and answers what the last of them does.
    pub fn try_run(&self, text: &str) -> Result<Value, String> {
        let answer = self.query(text.to_owned(), Variables::new()).and_then(IndexedResults::check);
        let mut answer = answer.map_err(|error| error.to_string())?;
        let last = answer.num_statements().checked_sub(1).ok_or("there is no statement")?;
        answer.take(last).map_err(|error| error.to_string())
    }

    /// Empties it.
    pub fn wipe(&mut self) {
        *self = Store::new(&self.engine);
    }
}
