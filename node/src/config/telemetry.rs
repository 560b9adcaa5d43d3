//! Traces of requests: flags and configuration section.

use clap::Args;
use eyre::bail;
use serde::{Deserialize, Serialize};

/// Section `[Node.OpenTelemetry]` of the configuration and geth's flags `--rpc.telemetry*`.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "JSON-RPC")]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// Enable RPC telemetry: each request is traced through the actors, and the traces are sent to
    /// an OpenTelemetry collector
    #[arg(long = "rpc.telemetry", global = true)]
    pub enabled: bool,
    /// Comma-separated tags (key=value) added as attributes to the OpenTelemetry resource
    #[arg(long = "rpc.telemetry.tags", global = true, value_name = "TAGS")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tags: String,
    /// OpenTelemetry instance ID
    #[arg(long = "rpc.telemetry.instance-id", global = true, value_name = "ID")]
    #[serde(rename = "InstanceID", skip_serializing_if = "String::is_empty")]
    pub instance_id: String,
    /// Defines where RPC telemetry is sent, as OTLP over HTTP (default: http://localhost:4318)
    #[arg(long = "rpc.telemetry.endpoint", global = true, value_name = "URL")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub endpoint: String,
    /// Basic Auth username for OpenTelemetry
    #[arg(long = "rpc.telemetry.username", global = true, value_name = "NAME")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub auth_user: String,
    /// Basic Auth password for OpenTelemetry
    #[arg(
        long = "rpc.telemetry.password",
        global = true,
        value_name = "PASSWORD"
    )]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub auth_password: String,
    /// Defines the sampling ratio for RPC telemetry, 0.0 to 1.0 (default: 1)
    #[arg(
        long = "rpc.telemetry.sample-ratio",
        global = true,
        value_name = "RATIO"
    )]
    pub sample_ratio: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            tags: String::new(),
            instance_id: String::new(),
            endpoint: "http://localhost:4318".to_owned(),
            auth_user: String::new(),
            auth_password: String::new(),
            sample_ratio: 1.0,
        }
    }
}

impl TelemetryConfig {
    /// Returns whether nothing is set, so that the section need not be written.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the values.
    ///
    /// # Errors
    /// Fails if the ratio is not between 0 and 1, or the endpoint is no address of HTTP.
    pub fn check(&self) -> eyre::Result<()> {
        if !self.enabled {
            return Ok(());
        }
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            bail!(
                "invalid sample ratio: {}; --rpc.telemetry.sample-ratio is between 0 and 1",
                self.sample_ratio
            );
        }
        let endpoint = &self.endpoint;
        match endpoint.split_once("://") {
            Some(("http" | "https", _)) => Ok(()),
            Some((scheme @ ("grpc" | "grpcs"), _)) => bail!(
                "unsupported telemetry url scheme: {scheme}; collectors receive OTLP over HTTP, \
                 mostly on port 4318: --rpc.telemetry.endpoint http://localhost:4318"
            ),
            Some((scheme, _)) => bail!("unsupported telemetry url scheme: {scheme}"),
            None => bail!(
                "--rpc.telemetry.endpoint: {endpoint:?} is no address of a collector; use one like \
                 http://localhost:4318"
            ),
        }
    }

    /// Returns the address that traces are posted to: the endpoint, with OTLP's path if it has none.
    pub fn traces_url(&self) -> String {
        let (scheme, rest) = self.endpoint.split_once("://").unwrap_or_default();
        let rest = rest.trim_end_matches('/');
        if rest.contains('/') {
            self.endpoint.clone()
        } else {
            format!("{scheme}://{rest}/v1/traces")
        }
    }

    /// Returns the tags; an item without `=` is left out, as geth does.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.split(',').filter_map(|tag| tag.split_once('='))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_to(endpoint: &str) -> TelemetryConfig {
        TelemetryConfig {
            enabled: true,
            endpoint: endpoint.to_owned(),
            ..TelemetryConfig::default()
        }
    }

    #[test]
    fn an_endpoint_has_a_scheme_that_is_supported() {
        assert!(TelemetryConfig::default().check().is_ok());
        for (endpoint, url) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
            ("https://host/otlp/v1/traces", "https://host/otlp/v1/traces"),
        ] {
            assert!(sent_to(endpoint).check().is_ok(), "{endpoint}");
            assert_eq!(sent_to(endpoint).traces_url(), url);
        }
        for (endpoint, reason) in [
            ("localhost", "\"localhost\" is no address of a collector"),
            ("grpc://localhost:4317", "collectors receive OTLP over HTTP"),
            ("udp://host", "unsupported telemetry url scheme: udp"),
        ] {
            let error = sent_to(endpoint).check().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let mut sampled = sent_to("http://localhost:4318");
        sampled.sample_ratio = 1.5;
        assert!(sampled.check().is_err());
    }

    #[test]
    fn tags_are_pairs() {
        let config = TelemetryConfig {
            tags: "network=lab,zone=a=b,odd".to_owned(),
            ..TelemetryConfig::default()
        };
        let tags: Vec<_> = config.tags().collect();
        assert_eq!(tags, [("network", "lab"), ("zone", "a=b")]);
    }
}
