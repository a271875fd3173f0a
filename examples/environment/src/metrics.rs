//! The recorder of metrics, for both example servers.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use portcullis::metrics::{DURATION_BUCKETS, describe};

/// What the service has counted, in the text format of Prometheus.
#[derive(Clone, Debug)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// The media type of [`Self::render`].
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// Makes a recorder, and makes it that of the process. It is called once, before or after the gate is made.
    ///
    /// # Errors
    /// [`BuildError`] when the process has a recorder already.
    pub fn install() -> Result<Self, BuildError> {
        let handle = Self::builder()?.install_recorder()?;
        describe();
        Ok(Self(handle))
    }

    /// Makes a recorder that counts nothing, for tests.
    ///
    /// # Errors
    /// None with the buckets of this crate.
    pub fn without_recorder() -> Result<Self, BuildError> {
        Ok(Self(Self::builder()?.build_recorder().handle()))
    }

    /// Returns what was counted.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Puts measured times into their buckets every few seconds, so that they do not fill the memory when nothing asks for
    /// them.
    pub async fn keep_up(self) {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            self.0.run_upkeep();
        }
    }

    fn builder() -> Result<PrometheusBuilder, BuildError> {
        PrometheusBuilder::new().with_recommended_naming(true).set_buckets(&DURATION_BUCKETS)
    }
}
