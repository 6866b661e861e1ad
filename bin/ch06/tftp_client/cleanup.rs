//! What is done when the program is told to end: the server is told, and no half file stays.

use netkata::error::{Attempt, Result};
use netkata::tftp::{ErrorCode, Packet};
use nix::sys::signal::{SigSet, Signal};
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What is to be undone. Clones share it.
#[derive(Clone, Default)]
pub struct Cleanup(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    part: Option<PathBuf>,
    transfer: Option<(UdpSocket, SocketAddr)>,
}

impl Cleanup {
    /// From now on SIGINT, SIGTERM and SIGHUP clean up, and end the program with 128 and their number, as shells count. A
    /// thread waits for them, so the transfer itself needs no look at anything but its socket.
    pub fn on_signals() -> Result<Self> {
        let mut signals = SigSet::empty();
        [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().for_each(|signal| signals.add(signal));
        // Before there is a second thread: it inherits what is blocked.
        signals.thread_block().map_err(io::Error::from).attempt("watch", "signals")?;
        let cleanup = Self::default();
        let watched = cleanup.clone();
        let watch = move || {
            if let Ok(signal) = signals.wait() {
                watched.end(signal);
            }
        };
        thread::Builder::new().name("signals".into()).spawn(watch).attempt("watch", "signals")?;
        Ok(cleanup)
    }

    fn end(&self, signal: Signal) -> ! {
        let mut state = self.lock();
        if let Some((socket, server)) = &state.transfer
            && let Ok(octets) = (Packet::Error { code: ErrorCode::NOT_DEFINED, message: b"interrupted" }).emit()
        {
            let _ = socket.send_to(&octets, server);
        }
        state.remove_part();
        if io::stderr().is_terminal() {
            // What the shell says next is not for the line of the progress bar.
            let _ = writeln!(io::stderr());
        }
        // With the lock held: nothing can get its name now.
        std::process::exit(128 + signal as i32)
    }

    /// The server to be told.
    pub fn tell_on_signal(&self, socket: &UdpSocket, server: SocketAddr) {
        self.lock().transfer = socket.try_clone().ok().map(|socket| (socket, server));
    }

    /// Makes the file that is to be removed, unless it gets its name.
    pub fn create(&self, part: &Path) -> io::Result<File> {
        let mut state = self.lock();
        let file = File::options().write(true).create_new(true).open(part)?;
        state.part = Some(part.into());
        Ok(file)
    }

    /// Gives the file its name.
    pub fn publish(&self, place: &Path, replace: bool) -> io::Result<()> {
        let mut state = self.lock();
        state.transfer = None;
        let Some(part) = &state.part else { return Ok(()) };
        if replace {
            fs::rename(part, place)?;
            state.part = None;
            return Ok(());
        }
        // link(2) takes no name that exists; rename(2) would.
        fs::hard_link(part, place)?;
        state.remove_part();
        Ok(())
    }

    pub fn remove_part(&self) {
        self.lock().remove_part();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove_part(&mut self) {
        if let Some(part) = self.part.take() {
            let _ = fs::remove_file(part);
        }
    }
}
