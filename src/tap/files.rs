//! Records in files, by the name's ending: `.txt`, `.svg`, `.pcapng`.

use super::journal::{Conversation, Journal, Kind};
use super::live::{Form, Live};
use super::pcapng;
use super::record::{Sink, What};
use super::svg;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// What is written at once when there is much to write.
const BUFFER: usize = 64 << 10;
/// Octets and events that a picture is drawn of, at most: it shows a short conversation, or the two ends of a long one.
const PICTURE_OCTETS: usize = 4 << 20;
const PICTURE_EVENTS: usize = 5_000;

/// A file to write, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    path: PathBuf,
    kind: FileKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    Text,
    Picture,
    Capture,
}

impl FromStr for Target {
    type Err = String;

    /// # Errors
    /// When the name does not say what kind of file it is.
    fn from_str(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        let kind = match path.extension().and_then(|e| e.to_str()) {
            Some("txt") => FileKind::Text,
            Some("svg") => FileKind::Picture,
            Some("pcapng") => FileKind::Capture,
            _ => return Err("the name has to end in .txt, .svg or .pcapng".into()),
        };
        Ok(Self { path, kind })
    }
}

impl Target {
    /// The file's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the file, or empties one that is there, and begins to write. `wall` is the clock when the times of the
    /// events are zero; `octets` is how many of an event a line of text shows.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(&self, wall: SystemTime, octets: usize) -> io::Result<Box<dyn Sink>> {
        let out = BufWriter::with_capacity(BUFFER, File::create(&self.path)?);
        Ok(match self.kind {
            FileKind::Text => Box::new(Live::new(out, Form::Lines(octets), false)),
            FileKind::Capture => Box::new(Capture(Some(pcapng::Writer::new(out, wall)?))),
            FileKind::Picture => Box::new(Picture::new(out)),
        })
    }
}

/// A pcapng that grows. Gone when it is finished.
struct Capture(Option<pcapng::Writer<BufWriter<File>>>);

impl Sink for Capture {
    fn seen(&mut self, at: Duration, conversation: usize, what: &What) -> io::Result<()> {
        let Some(writer) = &mut self.0 else { return Ok(()) };
        match what {
            What::Begin(between) => writer.begin(conversation, between.clone()),
            What::Event(kind, _) => writer.event(at, Some(conversation), kind)?,
            What::End => writer.end(conversation),
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.as_mut().map_or(Ok(()), pcapng::Writer::flush)
    }

    fn finish(&mut self, at: Duration, remarks: &[String]) -> io::Result<()> {
        self.0.take().map_or(Ok(()), |writer| writer.finish(at, remarks).map(drop))
    }
}

/// A picture can be drawn when all is over.
struct Picture<W> {
    out: W,
    journal: Journal,
    /// The conversations' numbers in the journal.
    talks: HashMap<usize, usize>,
    room: usize,
}

impl<W: Write> Picture<W> {
    fn new(out: W) -> Self {
        Self { out, journal: Journal::new(PICTURE_OCTETS), talks: HashMap::new(), room: PICTURE_EVENTS }
    }
}

impl<W: Write + Send> Sink for Picture<W> {
    fn seen(&mut self, _: Duration, conversation: usize, what: &What) -> io::Result<()> {
        if self.room == 0 {
            return Ok(());
        }
        match what {
            What::Begin(between) => {
                // A client's port says nothing in a picture, and every client has another.
                let server =
                    between.server_name.split_once("://").map_or(between.server_name.as_str(), |(_, name)| name);
                let (client_name, server_name) = ("client".into(), server.into());
                let between = Conversation { client_name, server_name, ..between.clone() };
                self.talks.insert(conversation, self.journal.open(between));
            }
            What::Event(kind, label) => {
                let Some(&index) = self.talks.get(&conversation) else { return Ok(()) };
                match kind {
                    Kind::Open => return Ok(()),
                    Kind::Data(from, octets) => self.journal.data(index, *from, octets),
                    kind => self.journal.event(index, kind.clone()),
                }
                if let Some(label) = label {
                    self.journal.event(index, Kind::Note(label.to_string()));
                }
            }
            What::End => drop(self.talks.remove(&conversation)),
        }
        self.room -= 1;
        if self.room == 0 {
            self.journal.note("what follows is not drawn");
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, _: Duration, remarks: &[String]) -> io::Result<()> {
        remarks.iter().for_each(|remark| self.journal.note(remark.as_str()));
        let picture = svg::draw(&self.journal, &svg::Options::default());
        self.out.write_all(picture.as_bytes())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap::{From, Transport};

    #[test]
    fn the_ending_tells() {
        for (name, kind) in
            [("tides.txt", FileKind::Text), ("ebb/a.b.svg", FileKind::Picture), ("tides.pcapng", FileKind::Capture)]
        {
            assert_eq!(name.parse::<Target>().expect(name).kind, kind);
        }
        for name in ["tides", "tides.pcap", "svg", ".txt", ""] {
            assert!(name.parse::<Target>().is_err(), "{name}");
        }
    }

    /// Short conversations are drawn whole; of endless ones, what fits.
    #[test]
    fn a_picture_has_a_bound() {
        let between = || Conversation {
            transport: Transport::Tcp,
            client: None,
            server: None,
            client_name: "127.0.0.1:50000".into(),
            server_name: "tcp://127.0.0.1:7007".into(),
        };
        let mut picture = Picture::new(Vec::new());
        for n in 0..PICTURE_EVENTS {
            picture.seen(Duration::ZERO, n, &What::Begin(between())).expect("vec");
            let data = Kind::Data(From::Client, vec![b'~'; 9]);
            picture.seen(Duration::ZERO, n, &What::Event(data, None)).expect("vec");
            picture.seen(Duration::ZERO, n, &What::End).expect("vec");
        }
        assert!(picture.journal.events().len() <= PICTURE_EVENTS + 1);
        assert!(picture.talks.len() <= 1);
        assert_eq!(picture.journal.conversations()[0].server_name, "127.0.0.1:7007");
    }
}
