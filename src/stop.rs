//! Stopping on SIGINT (Ctrl-C), SIGTERM and SIGHUP: the first asks, the second insists.

use crate::context::Context;
use crate::error::{NetError, Result};
use crate::unix::file::remove_all;
use std::sync::atomic::{AtomicBool, Ordering};

/// A context that the first signal cancels. A second signal ends the process at once, with status 130.
///
/// The signal is taken by a thread of its own, so a blocked accept(2) does not even notice it. Whoever must notice
/// waits with [`Context::wait_readable`], which watches the socket and the context together.
///
/// # Errors
/// When the handler cannot be installed, or was installed before.
pub fn on_signals() -> Result<Context> {
    let ctx = Context::new();
    let stop = ctx.clone();
    let asked = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::SeqCst) {
            // No destructor runs on this way out.
            remove_all();
            std::process::exit(130);
        }
        stop.cancel();
    })
    .map_err(|e| NetError::new("watch", "signals", std::io::Error::other(e)))?;
    Ok(ctx)
}
