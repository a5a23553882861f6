//! An end that was asked for while requests are tried again, or wait for an answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, Instant};

/// After a process was asked to end, requests under way have so long to be answered: schedulers kill after 30 s.
const GRACE: Duration = Duration::from_secs(10);
/// How often it is looked.
const STEP: Duration = Duration::from_millis(500);

static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// To be set when the process is asked to end: nothing is tried again then.
pub fn stop_flag() -> Arc<AtomicBool> {
    STOP.clone()
}

/// Whether the process was asked to end.
pub fn is_asked() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// What the future gives; `None` when it takes too long after the process was asked to end.
pub async fn unless_stopped<T>(future: impl Future<Output = T>) -> Option<T> {
    static FIRST_SEEN: OnceLock<Instant> = OnceLock::new();
    let mut future = std::pin::pin!(future);
    loop {
        if let Ok(result) = tokio::time::timeout(STEP, &mut future).await {
            return Some(result);
        }
        if is_asked() && FIRST_SEEN.get_or_init(Instant::now).elapsed() >= GRACE {
            return None;
        }
    }
}
