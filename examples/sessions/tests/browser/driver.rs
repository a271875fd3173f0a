//! The process of chromedriver, which starts the browsers and never outlives the tests.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

/// Runs chromedriver until the standard input ends, also when the tests are killed.
const GUARDED: &str = r#"
    exec 3<&0
    chromedriver --port=0 3<&- & driver=$!
    { read -r _ <&3; kill $driver; } & guard=$!
    wait $driver
    kill $guard
"#;
const STARTED: &str = "ChromeDriver was started successfully on port ";

static DRIVER: LazyLock<Driver> = LazyLock::new(Driver::start);

/// The running driver.
pub(crate) struct Driver {
    url: String,
    // Its standard input stays open until the tests end.
    _process: Child,
}

impl Driver {
    /// Returns what has to be installed.
    pub(crate) fn missing() -> Option<&'static str> {
        let runs =
            |program| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
        if !runs("chromedriver") {
            return Some("chromedriver is not installed");
        }
        let browsers = ["chromium", "google-chrome", "chrome"];
        (!browsers.into_iter().any(runs)).then_some("chromium is not installed")
    }

    /// Returns the URL of the driver of this process, which is started at the first call.
    pub(crate) fn url() -> &'static str {
        &DRIVER.url
    }

    fn start() -> Self {
        if let Some(missing) = Self::missing() {
            panic!("{missing}");
        }
        let mut command = Command::new("/bin/sh");
        command.args(["-c", GUARDED]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| Some(line.strip_prefix(STARTED)?.trim_end_matches('.').to_owned()));
        let port = port.expect("chromedriver has to say on which port it listens");
        // What it says later is read and dropped, so that it never waits for a reader.
        std::thread::spawn(move || lines.count());
        Self { url: format!("http://127.0.0.1:{port}"), _process: process }
    }
}
