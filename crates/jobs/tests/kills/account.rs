//! What everything came to: each job's way through its states as the database saw it, its record, the calls that
//! arrived at the backend, and the callbacks with what came of them. All of it has to tell the same story.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde_json::Value as Json;

use crate::executor::{Callback, Executor, Said, Says, code};
use crate::support::{Backend, Call, World, codes};

/// The most attempts at a job.
const ATTEMPTS: u64 = crate::MAX_RETRIES + 1;
const FINAL: [&str; 3] = ["success", "completed", "failed"];
/// Why an attempt may have failed, besides what executors say.
const REASONS: [&str; 4] = ["LOST", "TIMEOUT", "HTTP_500", "CALLBACK_TIMEOUT"];

/// Has the database keep a record of each change of a job's state.
pub async fn keep_history(world: &World) {
    world.run("DEFINE TABLE history SCHEMALESS").await;
    for table in ["job", "call"] {
        let event = format!(
            "DEFINE EVENT history ON {table} WHEN $before.status != $after.status THEN {{
                 CREATE history SET job = <string> $value.id, old = $before.status, new = $after.status,
                     attempt = $after.attempts, process = $after.process_uuid, at = time::now()
             }}"
        );
        world.run(&event).await;
    }
}

/// A change of a job's state.
#[derive(Debug)]
struct Step {
    old: String,
    new: String,
    attempt: u64,
    process: String,
    /// In microseconds since 1970.
    at: i64,
}

/// How each attempt at each job ended.
type Ends<'a> = HashMap<(&'a str, u64), &'a Step>;

/// What happened, in numbers.
#[derive(Default)]
pub struct Summary {
    jobs: usize,
    calls: usize,
    /// Attempts that nobody made any more.
    lost: usize,
    /// Attempts whose callback did not come.
    pub overdue: usize,
    callbacks: usize,
    /// Callbacks that concluded their attempt.
    pub written: usize,
    pub stale: usize,
    /// Those of them that came after the next attempt had begun.
    pub superseded: usize,
    /// Callbacks that had to be said again.
    repeated: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { jobs, calls, lost, overdue, callbacks, written, stale, superseded, repeated } = self;
        write!(f, "{jobs} jobs, {calls} calls, {lost} attempts lost and {overdue} without a callback made up for; ")?;
        write!(f, "{callbacks} callbacks ({repeated} said again), {written} with effect, {stale} stale, ")?;
        write!(f, "{superseded} of them of old attempts")
    }
}

/// Everything that is known when all is quiet.
struct Account<'a> {
    /// What to say first when something is wrong.
    what: &'a str,
    jobs: HashMap<String, Json>,
    histories: HashMap<String, Vec<Step>>,
    calls: Vec<Call>,
    callbacks: Vec<Callback>,
}

/// Compares all that is known; `created` is the number of jobs that there have to be.
pub async fn check(world: &World, backend: &Backend, executor: &Executor, created: usize, what: &str) -> Summary {
    let (calls, callbacks) = (backend.calls(), executor.callbacks());
    let jobs = rows(world.insist("SELECT * FROM job, call").await);
    let jobs: HashMap<String, Json> = jobs.into_iter().map(|job| (text(&job["id"]), job)).collect();
    assert_eq!(jobs.len(), created, "{what}: jobs were lost");
    let mut histories: HashMap<String, Vec<Step>> = HashMap::new();
    let steps = "SELECT job, old, new, attempt, process, time::micros(at) AS at FROM history ORDER BY at";
    for row in rows(world.insist(steps).await) {
        let step = Step {
            old: text(&row["old"]),
            new: text(&row["new"]),
            attempt: row["attempt"].as_u64().unwrap_or_default(),
            process: text(&row["process"]),
            at: row["at"].as_i64().expect("a moment"),
        };
        histories.entry(text(&row["job"])).or_default().push(step);
    }
    Account { what, jobs, histories, calls, callbacks }.check()
}

