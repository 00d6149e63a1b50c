//! The clients: their views come, are replaced, go, and expire.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use serde_json::{Value as Json, json};

use crate::data::Sizes;
use crate::queries::{self, Query};
use crate::support::{Random, SECRET};
use crate::templates;

/// How often the sidecar looks for expired views.
pub const SWEEP: Duration = Duration::from_secs(30);
/// How long a view lives that nobody gives signs of life for, and how long until it must have gone.
const SHORT: Duration = Duration::from_secs(20);
const GONE_AFTER: Duration = Duration::from_secs(300);
/// The status of a request that was not done in time, and how often it is tried.
const TIMEOUT: u16 = 504;
const ATTEMPTS: u32 = 10;
/// Requests in flight.
const AT_ONCE: usize = 64;
/// Views that go, and as many that come, in a second; and those that come to expire.
const TURNOVER: u64 = 6;
const EXPIRING: u64 = 2;
/// Views of random queries of the oracle that there are at once.
const ORACLES: u64 = 40;

/// All views that there should be.
pub struct Views {
    url: String,
    http: reqwest::Client,
    /// What the sidecar logs.
    log: PathBuf,
    sizes: Sizes,
    lasting: Vec<(String, Query)>,
    of_oracle: HashMap<String, Query>,
    expiring: VecDeque<Expiring>,
    came: u64,
    went: u64,
}

struct Expiring {
    id: String,
    since: Instant,
}

/// What should be seen of views.
pub struct Expected {
    /// Those to compare.
    pub compared: Vec<(String, Query)>,
    /// All that may have edges.
    pub known: HashSet<String>,
}

impl Views {
    pub fn new(url: String, log: PathBuf, sizes: Sizes) -> Views {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(120)).build().expect("a client");
        let (lasting, of_oracle, expiring) = Default::default();
        Views { url, http, log, sizes, lasting, of_oracle, expiring, came: 0, went: 0 }
    }

    /// Registers the first views, among them the oracle's list.
    pub async fn fill(&mut self, count: u64, random: &mut Random) {
        let fixed = queries::fixed().into_iter().enumerate();
        self.of_oracle = fixed.map(|(number, query)| (format!("q{number}"), query)).collect();
        self.lasting = (0..count).map(|number| (lasting_id(number), templates::random(&self.sizes, random))).collect();
        self.came = count;
        let all = self.lasting.iter().chain(&self.of_oracle_pairs()).cloned().collect();
        self.register(all, "6h").await;
    }

    fn of_oracle_pairs(&self) -> Vec<(String, Query)> {
        self.of_oracle.iter().map(|(id, query)| (id.clone(), query.clone())).collect()
    }

    /// Some views go, others come.
    pub async fn churn(&mut self, random: &mut Random) {
        let count = TURNOVER.min(self.lasting.len() as u64);
        let gone: Vec<String> =
            (0..count).map(|_| self.lasting.swap_remove(random.below(self.lasting.len() as u64) as usize).0).collect();
        let new: Vec<_> = (self.came..self.came + count)
            .map(|number| (lasting_id(number), templates::random(&self.sizes, random)))
            .collect();
        self.went += count;
        self.came += count;
        self.lasting.extend(new.iter().cloned());
        let of_oracle = (format!("r{}", random.below(ORACLES)), queries::random(random));
        self.of_oracle.insert(of_oracle.0.clone(), of_oracle.1.clone());
        let since = Instant::now();
        let expiring: Vec<_> = (0..EXPIRING)
            .map(|number| (format!("e{}", self.came + number), templates::random(&self.sizes, random)))
            .collect();
        self.came += EXPIRING;
        self.unregister(gone).await;
        self.register(new.into_iter().chain([of_oracle]).collect(), "6h").await;
        self.register(expiring.clone(), &format!("{}s", SHORT.as_secs())).await;
        self.expiring.extend(expiring.into_iter().map(|(id, _)| Expiring { id, since }));
        while self.expiring.pop_front_if(|first| first.since.elapsed() > GONE_AFTER).is_some() {
            self.went += 1;
        }
    }

    async fn register(&self, views: Vec<(String, Query)>, ttl: &str) {
        let bodies = views.into_iter().map(|(id, Query { surql, params })| {
            json!({ "id": id, "surql": surql, "params": params, "clientId": "soak", "ttl": ttl })
        });
        self.post_all("/view/register", bodies).await;
    }

    async fn unregister(&self, ids: Vec<String>) {
        self.post_all("/view/unregister", ids.into_iter().map(|id| json!({ "id": id }))).await;
    }

    async fn post_all(&self, path: &str, bodies: impl Iterator<Item = Json>) {
        let requests = bodies.map(|body| async move {
            for attempt in 1.. {
                let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(SECRET).json(&body);
                let problem = match request.send().await {
                    Ok(answer) if answer.status().is_success() => break,
                    Ok(answer) => {
                        let status = answer.status();
                        let text = answer.text().await.unwrap_or_default();
                        // On a machine that has no time, a client tries again.
                        assert!(status.as_u16() == TIMEOUT, "{body}: {status} {text}\n{}", self.log());
                        text
                    }
                    // The sidecar closes connections that are idle for long, perhaps in this moment.
                    Err(error) => format!("{error:?}"),
                };
                println!("{path}, attempt {attempt}: {problem}");
                assert!(attempt < ATTEMPTS, "{body}\n{}", self.log());
            }
        });
        stream::iter(requests).buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.lasting.len() + self.of_oracle.len()
    }

    /// How many views clients have registered since the start, without those of the oracle.
    pub fn came(&self) -> u64 {
        self.came
    }

    pub fn went(&self) -> u64 {
        self.went
    }

    /// Some of the views.
    pub fn some(&self, count: u64, random: &mut Random) -> Expected {
        let mut expected = self.all();
        let compared = &mut expected.compared;
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(compared.len());
        for place in 0..count {
            let other = place + random.below((compared.len() - place) as u64) as usize;
            compared.swap(place, other);
        }
        compared.truncate(count);
        expected
    }

    /// All that should be seen now. What has expired for long should not.
    pub fn all(&self) -> Expected {
        let mut compared = self.lasting.clone();
        compared.extend(self.of_oracle_pairs());
        let fresh = self.expiring.iter().filter(|view| view.since.elapsed() < GONE_AFTER);
        let ids = compared.iter().map(|(id, _)| id).chain(fresh.map(|view| &view.id));
        let known = ids.cloned().chain(["barrier".to_owned()]).collect();
        Expected { compared, known }
    }
}

fn lasting_id(number: u64) -> String {
    format!("v{number:07}")
}
