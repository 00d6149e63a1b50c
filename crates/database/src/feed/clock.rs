//! The server's clock, without asking it each time.

use std::time::Duration;

use tokio::time::Instant;

/// How long it is reckoned on from one answer. Clocks of two machines don't drift apart in this time.
const RECKONED: Duration = Duration::from_secs(1);

/// When the server said what time it was.
#[derive(Debug, Default)]
pub(super) struct Clock(Option<(u64, Instant)>);

impl Clock {
    /// What time the server has at least, in milliseconds since the epoch; nothing if it must be asked.
    pub(super) fn now(&self) -> Option<u64> {
        let (said, heard) = self.0?;
        let since = heard.elapsed();
        (since < RECKONED).then(|| said + since.as_millis() as u64)
    }

    /// Takes over what the server has just said.
    pub(super) fn set(&mut self, said: u64) {
        self.0 = Some((said, Instant::now()));
    }
}
