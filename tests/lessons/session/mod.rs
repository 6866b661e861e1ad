//! `<!-- session: NAME`: programs in terminals, run for real, and what the terminals showed.
//!
//! ```text
//! <!-- session: echo
//! server$ cargo run -q --bin echo_server
//! server> listening on tcp://127.0.0.1:7007
//! client$ nc -N 127.0.0.1 7007
//! client< ahoy
//! client> ahoy
//! client eof
//! client exit 0
//! server signal INT
//! server exit 0
//! -->
//! <!-- end -->
//! ```
//!
//! The script says what is typed and what is waited for; everything that was shown is compared with the page. The lines
//! of a script, and the settings that may stand before them, are in [`script`]; ports and other things that change from
//! run to run are in [`normalise`].
//!
//! Order is the author's: what happens in two terminals at once may be shown in either order from run to run. A script
//! that waits for the effect of each step (`server> *closed*` before `server signal INT`) has only one. So that a race is
//! found when a page is written, and not by a reader, `SYNC=1` runs each session five times.
//!
//! A session with a picture or a dump runs over relays, and each connection is two: client to relay, relay to server.
//! Programs that list sockets (`ss`) would show both, so they go into a session of their own. Tapped are the servers that
//! announce where they are, `listening on tcp://…`, `udp://…`, and with a relative path `unix://harbour.sock`, `unixgram://…`,
//! `unixpacket://…` (then with `folder: temp`; how this is done is in [`place`]); but not abstract names, and not what the
//! session says is `untapped`.

pub mod normalise;
pub mod place;
pub mod ports;
pub mod programs;
pub mod render;
pub mod run;
pub mod script;
mod terminal;

use crate::marks::{Kind, Mark};
use crate::page::{self, Page, first_word};
use crate::wire;
use netkata::tap::Journal;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How often a session is run before it is written into a page.
const SYNC_RUNS: usize = 5;

/// What a session left behind, as it is shown: nothing in it changes from run to run.
#[derive(Debug)]
pub struct Run {
    /// In the order in which they were opened.
    pub terminals: Vec<(String, String)>,
    /// What went over the tapped connections. `None` unless a picture or a dump is made from it.
    pub journal: Option<Journal>,
    /// The transcripts are not wanted in the page.
    pub hidden: bool,
}

impl Run {
    /// Everything in one text.
    fn story(&self) -> String {
        let screens: Vec<String> = self.terminals.iter().map(|(name, screen)| format!("{name}:\n{screen}\n")).collect();
        screens.concat() + &self.journal.as_ref().map(wire::story).unwrap_or_default()
    }
}

/// How a recording ended.
#[derive(Clone, Debug)]
pub enum Recording {
    Done(Arc<Run>),
    /// A program that the session needs is not here.
    Skipped(String),
}

/// The sessions of a page that were run, each once.
#[derive(Debug, Default)]
pub struct Recordings(Mutex<HashMap<String, Arc<Cell>>>);

/// Filled by the first mark that asks; the others wait for it.
type Cell = OnceLock<Result<Recording, String>>;

/// The recording that a mark (a session, or a picture or dump of one) is about.
pub fn recording(page: &Page, mark: &Mark) -> Result<Recording, String> {
    let name = first_word(&mark.head);
    let cell = page.recordings.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name.into()).or_default().clone();
    cell.get_or_init(|| record(page, name)).clone()
}

fn record(page: &Page, name: &str) -> Result<Recording, String> {
    let found: Vec<&Mark> =
        page.marks.iter().filter(|m| m.kind == Kind::Session && first_word(&m.head) == name).collect();
    let [mark] = found[..] else { return Err(format!("the page has {} sessions named {name:?}", found.len())) };
    let script = script::parse(&mark.script, mark.line + 1).map_err(|e| format!("session {name}: {e}"))?;
    let missing = programs::missing(&script);
    if !missing.is_empty() {
        return Ok(Recording::Skipped(format!("not installed: {}", missing.join(", "))));
    }
    let once = || run::run(&page.site, &script, page.draws(name)).map_err(|e| format!("session {name}: {e}"));
    let run = once()?;
    // What is written into a page must come out of every run.
    for _ in 1..if page.site.sync { SYNC_RUNS } else { 1 } {
        let (first, again) = (run.story(), once()?.story());
        if first != again {
            let diff = page::diff(&first, &again, ("one run", "another"));
            return Err(format!("session {name} is not the same each time: wait for more, or mask it\n{diff}"));
        }
    }
    Ok(Recording::Done(Arc::new(run)))
}
