//! The paths, and what they answer.

use std::sync::Arc;
use std::time::Duration;

use crate::port::Clock;
use crate::port::pages::{Page, Pages};

use super::{Vitals, health, prometheus, status};

/// What metrics are written as, which is what Prometheus takes for granted.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub struct VitalsPages {
    vitals: Arc<Vitals>,
    clock: Arc<dyn Clock>,
    /// Bytes of memory that the process has.
    memory: fn() -> Option<u64>,
    /// How long the loop may do nothing.
    pub patience: Duration,
}

impl VitalsPages {
    pub fn new(vitals: Arc<Vitals>, clock: Arc<dyn Clock>, memory: fn() -> Option<u64>) -> Self {
        Self { vitals, clock, memory, patience: health::STUCK }
    }
}

impl Pages for VitalsPages {
    fn page(&self, path: &str) -> Option<Page> {
        let sound = |wrong: Option<String>| match wrong {
            None => Page::text(200, "ok\n".to_owned()),
            Some(wrong) => Page::text(503, wrong + "\n"),
        };
        let memory = (self.memory)();
        Some(match path {
            "/healthz" => sound(self.vitals.stuck(self.patience)),
            "/readyz" => sound(self.vitals.unready()),
            "/metrics" => {
                let body = prometheus::text(&self.vitals, self.clock.now(), memory);
                Page { status: 200, media_type: METRICS, body }
            }
            "/status" => {
                let status = status::json(&self.vitals, self.patience, self.clock.now(), memory);
                Page { status: 200, media_type: "application/json", body: format!("{status}\n") }
            }
            _ => return None,
        })
    }
}
