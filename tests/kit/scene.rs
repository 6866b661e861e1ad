//! The scene of one check: the subject, the conversations with it, the journal, the seed.

use crate::datagram::Datagrams;
use crate::failure::{Failure, Outcome};
use crate::listener;
use crate::stream::Stream;
use crate::subject::{Launch, Subject, describe};
use crate::talk::{Leftovers, PATIENCE, Talk};
use netkata::human;
use netkata::tap::{Conversation, From, Journal, Transport};
use nix::sys::signal::Signal;
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// What a journal keeps of one check. A flood is counted beyond that, not kept.
const JOURNAL: usize = 8 << 20;

/// Everything a check works with.
pub struct Scene {
    launch: Launch,
    options: Vec<String>,
    /// What happens.
    pub journal: Journal,
    /// Random inputs, by the seed that the message prints.
    pub rng: fastrand::Rng,
    subject: Option<Subject>,
    address: String,
    listener: Option<TcpListener>,
    exit_seen: bool,
    folder: Option<tempfile::TempDir>,
    descriptors: Option<u32>,
    leftovers: Leftovers,
    kept: Vec<Talk>,
    bound: Vec<Socket>,
}

impl Scene {
    /// A scene whose subject is not started yet.
    pub fn new(launch: &Launch, options: &[&str], seed: u64) -> Self {
        Self {
            launch: launch.clone(),
            options: options.iter().map(ToString::to_string).collect(),
            journal: Journal::new(JOURNAL),
            rng: fastrand::Rng::with_seed(seed),
            subject: None,
            address: String::new(),
            listener: None,
            exit_seen: false,
            folder: None,
            descriptors: None,
            leftovers: Leftovers::default(),
            kept: Vec::new(),
            bound: Vec::new(),
        }
    }

    // ---- the subject as a server ----

    /// Starts the subject on a free port of loopback and reads where it listens.
    pub fn start(&mut self) -> Outcome {
        self.start_on("127.0.0.1:0")
    }

    /// As [`Scene::start`], with these options instead of the check's.
    pub fn start_with(&mut self, options: &[&str]) -> Outcome {
        self.options = options.iter().map(ToString::to_string).collect();
        self.start()
    }

    /// As [`Scene::start`], on an address of the check's choice.
    pub fn start_on(&mut self, address: &str) -> Outcome {
        let mut arguments = vec![address.to_string()];
        arguments.extend(self.options.iter().cloned());
        self.launch(&arguments, false)?;
        self.address = self.subject()?.announced()?;
        Ok(())
    }

    /// A further argument for the subject, whose value differs from run to run. Before the subject is started.
    pub fn option(&mut self, name: &str, value: impl std::fmt::Display) {
        self.journal.note(format!("started with {name} {value}"));
        self.options.extend([name.to_string(), value.to_string()]);
    }

    /// Where the subject said that it listens; starts it first if need be.
    pub fn address(&mut self) -> Outcome<SocketAddr> {
        if self.address.is_empty() {
            self.start()?;
        }
        self.address.parse().map_err(|_| {
            Failure::new("an address with a port, as in tcp://127.0.0.1:7007", format!("{:?}", self.address))
        })
    }

    /// A new connection to the subject, which is started first if need be.
    pub fn connect(&mut self) -> Outcome<Talk> {
        self.connect_with(None)
    }

    /// A new connection with a small receive buffer: a client that can be slow. Takes setsockopt's view of the size.
    pub fn connect_slow(&mut self, receive_buffer: usize) -> Outcome<Talk> {
        self.connect_with(Some(receive_buffer))
    }

    fn connect_with(&mut self, receive_buffer: Option<usize>) -> Outcome<Talk> {
        if self.address.is_empty() {
            self.start()?;
        }
        if let Some(path) = self.address.strip_prefix('/') {
            let path = format!("/{path}");
            let stream = UnixStream::connect(&path).map_err(|e| refused(&path, &e))?;
            return Ok(self.talk(Stream::Unix(stream), From::Client));
        }
        let address = self.address()?;
        let stream = dial(address, receive_buffer).map_err(|e| refused(&address.to_string(), &e))?;
        Ok(self.talk(Stream::Tcp(stream), From::Client))
    }

