//! `boundaries`: what the table says, against what is known of such sockets.

use netkata_kit::prelude::*;

const SOON: Duration = Duration::from_secs(10);
const KINDS: [&str; 3] = ["stream", "datagram", "seqpacket"];
const PACKET: &str = "unix(7): SOCK_SEQPACKET preserves message boundaries, and is a connection";

pub fn program() -> Program {
    Program::finished(7, "boundaries")
        .check("joins_the_writes_of_a_stream", "a stream's reads know nothing of where a write ended", stream)
        .finished_only()
        .check("gives_each_datagram_a_read", "a read of a datagram socket gives what one write sent", datagram)
        .finished_only()
        .check("gives_each_packet_a_read", "a read of a seqpacket socket gives what one write sent", packet)
        .finished_only()
        .check("shows_every_size", "each --read is a line; without one, 1024 and 2 are", sizes)
        .finished_only()
        .check("tells_empty_from_ended", "an empty write is nothing to a stream, and a message to the others", empty)
        .finished_only()
        .check("finds_the_end", "after a close, a connection ends, and datagrams just stay away", close)
        .finished_only()
        .check("writes_to_nobody", "a write to who has gone is an error, another one for datagrams", gone)
        .finished_only()
        .check("misses_what_was_not_read", "who goes without reading breaks a connection", unread)
        .finished_only()
        .check(
            "closes_one_direction",
            "a half-close is an end for the other's reads, and no hindrance to its writes",
            half,
        )
        .finished_only()
        .check("shows_no_control_octets", "what is written cannot command the terminal", control)
        .finished_only()
        .check("refuses_what_makes_no_table", "too much, and nothing at all, is bad usage", bad_usage)
        .finished_only()
}

/// Something to write, how often, and into how much room.
struct Asked {
    text: String,
    times: usize,
    room: usize,
}

impl Asked {
    fn new(s: &mut Scene) -> Self {
        let text = word(s);
        let room = s.rng.usize(3..text.len());
        Self { text, times: s.rng.usize(4..8), room }
    }

    /// Starts the program, and waits for its end.
    fn run(&self, s: &mut Scene) -> Outcome {
        let (times, room) = (self.times.to_string(), self.room.to_string());
        run(s, &["--write", &self.text, "--times", &times, "--read", &room])
    }

    fn label(&self) -> String {
        format!("{} writes of {}, reads of {}", self.times, quoted(&self.text), self.room)
    }

    /// What reads give that keep the writes apart.
    fn apart(&self) -> String {
        vec![quoted(&self.text[..self.room]); self.times].join(" ")
    }

    fn joined(&self) -> String {
        let all = self.text.repeat(self.times);
        let pieces = all.as_bytes().chunks(self.room).map(|piece| quoted(&String::from_utf8_lossy(piece)));
        pieces.collect::<Vec<_>>().join(" ")
    }
}

/// A ship and a number.
fn word(s: &mut Scene) -> String {
    let phrase = s.phrase();
    let words: Vec<&str> = phrase.split(' ').collect();
    [words[0], words[words.len() - 1]].join(" ")
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn run(s: &mut Scene, arguments: &[&str]) -> Outcome {
    s.run_unseen(arguments)?;
    s.let_output_end()?;
    s.expect_exit(0, SOON)
}

/// The line of the table that begins so, in its three columns.
fn row(s: &mut Scene, label: &str) -> Outcome<Vec<String>> {
    let said = s.subject()?.stdout.all();
    let line = said.lines().find_map(|line| line.strip_prefix(label).filter(|rest| rest.starts_with("  ")));
    let line = line.ok_or_else(|| Failure::new(format!("a line `{label}`"), "none"))?;
    Ok(line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_string).collect())
}

/// One cell of it.
fn expect_cell(s: &mut Scene, label: &str, kind: &str, expected: &str) -> Outcome {
    let column = KINDS.iter().position(|name| *name == kind).unwrap_or_default();
    let row = row(s, label)?;
    match row.get(column).map(String::as_str) {
        Some(cell) if cell == expected => Ok(()),
        cell => {
            let got = cell.unwrap_or("nothing in that column").escape_debug().to_string().replace("\\\"", "\"");
            Err(Failure::new(format!("{label}, {kind}: {expected}"), got))
        }
    }
}

fn expect_row(s: &mut Scene, label: &str, expected: [&str; 3]) -> Outcome {
    KINDS.iter().zip(expected).try_for_each(|(kind, cell)| expect_cell(s, label, kind, cell))
}

fn stream(s: &mut Scene) -> Outcome {
    let asked = Asked::new(s);
    asked.run(s)?;
    expect_cell(s, &asked.label(), "stream", &asked.joined()).because(
        "unix(7): SOCK_STREAM carries octets; a read takes what is there, up to its buffer, from however many writes",
    )
}

