//! Rules that every program of the suite keeps.

use netkata_kit::prelude::*;
use nix::sys::signal::Signal;

/// A server on a wrong address says so in one line and ends.
pub fn names_a_bad_address(s: &mut Scene) -> Outcome {
    for (address, named) in [
        ("127.0.0.1", "no port"),
        ("127.0.0.1:123456", "invalid port"),
        ("127.0.0.1:no-such-service", "unknown service"),
        // A name with an empty label: the resolver knows without asking anyone that there is no such host.
        ("harbour..nowhere:7007", "harbour..nowhere"),
    ] {
        s.run_with(&[address])?;
        expect_one_error(s, named)?;
    }
    Ok(())
}

/// A port that is taken is named, with the reason.
pub fn names_a_port_in_use(s: &mut Scene) -> Outcome {
    let taken = s.listen()?.to_string();
    s.run_with(&[&taken])?;
    expect_one_error(s, &format!("{taken}: address already in use"))
}

/// As [`names_a_port_in_use`], over UDP: two sockets on one port would share its datagrams out between them.
pub fn names_a_udp_port_in_use(s: &mut Scene) -> Outcome {
    let holder = s.upstream_udp()?;
    let taken = holder.to_string();
    let (_, address) = taken.split_once("://").unwrap_or_default();
    s.run_with(&[address])?;
    expect_one_error(s, &format!("{taken}: address already in use"))
}

/// SIGTERM ends an idle server within two seconds, with status 0.
pub fn ends_on_sigterm(s: &mut Scene) -> Outcome {
    s.start()?;
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2))
        .because("signal(7): SIGTERM asks a process to end; a server that keeps its word leaves with status 0")
}

/// Ctrl-C does the same.
pub fn ends_on_sigint(s: &mut Scene) -> Outcome {
    s.start()?;
    s.signal(Signal::SIGINT)?;
    s.expect_exit(0, Duration::from_secs(2)).because("signal(7): SIGINT is Ctrl-C at a terminal")
}

/// A client where nobody listens says who refused, in one line.
pub fn names_a_refused_connection(s: &mut Scene) -> Outcome {
    let address = s.refusing_address()?.to_string();
    s.run_with(&[&address])?;
    s.end_input()?;
    expect_one_error(s, &format!("connect tcp://{address}: connection refused"))
}

/// A client sent to a host or port that cannot be says so.
pub fn names_a_bad_peer(s: &mut Scene) -> Outcome {
    for (address, named) in
        [("127.0.0.1", "no port"), ("127.0.0.1:70000", "invalid port"), ("harbour..nowhere:7", "harbour..nowhere")]
    {
        s.run_with(&[address])?;
        s.end_input()?;
        expect_one_error(s, named)?;
    }
    Ok(())
}

/// An echo server: one client has been served and stays, one has not said a word yet, and the one that came last speaks.
pub fn serves_clients_side_by_side(s: &mut Scene) -> Outcome {
    side_by_side(s, Scene::phrase, echo)
}

/// An echo server: a client is served, and resets. The next one is served as if nothing had happened.
pub fn survives_a_reset(s: &mut Scene) -> Outcome {
    next_after_a_reset(s, Scene::phrase, echo)
}

/// What is sent comes back.
pub fn echo(c: &mut Talk, words: &impl AsRef<[u8]>) -> Outcome {
    c.send(words.as_ref())?;
    c.expect(words.as_ref())
}

/// As [`serves_clients_side_by_side`], for a server with another exchange than an echo's: what is asked, and how.
pub fn side_by_side<W>(s: &mut Scene, ask: fn(&mut Scene) -> W, exchange: fn(&mut Talk, &W) -> Outcome) -> Outcome {
    const WHY: &str = "accept(2) takes one connection at a time; serving must not keep it from the next";
    let (first, second, third) = (ask(s), ask(s), ask(s));
    let mut stays = s.connect()?;
    exchange(&mut stays, &first)?;
    let (mut silent, mut last) = (s.connect()?, s.connect()?);
    exchange(&mut last, &second).because(WHY)?;
    exchange(&mut silent, &third).because(WHY)?;
    exchange(&mut stays, &first).because(WHY)
}

/// As [`survives_a_reset`], for a server with another exchange than an echo's.
pub fn next_after_a_reset<W>(
    s: &mut Scene,
    ask: fn(&mut Scene) -> W,
    exchange: fn(&mut Talk, &W) -> Outcome,
) -> Outcome {
    const WHY: &str = "RFC 9293 §3.5.3: a reset aborts its own connection";
    let (first, second) = (ask(s), ask(s));
    let mut a = s.connect()?;
    exchange(&mut a, &first)?;
    a.reset()?;
    let mut b = s.connect()?;
    exchange(&mut b, &second).because(WHY)?;
    // A thread that panics takes a moment to say so.
    b.expect_silence(ms(40)).because(WHY)
}

/// What takes its time came no sooner than it may. Nothing is said of how late it may come: this machine may be busy.
pub fn not_before(start: Instant, least: Duration) -> Outcome {
    if start.elapsed() >= least {
        return Ok(());
    }
    Err(Failure::new(format!("{} to pass before this", netkata::human::duration(least)), "it came sooner"))
}

/// `error: …` with this text in it, alone on standard error, and status 1.
pub fn expect_one_error(s: &mut Scene, named: &str) -> Outcome {
    const WHY: &str =
        "a failure names the attempt, the peer and the cause in one line on standard error, and ends with 1";
    fails_with(s, named).because(WHY)
}

/// As [`expect_one_error`], where the check has its own reason.
pub fn fails_with(s: &mut Scene, named: &str) -> Outcome {
    s.expect_exit(1, Duration::from_secs(5))?;
    let line = s.error_line()?;
    if !line.starts_with("error: ") || !line.contains(named) {
        return Err(Failure::new(format!("a line `error: …{named}…`"), format!("{line:?}")));
    }
    Ok(())
}

/// The next line on standard error is this one.
pub fn error_line_is(s: &mut Scene, right: &str) -> Outcome {
    let line = s.error_line().map_err(|f| Failure::new(format!("a line `{right}` on standard error"), f.got))?;
    if line == right {
        Ok(())
    } else {
        Err(Failure::new(format!("the line `{right}` on standard error"), format!("`{line}`")))
    }
}