    /// Datagrams to and from the subject's UDP address.
    pub fn datagrams(&mut self) -> Outcome<Datagrams> {
        let address = self.address()?;
        Datagrams::open(address, &self.launch.name, &self.journal).map_err(|e| refused("a UDP socket", &e))
    }

    /// Keeps a conversation open for as long as the subject runs, and looks at it no more: so that what the subject does when
    /// a client leaves has no part in this check.
    pub fn keep(&mut self, mut talk: Talk) {
        talk.ignore();
        self.kept.push(talk);
    }

    /// Many connections at once, not written down one by one.
    pub fn crowd(&mut self, n: usize) -> Outcome<Vec<TcpStream>> {
        let address = self.address()?;
        self.journal.note(format!("{} clients connect", human::thousands(n)));
        (0..n)
            .map(|i| {
                TcpStream::connect_timeout(&address, PATIENCE * 5).map_err(|e| {
                    let got =
                        format!("client {} could not: {}", human::thousands(i + 1), netkata::error::cause_text(&e));
                    Failure::new(format!("{} clients to be let in", human::thousands(n)), got)
                })
            })
            .collect()
    }

    // ---- the subject as a client, or as a command ----

    /// Listens on a free port of loopback and starts the subject with that address, followed by the check's options.
    pub fn start_client(&mut self) -> Outcome<SocketAddr> {
        self.start_client_with(true)
    }

    /// As [`Scene::start_client`], without its output in the dialogue: for output that differs from run to run.
    pub fn start_client_unseen(&mut self) -> Outcome<SocketAddr> {
        self.start_client_with(false)
    }

    fn start_client_with(&mut self, terminal: bool) -> Outcome<SocketAddr> {
        let address = self.listen()?;
        let mut arguments = vec![address.to_string()];
        arguments.extend(self.options.iter().cloned());
        if !terminal {
            self.journal.note(format!("{} {}", self.launch.name, arguments.join(" ")));
        }
        self.launch(&arguments, terminal)?;
        Ok(address)
    }

