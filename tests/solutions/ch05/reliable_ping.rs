//! Pings a UDP echo service over a network that loses, repeats and delays, and tells the answers apart.
//!
//! The client speaks first. A ping is a datagram of 8 octets: the letters `ping`, the ping's number, and the number of the try,
//! both counted from 1, in two octets each, the most significant first. The server sends it back as it came (RFC 862).
//! There is one ping at a time. When no answer has come `--timeout` after a try, the next try goes out, `--retries` times at
//! the most; then the ping is lost. However it ends, the next ping goes out at once. Nobody closes anything.
//!
//! A ping is answered by the answer to any of its tries. What else comes is shown, and changes nothing: neither what is waited
//! for, nor until when. Each event is a line on standard output:
//!
//! | line | what came |
//! |---|---|
//! | `reply 3, try 2: 1.2ms` | the first answer to the ping that is waited for; the time since *that* try was sent |
//! | `duplicate 2` | an answer to a ping that has had one |
//! | `late 1` | the first answer to a ping that was given up |
//! | `unknown, 7 octets` | anything else: not 8 octets of that form, or a try that was never made |
//! | `refused 3` | the server's host says that nobody has the port; a later try may be lucky |
//! | `lost 3` | nothing: the ping is given up |
//!
//! The last two lines are the sums, and the shortest, mean and longest time of the replies, if there were any. Strangers are
//! not heard at all. Without a single reply the exit status is 1, with an error that says so.
//!
//! - Graded: the datagrams, to the octet; when they are sent; each line; the sums; strangers; the exit status.
//! - Not graded: the mean. May be hard-coded: nothing but the four letters.
//!
//! ```text
//! cargo run --bin udp_echo_server                # and: cargo run --bin lossy_link -- 127.0.0.1:7060 --drop 30% --seed 4
//! cargo run -p lessons --bin reliable_ping -- 127.0.0.1:7066 --timeout 200ms
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::datagram::{self, LONGEST, passes};
use netkata::error::{Attempt, NetError, Result};
use netkata::{exit, human};
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What a ping begins with.
const LETTERS: &[u8; 4] = b"ping";
/// Octets of a ping.
const LENGTH: usize = 8;

/// Pings a UDP echo service, and tells replies, duplicates, late answers and losses apart.
#[derive(Parser)]
#[command(after_help = "Example:\n  reliable_ping 127.0.0.1:7060 --count 10 --timeout 200ms --retries 2")]
struct Args {
    /// The echo service: host:port
    #[arg(default_value = "127.0.0.1:7060")]
    address: String,
    /// How many pings
    #[arg(long, default_value = "5", value_parser = clap::value_parser!(u16).range(1..))]
    count: u16,
    /// How long each try waits for an answer
    #[arg(long, default_value = "1s", value_parser = human::parse_limit)]
    timeout: Duration,
    /// How many further tries a ping has
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u16).range(..=1000))]
    retries: u16,
}

/// What the socket had to say.
enum Came {
    /// A datagram, with this payload.
    Datagram(Vec<u8>),
    /// ICMP: nobody has the port.
    Refused,
}

/// What a datagram means.
enum Answer {
    /// It took so long.
    Reply(Duration),
    Duplicate,
    Late,
    Unknown,
}

struct Pinger<'a> {
    args: &'a Args,
    socket: UdpSocket,
    /// When each try of each ping was sent.
    sent: Vec<Vec<Instant>>,
    /// Which pings have had an answer, late or not.
    answered: Vec<bool>,
    /// How long the replies took.
    times: Vec<Duration>,
    duplicates: usize,
    late: usize,
    unknown: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| run(&args))
}

fn run(args: &Args) -> Result<()> {
    let socket = open(&args.address)?;
    let (sent, answered, times) = (Vec::new(), Vec::new(), Vec::new());
    let mut pinger = Pinger { args, socket, sent, answered, times, duplicates: 0, late: 0, unknown: 0 };
    for number in 1..=args.count {
        pinger.sent.push(Vec::new());
        pinger.answered.push(false);
        if !pinger.ping(number)? {
            exit::say(format_args!("lost {number}"))?;
        }
    }
    pinger.sum_up()
}

/// A socket for pings to this address.
fn open(address: &str) -> Result<UdpSocket> {
    // step 1: open a socket that hears nobody but the server, and that is told when the server's host refuses
    // stub: let _ = (address, Network::Udp);
    datagram::connect(Network::Udp, address)
    // end of step 1
}