fn datagram(s: &mut Scene) -> Outcome {
    let asked = Asked::new(s);
    asked.run(s)?;
    expect_cell(s, &asked.label(), "datagram", &asked.apart())
        .because("recv(2): a message that is too long for the buffer may have its excess octets discarded")
}

fn packet(s: &mut Scene) -> Outcome {
    let asked = Asked::new(s);
    asked.run(s)?;
    expect_cell(s, &asked.label(), "seqpacket", &asked.apart()).because(PACKET)
}

fn sizes(s: &mut Scene) -> Outcome {
    let (asked, all) = (Asked::new(s), s.rng.usize(1000..2000));
    run(s, &["--write", &asked.text, "--read", &asked.room.to_string(), "--read", &all.to_string()])?;
    let asked = Asked { times: 3, ..asked };
    expect_row(s, &asked.label(), [&asked.joined(), &asked.apart(), &asked.apart()])
        .because("the help: --read may be given several times")?;
    let (joined, apart) = (quoted(&asked.text.repeat(3)), vec![quoted(&asked.text); 3].join(" "));
    let asked = Asked { room: all, ..asked };
    expect_row(s, &asked.label(), [&joined, &apart, &apart]).because("the help: --read may be given several times")?;
    run(s, &[])?;
    for room in [2, 1024] {
        let asked = Asked { text: "ping".into(), times: 3, room };
        row(s, &asked.label()).because("the help: --read [default: 1024 2]")?;
    }
    Ok(())
}

fn empty(s: &mut Scene) -> Outcome {
    Asked::new(s).run(s)?;
    expect_row(s, "an empty write, reads", ["waits", "\"\" waits", "\"\" waits"])
        .because("recv(2): 0 is the end of a stream; a datagram of no octets is one all the same, and a packet too")
}

fn close(s: &mut Scene) -> Outcome {
    let asked = Asked::new(s);
    asked.run(s)?;
    let text = quoted(&asked.text);
    let (ended, stays) = (format!("{text} end"), format!("{text} waits"));
    expect_row(s, "a write, a close, reads", [&ended, &stays, &ended])
        .because("unix(7): a connection has an end, behind the last octets; datagram sockets have no connection")
}

fn gone(s: &mut Scene) -> Outcome {
    Asked::new(s).run(s)?;
    expect_row(s, "the reader has gone, a write", ["broken pipe", "connection refused", "broken pipe"])
        .because("send(2), EPIPE: of a connection; connect(2), ECONNREFUSED: nobody has the other socket any more")?;
    expect_row(s, "the reader has gone, a second write", ["broken pipe", "not connected", "broken pipe"])
        .because("send(2), ENOTCONN: the first error has taken the dead address away")
}

fn unread(s: &mut Scene) -> Outcome {
    Asked::new(s).run(s)?;
    let reset = "connection reset";
    expect_row(s, "it went with a write unread, a read", [reset, "waits", reset])
        .because("unix(7), ECONNRESET: the peer closed its socket with octets in it that it had not read")
}

fn half(s: &mut Scene) -> Outcome {
    let asked = Asked::new(s);
    asked.run(s)?;
    let text = quoted(&asked.text);
    expect_row(s, "a half-close, the other end reads", ["end", "waits", "end"])
        .because("shutdown(2), SHUT_WR: the peer of a connection is told; of datagrams, nobody is")?;
    expect_row(s, "a half-close, the other end writes", [&text, &text, &text])
        .because("shutdown(2), SHUT_WR: further transmissions will be disallowed; receptions will not")?;
    expect_row(s, "a half-close, the same end writes", ["broken pipe"; 3])
        .because("send(2), EPIPE: the local end has been shut down")
}

fn control(s: &mut Scene) -> Outcome {
    let word = word(s);
    run(s, &["--write", &format!("\x1b[7m{word}\r"), "--read", "1024"])?;
    let text = quoted(&format!("\\x1b[7m{word}\\r"));
    expect_row(s, "a half-close, the other end writes", [&text, &text, &text])
        .because("console_codes(4): ESC begins a command to the terminal")
}

fn bad_usage(s: &mut Scene) -> Outcome {
    let long = "x".repeat(65);
    for (arguments, reason) in [
        (["--times", "0"], "1..=100"),
        (["--times", "101"], "1..=100"),
        (["--read", "0"], "1 to 65,536 octets"),
        (["--read", "65537"], "1 to 65,536 octets"),
        (["--write", &long], "64 at the most"),
    ] {
        s.run_unseen(&arguments)?;
        s.expect_exit(2, SOON)
            .because("the help says what it takes; a read of 0 octets would tell nothing of the socket")?;
        s.expect_error(reason)?;
    }
    Ok(())
}
