//! Requests to the database over the simulated network. What travels is a number; what it stands for waits at a desk, so that it
//! needs no encoding. Whether a request or an answer arrives, and when, is up to the network.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use database::{Connector, Session, Settings};
use surrealdb::types::{ConnectionError, QueryError, Variables};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use turmoil::net::{TcpListener, TcpStream};

use crate::store::{Outcome, Store};

/// Where the database listens.
pub const PORT: u16 = 8000;
/// Of so many transactions one loses a conflict. As requests come one after the other, none would by itself.
const CONFLICTS: u32 = 40;

/// How long it may take until somebody is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where requests wait until their number has arrived, and answers until theirs has.
#[derive(Clone, Default)]
pub struct Desk {
    slips: Arc<Mutex<Slips>>,
}

#[derive(Default)]
struct Slips {
    last: u64,
    asked: HashMap<u64, (Cow<'static, str>, Variables)>,
    answered: HashMap<u64, Outcome>,
    /// How many requests have been carried out.
    done: u64,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("done", &self.done()).finish_non_exhaustive()
    }
}

impl Desk {
    /// How many requests the database has carried out.
    pub fn done(&self) -> u64 {
        self.slips().done
    }

    fn slips(&self) -> MutexGuard<'_, Slips> {
        self.slips.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, text: Cow<'static, str>, variables: Variables) -> u64 {
        let mut slips = self.slips();
        slips.last += 1;
        let number = slips.last;
        slips.asked.insert(number, (text, variables));
        number
    }

    /// Carries out the request with a number, if it is there.
    fn carry_out(&self, store: &Store, number: u64) -> bool {
        let Some((text, variables)) = self.slips().asked.remove(&number) else { return false };
        let loses = text.starts_with("BEGIN") && rand::random_ratio(1, CONFLICTS);
        let outcome = match loses {
            true => Err(surrealdb::Error::query("lost".to_owned(), QueryError::TransactionConflict)),
            false => store.query(text, variables),
        };
        let mut slips = self.slips();
        slips.done += 1;
        slips.answered.insert(number, outcome);
        true
    }
}

/// The database's side: carries out what arrives, until it is ended.
pub async fn serve(desk: Desk, store: Store) -> io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let (desk, store) = (desk.clone(), store.clone());
        tokio::spawn(async move {
            let number = stream.read_u64().await?;
            // What work it is takes some time.
            tokio::time::sleep(Duration::from_micros(rand::random_range(200..3_000))).await;
            if desk.carry_out(&store, number) {
                stream.write_u64(number).await?;
            }
            Ok::<_, io::Error>(())
        });
    }
}

/// Opens sessions over the simulated network.
#[derive(Clone, Debug)]
pub struct Cable {
    desk: Desk,
    host: &'static str,
}

impl Cable {
    /// To the database on a host.
    pub fn to(host: &'static str, desk: Desk) -> Cable {
        Cable { desk, host }
    }
}

#[async_trait]
impl Connector for Cable {
    async fn open(&self, _: &Settings) -> database::Result<Arc<dyn Session>> {
        let session = self.clone();
        // Somebody has to be there.
        const ACTION: &str = "connecting";
        let answer = session.query("RETURN 1".into(), Variables::new());
        match tokio::time::timeout(CONNECT_TIMEOUT, answer).await {
            Ok(Ok(_)) => Ok(Arc::new(session)),
            Ok(Err(error)) => Err(database::Error::Connection { action: ACTION, reason: error.message().to_owned() }),
            Err(_) => Err(database::Error::Timeout { action: ACTION }),
        }
    }
}

#[async_trait]
impl Session for Cable {
    async fn query(&self, text: Cow<'static, str>, variables: Variables) -> Outcome {
        if text.starts_with("LIVE") {
            // A bell would ring from another thread, whenever that is its turn. Whoever has none looks by himself.
            return Err(failed("there are no live queries here"));
        }
        let number = self.desk.ask(text, variables);
        let exchanged = exchange(self.host, number).await;
        let mut slips = self.desk.slips();
        slips.asked.remove(&number);
        let answer = slips.answered.remove(&number);
        match (exchanged, answer) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(failed("the answer is somebody else's")),
            (Err(error), _) => Err(failed(&error.to_string())),
        }
    }

    async fn version(&self) -> Result<String, surrealdb::Error> {
        Ok("3.3.5".to_owned())
    }
}

async fn exchange(host: &str, number: u64) -> io::Result<()> {
    let mut stream = TcpStream::connect((host, PORT)).await?;
    stream.write_u64(number).await?;
    stream.read_u64().await.map(drop)
}

fn failed(reason: &str) -> surrealdb::Error {
    surrealdb::Error::connection(reason.to_owned(), ConnectionError::ConnectionFailed)
}
