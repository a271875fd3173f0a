//! A third adapter, for a framework that is not on tower: the tables hold for it too.

mod adapter;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use portcullis::adapter::Guard;
use tiny_http::{Request, Server};
use tokio::runtime::Runtime;

use self::adapter::{Answer as Response, Auth, Context, Rejection, answer};
use crate::answer::Answer;
use crate::client::Connection;
use crate::gates::{Gates, Guards, Scope};
use crate::requests::{self, Row};
use crate::servers::{Editor, ReadAndWrite, ReadOrAdmin, RecentAndStrong, Tenant, name};

#[test]
fn third_adapter_answers_as_the_tables_say() {
    let gates = Gates::new();
    let server = Running::new(&gates);
    let (mut sent, mut left_out) = (0, 0);
    for row in requests::ALL.iter().flat_map(|table| table(&gates)) {
        if is_ascii(&row) {
            assert_eq!(server.send_twice(&row), row.expected, "{}", row.name);
            sent += 1;
        } else {
            left_out += 1;
        }
    }
    println!("{sent} requests, {left_out} left out");
    assert!(sent > 700 && left_out < 40, "{sent} {left_out}");
}

#[test]
fn third_adapter_has_at_most_220_lines() {
    let lines = include_str!("adapter.rs").lines().count();
    println!("{lines} lines");
    assert!(lines <= 220, "{lines}");
}

#[test]
fn caching_of_the_caller_replaces_that_of_the_service() {
    let own = || answer(200, [("cache-control", "max-age=60"), ("x-own", "1")], "body".to_owned());
    for (field, expected) in [(("Cache-Control", "no-store"), "no-store"), (("x-other", "2"), "max-age=60")] {
        let fields = [(field.0.to_owned(), field.1.to_owned())];
        let answer = adapter::with_fields_of_caller(own(), &fields);
        let values = |name: &'static str| {
            let named = answer.headers().iter().filter(move |header| header.field.equiv(name));
            named.map(|header| header.value.as_str()).collect::<Vec<_>>()
        };
        assert_eq!((values("cache-control"), values("x-own")), (vec![expected], vec!["1"]));
        assert_eq!(answer.data_length(), Some(4));
    }
}

/// Whether tiny_http can read the request and write the answer: its header fields are ASCII.
fn is_ascii(row: &Row) -> bool {
    row.request.is_ascii() && row.expected.fields.iter().all(|(_, value)| value.is_ascii())
}

/// A server that stops when it is dropped.
struct Running {
    address: SocketAddr,
    server: Arc<Server>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn new(gates: &Gates) -> Self {
        let mut scopes: Vec<Scope> = gates.scopes().collect();
        let (metadata, well_known) = gates.metadata();
        scopes.push(Scope { prefix: "/.well-known", gate: Some(metadata), guards: Guards::None });
        let server = Arc::new(Server::http("127.0.0.1:0").unwrap());
        let address = server.server_addr().to_ip().unwrap();
        let requests = Arc::clone(&server);
        let thread = std::thread::spawn(move || {
            let runtime = Runtime::new().unwrap();
            for request in requests.incoming_requests() {
                let path = adapter::path(request.url());
                let path = if path == well_known { "/.well-known/document" } else { path };
                let answer = respond(&scopes, path, &request, &runtime);
                // A client that closes the connection early does not wait for the answer.
                let _ = request.respond(answer);
            }
        });
        Self { address, server, thread: Some(thread) }
    }

    fn send_twice(&self, row: &Row) -> Answer {
        let mut connection = Connection::open(self.address);
        let [first, second] = [(); 2].map(|()| without_server(connection.exchange(&row.request, row.is_head())));
        assert_eq!(first, second, "left: the first answer, right: the second: {}", row.name);
        first
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.unblock();
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "the server panicked");
        }
    }
}

/// Without the field in which tiny_http names itself, and the length that it gives a 204.
fn without_server(answer: Answer) -> Answer {
    let is_own = |name: &str| name == "server" || name == "content-length" && answer.status == 204;
    Answer { fields: answer.fields.into_iter().filter(|(name, _)| !is_own(name)).collect(), ..answer }
}

fn respond(scopes: &[Scope], path: &str, request: &Request, runtime: &Runtime) -> Response {
    let found = scopes.iter().find_map(|scope| Some((scope, path.strip_prefix(scope.prefix)?.strip_prefix('/')?)));
    let Some((scope, route)) = found else { return answer(404, [], String::new()) };
    let context = Context::new(scope.gate.clone(), runtime.handle().clone());
    let handle = |context: &Context| handle(context, route, request).unwrap_or_else(Response::from);
    let guarded = |context: &Context, guard: &Guard| context.guarded(guard, request, handle);
    match &scope.guards {
        Guards::None => handle(&context),
        Guards::One(guard) => guarded(&context, guard),
        Guards::Nested { outer, inner } => context.guarded(outer, request, |context| guarded(context, inner)),
    }
}

fn handle(context: &Context, route: &str, request: &Request) -> Result<Response, Rejection> {
    let text = match route {
        "private" => named(context.auth(request)?),
        "scoped" => named(context.authorized::<ReadAndWrite, _>(request)?),
        "any-scope" => named(context.authorized::<ReadOrAdmin, _>(request)?),
        "recent" => named(context.authorized::<RecentAndStrong, _>(request)?),
        "role" => named(context.authorized::<Editor, _>(request)?),
        "greeting" => context.maybe_auth(request)?.map_or_else(|| "anonymous".to_owned(), named),
        "typed" => context.auth::<Tenant>(request)?.claims.tenant,
        "typed-greeting" => {
            let auth = context.maybe_auth::<Tenant>(request)?;
            auth.map_or_else(|| "anonymous".to_owned(), |auth| auth.claims.tenant)
        }
        "open" => "open".to_owned(),
        "document" => return context.resource_metadata(request),
        _ => return Ok(answer(404, [], String::new())),
    };
    Ok(answer(200, [("content-type", "text/plain; charset=utf-8")], text))
}

fn named(auth: Auth) -> String {
    name(auth.subject())
}