impl Account<'_> {
    fn check(&self) -> Summary {
        let mut summary = Summary { jobs: self.jobs.len(), calls: self.calls.len(), ..Summary::default() };
        let ends = self.check_histories();
        for (id, job) in &self.jobs {
            self.check_record(id, job, &ends);
            let codes = codes(job);
            summary.lost += codes.iter().filter(|code| **code == "LOST").count();
            summary.overdue += codes.iter().filter(|code| **code == "CALLBACK_TIMEOUT").count();
        }
        self.check_calls();
        self.check_callbacks(&ends, &mut summary);
        summary
    }

    /// Everything that is known about a job, for whoever has to find out.
    fn story(&self, id: &str) -> String {
        let calls: Vec<_> = self.calls.iter().filter(|call| call.key() == id).map(Call::attempt).collect();
        let callbacks: Vec<_> = self.callbacks.iter().enumerate().filter(|(_, callback)| callback.job == id).collect();
        format!(
            "{}: {id}\n{:#}\n{:#?}\ncalls {calls:?}\n{callbacks:#?}\n",
            self.what, self.jobs[id], self.histories[id]
        )
    }

    /// Every job has taken a way that there is, from one claim to its one end, to the next claim, until its one final
    /// state. Answers how each attempt ended.
    fn check_histories(&self) -> Ends<'_> {
        let (mut ends, mut processes) = (HashMap::new(), HashSet::new());
        for (id, job) in &self.jobs {
            let steps = self.histories.get(id).unwrap_or_else(|| panic!("{}: {job:#} has no history", self.what));
            let story = || self.story(id);
            let (first, rest) = steps.split_first().expect("a step");
            assert_eq!((&*first.old, &*first.new), ("", "pending"), "{}", story());
            let mut before = first;
            for step in rest {
                assert_eq!(step.old, before.new, "{}", story());
                let is_same = (step.attempt, &step.process) == (before.attempt, &before.process);
                match (&*step.old, &*step.new) {
                    ("pending", "processing") => {
                        assert_eq!(step.attempt, before.attempt + 1, "{}", story());
                        assert!(processes.insert(&step.process), "an attempt has the mark of another: {}", story());
                    }
                    ("processing", "in_progress") => assert!(is_same, "{}", story()),
                    ("processing" | "in_progress", new) if new == "pending" || FINAL.contains(&new) => {
                        assert!(is_same, "an attempt was concluded as another: {}", story());
                        ends.insert((id.as_str(), step.attempt), step);
                    }
                    _ => panic!("there is no such way: {}", story()),
                }
                before = step;
            }
            let finals: Vec<usize> = (0..steps.len()).filter(|at| FINAL.contains(&&*steps[*at].new)).collect();
            assert_eq!(finals, [steps.len() - 1], "not one final state: {}", story());
            let count = |new: &str| rest.iter().filter(|step| step.new == new).count() as u64;
            assert_eq!(job["status"], before.new, "{}", story());
            assert_eq!(job["attempts"], count("processing"), "{}", story());
            assert_eq!(job["retries"], count("pending"), "{}", story());
            assert_eq!(job["process_uuid"], before.process, "{}", story());
        }
        ends
    }

    /// The record of a job accounts for all its attempts, which are no more than it may have.
    fn check_record(&self, id: &str, job: &Json, ends: &Ends<'_>) {
        let story = || self.story(id);
        let (attempts, retries) = (number(&job["attempts"]), number(&job["retries"]));
        assert!(attempts <= ATTEMPTS && retries + 1 == attempts, "{}", story());
        let codes = codes(job);
        let is_call = id.starts_with("call:");
        for code in &codes {
            assert!(REASONS.contains(code) || (is_call && code.starts_with('E')), "{code}: {}", story());
        }
        // The last attempt of a success is no error; all others are, in order.
        let is_failed = job["status"] == "failed";
        let failures = if is_failed { attempts } else { attempts - 1 };
        let errors = rows(job["errors"].clone());
        let noted: Vec<u64> = errors.iter().map(|error| number(&error["attempt"])).collect();
        assert_eq!(noted, (1..=failures).collect::<Vec<_>>(), "{}", story());
        for (error, attempt) in errors.iter().zip(noted) {
            // An accepted job belongs to nobody who could have been lost, and no other one is called back too late.
            let was = &*ends[&(id, attempt)].old;
            assert!(error["code"] != "LOST" || was == "processing", "{}", story());
            assert!(error["code"] != "CALLBACK_TIMEOUT" || was == "in_progress", "{}", story());
        }
        let last = codes.last().and_then(|code| self.said(code));
        let is_permanent = last.is_some_and(|callback| callback.says == Says::Error);
        assert!(!is_failed || attempts == ATTEMPTS || is_permanent, "given up too early: {}", story());
        if !is_call {
            let expected = if job["path"] == "/status/500" { "failed" } else { "success" };
            assert!(job["status"] == expected || codes.contains(&"LOST"), "{}", story());
            let is_told = job["path"].as_str().is_some_and(|path| path.starts_with("/attempt")) && !is_failed;
            assert!(!is_told || job["result"] == attempts, "the result is of another attempt: {}", story());
        }
    }

    /// No attempt was called for twice, nor one that there was not; and only who was called can have succeeded.
    fn check_calls(&self) {
        let mut called = HashSet::new();
        for call in &self.calls {
            let Some(job) = self.jobs.get(call.key()) else {
                assert!(call.key().starts_with("own"), "{}: {call:?}", self.what);
                continue;
            };
            let story = || self.story(call.key());
            assert!(called.insert((call.key(), call.attempt())), "an attempt was made twice: {}", story());
            assert!((1..=number(&job["attempts"])).contains(&call.attempt()), "{}", story());
            if let Some(process) = call.body["process_uuid"].as_str() {
                let claim = |step: &&Step| step.attempt == call.attempt() && step.new == "processing";
                let claim = self.histories[call.key()].iter().find(claim).expect("attempts are claims");
                assert_eq!(claim.process, process, "{}", story());
            }
        }
        for (id, job) in self.jobs.iter().filter(|(_, job)| job["status"] != "failed") {
            let last = (id.as_str(), number(&job["attempts"]));
            assert!(called.contains(&last), "a success that nobody has given: {}", self.story(id));
        }
    }

    /// Of what was said of an attempt, one thing at most had an effect, and that once; it was said to be stale only
    /// after the attempt had ended, and always after the next one had begun.
    fn check_callbacks(&self, ends: &Ends<'_>, summary: &mut Summary) {
        let mut written = HashSet::new();
        for (number, callback) in self.callbacks.iter().enumerate() {
            let story = || format!("callback {number} of {}", self.story(&callback.job));
            let effects = self.effects(number, callback);
            let answers = |said: &Said| callback.answers.iter().filter(|answer| answer.said == *said).count();
            let end = ends.get(&(callback.job.as_str(), callback.attempt));
            for answer in &callback.answers {
                match &answer.said {
                    Said::Written => {
                        assert!(written.insert((&callback.job, callback.attempt)), "a second effect: {}", story());
                        assert!(!answer.is_superseded, "{}", story());
                    }
                    Said::Stale => assert!(
                        end.is_some_and(|end| end.at <= answer.at),
                        "stale, though its attempt was not over: {}",
                        story()
                    ),
                    Said::Again => {}
                    Said::Refused(answer) => panic!("{answer}: {}", story()),
                }
            }
            match (answers(&Said::Written), answers(&Said::Again)) {
                (1, _) => assert_eq!(effects, 1, "{}", story()),
                (_, 0) => assert_eq!(effects, 0, "{}", story()),
                // Nobody knows of what was not answered whether it has happened, but not more than once.
                _ => assert!(effects <= 1, "{}", story()),
            }
            let was_superseded = callback.answers.first().is_some_and(|answer| answer.is_superseded);
            assert!(!was_superseded || effects == 0, "a callback of an old attempt had an effect: {}", story());
            summary.callbacks += 1;
            summary.written += answers(&Said::Written);
            summary.stale += answers(&Said::Stale);
            summary.superseded += usize::from(was_superseded);
            summary.repeated += usize::from(answers(&Said::Again) > 0);
        }
        for (id, job) in self.jobs.iter().filter(|(_, job)| job["status"] == "completed") {
            let said = job["result"]["number"].as_u64().and_then(|number| self.callbacks.get(number as usize));
            assert!(said.is_some_and(|said| said.job == *id), "a result that nobody has said: {}", self.story(id));
        }
    }

    /// How often a callback has left its mark on its job, which has to be at its attempt.
    fn effects(&self, number: usize, callback: &Callback) -> usize {
        let story = || format!("callback {number} of {}", self.story(&callback.job));
        let job = &self.jobs[&callback.job];
        if callback.says == Says::Result {
            let is_there = job["result"]["number"] == number;
            assert!(!is_there || job["attempts"] == callback.attempt, "{}", story());
            return usize::from(is_there);
        }
        let errors = rows(job["errors"].clone());
        let marks: Vec<_> = errors.iter().filter(|error| error["code"] == code(number)).collect();
        assert!(marks.iter().all(|error| error["attempt"] == callback.attempt), "{}", story());
        marks.len()
    }

    /// The callback that an error comes from.
    fn said(&self, error: &str) -> Option<&Callback> {
        self.callbacks.get(error.strip_prefix('E')?.parse::<usize>().ok()?)
    }
}

fn rows(rows: Json) -> Vec<Json> {
    match rows {
        Json::Array(rows) => rows,
        other => panic!("expected rows, got {other}"),
    }
}

/// A text; an empty one for nothing.
fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Json) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("expected a number, got {value}"))
}