impl Pinger<'_> {
    /// Sends one ping, try after try. Whether it was answered.
    fn ping(&mut self, number: u16) -> Result<bool> {
        // step 2: make try 1 and wait `timeout` for the answer, then try 2, and so on, `retries` more at the most; until an
        // answer comes, `tell` each thing that does
        // stub: let _ = (number, self.args.timeout, self.args.retries, Self::send, Self::next, Self::tell);
        for attempt in 1..=self.args.retries + 1 {
            self.send(number, attempt)?;
            let until = Instant::now() + self.args.timeout;
            while let Some(came) = self.next(until)? {
                if self.tell(number, came)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
        // end of step 2
    }

    fn send(&mut self, number: u16, attempt: u16) -> Result<()> {
        let octets = write_ping(number, attempt);
        if let Some(tries) = self.sent.last_mut() {
            tries.push(Instant::now());
        }
        let sent = match self.socket.send(&octets) {
            // The refusal of a try before this one, which has not left yet (udp(7)).
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => self.socket.send(&octets),
            sent => sent,
        };
        sent.map(drop).attempt("send", &self.args.address)
    }
}

/// Eight octets.
fn write_ping(number: u16, attempt: u16) -> [u8; LENGTH] {
    // step 3: write the letters, the number and the try
    // stub: let _ = (number, attempt, LETTERS);
    let mut octets = [0; LENGTH];
    octets[..4].copy_from_slice(LETTERS);
    octets[4..6].copy_from_slice(&number.to_be_bytes());
    octets[6..].copy_from_slice(&attempt.to_be_bytes());
    octets
    // end of step 3
}

impl Pinger<'_> {
    /// What comes next, or nothing when it has not come by then.
    fn next(&mut self, until: Instant) -> Result<Option<Came>> {
        let mut buffer = vec![0; LONGEST];
        // step 4: wait for the time that is left, however often something came before; a datagram may be empty, and a
        // refusal is one that `Came` knows
        // stub: let _ = (until, &mut buffer, passes, datagram::receive, (Came::Refused, Came::Datagram));
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let waited = self.socket.set_read_timeout(Some(left));
            match waited.and_then(|()| datagram::receive(&self.socket, &mut buffer)) {
                Ok(got) => return Ok(Some(Came::Datagram(buffer[..got.len].to_vec()))),
                Err(e) if e.kind() == ErrorKind::ConnectionRefused => return Ok(Some(Came::Refused)),
                Err(e) if passes(&e) => {}
                Err(e) => return Err(NetError::new("receive", &self.args.address, e)),
            }
        }
        // end of step 4
    }
}

/// The number and the try, if this is a ping.
fn read_ping(octets: &[u8]) -> Option<(u16, u16)> {
    // step 5: read what `write_ping` writes, and nothing else: no octet less or more
    // stub: let _ = octets;
    let octets: &[u8; LENGTH] = octets.try_into().ok()?;
    let number = |at: usize| Some(u16::from_be_bytes(octets.get(at..at + 2)?.try_into().ok()?));
    if octets.starts_with(LETTERS) { number(4).zip(number(6)) } else { None }
    // end of step 5
}

impl Pinger<'_> {
    /// What an answer to this try means, while ping `waited_for` is waited for. Marks its ping as answered.
    fn judge(&mut self, waited_for: u16, number: u16, attempt: u16) -> Answer {
        let at = |n: u16| (n as usize).checked_sub(1);
        let sent = at(number).zip(at(attempt)).and_then(|(n, a)| self.sent.get(n)?.get(a));
        // step 6: tell the four answers apart: `sent` is when this try was made, if it was; `answered` is there for you to
        // keep
        // stub: let _ = (waited_for, sent, &mut self.answered);
        // stub: let _ = (Answer::Reply, Answer::Duplicate, Answer::Late, Answer::Unknown);
        let Some(sent) = sent else { return Answer::Unknown };
        match std::mem::replace(&mut self.answered[number as usize - 1], true) {
            true => Answer::Duplicate,
            false if number == waited_for => Answer::Reply(sent.elapsed()),
            false => Answer::Late,
        }
        // end of step 6
    }

    /// Prints and counts what came. Whether it was the reply.
    fn tell(&mut self, waited_for: u16, came: Came) -> Result<bool> {
        let octets = match came {
            Came::Refused => return exit::say(format_args!("refused {waited_for}")).map(|()| false),
            Came::Datagram(octets) => octets,
        };
        let ping = read_ping(&octets);
        let answer = ping.map_or(Answer::Unknown, |(number, attempt)| self.judge(waited_for, number, attempt));
        let (number, attempt) = ping.unwrap_or_default();
        let line = match answer {
            Answer::Reply(time) => {
                self.times.push(time);
                format!("reply {number}, try {attempt}: {}", shown(time))
            }
            Answer::Duplicate => counted(&mut self.duplicates, format!("duplicate {number}")),
            Answer::Late => counted(&mut self.late, format!("late {number}")),
            Answer::Unknown => counted(&mut self.unknown, format!("unknown, {}", human::count(octets.len(), "octet"))),
        };
        exit::say(line)?;
        Ok(matches!(answer, Answer::Reply(_)))
    }

    fn sum_up(&self) -> Result<()> {
        let (pings, tries, replies) = (self.sent.len(), self.sent.iter().map(Vec::len).sum(), self.times.len());
        let sums = [
            human::count(pings, "ping"),
            format!("{} {}", human::thousands(tries), if tries == 1 { "try" } else { "tries" }),
            format!("{replies} answered, {} lost", pings - replies),
            human::count(self.duplicates, "duplicate"),
            format!("{} late, {} unknown", self.late, self.unknown),
        ];
        exit::say(sums.join(", "))?;
        let none = || NetError::invalid("ping", format!("udp://{}", self.args.address), "no reply");
        let (Some(least), Some(most)) = (self.times.iter().min(), self.times.iter().max()) else { return Err(none()) };
        let mean = self.times.iter().sum::<Duration>() / u32::try_from(replies).unwrap_or(u32::MAX);
        exit::say(format_args!(
            "round trip: shortest {}, mean {}, longest {}",
            shown(*least),
            shown(mean),
            shown(*most)
        ))
    }
}

fn counted(counter: &mut usize, line: String) -> String {
    *counter += 1;
    line
}

/// To the microsecond.
fn shown(time: Duration) -> String {
    human::duration(human::round_to(time, Duration::from_micros(1)))
}
