//! Rules and tools that the programs which dial have in common.

use netkata::black_hole::BlackHole;
use netkata_kit::prelude::*;
use std::net::SocketAddr;

/// How long a program may take to notice that its work is over. A connect that nobody ends goes on for two minutes.
pub const SOON: Duration = Duration::from_secs(3);

/// A port of this machine where a connect is neither accepted nor refused.
pub fn black_hole(s: &mut Scene) -> Outcome<BlackHole> {
    let hole = BlackHole::open().map_err(|e| Failure::new("a port that never answers", e.to_string()))?;
    s.journal.note(format!("{} never answers", hole.address()));
    Ok(hole)
}

/// A port of this machine where connects are refused.
pub fn refusing(s: &mut Scene) -> Outcome<SocketAddr> {
    let address = s.refusing_address()?;
    s.journal.note(format!("{address} refuses"));
    Ok(address)
}

/// Both ends of a conversation in which the check is the server: the program's end, and ours.
pub fn ends(c: &Talk) -> Outcome<(SocketAddr, SocketAddr)> {
    c.addresses().map(|(ours, theirs)| (theirs, ours)).ok_or_else(|| Failure::new("a connection", "none"))
}

/// The program has ended, not sooner than this long after `start`.
pub fn expect_end_after(s: &mut Scene, code: i32, start: Instant, least: Duration) -> Outcome {
    s.expect_exit(code, SOON)?;
    if start.elapsed() >= least {
        return Ok(());
    }
    Err(Failure::new(format!("the program to go on for {}", netkata::human::duration(least)), "it ended sooner"))
}

/// The next line of standard output is this one.
pub fn expect_line(s: &mut Scene, wanted: &str) -> Outcome {
    let line = s.output_line()?;
    if line == wanted { Ok(()) } else { Err(Failure::new(format!("the line {wanted:?}"), format!("{line:?}"))) }
}

/// The next line of standard error has these parts.
pub fn expect_in_error(s: &mut Scene, parts: &[&str]) -> Outcome {
    let line = s.error_line()?;
    match parts.iter().find(|part| !line.contains(*part)) {
        None => Ok(()),
        Some(part) => Err(Failure::new(format!("{part:?} on standard error"), format!("{:?}", line.trim()))),
    }
}

/// Bad usage: status 2, and the reason on standard error.
pub fn expect_bad_usage(s: &mut Scene, reason: &str) -> Outcome {
    s.expect_exit(2, SOON)?;
    s.expect_error(reason)
}
