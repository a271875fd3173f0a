//! The proxies whose header fields count.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::credential::RequestView;
use crate::error::{AuthError, ConfigError, InvalidToken};

/// The proxies that write the client's certificate into a header field. A client could write the same field, so it counts
/// only if the connection comes from one of these addresses.
///
/// The proxies must remove or replace a field of that name that a client sends. A service that clients can reach without the
/// proxy, from an address in these networks, has no protection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrustedProxies(Peers);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Peers {
    Every,
    In(Vec<IpNet>),
}

impl TrustedProxies {
    /// The proxies with these addresses: each an IP address, for example `192.0.2.7`, or a network, for example
    /// `10.0.0.0/24` or `2001:db8::/64`. An IPv4 address that is mapped to IPv6 counts as the IPv4 address.
    ///
    /// Where the peers have no addresses, for example on a Unix socket, see
    /// [`dangerous::every_peer_is_a_proxy`](crate::dangerous::every_peer_is_a_proxy).
    ///
    /// ```
    /// use portcullis::possession::TrustedProxies;
    ///
    /// let proxies = TrustedProxies::at(["10.0.0.0/24", "2001:db8::7"])?;
    /// assert!(TrustedProxies::at(["0.0.0.0/0"]).is_err());
    /// # Ok::<(), portcullis::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] unless there is at least one address, each is an address or a network without bits behind its prefix,
    /// and none is the network of all addresses.
    pub fn at<S: AsRef<str>>(addresses: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        let networks: Vec<IpNet> =
            addresses.into_iter().map(|each| network(each.as_ref())).collect::<Result<_, _>>()?;
        if networks.is_empty() {
            return Err(error("no address is given"));
        }
        Ok(Self(Peers::In(networks)))
    }

    /// See [`dangerous::every_peer_is_a_proxy`](crate::dangerous::every_peer_is_a_proxy).
    pub(crate) fn every_peer() -> Self {
        Self(Peers::Every)
    }

    /// Checks that `request` comes from one of the proxies.
    pub(super) fn check_peer(&self, request: &dyn RequestView) -> Result<(), AuthError> {
        let Peers::In(networks) = &self.0 else { return Ok(()) };
        let Some(peer) = request.peer_address() else {
            let problem =
                "client certificates are read from a proxy's field, but the server does not tell the peer's address";
            return Err(AuthError::Server(problem.into()));
        };
        let peer = peer.to_canonical();
        if networks.iter().any(|network| network.contains(&peer)) {
            return Ok(());
        }
        Err(InvalidToken::WrongCertificate { problem: "the request is not from a trusted proxy" }.into())
    }
}

fn network(text: &str) -> Result<IpNet, ConfigError> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address.to_canonical()),
        Err(_) => text.parse().map_err(|_| error("not an IP address or a network"))?,
    };
    if network.prefix_len() == 0 {
        return Err(error("a network of all addresses would trust each client"));
    }
    if network.trunc() != network {
        return Err(error("a network has bits behind its prefix"));
    }
    Ok(network)
}

fn error(problem: &'static str) -> ConfigError {
    ConfigError::new("trusted_proxies", problem, "write the proxies' addresses, for example 192.0.2.7 or 10.0.0.0/24")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::HeaderList;

    #[test]
    fn only_peers_in_the_networks_are_trusted() {
        let proxies = TrustedProxies::at(["10.0.0.0/24", "192.0.2.7", "2001:db8::/64", "::ffff:198.51.100.1"]).unwrap();
        let is_trusted = |peer: &str| {
            let request = HeaderList::default().with_peer_address(peer.parse().unwrap());
            proxies.check_peer(&request).is_ok()
        };
        for peer in ["10.0.0.0", "10.0.0.255", "::ffff:10.0.0.1", "192.0.2.7", "2001:db8::1", "198.51.100.1"] {
            assert!(is_trusted(peer), "{peer}");
        }
        for peer in
            ["10.0.1.0", "9.255.255.255", "::ffff:10.0.1.0", "::10.0.0.1", "192.0.2.8", "2001:db8:0:1::1", "::1"]
        {
            assert!(!is_trusted(peer), "{peer}");
        }
        assert_eq!(proxies.check_peer(&HeaderList::default()).unwrap_err().status(), 500);
    }

    #[test]
    fn other_addresses_are_configuration_errors() {
        for address in [
            "",
            "localhost",
            "10.0.0",
            "10.0.0.0/33",
            "10.0.0.1/24",
            "10.0.0.0/",
            " 10.0.0.1",
            "0.0.0.0/0",
            "::/0",
            "*",
        ] {
            let error = TrustedProxies::at(["192.0.2.7", address]).unwrap_err();
            assert_eq!(error.field(), "trusted_proxies", "{address}");
        }
        assert!(TrustedProxies::at::<&str>([]).is_err());
    }
}
