//! Carrying datagrams of Unix sockets between clients and a server.
//!
//! A client that wants answers has bound a name. For each such name there is a *stand-in*, a socket that is bound as well: the
//! server is asked from there, and answers there, and what comes leaves for the client by the front. Clients without a name
//! share one socket without one: nobody can answer them.
//!
//! ```text
//!   pilot.sock ──▶ front.sock ─── front.sock.1 ──▶ harbour.sock
//!   pilot.sock ◀── front.sock ─── front.sock.1 ◀── harbour.sock
//! ```
//!
//! Nothing is dropped on the way. When a receiver's queue is full the sender has to wait, and so it does here: one datagram
//! waits in this process, and behind it those in the sockets' own queues. The server's queue is everybody's, with a relay or
//! without. A client that does not read has only its own answers wait, in a thread of its own.
//!
//! What cannot be carried through: a sender learns at once that nobody has the name; through a relay it does not. Descriptors
//! and credentials that travel beside the octets are not passed on.

use crate::context::{Context, Ready};
use crate::datagram::passes;
use crate::error::is_timeout;
use crate::relay::From;
use crate::tap::seqpackets::{make_room, timeout, whole};
use crate::unix::{Access, Bound, Name, datagram, file};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use socket2::{Domain, SockRef, Socket, Type};
use std::collections::HashMap;
use std::fmt::Display;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

/// So often, a send that waits looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// Answers stay in the front's send buffer until they are read, those to all clients. As large as we ask for;
/// net.core.wmem_max limits what we get.
const SEND_BUFFER: usize = 4 << 20;

/// How much a relay takes on.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A client that has said and heard nothing for so long is forgotten. A datagram that nobody takes for so long is dropped.
    pub idle: Duration,
    /// Clients at once, each with a thread. What further ones send is dropped.
    pub clients: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { idle: Duration::from_secs(5 * 60), clients: 1000 }
    }
}

/// Sees each datagram that a relay carries, from several threads, but never at once.
pub trait Hook: Send {
    /// What is kept of a client. It is dropped when the relay forgets the client.
    type Path: Send;

    /// The first datagram of this client is about to be shown; `None`: of all those without a name.
    fn begin(&mut self, client: Option<&Name>) -> Self::Path;

    /// A datagram came from this side. The other side has not seen it yet.
    fn datagram(&mut self, path: &mut Self::Path, from: From, octets: &[u8]);

    /// Nobody has this side's name any more: a datagram could not be passed on.
    fn refused(&mut self, path: &mut Self::Path, from: From) {
        let _ = (path, from);
    }

    /// A datagram that was shown could not be passed on, for another reason.
    fn unsent(&mut self, path: &mut Self::Path, from: From, why: &io::Error) {
        let _ = (path, from, why);
    }

    /// A client's datagram was dropped: there is no room for the client, or no stand-in.
    fn not_carried(&mut self, whose: &dyn Display, why: &dyn Display);
}

/// Makes a client's stand-in, of its name and its number, from one.
pub type Binder<'a> = dyn Fn(&Name, u64) -> io::Result<StandIn> + Sync + 'a;

/// See [`Binder`].
#[derive(Debug)]
pub struct StandIn {
    /// Where answers go: the client's name, as it is seen from here.
    pub client: Name,
    /// What the server is asked from.
    pub bound: Bound<UnixDatagram>,
}

/// Stand-ins beside the front: `front.sock.1`, `@front.2`. A file has the mode of the client's: who may write to the one may write
/// to the other.
pub fn beside(front: Name) -> impl Fn(&Name, u64) -> io::Result<StandIn> + Send + Sync {
    move |client, number| {
        let stand_in = match &front {
            Name::Path(path) => {
                let mut name = path.clone().into_os_string();
                name.push(format!(".{number}"));
                Name::Path(name.into())
            }
            Name::Abstract(name) => Name::Abstract([name, format!(".{number}").as_bytes()].concat()),
        };
        Ok(StandIn { client: client.clone(), bound: file::datagrams(&stand_in, &like(client))? })
    }
}

