//! Conversations in datagrams with a subject that has a Unix socket.

use super::{Scene, refused};
use crate::failure::{Failure, Outcome};
use crate::unix_datagram::UnixDatagrams;
use netkata::unix::Name;

impl Scene {
    /// Datagrams to and from the subject's Unix socket, by a client with a socket file of its own. The subject is started on
    /// a socket file first if need be.
    pub fn unix_datagrams(&mut self) -> Outcome<UnixDatagrams> {
        let path = self.socket_path()?;
        self.unix_datagrams_from(Some(Name::Path(path.into())))
    }

    /// As [`Scene::unix_datagrams`], by a client that has no name, so that nobody can answer it.
    pub fn unix_datagrams_unnamed(&mut self) -> Outcome<UnixDatagrams> {
        self.unix_datagrams_from(None)
    }

    /// As [`Scene::unix_datagrams`], by a client with an abstract name.
    pub fn unix_datagrams_abstract(&mut self) -> Outcome<UnixDatagrams> {
        let name = self.abstract_name();
        self.unix_datagrams_from(Some(name.parse().map_err(|why: String| Failure::new("an abstract name", why))?))
    }

    fn unix_datagrams_from(&mut self, ours: Option<Name>) -> Outcome<UnixDatagrams> {
        if self.address.is_empty() {
            let path = self.socket_path()?;
            self.start_on(path)?;
        }
        let not_unix = |_| Failure::new("the path of a socket file, or @name", format!("{:?}", self.address));
        let server: Name = self.address.parse().map_err(not_unix)?;
        let opened = UnixDatagrams::open(ours, server, &self.launch.name, &self.journal);
        opened.map(|socket| socket.queueing_at(&self.queue)).map_err(|e| refused("a Unix datagram socket", &e))
    }

    /// From now on the subject is started without root's privilege to write to every file, if this is root: it keeps to the
    /// permissions as everybody does.
    pub fn without_privileges(&mut self) {
        self.unprivileged = true;
    }
}
