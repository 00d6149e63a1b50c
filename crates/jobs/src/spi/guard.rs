//! Who may call the SPI, and how often.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::HeaderMap;
use governor::clock::MonotonicClock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use ipnet::IpNet;

const FORWARDED: &str = "x-forwarded-for";
/// After how many requests addresses that have not called for long are forgotten.
const FORGET_EVERY: u32 = 1_024;

/// Decides by the address of the caller.
#[derive(Debug)]
pub struct Guard {
    allow: Vec<IpNet>,
    trusted_proxies: Vec<IpNet>,
    limits: RateLimiter<IpAddr, HashMapStateStore<IpAddr>, MonotonicClock>,
    judged: AtomicU32,
}

/// What the guard says of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Welcome(IpAddr),
    /// From a network that may not call, or from where is not known.
    Outside(Option<IpAddr>),
    TooMany(IpAddr),
}

impl Verdict {
    pub(super) fn address(self) -> Option<IpAddr> {
        match self {
            Verdict::Welcome(address) | Verdict::TooMany(address) => Some(address),
            Verdict::Outside(address) => address,
        }
    }
}

impl Guard {
    /// A guard that lets in `allow`, each address `rate` times a second, and as often at once. `X-Forwarded-For` is
    /// believed if it comes from `trusted_proxies`.
    pub fn new(allow: Vec<IpNet>, trusted_proxies: Vec<IpNet>, rate: NonZeroU32) -> Self {
        let limits = RateLimiter::hashmap(Quota::per_second(rate));
        Guard { allow, trusted_proxies, limits, judged: AtomicU32::new(0) }
    }

    /// Judges a request of a peer. O(networks).
    pub(super) fn judge(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Verdict {
        let Some(peer) = peer.map(|peer| peer.to_canonical()) else { return Verdict::Outside(None) };
        let Some(client) = self.client(peer, headers) else { return Verdict::Outside(Some(peer)) };
        if !is_in(&self.allow, client) {
            return Verdict::Outside(Some(client));
        }
        if self.judged.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limits.retain_recent();
        }
        match self.limits.check_key(&client) {
            Ok(()) => Verdict::Welcome(client),
            Err(_) => Verdict::TooMany(client),
        }
    }

    /// Who calls: the peer or, if that is a trusted proxy, the last address in front of trusted ones. `None` if a proxy
    /// says something that is no address.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        if !is_in(&self.trusted_proxies, peer) {
            return Some(peer);
        }
        let mut client = peer;
        for value in headers.get_all(FORWARDED).iter().rev() {
            for address in value.to_str().ok()?.rsplit(',') {
                client = address.trim().parse::<IpAddr>().ok()?.to_canonical();
                if !is_in(&self.trusted_proxies, client) {
                    return Some(client);
                }
            }
        }
        Some(client)
    }
}

fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn networks(text: &str) -> Vec<IpNet> {
        text.split_whitespace().map(|network| network.parse().unwrap()).collect()
    }

    fn guard(allow: &str, trusted: &str, rate: u32) -> Guard {
        Guard::new(networks(allow), networks(trusted), NonZeroU32::new(rate).unwrap())
    }

    fn is_welcome(guard: &Guard, peer: &str, forwarded: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED, HeaderValue::from_str(value).unwrap());
        }
        matches!(guard.judge(Some(peer.parse().unwrap()), &headers), Verdict::Welcome(_))
    }

    #[test]
    fn networks_of_both_families_are_let_in_and_no_others() {
        let guard = guard("10.0.0.0/8 2001:db8::/32", "", 1_000);
        for peer in ["10.0.0.1", "10.255.255.255", "2001:db8::1", "::ffff:10.1.2.3"] {
            assert!(is_welcome(&guard, peer, &[]), "{peer}");
        }
        for peer in ["11.0.0.1", "127.0.0.1", "2001:db9::1", "::1", "::ffff:11.0.0.1"] {
            assert!(!is_welcome(&guard, peer, &[]), "{peer}");
        }
        assert_eq!(guard.judge(None, &HeaderMap::new()), Verdict::Outside(None));
    }

    /// Catches whoever is let in by saying so.
    #[test]
    fn only_trusted_proxies_are_believed() {
        let nobody = guard("10.0.0.0/8", "", 1_000);
        assert!(!is_welcome(&nobody, "9.9.9.9", &["10.0.0.1"]));
        assert!(is_welcome(&nobody, "10.0.0.1", &["9.9.9.9"]));
        let proxied = guard("10.0.0.0/8", "192.168.0.0/16", 1_000);
        assert!(is_welcome(&proxied, "192.168.0.1", &["10.0.0.1"]));
        assert!(!is_welcome(&proxied, "192.168.0.1", &["9.9.9.9"]));
        assert!(!is_welcome(&proxied, "192.168.0.1", &["10.0.0.1, 9.9.9.9"]), "what a client has written is in front");
        assert!(is_welcome(&proxied, "192.168.0.1", &["9.9.9.9, 10.0.0.1, 192.168.0.2"]));
        assert!(is_welcome(&proxied, "192.168.0.1", &["9.9.9.9", "10.0.0.1"]));
        assert!(!is_welcome(&proxied, "192.168.0.1", &["10.0.0.1", "9.9.9.9"]));
        assert!(!is_welcome(&proxied, "192.168.0.1", &["10.0.0.1, x"]));
        assert!(!is_welcome(&proxied, "192.168.0.1", &[]), "a proxy is not a client by itself");
    }

    #[test]
    fn an_address_has_its_own_limit() {
        let guard = guard("0.0.0.0/0", "", 5);
        let welcome = (0..50).filter(|_| is_welcome(&guard, "1.1.1.1", &[])).count();
        assert!((5..50).contains(&welcome), "{welcome}");
        assert!(is_welcome(&guard, "1.1.1.2", &[]));
    }
}
