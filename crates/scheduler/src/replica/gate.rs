//! Who may work with the replica: whoever brings it up to date alone, or any number of those who need it to stand still.

use std::sync::Arc;

use tokio::sync::watch;

/// Either one that changes, or any number that hold.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    users: Arc<watch::Sender<Users>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Users {
    holding: usize,
    is_changing: bool,
}

/// Nothing changes as long as this is there.
#[derive(Debug)]
pub(super) struct Holding(Gate);

/// Nobody holds as long as this is there.
#[derive(Debug)]
pub(super) struct Changing(Gate);

impl Gate {
    pub(super) fn new() -> Gate {
        Gate { users: Arc::new(watch::Sender::new(Users::default())) }
    }

    /// Waits for a change that is under way. One that waits itself does not keep this one waiting, so that many may hold
    /// together.
    pub(super) async fn hold(&self) -> Holding {
        self.enter(|users| !users.is_changing, |users| users.holding += 1).await;
        Holding(self.clone())
    }

    /// Waits until nobody holds.
    pub(super) async fn change(&self) -> Changing {
        let is_free = |users: &Users| users.holding == 0 && !users.is_changing;
        self.enter(is_free, |users| users.is_changing = true).await;
        Changing(self.clone())
    }

    async fn enter(&self, may_enter: impl Fn(&Users) -> bool, enter: impl Fn(&mut Users)) {
        let mut watched = self.users.subscribe();
        loop {
            let has_entered = self.users.send_if_modified(|users| {
                let may = may_enter(users);
                if may {
                    enter(users);
                }
                may
            });
            // The sender is in `self`, so this ends with a change.
            if has_entered || watched.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.users.send_modify(|users| users.holding -= 1);
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        self.0.users.send_modify(|users| users.is_changing = false);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn many_hold_together_and_one_changes_alone() {
        let gate = Gate::new();
        let (one, two) = (gate.hold().await, gate.hold().await);
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.change().await }
        });
        tokio::time::sleep(SOON).await;
        let three = timeout(SOON, gate.hold()).await.expect("whoever waits to change keeps nobody waiting");
        drop((one, two));
        assert!(!waiting.is_finished());
        drop(three);
        let changing = timeout(SOON, waiting).await.expect("free").expect("no panic");
        assert!(timeout(SOON, gate.hold()).await.is_err(), "held during a change");
        assert!(timeout(SOON, gate.change()).await.is_err(), "two change");
        drop(changing);
        drop(timeout(SOON, gate.hold()).await.expect("free"));
        drop(timeout(SOON, gate.change()).await.expect("free"));
    }
}
