//! A client with cookies, which sends what a browser on the service's own page sends, and anything else.

use std::collections::BTreeMap;

pub(crate) struct Browser {
    url: String,
    http: reqwest::Client,
    jar: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Browser {
    pub(crate) fn new(url: &str) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { url: url.to_owned(), http, jar: BTreeMap::new() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.own_page("GET", path, &[("sec-fetch-site", "same-origin".to_owned())]).await
    }

    /// A script of the service's own page.
    pub(crate) async fn post(&mut self, path: &str) -> Answer {
        let origin = [("origin", self.url.clone()), ("sec-fetch-site", "same-origin".to_owned())];
        self.own_page("POST", path, &origin).await
    }

    /// Sends exactly these fields, and keeps no cookie.
    pub(crate) async fn send(&self, method: &str, path: &str, fields: &[(&str, String)], body: &str) -> Answer {
        let method = method.parse::<reqwest::Method>().unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        for (name, value) in fields {
            request = request.header(*name, value);
        }
        let response = request.body(body.to_owned()).send().await.unwrap();
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        Answer { status: response.status().as_u16(), headers, body: response.text().await.unwrap() }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.jar.get(name).cloned()
    }

    pub(crate) fn forget(&mut self, name: &str) {
        self.jar.remove(name);
    }

    /// The field `Cookie` with all cookies.
    pub(crate) fn cookies(&self) -> String {
        self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    async fn own_page(&mut self, method: &str, path: &str, page: &[(&str, String)]) -> Answer {
        let fields = [page, &[("cookie", self.cookies())]].concat();
        let answer = self.send(method, path, &fields, "").await;
        for cookie in answer.cookies() {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The values of `Set-Cookie`.
    pub(crate) fn cookies(&self) -> Vec<&str> {
        self.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.as_str()).collect()
    }

    /// A member of the body.
    pub(crate) fn member(&self, name: &str) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).expect(&self.body);
        body.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    }

    /// The error code of the body, and the reason, if there is one.
    pub(crate) fn code(&self) -> String {
        format!("{} {}", self.member("error"), self.member("reason")).trim_end().to_owned()
    }
}
