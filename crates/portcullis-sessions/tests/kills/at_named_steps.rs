//! A process is killed before and after each operation of the store, for each kind of request.

use std::sync::Arc;

use crate::process::{Running, task};
use crate::requests::{Prepared, REQUESTS, Request};
use crate::stopping::Stopping;
use crate::stores;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_process_loses_no_session_and_admits_no_old_token() {
    const TEST: &str = "at_named_steps::killed_process_loses_no_session_and_admits_no_old_token";
    if let Some(task) = task() {
        let [request, step, url, prepared @ ..] = &task[..] else { panic!("{task:?}") };
        let store = Arc::new(Stopping::at(stores::open(url).await, step.parse().unwrap()));
        Request::named(request).run(store, &Prepared::from_lines(prepared)).await;
        return;
    }
    for stored in stores::all() {
        println!("{}", stored.name);
        for (request, steps) in REQUESTS {
            // The last run has no further step, and completes the request.
            for number in 0..=steps.len() {
                let subject = format!("{request:?} {number} {}", std::process::id());
                let prepared = request.prepare(stores::open(&stored.url).await, &subject).await;
                let (name, at) = (format!("{request:?}"), number.to_string());
                let mut arguments = vec![name.as_str(), at.as_str(), stored.url.as_str()];
                arguments.extend(prepared.to_lines());
                let mut child = Running::test(TEST, &arguments);
                let Some(step) = steps.get(number) else {
                    child.wait();
                    continue;
                };
                assert_eq!(child.next().as_deref(), Some(*step), "{} {request:?}", stored.name);
                child.kill();
                request.check(stores::open(&stored.url).await, &prepared, step).await;
                println!("passed  {request:?}: killed {step}");
            }
        }
    }
}