    /// Listens on a free port of loopback, for a subject that is started later.
    pub fn listen(&mut self) -> Outcome<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| refused("a port", &e))?;
        let address = listener.local_addr().map_err(|e| refused("a port", &e))?;
        self.listener = Some(listener);
        Ok(address)
    }

    /// Closes the listening socket: from now on, connects are refused, as long as nobody else takes the port.
    pub fn stop_listening(&mut self) {
        self.listener = None;
    }

    /// An address that refuses connects for as long as the scene lasts: bound, so that nobody else gets the port, and
    /// not listened on.
    pub fn refusing_address(&mut self) -> Outcome<SocketAddr> {
        let bound = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
            let address = socket.local_addr()?.as_socket();
            Ok((socket, address))
        };
        let (socket, address) = bound().map_err(|e: std::io::Error| refused("a port", &e))?;
        self.bound.push(socket);
        address.ok_or_else(|| Failure::new("an IPv4 address", "another"))
    }

    /// Waits for the subject to connect.
    pub fn accept(&mut self) -> Outcome<Talk> {
        let listener = self.listener.as_ref().ok_or_else(|| Failure::new("a listener", "none"))?;
        let ctx = netkata::context::Context::new().with_timeout(PATIENCE * 2);
        let ready = ctx.wait_readable(listener).map_err(|e| refused("poll", &e))?;
        if ready != netkata::context::Ready::Socket {
            return Err(Failure::new("the program to connect", "it did not within 4 s"));
        }
        let (stream, _) = listener.accept().map_err(|e| refused("accept", &e))?;
        Ok(self.talk(Stream::Tcp(stream), From::Server))
    }

    /// Nobody has connected; asked when the subject has ended, or is known to be elsewhere.
    pub fn expect_nobody(&mut self) -> Outcome {
        let listener = self.listener.as_ref().ok_or_else(|| Failure::new("a listener", "none"))?;
        let ctx = netkata::context::Context::new().with_timeout(Duration::from_millis(1));
        match ctx.wait_readable(listener).map_err(|e| refused("poll", &e))? {
            netkata::context::Ready::Socket => Err(Failure::new("nobody to connect", "a connection")),
            netkata::context::Ready::Ended(_) => Ok(()),
        }
    }

    /// As [`Scene::run_with`], without its output in the dialogue: for output that differs from run to run.
    pub fn run_unseen(&mut self, arguments: &[&str]) -> Outcome {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        self.journal.note(format!("{} {}", self.launch.name, arguments.join(" ")));
        self.launch(&arguments, false)
    }

    /// Starts the subject with these arguments alone.
    pub fn run(&mut self, arguments: &[String]) -> Outcome {
        self.launch(arguments, true)
    }

    fn launch(&mut self, arguments: &[String], terminal: bool) -> Outcome {
        let mut launch = self.launch.clone();
        if let Some(limit) = self.descriptors {
            let shell = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
            launch.command.splice(0..0, ["sh".into(), "-c".into(), shell]);
        }
        self.subject = Some(Subject::start(&launch, arguments, &self.journal, terminal)?);
        self.exit_seen = false;
        Ok(())
    }

    /// As [`Scene::run`], for arguments that are written out in the check.
    pub fn run_with(&mut self, arguments: &[&str]) -> Outcome {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        self.run(&arguments)
    }

    /// Types a line on the subject's standard input.
    pub fn type_line(&mut self, line: &str) -> Outcome {
        self.subject()?.type_line(line)
    }

    /// Writes octets to the subject's standard input that need not be a line, or text.
    pub fn type_octets(&mut self, octets: &[u8]) -> Outcome {
        self.subject()?.type_octets(octets)
    }

    /// Ends the subject's standard input.
    pub fn end_input(&mut self) -> Outcome {
        self.subject()?.end_input();
        Ok(())
    }

    /// Waits for this text on standard output, after what was met before.
    pub fn expect_output(&mut self, text: &str) -> Outcome {
        let output = self.subject()?.stdout.clone();
        output.contains(text, PATIENCE * 2).map_err(|(rest, ended)| missing(text, "standard output", &rest, ended))
    }

    /// The next line of standard output.
    pub fn output_line(&mut self) -> Outcome<String> {
        let output = self.subject()?.stdout.clone();
        output.line(PATIENCE * 2).map_err(|(rest, ended)| missing("a line", "standard output", &rest, ended))
    }

    /// Waits for `time` and expects nothing on standard output.
    pub fn expect_no_output(&mut self, time: Duration) -> Outcome {
        let output = self.subject()?.stdout.clone();
        let said = match output.line(time) {
            Ok(line) => line,
            Err((rest, _)) if rest.is_empty() => return Ok(()),
            Err((rest, _)) => rest,
        };
        Err(Failure::new("nothing on standard output", format!("{said:?}")))
    }

    /// Waits for the next line of standard output, which must be this one.
    pub fn expect_line(&mut self, line: &str) -> Outcome {
        let output = self.subject()?.stdout.clone();
        let (got, state) = match output.line(PATIENCE * 2) {
            Ok(got) if got == line => return Ok(()),
            Ok(got) => (got, "on standard output"),
            Err((rest, true)) => (rest, "on standard output, then its end"),
            Err((rest, false)) => (rest, "on standard output, and nothing more came"),
        };
        Err(Failure::octets(line.as_bytes(), got.as_bytes(), state))
    }

    /// Waits for the end of standard output; what comes before it is too much.
    pub fn expect_output_end(&mut self) -> Outcome {
        let output = self.subject()?.stdout.clone();
        let got = match output.line(PATIENCE * 2) {
            Err((_, true)) => return Ok(()),
            Ok(line) => format!("a line {line:?}"),
            Err((rest, false)) if rest.is_empty() => "it is still open".into(),
            Err((rest, false)) => format!("{rest:?}"),
        };
        Err(Failure::new("the end of standard output", got))
    }

    /// Waits for this text on standard error.
    pub fn expect_error(&mut self, text: &str) -> Outcome {
        let output = self.subject()?.stderr.clone();
        output.contains(text, PATIENCE * 2).map_err(|(rest, ended)| missing(text, "standard error", &rest, ended))
    }

    /// The next line of standard error.
    pub fn error_line(&mut self) -> Outcome<String> {
        let output = self.subject()?.stderr.clone();
        output.line(PATIENCE * 2).map_err(|(rest, ended)| missing("a line", "standard error", &rest, ended))
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) -> Outcome {
        self.subject()?.signal(signal)
    }

    /// Waits until the subject has nothing to do, all its threads blocked, for `limit` at most. Says whether that was so.
    pub fn wait_until_still(&mut self, limit: Duration) -> Outcome<bool> {
        Ok(self.subject()?.wait_until_still(limit))
    }

    /// Stops the subject where it stands. The kernel goes on shaking hands and taking octets for it: what the check does
    /// now is there before the subject looks.
    pub fn hold(&mut self) -> Outcome {
        self.address()?;
        self.journal.note("the program is held up (SIGSTOP)");
        self.subject()?.hold()
    }

    /// Lets it go on.
    pub fn release(&mut self) -> Outcome {
        self.journal.note("the program goes on (SIGCONT)");
        self.subject()?.release()
    }

    /// Waits for the subject to end with this status.
    pub fn expect_exit(&mut self, code: i32, limit: Duration) -> Outcome {
        let status = self.subject()?.exit(limit)?;
        self.exit_seen = true;
        if status.code() == Some(code) {
            return Ok(());
        }
        let mut got = describe(status);
        let said = self.subject()?.stderr.rest();
        match said.lines().rfind(|l| l.starts_with("error:")).or(said.lines().last()) {
            Some(line) if panic_line(&said).is_none() => got = format!("{got}; it said: {line}"),
            _ => {}
        }
        Err(Failure::new(format!("exit status {code}"), got))
    }

    /// The subject's process, for signals and /proc.
    pub fn subject(&mut self) -> Outcome<&mut Subject> {
        self.subject.as_mut().ok_or_else(|| Failure::new("a started program", "none"))
    }

    /// The subject is started with so many descriptors and cannot raise the limit.
    pub fn limit_descriptors(&mut self, limit: u32) {
        self.journal.note(format!("ulimit -n {limit}"));
        self.descriptors = Some(limit);
    }

    /// Waits until connects to the subject's address are refused. As long as the kernel's table shows a listener there,
    /// nobody connects to find out: a probe would be a client like any other.
    pub fn expect_refusal(&mut self) -> Outcome {
        let address = self.address()?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if !listener::is_there(address)
                && let Err(e) = TcpStream::connect_timeout(&address, PATIENCE)
                && e.kind() == std::io::ErrorKind::ConnectionRefused
            {
                self.journal.note("a new client is refused");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(Failure::new("new clients to be refused", "the kernel still shakes hands with them 2 s later"))
    }

    /// Processor time that the subject uses within `time`, by proc(5). Zero where there is no /proc.
    pub fn processor_time(&mut self, time: Duration) -> Outcome<Duration> {
        let before = self.subject()?.processor_time();
        std::thread::sleep(time);
        Ok(self.subject()?.processor_time().saturating_sub(before))
    }

    // ---- inputs ----

    /// `n` random octets.
    pub fn octets(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.rng.u8(..)).collect()
    }

    /// Every value of an octet once, in random order.
    pub fn every_octet(&mut self) -> Vec<u8> {
        let mut octets: Vec<u8> = (0..=255).collect();
        self.rng.shuffle(&mut octets);
        octets
    }

    /// A line of harbour talk, different each time, without a line end.
    pub fn phrase(&mut self) -> String {
        const SHIPS: [&str; 8] = ["Alma", "Bruna", "Corvo", "Doris", "Elbe", "Fulmar", "Gudrun", "Halcyon"];
        const DOINGS: [&str; 6] =
            ["at berth", "leaves berth", "asks for berth", "sounds fathom", "waits at buoy", "tows barge"];
        let (ship, doing) = (self.rng.usize(..SHIPS.len()), self.rng.usize(..DOINGS.len()));
        format!("{} {} {}", SHIPS[ship], DOINGS[doing], self.rng.u16(100..1000))
    }

    /// A folder that is removed with the scene.
    pub fn folder(&mut self) -> Outcome<PathBuf> {
        if self.folder.is_none() {
            self.folder = Some(tempfile::tempdir().map_err(|e| refused("a temporary folder", &e))?);
        }
        self.folder.as_ref().map(|f| f.path().to_path_buf()).ok_or_else(|| Failure::new("a folder", "none"))
    }

    // ---- the end ----

    /// Ends the subject. After a check that went well, whatever is still wrong is found here: a panic, or a server that
    /// ended unasked.
    pub fn finish(mut self, outcome: Outcome) -> (Outcome, Journal) {
        let left_over = self.leftovers.lock().unwrap_or_else(PoisonError::into_inner).take();
        let outcome = outcome.and_then(|()| left_over.map_or(Ok(()), Err));
        let Some(mut subject) = self.subject.take() else { return (outcome, self.journal) };
        let ended = subject.poll().ok().flatten();
        let said = subject.end();
        let outcome = match outcome {
            Err(mut failure) => {
                failure.todo = todo_step(&said);
                Err(failure)
            }
            Ok(()) => match (panic_line(&said), ended) {
                (Some(line), _) => Err(Failure { todo: todo_step(&said), ..Failure::new("no panic", line) }),
                (None, Some(status)) if !self.exit_seen => {
                    Err(Failure::new("the program to go on", format!("it ended: {}", describe(status))))
                }
                _ => Ok(()),
            },
        };
        if let (Err(failure), Some(line)) = (&outcome, panic_line(&said))
            && failure.got != line
            && failure.todo.is_none()
        {
            self.journal.note(line);
        }
        (outcome, self.journal)
    }

    fn talk(&mut self, stream: Stream, me: From) -> Talk {
        let transport = if matches!(stream, Stream::Unix(_)) { Transport::Unix } else { Transport::Tcp };
        let (ours, theirs) = stream.addresses().unzip();
        let (name, grader) = (self.launch.name.clone(), "grader".to_string());
        let conversation = self.journal.open(match me {
            From::Client => {
                Conversation { transport, client: ours, server: theirs, client_name: grader, server_name: name }
            }
            From::Server => {
                Conversation { transport, client: theirs, server: ours, client_name: name, server_name: grader }
            }
        });
        Talk::new(stream, &self.journal, conversation, me).tell(&self.leftovers)
    }
}

