//! An executor that is done later: it calls back once, twice, too late, for an attempt that has been superseded, or
//! never. What was not taken is said again, to whichever sidecar. It notes what it has said, and every answer.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value as Json, json};
use tokio::time::sleep;

use crate::support::{Backend, Call};

/// How long an answer may take before the same is said again.
const ANSWER: Duration = Duration::from_secs(5);
/// The pause before the same is said again.
const PAUSE: Duration = Duration::from_millis(100);
/// From this attempt on the executor is reliable, so that jobs have an end.
const RELIABLE: u64 = 3;

/// What an executor has said of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Result,
    /// An error after which the job may be tried again.
    Busy,
    Error,
}

/// What came of saying it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Written,
    Stale,
    /// There was no answer, or one that asks for another call.
    Again,
    /// An answer that there is no reason for.
    Refused(String),
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub said: Said,
    /// When it arrived, in microseconds since 1970.
    pub at: i64,
    /// Whether a later attempt at the job had arrived before this was said.
    pub is_superseded: bool,
}

/// A callback, which its number tells from all others: a result has it in it, an error in its code.
#[derive(Clone, Debug)]
pub struct Callback {
    pub job: String,
    pub attempt: u64,
    pub says: Says,
    /// What came of saying it, time after time.
    pub answers: Vec<Answer>,
}

/// The code of the error that a callback says.
pub fn code(number: usize) -> String {
    format!("E{number}")
}

#[derive(Clone)]
pub struct Executor(Arc<Inner>);

struct Inner {
    seed: u64,
    /// How long a callback may take.
    timeout: Duration,
    /// Where the sidecars listen for callbacks.
    interfaces: Vec<String>,
    http: reqwest::Client,
    state: Mutex<State>,
    /// Callbacks that have not been taken.
    open: AtomicUsize,
}

#[derive(Default)]
struct State {
    callbacks: Vec<Callback>,
    /// The latest attempt at each job that has arrived.
    latest: HashMap<String, u64>,
    /// Calls that are answered when they have been superseded.
    kept: HashMap<String, Vec<Call>>,
}

impl Executor {
    /// Takes care of what calls a backend and can be called back, until the test ends.
    pub fn start(backend: &Backend, seed: u64, timeout: Duration, interfaces: Vec<String>) -> Executor {
        let http = reqwest::Client::builder().timeout(ANSWER).build().expect("a client");
        let (state, open) = (Mutex::default(), AtomicUsize::new(0));
        let executor = Executor(Arc::new(Inner { seed, timeout, interfaces, http, state, open }));
        let (mut arrivals, of_task) = (backend.arrivals(), executor.clone());
        tokio::spawn(async move {
            while let Some(call) = arrivals.recv().await {
                if call.body["callback_url"].is_string() {
                    of_task.take(call);
                }
            }
        });
        executor
    }

    /// What has been said so far.
    pub fn callbacks(&self) -> Vec<Callback> {
        self.0.state.lock().unwrap().callbacks.clone()
    }

    /// Whether everything that was said has been taken.
    pub fn is_idle(&self) -> bool {
        self.0.open.load(Ordering::SeqCst) == 0
    }

    fn take(&self, call: Call) {
        let attempt = call.attempt();
        let superseded = {
            let mut state = self.0.state.lock().unwrap();
            let latest = state.latest.entry(call.key().to_owned()).or_default();
            *latest = attempt.max(*latest);
            state.kept.remove(call.key()).unwrap_or_default()
        };
        for old in superseded {
            self.call_back(old, Duration::ZERO, Says::Result);
        }
        let mut hasher = DefaultHasher::new();
        (self.0.seed, call.key(), attempt).hash(&mut hasher);
        let mut random = StdRng::seed_from_u64(hasher.finish());
        let mut soon = |milliseconds: Range<u64>| Duration::from_millis(random.random_range(milliseconds));
        let kind = if attempt >= RELIABLE { 0 } else { soon(0..100).as_millis() };
        match kind {
            0..30 => self.call_back(call, soon(0..100), Says::Result),
            30..42 => self.call_back(call, soon(200..1_500), Says::Result),
            42..50 => {
                self.call_back(call.clone(), soon(0..100), Says::Result);
                self.call_back(call, soon(0..100), Says::Result);
            }
            50..58 => {
                self.call_back(call.clone(), soon(0..50), Says::Result);
                self.call_back(call, soon(0..50), Says::Error);
            }
            58..66 => {}
            66..80 => self.0.state.lock().unwrap().kept.entry(call.key().to_owned()).or_default().push(call),
            80..88 => {
                let overdue = self.0.timeout.mul_f64(0.8) + soon(0..3_000);
                self.call_back(call, overdue, Says::Result);
            }
            88..95 => self.call_back(call, soon(0..300), Says::Busy),
            _ => self.call_back(call, soon(0..300), Says::Error),
        }
    }

    /// Says something in some time, until it is taken.
    fn call_back(&self, call: Call, delay: Duration, says: Says) {
        let Executor(inner) = self.clone();
        inner.open.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            sleep(delay).await;
            let number = {
                let callbacks = &mut inner.state.lock().unwrap().callbacks;
                let (job, attempt) = (call.key().to_owned(), call.attempt());
                callbacks.push(Callback { job, attempt, says, answers: Vec::new() });
                callbacks.len() - 1
            };
            let body = body(&call, says, number);
            let url = call.body["callback_url"].as_str().expect("it has been looked at");
            let (_, path) = url.split_once("/spi/").expect("the address of an interface");
            for interface in inner.interfaces.iter().cycle().skip(number) {
                let is_superseded = inner.state.lock().unwrap().latest[call.key()] > call.attempt();
                let said = inner.say(&format!("{interface}/{path}"), &body).await;
                let is_taken = said != Said::Again;
                let answer = Answer { said, at: now(), is_superseded };
                inner.state.lock().unwrap().callbacks[number].answers.push(answer);
                if is_taken {
                    break;
                }
                sleep(PAUSE).await;
            }
            inner.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

impl Inner {
    async fn say(&self, url: &str, body: &Json) -> Said {
        let Ok(answer) = self.http.post(url).json(body).send().await else { return Said::Again };
        let status = answer.status().as_u16();
        match (status, answer.json::<Json>().await) {
            (200, Ok(answer)) if answer == json!({ "status": "ok" }) => Said::Written,
            (200, Ok(answer)) if answer == json!({ "status": "ok", "stale": true }) => Said::Stale,
            (200, Err(_)) | (502, _) => Said::Again,
            (_, answer) => Said::Refused(format!("{status}: {answer:?}")),
        }
    }
}

fn body(call: &Call, says: Says, number: usize) -> Json {
    let mut body = json!({ "node_uuid": call.body["node_uuid"], "executor_type": call.body["executor_type"] });
    // The address says it as well, and some executors leave it at that.
    if !number.is_multiple_of(3) {
        body["process_uuid"] = call.body["process_uuid"].clone();
    }
    if says == Says::Result {
        body["result"] = json!({ "number": number });
    } else {
        body["error"] = json!("it did not work");
        body["error_type"] = json!(code(number));
        body["retryable"] = json!(says == Says::Busy);
    }
    body
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock that is right");
    i64::try_from(since.as_micros()).expect("not that late")
}
