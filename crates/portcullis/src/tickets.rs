//! One-time tickets, for requests of browsers that cannot set header fields: `EventSource`.
//!
//! Design notes: [Browsers and long connections](crate::_docs::browsers).

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand;
use tokio::time::Instant;

use crate::error::{AuthError, ConfigError, Unavailable};
use crate::hash::sha256;
use crate::jose::base64url;
use crate::verifier::Verified;

const DEFAULT_LIFETIME: Duration = Duration::from_secs(30);
const SHORTEST_LIFETIME: Duration = Duration::from_secs(1);
const LONGEST_LIFETIME: Duration = Duration::from_secs(300);
const DEFAULT_CAPACITY: usize = 10_000;
const DEFAULT_QUOTA: usize = 20;
/// How many expired tickets an operation drops at most, so that it takes little time. It adds only one.
const DROPPED_AT_ONCE: usize = 16;

const TICKET_BYTES: usize = 32;
/// The length of a ticket: 32 bytes in base64url.
const TICKET_LENGTH: usize = 43;

type Hash = [u8; 32];

/// The tickets of one kind of stream, in the memory of this process. Clones are the same tickets.
///
/// A verified caller gets a ticket from a guarded route ([`Gate::issue_ticket`]), and opens the stream with it: in the parameter
/// [`ticket`](Self::PARAMETER) of the query. The gate of the stream ([`Gate::with_tickets`]) then lets in the same caller, once.
///
/// A ticket has 256 random bits, and only its hash is kept. It is accepted for 30 seconds, and the first request with it uses it
/// up. So a URL in a log or in the history of a browser is worth nothing. Each set of `Tickets` accepts only its own.
///
/// A ticket and its stream have to reach the same process. With several instances behind a load balancer, send both to one of
/// them, for example by a cookie for session affinity, or let the response with the ticket name the instance.
///
/// [`Gate::issue_ticket`]: crate::Gate::issue_ticket
/// [`Gate::with_tickets`]: crate::Gate::with_tickets
#[derive(Clone)]
pub struct Tickets(Arc<Shared>);

struct Shared {
    lifetime: Duration,
    capacity: usize,
    quota: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    tickets: HashMap<Hash, Ticket>,
    by_expiry: BTreeSet<(Instant, Hash)>,
    /// The number of tickets of each caller.
    counts: HashMap<Hash, usize>,
    warned_at: Option<Instant>,
}

struct Ticket {
    caller: Verified,
    owner: Hash,
    expires_at: Instant,
}

impl Tickets {
    /// The parameter of the query that holds a ticket.
    pub const PARAMETER: &'static str = "ticket";

    /// Accepts each ticket for `lifetime`, from one second to 300 seconds. At most `capacity` tickets wait to be used, and at
    /// most `quota` of one caller, who is known by `iss` and `sub`. A waiting ticket takes about 500 bytes and the claims of its caller.
    /// When there is no room, the request for a ticket is refused with 503, and no ticket is dropped.
    ///
    /// Default: 30 seconds, 10,000 and 20.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis::tickets::Tickets;
    ///
    /// let tickets = Tickets::new(Duration::from_secs(10), 50_000, 100)?;
    /// # Ok::<(), portcullis::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] when a number is out of range, or `quota` is larger than `capacity`.
    pub fn new(lifetime: Duration, capacity: usize, quota: usize) -> Result<Self, ConfigError> {
        if !(SHORTEST_LIFETIME..=LONGEST_LIFETIME).contains(&lifetime) {
            return Err(ConfigError::new("lifetime", format!("{lifetime:?}"), "write 1 to 300 seconds"));
        }
        if capacity == 0 {
            return Err(ConfigError::new("capacity", "zero", "write the number of tickets to keep, for example 10000"));
        }
        if quota == 0 || quota > capacity {
            let problem = "zero, or larger than the capacity";
            return Err(ConfigError::new("quota", problem, "write how many of the tickets one caller may have"));
        }
        Ok(Self(Arc::new(Shared { lifetime, capacity, quota, held: Mutex::default() })))
    }

