//! A client that keeps cookies as a browser does, and shows each field of a response.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

#[derive(Clone)]
pub(crate) struct Browser {
    client: reqwest::Client,
    instances: Arc<Instances>,
    /// The fields that each request has.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// The cookies by name, with their paths.
    pub(crate) cookies: BTreeMap<String, (String, String)>,
}

/// The instances of a service, which get requests in turn.
struct Instances {
    addresses: Vec<String>,
    turn: AtomicUsize,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The `Set-Cookie` fields.
    pub(crate) cookies: Vec<String>,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Browser {
    /// A page of the service at `url`, which is reached at these addresses.
    pub(crate) fn new(addresses: &[String], url: &str) -> Self {
        let fields = vec![("origin", url.to_owned()), ("sec-fetch-site", "same-origin".to_owned())];
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { client, instances: Instances::new(addresses), fields, cookies: BTreeMap::new() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, |request| request).await
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Answer {
        self.send(Method::DELETE, path, |request| request).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, |request| request.json(&body)).await
    }

    /// A POST request without a body.
    pub(crate) async fn post_empty(&mut self, path: &str) -> Answer {
        self.send(Method::POST, path, |request| request).await
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        change: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Answer {
        let mut problem = None;
        // An instance that does not answer is left out, as a load balancer does.
        for address in self.instances.next() {
            match self.attempt(&address, method.clone(), path, &change).await {
                Ok(answer) => return answer,
                Err(error) => problem = Some(error),
            }
        }
        panic!("no instance answered: {problem:?}")
    }

    async fn attempt(
        &mut self,
        address: &str,
        method: Method,
        path: &str,
        change: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.client.request(method, format!("{address}{path}"));
        for (name, value) in &self.fields {
            request = request.header(*name, value);
        }
        let cookies = self.cookies.iter().filter(|(_, (_, scope))| path.starts_with(scope.as_str()));
        let cookies: Vec<_> = cookies.map(|(name, (value, _))| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let response = change(request).send().await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let cookies = headers.get_all("set-cookie").iter().map(|field| field.to_str().unwrap().to_owned()).collect();
        let answer = Answer { status, cookies, headers, text: response.text().await? };
        self.keep(&answer);
        Ok(answer)
    }

    /// The value of a cookie.
    pub(crate) fn cookie(&self, name: &str) -> &str {
        &self.cookies[name].0
    }

    /// Sets a cookie for all paths.
    pub(crate) fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), (value.to_owned(), "/".to_owned()));
    }

    /// Sends further requests to one instance.
    pub(crate) fn move_to(&mut self, address: &str) {
        self.instances = Instances::new(&[address.to_owned()]);
    }

    fn keep(&mut self, answer: &Answer) {
        for field in &answer.cookies {
            let mut parts = field.split("; ");
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            let attributes: Vec<_> = parts.collect();
            let path = attributes.iter().find_map(|attribute| attribute.strip_prefix("Path=")).unwrap();
            if attributes.contains(&"Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), (value.to_owned(), path.to_owned()));
            }
        }
    }
}

impl Instances {
    fn new(addresses: &[String]) -> Arc<Self> {
        Arc::new(Self { addresses: addresses.to_vec(), turn: AtomicUsize::new(0) })
    }

    /// The next instance, and the others after it.
    fn next(&self) -> Vec<String> {
        let mut addresses = self.addresses.clone();
        addresses.rotate_left(self.turn.fetch_add(1, Ordering::Relaxed) % self.addresses.len());
        addresses
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Expects an error with this code, in the form that all errors have.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        let body = answer.json();
        assert_eq!(body["error"], code, "{body}");
        assert!(answer.text.starts_with(&format!(r#"{{"error":"{code}","error_description":""#)), "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
        answer
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect(&self.text)
    }

    /// The value of a field that appears once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        assert_eq!(values.len(), 1, "{name}: {values:?}");
        values[0].to_str().unwrap()
    }
}
