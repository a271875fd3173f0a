//! The limit on attempts to log in, to register and to change a password.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum_client_ip::{ClientIp, ClientIpSource};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::app::App;
use crate::error::ApiError;

/// Counts the attempts of each address.
pub(crate) struct Attempts {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
    source: ClientIpSource,
}

impl Attempts {
    pub(crate) fn new(per_minute: NonZeroU32, source: ClientIpSource) -> Self {
        Self { limiter: RateLimiter::keyed(Quota::per_minute(per_minute)), clock: DefaultClock::default(), source }
    }

    /// Frees the memory of addresses that have not tried for a while.
    pub(crate) fn forget_old(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }

    fn count(&self, address: IpAddr) -> Result<(), ApiError> {
        let result = self.limiter.check_key(&network(address));
        result.map_err(|early| ApiError::RateLimited(early.wait_time_from(self.clock.now())))
    }
}

/// A route that takes this argument counts the request as an attempt, and refuses it when there were too many.
pub(crate) struct Attempt;

impl FromRequestParts<Arc<App>> for Attempt {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        parts.extensions.insert(app.attempts.source.clone());
        let ClientIp(address) =
            ClientIp::from_request_parts(parts, app).await.map_err(|error| ApiError::server(&error))?;
        app.attempts.count(address)?;
        Ok(Self)
    }
}

/// Returns what is counted as one client: an IPv4 address, or the 64 bits of an IPv6 network, in which a client can choose
/// any address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_count_together() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }
}