    /// The number of tickets that wait to be used, expired ones included that were not dropped yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.with(|held| held.tickets.len())
    }

    /// Makes a ticket for `caller`.
    pub(crate) fn issue(&self, caller: &Verified) -> Result<String, AuthError> {
        let mut bytes = [0; TICKET_BYTES];
        let filled = rand::fill(&mut bytes);
        filled.map_err(|_| AuthError::Server("the operating system provides no random bytes".into()))?;
        let ticket = base64url::encode(&bytes);
        let (key, owner, now) = (sha256(ticket.as_bytes()), owner(caller), Instant::now());
        let expires_at = now + self.0.lifetime;
        // Header fields belong to the response that the caller gets now.
        let caller = caller.clone().with_response_headers([]);
        let is_taken = self.with(|held| {
            held.drop_expired(now);
            let of_owner = held.counts.get(&owner).copied().unwrap_or_default();
            if held.tickets.len() >= self.0.capacity || of_owner >= self.0.quota {
                held.warn(now, of_owner >= self.0.quota);
                return false;
            }
            held.tickets.insert(key, Ticket { caller, owner, expires_at });
            held.by_expiry.insert((expires_at, key));
            held.counts.insert(owner, of_owner + 1);
            true
        });
        let unavailable = || Unavailable::new().limited().with_retry_after(self.0.lifetime).into();
        is_taken.then_some(ticket).ok_or_else(unavailable)
    }

    /// Returns the caller of `ticket`, which is used up then.
    ///
    /// # Errors
    /// `None` means that the ticket is unknown or used. The caller of an expired ticket is there until the ticket is dropped.
    pub(crate) fn redeem(&self, ticket: &str) -> Result<Verified, Option<Box<Verified>>> {
        if ticket.len() != TICKET_LENGTH {
            return Err(None);
        }
        let (key, now) = (sha256(ticket.as_bytes()), Instant::now());
        self.with(|held| {
            let Ticket { caller, expires_at, .. } = held.take(&key).ok_or(None)?;
            if now < expires_at { Ok(caller) } else { Err(Some(Box::new(caller))) }
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        change(&mut self.0.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Held {
    fn take(&mut self, key: &Hash) -> Option<Ticket> {
        let ticket = self.tickets.remove(key)?;
        self.by_expiry.remove(&(ticket.expires_at, *key));
        if let Some(count) = self.counts.get_mut(&ticket.owner) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&ticket.owner);
            }
        }
        Some(ticket)
    }

    fn drop_expired(&mut self, now: Instant) {
        for _ in 0..DROPPED_AT_ONCE {
            match self.by_expiry.first().copied() {
                Some((expires_at, key)) if expires_at <= now => drop(self.take(&key)),
                _ => return,
            }
        }
    }

    /// Writes a warning, at most once a minute.
    fn warn(&mut self, now: Instant, is_quota: bool) {
        if self.warned_at.is_some_and(|at| now.duration_since(at) < Duration::from_secs(60)) {
            return;
        }
        self.warned_at = Some(now);
        let reason = if is_quota { "a caller has used up its quota" } else { "too many tickets wait to be used" };
        tracing::warn!(reason, waiting = self.tickets.len(), "tickets are refused with 503");
    }
}

/// What a quota counts.
fn owner(caller: &Verified) -> Hash {
    let client = caller.client_id();
    let name = caller.subject().or(client.as_deref()).unwrap_or_default();
    sha256(format!("{}\0{name}", caller.issuer().unwrap_or_default()).as_bytes())
}

impl Default for Tickets {
    fn default() -> Self {
        let (capacity, quota) = (DEFAULT_CAPACITY, DEFAULT_QUOTA);
        Self(Arc::new(Shared { lifetime: DEFAULT_LIFETIME, capacity, quota, held: Mutex::default() }))
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { lifetime, capacity, quota, .. } = &*self.0;
        f.debug_struct("Tickets")
            .field("lifetime", lifetime)
            .field("capacity", capacity)
            .field("quota", quota)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dangerous::assume_verified;

    fn caller(subject: &str) -> Verified {
        assume_verified(&serde_json::json!({"iss": "https://issuer.example", "sub": subject})).unwrap()
    }

    fn tickets(capacity: usize, quota: usize) -> Tickets {
        Tickets::new(Duration::from_secs(30), capacity, quota).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn ticket_is_accepted_once_and_for_its_lifetime() {
        let tickets = Tickets::default();
        let (first, second) = (tickets.issue(&caller("alice")).unwrap(), tickets.issue(&caller("bob")).unwrap());
        assert_eq!((first.len(), tickets.waiting()), (43, 2));
        assert_eq!(tickets.redeem(&first).unwrap().subject(), Some("alice"));
        assert!(tickets.redeem(&first).is_err());
        tokio::time::advance(Duration::from_millis(29_999)).await;
        assert_eq!(tickets.clone().redeem(&second).unwrap().subject(), Some("bob"));
        let late = tickets.issue(&caller("alice")).unwrap();
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(tickets.redeem(&late).unwrap_err().is_some_and(|caller| caller.subject() == Some("alice")));
        assert!(tickets.redeem(&late).unwrap_err().is_none());
        assert_eq!(tickets.waiting(), 0);
    }

    #[tokio::test]
    async fn other_texts_are_no_tickets() {
        let tickets = Tickets::default();
        let ticket = tickets.issue(&caller("alice")).unwrap();
        assert!(tickets.redeem(&Tickets::default().issue(&caller("alice")).unwrap()).is_err());
        for other in
            ["", "ticket", &ticket[1..], &format!("{ticket}A"), &ticket.to_ascii_uppercase(), &"\u{e9}".repeat(43)]
        {
            assert!(tickets.redeem(other).is_err(), "{other}");
        }
        assert_eq!(tickets.waiting(), 1);
        assert!(tickets.redeem(&ticket).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn full_store_makes_no_ticket_and_drops_none() {
        let tickets = tickets(4, 2);
        let mut made = Vec::new();
        for (subject, fits) in
            [("a", true), ("a", true), ("a", false), ("b", true), ("c", true), ("d", false), ("b", false)]
        {
            let ticket = tickets.issue(&caller(subject));
            assert_eq!(ticket.is_ok(), fits, "{subject}");
            match ticket {
                Ok(ticket) => made.push(ticket),
                Err(refused) => assert_eq!(refused.status(), 503),
            }
        }
        // A used ticket makes room.
        assert!(tickets.redeem(&made[0]).is_ok());
        assert!(tickets.issue(&caller("a")).is_ok());
        assert!(made[1..].iter().all(|ticket| tickets.redeem(ticket).is_ok()));
        // So do expired ones.
        let tickets = self::tickets(2, 2);
        for _ in 0..20 {
            assert!(tickets.issue(&caller("a")).is_ok() && tickets.issue(&caller("a")).is_ok());
            assert!(tickets.issue(&caller("b")).is_err());
            tokio::time::advance(Duration::from_secs(30)).await;
        }
        assert!(tickets.issue(&caller("b")).is_ok());
        assert!(tickets.with(|held| held.by_expiry.len() <= 2 && held.counts.len() <= 2));
    }

    #[test]
    fn of_many_readers_one_gets_the_caller() {
        let tickets = Tickets::default();
        for _ in 0..50 {
            let ticket = tickets.issue(&caller("alice")).unwrap();
            let readers: Vec<_> = (0..4)
                .map(|_| {
                    let (tickets, ticket) = (tickets.clone(), ticket.clone());
                    std::thread::spawn(move || tickets.redeem(&ticket).is_ok())
                })
                .collect();
            assert_eq!(readers.into_iter().map(|reader| u32::from(reader.join().unwrap())).sum::<u32>(), 1);
        }
    }

    #[test]
    fn wrong_sizes_are_configuration_errors() {
        let second = Duration::from_secs(1);
        for (lifetime, capacity, quota, field) in [
            (Duration::from_millis(999), 1, 1, "lifetime"),
            (Duration::from_secs(301), 1, 1, "lifetime"),
            (second, 0, 0, "capacity"),
            (second, 10, 0, "quota"),
            (second, 10, 11, "quota"),
        ] {
            assert_eq!(Tickets::new(lifetime, capacity, quota).unwrap_err().field(), field);
        }
        let shown = format!("{:?}", Tickets::default());
        assert_eq!(shown, "Tickets { lifetime: 30s, capacity: 10000, quota: 20, .. }");
    }
}