/// Carries datagrams between those who send to `front` and `upstream`, until `stop` ends.
///
/// # Errors
/// When `front` fails for good.
pub fn carry<H: Hook>(
    front: &UnixDatagram,
    upstream: &Name,
    binder: &Binder<'_>,
    limits: &Limits,
    hook: &mut H,
    stop: &Context,
) -> io::Result<()> {
    // A clone is another handle of the same socket, and the time limit is the socket's.
    front.set_write_timeout(Some(LOOK))?;
    SockRef::from(front).set_send_buffer_size(SEND_BUFFER)?;
    let stop = stop.child();
    let relay = Relay { front, upstream, binder, limits, hook: Mutex::new(hook), stop: stop.clone() };
    thread::scope(|scope| {
        let result = relay.run(scope);
        // Whatever ended this thread's work, the clients' threads end too.
        stop.cancel();
        result
    })
}

struct Relay<'a, H: Hook> {
    front: &'a UnixDatagram,
    upstream: &'a Name,
    binder: &'a Binder<'a>,
    limits: &'a Limits,
    hook: Mutex<&'a mut H>,
    stop: Context,
}

struct Client<P> {
    /// Where answers go; `None`: nowhere.
    name: Option<Name>,
    up: Up,
    path: Mutex<P>,
    /// When something moved last. `None`: it is forgotten, and a new one takes its place.
    last: Mutex<Option<Instant>>,
}

/// A socket towards the server.
enum Up {
    StandIn(Bound<UnixDatagram>),
    Nameless(UnixDatagram),
}

impl Up {
    fn socket(&self) -> &UnixDatagram {
        match self {
            Up::StandIn(bound) => &bound.socket,
            Up::Nameless(socket) => socket,
        }
    }
}

impl<P> Client<P> {
    /// Says that something moves, unless the client is forgotten already.
    fn touch(&self) -> bool {
        let mut last = lock(&self.last);
        if last.is_some() {
            *last = Some(Instant::now());
        }
        last.is_some()
    }

    /// How long it may go on in silence; `None` when it has been silent for too long, and is forgotten with that.
    fn left(&self, idle: Duration) -> Option<Duration> {
        let mut last = lock(&self.last);
        let left = idle.checked_sub((*last)?.elapsed()).filter(|left| !left.is_zero());
        if left.is_none() {
            *last = None;
        }
        left
    }

    fn forget(&self) {
        *lock(&self.last) = None;
    }
}

impl<'env, H: Hook> Relay<'env, H> {
    fn run<'scope>(&'scope self, scope: &'scope Scope<'scope, 'env>) -> io::Result<()>
    where
        H::Path: 'scope,
    {
        // A client belongs to its thread, so that its stand-in goes with it. The one of those without a name has none.
        let mut clients: HashMap<Option<Name>, Weak<Client<H::Path>>> = HashMap::new();
        let mut nameless = None;
        let (mut buffer, mut numbers) = (Vec::new(), 0);
        while self.stop.wait_readable(self.front)? == Ready::Socket {
            let from = match take(self.front, &mut buffer) {
                Ok((len, from)) => {
                    buffer.truncate(len);
                    from
                }
                Err(e) if passes(&e) => continue,
                Err(e) => return Err(e),
            };
            clients.retain(|_, client| client.strong_count() > 0);
            let known = clients.get(&from).and_then(Weak::upgrade).filter(|client| client.touch());
            let client = match known.map_or_else(|| self.begin(scope, from.clone(), clients.len(), &mut numbers), Ok) {
                Ok(client) => client,
                Err(e) => {
                    self.not_carried(from, &e);
                    continue;
                }
            };
            self.pass_up(&client, &buffer);
            clients.insert(from.clone(), Arc::downgrade(&client));
            nameless = if from.is_none() { Some(client) } else { nameless };
        }
        Ok(())
    }

