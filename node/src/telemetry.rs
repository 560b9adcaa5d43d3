//! The exporter of traces to an OpenTelemetry collector, with geth's limits and attributes.
//!
//! The spans are those of JSON-RPC requests, and of the messages and jobs that a request causes. They
//! are collected in a bounded queue, from which a thread of the library posts them in batches; what
//! does not fit is dropped and counted by the library. A collector that is away costs no request.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use actoreum_rpc::http_client;
use actoreum_supervision::{SPANS_TARGET, continue_spans};
use base64ct::{Base64, Encoding as _};
use eyre::{WrapErr as _, eyre};
use opentelemetry::{KeyValue, global, trace::TracerProvider as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider},
};
use tracing::{error, level_filters::LevelFilter};
use tracing_subscriber::{Layer, Registry, filter::Targets};

use crate::config::telemetry::TelemetryConfig;
use crate::version;

/// Maximum number of spans that wait for their export, as in geth. More are dropped.
const MAX_QUEUED_SPANS: usize = 2048;
/// Maximum number of spans in one request to the collector, as in geth.
const MAX_BATCH_SPANS: usize = 512;
/// Pause between two exports, as in geth.
const EXPORT_PERIOD: Duration = Duration::from_secs(5);
/// Timeout of a request to the collector.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the last export when the node stops, as in geth.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum bytes of a collector's answer.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// The exporter. When it is dropped, what is queued is exported.
pub struct Telemetry(SdkTracerProvider);

impl Telemetry {
    /// Starts the exporter, if it is enabled.
    ///
    /// # Errors
    /// Fails if the endpoint is no address, or if no certificate authority is trusted for https.
    pub fn start(config: &TelemetryConfig) -> eyre::Result<Option<Self>> {
        if !config.enabled {
            return Ok(None);
        }
        config.check()?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(config)?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(config.traces_url())
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .wrap_err("OpenTelemetry exporter didn't start")?;
        let limits = BatchConfigBuilder::default()
            .with_max_queue_size(MAX_QUEUED_SPANS)
            .with_max_export_batch_size(MAX_BATCH_SPANS)
            .with_scheduled_delay(EXPORT_PERIOD)
            .build();
        let exports = BatchSpanProcessor::builder(exporter).with_batch_config(limits);
        let ratio = Sampler::TraceIdRatioBased(config.sample_ratio);
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(ratio)))
            .with_span_processor(exports.build())
            .with_resource(resource(config))
            .build();
        global::set_text_map_propagator(TraceContextPropagator::new());
        continue_spans();
        Ok(Some(Self(provider)))
    }

    /// Returns the layer that turns spans of `tracing` into those of the exporter.
    pub fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("actoreum"))
            .with_level(false)
            .with_target(false)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(SPANS_TARGET, LevelFilter::INFO))
            .boxed()
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(STOP_TIMEOUT) {
            error!(%error, "failed to export the last traces");
        }
    }
}

/// Returns what the collector is told about this process.
fn resource(config: &TelemetryConfig) -> Resource {
    let mut attributes = vec![KeyValue::new("client.name", version::client())];
    if !config.instance_id.is_empty() {
        let id = KeyValue::new("service.instance.id", config.instance_id.clone());
        attributes.push(id);
    }
    let tags = config.tags();
    attributes.extend(tags.map(|(key, value)| KeyValue::new(key.to_owned(), value.to_owned())));
    Resource::builder_empty()
        .with_service_name("actoreum")
        .with_attributes(attributes)
        .build()
}

/// The client of the collector. It blocks the exporter's own thread.
struct Collector {
    agent: ureq::Agent,
    authorization: Option<String>,
}

impl Collector {
    fn new(config: &TelemetryConfig) -> eyre::Result<Self> {
        let agent = http_client::agent(&config.endpoint).map_err(|error| eyre!(error))?;
        let authorization = (!config.auth_user.is_empty()).then(|| basic(config));
        Ok(Self {
            agent,
            authorization,
        })
    }

    fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (mut head, body) = request.into_parts();
        if let Some(authorization) = &self.authorization {
            let value = authorization.parse()?;
            head.headers.insert("authorization", value);
        }
        let request = Request::from_parts(head, body.as_ref());
        let request = self.agent.configure_request(request);
        let request = request.timeout_global(Some(EXPORT_TIMEOUT)).build();
        let (head, mut body) = self.agent.run(request)?.into_parts();
        let answer = body.with_config().limit(MAX_ANSWER_BYTES).read_to_vec()?;
        Ok(Response::from_parts(head, answer.into()))
    }
}

/// Returns the value of the header of HTTP's basic authentication.
fn basic(config: &TelemetryConfig) -> String {
    let credentials = format!("{}:{}", config.auth_user, config.auth_password);
    format!("Basic {}", Base64::encode_string(credentials.as_bytes()))
}

// Without the credentials.
impl fmt::Debug for Collector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Collector")
    }
}

impl HttpClient for Collector {
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move { self.post(request) })
    }
}