/// A connect with a deadline, and with a receive buffer that must be set before the handshake to count.
fn dial(address: SocketAddr, receive_buffer: Option<usize>) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if let Some(size) = receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    socket.connect_timeout(&address.into(), PATIENCE * 2)?;
    Ok(socket.into())
}

fn refused(what: &str, e: &std::io::Error) -> Failure {
    Failure::new(format!("a connection to {what}"), netkata::error::cause_text(e))
}

fn missing(text: &str, stream: &str, rest: &str, ended: bool) -> Failure {
    let last = rest.lines().last().unwrap_or_default();
    let state = if ended { "the program ended" } else { "nothing more came" };
    let got = if last.is_empty() { state.to_string() } else { format!("{last:?}, then {state}") };
    Failure::new(format!("{text:?} on {stream}"), got)
}

/// `not yet implemented: step 2: …` on standard error, wherever in the program it was reached.
fn todo_step(said: &str) -> Option<(usize, String)> {
    let (_, tail) = said.split_once("not yet implemented: step ")?;
    let (number, sentence) = tail.lines().next()?.split_once(": ")?;
    Some((number.parse().ok()?, sentence.trim().to_string()))
}

/// What a Rust program says when a thread of it panics.
fn panic_line(said: &str) -> Option<String> {
    let mut lines = said.lines().skip_while(|l| !l.contains("panicked at"));
    let head = lines.next()?;
    let place = head.rsplit("panicked at ").next().unwrap_or_default().trim_end_matches(':');
    // The path differs from machine to machine; the file and line do not.
    let place = place.rsplit('/').next().unwrap_or(place);
    let message: String = lines.next().unwrap_or_default().chars().take(48).collect();
    Some(format!("it panicked at {place}: {message}"))
}
