//! Over the loopback interface: how many requests one core serves.

use std::path::{Path, PathBuf};

use crate::wrk::{self, Load, Server};

/// With the token cache, a service serves at least this part of the requests that it serves without authentication.
const OF_OPEN: f64 = 0.90;
/// Without it, a service serves at least this part of the requests that a handler with a bare signature check serves.
const OF_SIGNATURE: f64 = 0.97;

/// The servers of other libraries that `benches/peers` builds.
const PEERS: [&str; 2] = ["oauth-resource-server", "jwt-authorizer"];

pub(crate) fn run(quick: bool) {
    if let Some(what) = wrk::missing() {
        println!("SKIPPED over loopback: {what} is missing");
        return;
    }
    let (rounds, seconds) = if quick { (2, 1) } else { (9, 2) };
    let this = std::env::current_exe().unwrap();
    let mut contenders = vec![
        Contender::start("axum", &this, &["serve", "axum"], &["/auth", "/cached", "/jsonwebtoken"]),
        Contender::start("actix", &this, &["serve", "actix"], &["/auth", "/cached"]),
    ];
    if !quick {
        contenders.extend(PEERS.into_iter().filter_map(|name| {
            let program = program_of(&this, name)?;
            Some(Contender::start(name, &program, &["serve"], &["/auth"]))
        }));
        if contenders.len() == 2 {
            println!("without servers of other libraries: `bash benches/peers/run.sh http` builds them");
        }
    }
    for _ in 0..rounds {
        for contender in &mut contenders {
            contender.turn(seconds);
        }
    }
    println!("\nover loopback, keep-alive, 64 connections, one core for the server; {rounds} turns of {seconds} s");
    println!("{:<38}{:>10}{:>12}{:>10}{:>15}", "", "per second", "of the core", "of open", "of signature");
    for contender in &contenders {
        contender.print();
    }
}

/// A server, with its routes. The first two are its limits.
struct Contender {
    name: String,
    server: Server,
    routes: Vec<Route>,
}

struct Route {
    path: &'static str,
    loads: Vec<Load>,
}

impl Contender {
    fn start(name: &str, program: &Path, arguments: &[&str], guarded: &[&'static str]) -> Self {
        let paths = ["/open", "/signature"].iter().chain(guarded);
        let routes = paths.map(|path| Route { path, loads: Vec::new() }).collect();
        Self { name: name.to_owned(), server: Server::start(program, arguments), routes }
    }

    fn turn(&mut self, seconds: u32) {
        for route in &mut self.routes {
            route.loads.push(self.server.load(route.path, seconds));
        }
    }

    fn print(&self) {
        for route in &self.routes {
            println!(
                "{:<38}{:>10.0}{:>12.0}{:>10.3}{:>15.3}{}",
                format!("{} {}", self.name, route.path),
                best(route.loads.iter().map(|load| load.rate)),
                best(route.loads.iter().map(|load| load.per_core)),
                self.ratio(route, 0),
                self.ratio(route, 1),
                match route.path {
                    "/cached" if self.ratio(route, 0) < OF_OPEN => format!("  less than {OF_OPEN} of open"),
                    "/auth" if self.ratio(route, 1) < OF_SIGNATURE =>
                        format!("  less than {OF_SIGNATURE} of signature"),
                    _ => String::new(),
                }
            );
        }
    }

    /// The requests of `route` as a part of those of the route with the number `limit`, for the processor time of the server.
    fn ratio(&self, route: &Route, limit: usize) -> f64 {
        let of = |route: &Route| best(route.loads.iter().map(|load| load.per_core));
        of(route) / of(&self.routes[limit])
    }
}

/// The mean of the best third: other programs can only slow a turn down.
fn best(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(|one, other| other.total_cmp(one));
    let third = values.len().div_ceil(3);
    values[..third].iter().sum::<f64>() / third as f64
}

/// Finds the program of a peer, which `benches/peers/run.sh` builds next to this one.
fn program_of(this: &Path, peer: &str) -> Option<PathBuf> {
    let target = this.ancestors().nth(3)?;
    let program = target.join("peers/release").join(format!("peer-{peer}"));
    program.is_file().then_some(program)
}