    fn begin<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, 'env>,
        name: Option<Name>,
        others: usize,
        numbers: &mut u64,
    ) -> io::Result<Arc<Client<H::Path>>>
    where
        H::Path: 'scope,
    {
        if others >= self.limits.clients {
            return Err(io::Error::other(format!("more than {} clients", self.limits.clients)));
        }
        *numbers += 1;
        let (client, up) = match &name {
            Some(name) => (self.binder)(name, *numbers).map(|s| (Some(s.client), Up::StandIn(s.bound)))?,
            None => (None, Up::Nameless(Socket::new(Domain::UNIX, Type::DGRAM, None)?.into())),
        };
        up.socket().set_write_timeout(Some(LOOK))?;
        let path = Mutex::new(lock(&self.hook).begin(name.as_ref()));
        let client = Client { name: client, up, path, last: Mutex::new(Some(Instant::now())) };
        let client = Arc::new(client);
        if client.name.is_some() {
            let served = client.clone();
            let thread = thread::Builder::new().name("answers".into());
            thread.spawn_scoped(scope, move || self.bring_answers(&served))?;
        }
        Ok(client)
    }

    fn pass_up(&self, client: &Client<H::Path>, octets: &[u8]) {
        self.show(client, From::Client, octets);
        match self.send(client.up.socket(), octets, self.upstream) {
            Ok(()) => {}
            Err(e) if is_nobody(&e) => self.tell(client, |hook, path| hook.refused(path, From::Server)),
            Err(e) => self.tell(client, |hook, path| hook.unsent(path, From::Client, &e)),
        }
    }

    /// A client's thread: what comes to its stand-in goes to the client, until one of them is gone.
    fn bring_answers(&self, client: &Client<H::Path>) {
        let (Some(name), Ok(wake)) = (&client.name, self.stop.wake()) else { return client.forget() };
        let mut buffer = Vec::new();
        while self.stop.cause().is_none() {
            let Some(left) = client.left(self.limits.idle) else { return };
            let stand_in = client.up.socket();
            let entry = |fd| PollFd::new(fd, PollFlags::POLLIN);
            match poll(&mut [entry(stand_in.as_fd()), entry(wake.as_fd())], timeout(left)) {
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) if self.stop.cause().is_some() => return,
                Ok(_) => {}
                Err(_) => return client.forget(),
            }
            match take(stand_in, &mut buffer) {
                Ok((len, _)) => buffer.truncate(len),
                Err(e) if passes(&e) => continue,
                Err(_) => return client.forget(),
            }
            self.show(client, From::Server, &buffer);
            match self.send(self.front, &buffer, name) {
                Ok(()) => drop(client.touch()),
                // The server hears the same as soon as the stand-in has gone.
                Err(e) if is_nobody(&e) => {
                    self.tell(client, |hook, path| hook.refused(path, From::Client));
                    return client.forget();
                }
                Err(e) => self.tell(client, |hook, path| hook.unsent(path, From::Server, &e)),
            }
        }
    }

    /// Waits while the receiver's queue is full, until the relay stops or [`Limits::idle`] has passed.
    fn send(&self, socket: &UnixDatagram, octets: &[u8], to: &Name) -> io::Result<()> {
        let (to, start) = (to.address()?, Instant::now());
        let socket = SockRef::from(socket);
        loop {
            match whole(SockRef::from(&*socket), octets, |octets| socket.send_to(octets, &to).map(drop)) {
                Err(e) if is_timeout(&e) && self.stop.cause().is_none() && start.elapsed() < self.limits.idle => {}
                // Full as well, on macOS, which does not wait.
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) && start.elapsed() < self.limits.idle => {
                    self.stop.sleep(LOOK / 20)?;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn show(&self, client: &Client<H::Path>, from: From, octets: &[u8]) {
        self.tell(client, |hook, path| hook.datagram(path, from, octets));
    }

    fn tell(&self, client: &Client<H::Path>, what: impl FnOnce(&mut H, &mut H::Path)) {
        what(*lock(&self.hook), &mut *lock(&client.path));
    }

    fn not_carried(&self, whose: Option<Name>, why: &io::Error) {
        let whose = whose.map_or_else(|| "a client without a name".into(), |name| name.to_string());
        lock(&self.hook).not_carried(&whose, &crate::error::cause_text(why));
    }
}

/// The server may write to the stand-in's file if it may write to the client's.
fn like(client: &Name) -> Access {
    let Name::Path(path) = client else { return Access::default() };
    Access { mode: fs::metadata(path).ok().map(|file| file.permissions().mode() & 0o777), group: None }
}

/// Takes a datagram of any length, which the sender's send buffer limits (net.core.wmem_max), and says whose it is.
fn take(socket: &UnixDatagram, buffer: &mut Vec<u8>) -> io::Result<(usize, Option<Name>)> {
    buffer.resize(buffer.capacity(), 0);
    make_room(socket, buffer)?;
    let came = datagram::receive(socket, buffer)?;
    Ok((came.len, came.from))
}

/// Whether nobody has the name that something was sent to.
fn is_nobody(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound | io::ErrorKind::ConnectionReset)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[derive(Default)]
    struct Heard(Vec<String>);

    impl Hook for Heard {
        type Path = String;

        fn begin(&mut self, client: Option<&Name>) -> String {
            client.map_or("nobody".into(), |name| {
                Path::new(&name.to_string()).file_name().expect("file").display().to_string()
            })
        }

        fn datagram(&mut self, path: &mut String, from: From, octets: &[u8]) {
            self.0.push(format!("{path} {from:?} {}", octets.len()));
        }

        fn refused(&mut self, path: &mut String, from: From) {
            self.0.push(format!("{path} {from:?} gone"));
        }

        fn not_carried(&mut self, _: &dyn Display, why: &dyn Display) {
            self.0.push(why.to_string());
        }
    }

    struct Scene {
        folder: tempfile::TempDir,
        server: Bound<UnixDatagram>,
    }

    impl Scene {
        fn bound(&self, file: &str) -> Bound<UnixDatagram> {
            let bound = file::datagrams(&Name::Path(self.folder.path().join(file)), &Access::default()).expect("bind");
            bound.socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
            bound
        }

        fn ask(&self, socket: &UnixDatagram, octets: &[u8]) {
            socket.send_to(octets, self.folder.path().join("front.sock")).expect("send");
        }

        /// What the server receives, and from whom.
        fn asked(&self) -> (Vec<u8>, Option<Name>) {
            receive(&self.server.socket)
        }
    }

    fn receive(socket: &UnixDatagram) -> (Vec<u8>, Option<Name>) {
        let mut buffer = vec![0; 1 << 20];
        let came = datagram::receive(socket, &mut buffer).expect("receive");
        buffer.truncate(came.len);
        (buffer, came.from)
    }

    fn relayed(limits: &Limits, play: impl FnOnce(&Scene)) -> Vec<String> {
        let folder = tempfile::tempdir().expect("folder");
        let name = |file: &str| Name::Path(folder.path().join(file));
        let bind = |file: &str| file::datagrams(&name(file), &Access::default()).expect("bind");
        let (front, server, upstream) = (bind("front.sock"), bind("harbour.sock"), name("harbour.sock"));
        server.socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let (front_name, scene) = (name("front.sock"), Scene { folder, server });
        let (mut heard, stop) = (Heard::default(), Context::new());
        thread::scope(|s| {
            let binder = beside(front_name);
            let relay = s.spawn({
                let (heard, stop) = (&mut heard, &stop);
                move || carry(&front.socket, &upstream, &binder, limits, heard, stop)
            });
            let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(&scene)));
            stop.cancel();
            relay.join().expect("join").expect("carry");
            if let Err(e) = played {
                std::panic::resume_unwind(e);
            }
        });
        heard.0
    }

    fn limits() -> Limits {
        Limits { idle: PATIENCE, ..Limits::default() }
    }

    /// Each gets the answers to its own questions, by the name that it asked; empty ones and long ones are carried.
    #[test]
    fn answers_find_their_way() {
        const LONG: usize = 150_000;
        let heard = relayed(&limits(), |scene| {
            let (pilot, tug) = (scene.bound("pilot.sock"), scene.bound("tug.sock"));
            scene.ask(&pilot.socket, b"depth?");
            let (question, from) = scene.asked();
            assert_eq!(question, b"depth?");
            scene.ask(&tug.socket, b"");
            let (empty, other) = scene.asked();
            assert!(empty.is_empty() && other.is_some() && from != other);
            for (whose, answer) in [(&other, b"berth 4".to_vec()), (&from, vec![7; LONG])] {
                datagram::send_to(&scene.server.socket, &answer, whose.as_ref().expect("name")).expect("answer");
                let asker = if *whose == from { &pilot } else { &tug };
                let (got, by) = receive(&asker.socket);
                assert_eq!(got, answer);
                assert!(by.is_some_and(|by| by.to_string().ends_with("front.sock")));
            }
        });
        let told = ["pilot.sock Client 6", "tug.sock Client 0", "tug.sock Server 7", "pilot.sock Server 150000"];
        assert_eq!(heard, told);
    }

    /// Who has no name is nobody for the server too.
    #[test]
    fn nobody_stays_nobody() {
        let heard = relayed(&limits(), |scene| {
            scene.ask(&UnixDatagram::unbound().expect("socket"), b"ahoy");
            assert_eq!(scene.asked(), (b"ahoy".to_vec(), None));
        });
        assert_eq!(heard, ["nobody Client 4"]);
    }

    /// A client that does not read loses nothing and holds up nobody but itself.
    #[test]
    fn a_full_queue_is_waited_for() {
        relayed(&limits(), |scene| {
            let (pilot, tug) = (scene.bound("pilot.sock"), scene.bound("tug.sock"));
            scene.ask(&pilot.socket, b"all tides?");
            let from = scene.asked().1.expect("name");
            // The queues of the client, the relay and the stand-in fill, and then the server is told.
            let answer = |n: usize| datagram::send_to(&scene.server.socket, &n.to_be_bytes(), &from);
            let mut sent = 0;
            let until = Instant::now() + Duration::from_millis(200);
            while Instant::now() < until && sent < 5000 {
                match answer(sent) {
                    Ok(_) => sent += 1,
                    Err(_) => thread::yield_now(),
                }
            }
            scene.ask(&tug.socket, b"and I?");
            let (question, tug_name) = scene.asked();
            assert_eq!(question, b"and I?");
            assert_ne!(tug_name.as_ref(), Some(&from));
            for n in 0..sent {
                assert_eq!(receive(&pilot.socket).0, n.to_be_bytes(), "in order, and all of them");
            }
        });
    }

    /// Whoever has gone is told of, and the stand-in goes with the client.
    #[test]
    fn the_dead_are_named() {
        let heard = relayed(&limits(), |scene| {
            let pilot = scene.bound("pilot.sock");
            scene.ask(&pilot.socket, b"ahoy");
            let from = scene.asked().1.expect("name");
            drop(pilot);
            let until = Instant::now() + PATIENCE;
            while datagram::send_to(&scene.server.socket, b"aye", &from).is_ok() {
                assert!(Instant::now() < until, "nobody said so");
                thread::yield_now();
            }
        });
        assert!(heard.contains(&"pilot.sock Client gone".into()), "{heard:?}");
    }

    /// Who says nothing is forgotten, and there is room for so many at once.
    #[test]
    fn there_is_room_for_so_many() {
        let heard = relayed(&Limits { clients: 1, ..limits() }, |scene| {
            let (pilot, tug) = (scene.bound("pilot.sock"), scene.bound("tug.sock"));
            scene.ask(&pilot.socket, b"first");
            scene.ask(&tug.socket, b"second");
            scene.ask(&pilot.socket, b"third");
            assert_eq!((scene.asked().0, scene.asked().0), (b"first".to_vec(), b"third".to_vec()));
        });
        assert_eq!(heard, ["pilot.sock Client 5", "more than 1 clients", "pilot.sock Client 5"]);
        relayed(&Limits { clients: 1, idle: Duration::from_millis(30) }, |scene| {
            let pilot = scene.bound("pilot.sock");
            scene.ask(&pilot.socket, b"first");
            let Some(Name::Path(stand_in)) = scene.asked().1 else { panic!("no name") };
            let until = Instant::now() + PATIENCE;
            while stand_in.exists() && Instant::now() < until {
                thread::yield_now();
            }
            scene.ask(&pilot.socket, b"second");
            assert_eq!(scene.asked().0, b"second");
        });
    }
}
