//! The walk to the keys of one issuer, and to a token.

use std::time::{SystemTime, UNIX_EPOCH};

use portcullis::KeyProvider as _;
use portcullis::claims::NumericDate;
use portcullis::keys::{KeyDiagnosis, KeyRequest, KeySet};
use portcullis::verifier::CheckOutcome;
use tokio::runtime::Runtime;
use url::Url;

use crate::doctor::certificate::Facts;
use crate::doctor::configuration::{Configured, Issuer};
use crate::doctor::step::{Reporter, Step};
use crate::doctor::{fixes, probe};
use crate::explain::remedies_of;
use crate::failure::Failure;
use crate::inspect::Report;
use crate::verdict::Verdict;

/// The walk to the keys of one issuer.
pub(super) struct Walk<'a> {
    pub(super) configured: &'a Configured,
    pub(super) issuer: &'a Issuer,
    pub(super) runtime: &'a Runtime,
}

impl Walk<'_> {
    /// Walks from the name of the server to each key.
    ///
    /// # Errors
    /// [`Failure`] if standard output cannot be written.
    pub(super) fn keys(&self, reporter: &mut Reporter) -> Result<(), Failure> {
        reporter.progress("fetching the keys …");
        let diagnoses = self.runtime.block_on(self.issuer.verifier.keys().diagnose());
        // The origins that were looked at, and whether the way to each is open.
        let mut seen: Vec<(String, bool)> = Vec::new();
        for diagnosis in &diagnoses {
            for request in &diagnosis.requests {
                let Ok(url) = Url::parse(&request.url) else { continue };
                let origin = url.origin().ascii_serialization();
                let is_open = match seen.iter().find(|(known, _)| *known == origin) {
                    Some((_, is_open)) => *is_open,
                    None => {
                        let is_open = self.way_to(&url, request, reporter)?;
                        seen.push((origin, is_open));
                        is_open
                    }
                };
                if is_open {
                    reporter.say(&self.answer(request, diagnosis))?;
                }
            }
            if diagnosis.requests.is_empty()
                && let Err(error) = &diagnosis.keys
            {
                reporter.say(&Step::fault("key set", "", error.to_string(), "see the error"))?;
            }
            self.key_set(diagnosis, reporter)?;
            for step in self.clocks(diagnosis) {
                reporter.say(&step)?;
            }
        }
        Ok(())
    }

    /// Walks to a server. `false` means that the way is blocked.
    fn way_to(&self, url: &Url, request: &KeyRequest, reporter: &mut Reporter) -> Result<bool, Failure> {
        let (names, proxy) = (&self.configured.names, self.configured.proxy.as_ref());
        let field = if self.issuer.names_key_set { &names.jwks_url } else { &names.issuer };
        let (asked, asked_field) = proxy.map_or((url, field), |proxy| (proxy, &names.proxy));
        let (host, port) = (asked.host_str().unwrap_or_default(), asked.port_or_known_default().unwrap_or_default());
        reporter.progress(&format!("looking up {host} …"));
        let addresses = match probe::addresses(host, port) {
            Ok(addresses) => addresses,
            Err(error) => {
                reporter.say(&Step::fault("DNS", host, error, fixes::of_name(asked, asked_field)))?;
                return Ok(false);
            }
        };
        let shown: Vec<_> = addresses.iter().take(4).map(|address| address.ip().to_string()).collect();
        reporter.say(&Step::ok("DNS", format!("{host} is {}", shown.join(", "))))?;
        reporter.progress(&format!("connecting to {host}:{port} …"));
        let stream = match probe::connect(&addresses) {
            Ok(stream) => stream,
            Err(error) => {
                let write = match proxy {
                    Some(_) => format!("check {}, and that the proxy runs", names.proxy),
                    None => fixes::of_address(asked, names),
                };
                reporter.say(&Step::fault("TCP", format!("{host}:{port}"), error, write))?;
                return Ok(false);
            }
        };
        reporter.say(&Step::ok("TCP", format!("{host}:{port} answers")))?;
        if url.scheme() != "https" {
            let wrong = "plain http, which anyone on the network can change";
            let step = if portcullis::loopback::is_loopback(url.host_str().unwrap_or_default()) {
                Step::ok("TLS", "not used: plain http on this machine")
            } else {
                Step::note("TLS", "not used", wrong, format!("write an https URL to {field}"))
            };
            reporter.say(&step)?;
            return Ok(true);
        }
        if proxy.is_some_and(|proxy| proxy.scheme() != "http") {
            // The credential of a proxy that speaks TLS must not leave without TLS.
            reporter
                .say(&Step::ok("proxy", format!("{host}:{port} is left to the requests: it is no plain http proxy")))?;
            return Ok(true);
        }
        let (server, server_port) =
            (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
        let stream = match proxy {
            None => stream,
            Some(proxy) => match probe::through_proxy(stream, proxy, server, server_port) {
                Ok(stream) => {
                    reporter.say(&Step::ok("proxy", format!("connects to {server}:{server_port}")))?;
                    stream
                }
                Err(error) => {
                    let write = format!(
                        "check {}: the URL with user and password, http://user:password@host:port",
                        names.proxy
                    );
                    reporter.say(&Step::fault("proxy", format!("{host}:{port}"), error, write))?;
                    return Ok(false);
                }
            },
        };
        reporter.progress(&format!("looking at the certificates of {server} …"));
        let step = match probe::certificates(stream, server) {
            Ok(chain) => self.certificates(server, &chain, request),
            Err(error) => Step::fault(
                "TLS",
                server,
                error,
                format!("check that {server}:{server_port} speaks TLS, and the port in {field}"),
            ),
        };
        let is_open = step.status != crate::doctor::step::Status::Fault;
        reporter.say(&step)?;
        Ok(is_open)
    }

    /// Judges the certificates of a server. Whether they are trusted, the request of the service says.
    fn certificates(&self, host: &str, chain: &[Facts], request: &KeyRequest) -> Step {
        let names = &self.configured.names;
        let Some(leaf) = chain.first() else {
            return Step::fault("TLS", host, "the server shows no certificate", "check the server");
        };
        let last = chain.last().unwrap_or(leaf);
        let found = format!(
            "{host}: {} certificate(s), for {}, until {}, by {}",
            chain.len(),
            leaf.names.join(", "),
            leaf.not_after,
            last.issuer
        );
        // The request has passed. A server may show more than it needs, for example an old authority.
        if request.answered_at.is_some() {
            return Step::ok("TLS", found);
        }
        let now = now();
        for certificate in chain {
            let of = if std::ptr::eq(certificate, leaf) {
                "the certificate".to_owned()
            } else {
                certificate.subject.clone()
            };
            if certificate.not_after <= now {
                let wrong =
                    format!("{of} expired {} ({})", certificate.not_after.relative_to(now), certificate.not_after);
                return Step::fault("TLS", found, wrong, "renew the certificate on that server");
            }
            if certificate.not_before > now {
                let wrong = format!(
                    "{of} is valid only from {} ({})",
                    certificate.not_before,
                    certificate.not_before.relative_to(now)
                );
                let write =
                    "set the clock of this machine (NTP) if it is behind; otherwise wait, or replace the certificate";
                return Step::fault("TLS", found, wrong, write);
            }
        }
        if !leaf.is_for(host) {
            let wrong = format!("the certificate is not for {host}");
            let field = if self.issuer.names_key_set { &names.jwks_url } else { &names.issuer };
            let write = format!(
                "write a name that the certificate has ({}) to {field}, or have the server show one for {host}",
                leaf.names.join(", ")
            );
            return Step::fault("TLS", found, wrong, write);
        }
        match request.error.as_deref().and_then(|error| error.split_once(REFUSED_CERTIFICATE)) {
            Some((_, why)) if why.contains("CaUsedAsEndEntity") => {
                let wrong = "the server shows the certificate of an authority as its own";
                let write = format!(
                    "issue one for {host} that is none of an authority (basicConstraints CA:FALSE), also if it is self-signed"
                );
                Step::fault("TLS", found, wrong, write)
            }
            Some((_, why)) if !UNTRUSTED.iter().any(|reason| why.contains(reason)) => Step::fault(
                "TLS",
                found,
                format!("the certificate is refused: {why}"),
                "replace the certificate on that server",
            ),
            Some(_) => {
                let wrong = format!("this system does not trust the authority {}", last.issuer);
                let write = format!(
                    "if it is your private CA, write the path of its certificate (PEM) to {}",
                    names.root_certificates
                );
                Step::fault("TLS", found, wrong, write)
            }
            None => Step::ok("TLS", found),
        }
    }

    /// Reports the answer to one request.
    fn answer(&self, request: &KeyRequest, diagnosis: &KeyDiagnosis) -> Step {
        let step = if request.document == "metadata" { "metadata" } else { "key set" };
        match &request.error {
            None if step == "metadata" => Step::ok(step, format!("{}: its issuer is the configured one", request.url)),
            None => Step::ok(step, request.url.clone()),
            // The keys are shown, even if none of them can be used.
            Some(_) if diagnosis.keys.is_ok() => Step::ok(step, request.url.clone()),
            Some(error) => {
                let write = fixes::of_answer(request, error, &self.configured.names, self.issuer.names_key_set);
                Step::fault(step, request.url.clone(), error.clone(), write)
            }
        }
    }

    fn key_set(&self, diagnosis: &KeyDiagnosis, reporter: &mut Reporter) -> Result<(), Failure> {
        let Ok(keys) = &diagnosis.keys else { return Ok(()) };
        let report = Report::of(keys);
        let expired = self.expired_certificates(keys, &report);
        for (index, is_usable, line) in report.lines() {
            let dead = expired.iter().find(|(key, _)| *key == index).filter(|_| is_usable);
            let step = match dead {
                Some((_, wrong)) => {
                    let write =
                        "have the issuer publish the key that it signs with now: other programs refuse this one";
                    let all = expired.len() >= report.usable();
                    if all {
                        Step::fault("key", line, wrong.clone(), write)
                    } else {
                        Step::note("key", line, wrong.clone(), write)
                    }
                }
                None => Step::ok("key", line),
            };
            reporter.say(&step)?;
        }
        if report.usable() == 0 {
            let write = "check that the key set is that of the issuer, and has keys for signatures (use: sig) of at least 2048 bits";
            reporter.say(&Step::fault(
                "key set",
                format!("0 of {} keys can be used", report.total()),
                "no token can be verified",
                write,
            ))?;
        }
        Ok(())
    }

    /// Returns the keys whose certificate is expired, by their index.
    fn expired_certificates(&self, keys: &KeySet, report: &Report) -> Vec<(usize, String)> {
        let now = now();
        let text = |facts: &Facts| {
            format!("its certificate expired {} ({})", facts.not_after.relative_to(now), facts.not_after)
        };
        let of_file = self.configured.public_key.as_deref().map(Facts::of_pem).unwrap_or_default();
        if let Some(facts) = of_file.first() {
            return (facts.not_after <= now).then(|| (0, text(facts))).into_iter().collect();
        }
        let usable =
            report.lines().filter(|(_, is_usable, _)| *is_usable).map(|(index, _, _)| index).collect::<Vec<_>>();
        let certificates = keys.keys().map(|key| {
            let chain = key.member::<Vec<String>>("x5c")?;
            Facts::of_base64(chain.first()?)
        });
        usable
            .into_iter()
            .zip(certificates)
            .filter_map(|(index, facts)| {
                facts.filter(|facts| facts.not_after <= now).map(|facts| (index, text(&facts)))
            })
            .collect()
    }

    /// Compares the clock with that of each server.
    fn clocks(&self, diagnosis: &KeyDiagnosis) -> Vec<Step> {
        let Some((request, date, received)) =
            diagnosis.requests.iter().find_map(|request| Some((request, request.date?, request.answered_at?)))
        else {
            let is_answered = diagnosis.requests.iter().any(|request| request.answered_at.is_some());
            return is_answered
                .then(|| Step::ok("clock", "not compared, because no response has the field Date, or a cache answered"))
                .into_iter()
                .collect();
        };
        let host = Url::parse(&request.url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (theirs, ours) = (seconds(date), seconds(received));
        let (difference, side) = (theirs.abs_diff(ours), if ours < theirs { "behind" } else { "ahead of" });
        let leeway = self.issuer.verifier.leeway().as_secs();
        // `Date` has whole seconds, and may be a second old.
        if difference <= 1 {
            return vec![Step::ok("clock", format!("as that of {host}"))];
        }
        let found = format!("{difference} seconds {side} that of {host}");
        if difference <= leeway {
            return vec![Step::ok("clock", format!("{found}, within the leeway of {leeway} seconds"))];
        }
        let wrong = format!(
            "more than the leeway of {leeway} seconds, so good tokens are refused as {}",
            if ours < theirs { "issued in the future" } else { "expired" }
        );
        let write = format!(
            "synchronize the clock of this machine (NTP); until then {} allows up to 600 seconds",
            self.configured.names.leeway
        );
        vec![Step::fault("clock", found, wrong, write)]
    }
}

/// What the error of a request says before the reason why a certificate is refused. Alerts of the server are other errors.
const REFUSED_CERTIFICATE: &str = "invalid peer certificate: ";

/// Why it is refused if its authority is not trusted, or only another one of the same name.
const UNTRUSTED: [&str; 2] = ["UnknownIssuer", "BadSignature"];

/// Reports the checks of a token.
///
/// # Errors
/// [`Failure`] if standard output cannot be written.
pub(super) fn token(
    configured: &Configured,
    token: &str,
    runtime: &Runtime,
    reporter: &mut Reporter,
) -> Result<(), Failure> {
    reporter.progress("checking the token …");
    let judge = &configured.judge;
    let verdict = runtime.block_on(judge.verdict(token));
    let reports = runtime.block_on(judge.reports(token));
    match verdict {
        Ok(Verdict::Reject { reason, detail }) => {
            let failed = reports.iter().filter(|report| matches!(report.outcome, CheckOutcome::Failed(_)));
            let failed: Vec<_> = failed.map(|report| report.check.as_str()).collect();
            let write = remedies_of(token, &reports).join("; ");
            let found = format!("refused as {reason} (failed: {})", failed.join(", "));
            reporter.say(&Step::fault("token", found, detail, write))
        }
        Ok(_) => reporter.say(&Step::ok("token", "accepted")),
        Err(error) => reporter.say(&Step::fault("token", "not checked", error.to_string(), "see the steps before")),
    }
}

fn now() -> NumericDate {
    NumericDate::from_unix(crate::detail::now(), 0)
}
