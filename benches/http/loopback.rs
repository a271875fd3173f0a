//! Over the loopback interface: how many requests one core serves.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use portcullis_bench_report::{Cell, Table, median, number};

use crate::wrk::{self, Server};

/// With the token cache, a service should serve at least this part of the requests that it serves without authentication.
const OF_OPEN: f64 = 0.90;
/// Without it, a service should serve at least this part of the requests that a handler with a bare signature check serves.
const OF_SIGNATURE: f64 = 0.97;

/// The routes that each server has. They are the limits of the others.
const OPEN: usize = 0;
const SIGNATURE: usize = 1;
const LIMITS: [&str; 2] = ["/open", "/signature"];

/// The servers of other libraries that `benches/peers` builds.
const PEERS: [&str; 2] = ["oauth-resource-server", "jwt-authorizer"];

pub(crate) fn run(quick: bool) -> Table {
    let columns = [("per core", "per second"), ("of open", "ratio"), ("of signature", "ratio")];
    let mut table = Table::new("over loopback", columns);
    if let Some(what) = wrk::missing() {
        let why = format!("not measured: {what} is missing");
        table.row("Axum and Actix", [why.as_str(), "", ""].map(Cell::from));
        return table;
    }
    let (rounds, seconds) = if quick { (1, 1) } else { (9, 2) };
    let this = std::env::current_exe().unwrap();
    let mut contenders = vec![
        Contender::start("Axum", &this, &["serve", "axum"], &["/auth", "/cached", "/jsonwebtoken"]),
        Contender::start_each("Actix", &this, &["serve", "actix"], &["/auth", "/cached"]),
    ];
    let (built, not_built): (Vec<_>, Vec<_>) =
        PEERS.into_iter().map(|name| (name, program_of(&this, name))).partition(|(_, program)| program.is_some());
    for (name, program) in built {
        contenders.extend(program.map(|program| Contender::start(name, &program, &["serve"], &["/auth"])));
    }
    for _ in 0..rounds {
        for contender in &mut contenders {
            contender.turn(seconds);
        }
    }
    for contender in &contenders {
        contender.add(&mut table);
    }
    for (name, _) in not_built {
        table.row(name, ["not built: bash benches/peers/run.sh http", "", ""].map(Cell::from));
    }
    table
}

/// A server with its routes, or one server for each route.
struct Contender {
    name: String,
    routes: Vec<Route>,
}

struct Route {
    path: &'static str,
    server: Rc<Server>,
    /// Requests for a second of processor time, in each round.
    per_core: Vec<f64>,
}

impl Contender {
    fn start(name: &str, program: &Path, arguments: &[&str], guarded: &[&'static str]) -> Self {
        let server = Rc::new(Server::start(program, arguments));
        Self::with_routes(name, guarded, |_| Rc::clone(&server))
    }

    /// Starts a server for each route, whose path is its last argument: for a framework where a route that is added later is
    /// found later.
    fn start_each(name: &str, program: &Path, arguments: &[&str], guarded: &[&'static str]) -> Self {
        Self::with_routes(name, guarded, |path| Rc::new(Server::start(program, &[arguments, &[path]].concat())))
    }

    fn with_routes(name: &str, guarded: &[&'static str], server: impl Fn(&str) -> Rc<Server>) -> Self {
        let paths = LIMITS.iter().chain(guarded);
        let routes = paths.map(|path| Route { path, server: server(path), per_core: Vec::new() }).collect();
        Self { name: name.to_owned(), routes }
    }

    fn turn(&mut self, seconds: u32) {
        for route in &mut self.routes {
            route.per_core.push(route.server.load(route.path, seconds));
        }
    }

    fn add(&self, table: &mut Table) {
        let is_ours = self.name == "Axum" || self.name == "Actix";
        for route in &self.routes {
            let (of_open, of_signature) = (self.ratio(route, OPEN), self.ratio(route, SIGNATURE));
            let limited = match route.path {
                "/cached" if is_ours => [of_open.at_least(OF_OPEN), of_signature],
                "/auth" if is_ours => [of_open, of_signature.at_least(OF_SIGNATURE)],
                _ => [of_open, of_signature],
            };
            let [of_open, of_signature] = limited;
            let name = format!("{} {}", self.name, route.path);
            table.row(name, [number(median(route.per_core.clone())), of_open, of_signature]);
        }
    }

    /// The requests of `route` as a part of those of the route with the number `limit`, in the same round.
    fn ratio(&self, route: &Route, limit: usize) -> Cell {
        let pairs = route.per_core.iter().zip(&self.routes[limit].per_core);
        number(median(pairs.map(|(requests, limit)| requests / limit).collect()))
    }
}

/// Finds the program of a peer, which `benches/peers/run.sh` builds next to this one.
fn program_of(this: &Path, peer: &str) -> Option<PathBuf> {
    let target = this.ancestors().nth(3)?;
    let program = target.join("peers/release").join(format!("peer-{peer}"));
    program.is_file().then_some(program)
}
