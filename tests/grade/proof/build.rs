//! Building what the proof runs: all of it in one go of cargo, while the dialogues with what is there already go on.

use crate::exercise::target_folder;
use crossbeam_channel::{Receiver, Sender, bounded};
use netkata_kit::package::{self, Sources};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What is to be built, and what is built. Clones share it.
#[derive(Clone)]
pub struct Builds(Arc<Inner>);

struct Inner {
    root: &'static Path,
    state: Mutex<State>,
    changed: Condvar,
    turns: (Sender<()>, Receiver<()>),
}

#[derive(Default)]
struct State {
    wanted: Vec<Sources>,
    started: bool,
    built: BTreeMap<String, PathBuf>,
    ended: Option<Result<(), String>>,
}

/// While it is there, one dialogue fewer may begin.
pub struct Turn(Sender<()>);

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

impl Builds {
    /// Nothing is wanted yet. So many may take a turn at the same time.
    pub fn new(root: &'static Path, turns: usize) -> Self {
        let (give, take) = bounded(turns);
        (0..turns).for_each(|_| give.send(()).unwrap_or_default());
        Self(Arc::new(Inner { root, state: Mutex::default(), changed: Condvar::new(), turns: (give, take) }))
    }

    /// This will be needed.
    pub fn want(&self, sources: Sources) {
        self.lock().wanted.push(sources);
    }

    /// Waits for a turn.
    pub fn take_turns(&self) -> Turn {
        let (give, take) = &self.0.turns;
        let _ = take.recv();
        Turn(give.clone())
    }

    /// Waits until this binary is built. Who asks first starts the build.
    pub fn binary(&self, name: &str) -> Result<PathBuf, String> {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.started, true) {
            let (builds, wanted) = (self.clone(), std::mem::take(&mut state.wanted));
            thread::spawn(move || {
                let result = builds.build(&wanted);
                builds.lock().ended = Some(result);
                builds.0.changed.notify_all();
            });
        }
        loop {
            match (state.built.get(name), &state.ended) {
                (Some(path), _) => return Ok(path.clone()),
                (None, Some(Err(why))) => return Err(why.clone()),
                (None, Some(Ok(()))) => return Err(format!("{name} does not build: see target/prove/build.log")),
                (None, None) => state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Cargo tells of each binary as soon as it is there, also of those that were there before.
    fn build(&self, wanted: &[Sources]) -> Result<(), String> {
        let workspace = package::write(self.0.root, wanted).map_err(|e| format!("target/prove: {e}"))?;
        let log = File::create(workspace.join("build.log")).map_err(|e| format!("target/prove/build.log: {e}"))?;
        let mut cargo = polite(&cargo())
            .current_dir(&workspace)
            .args(["build", "--quiet", "--offline", "--keep-going", "--bins", "--color=never"])
            .arg("--message-format=json-render-diagnostics")
            // The course's own target folder: the dependencies are built there already.
            .arg("--target-dir")
            .arg(target_folder())
            .stdout(Stdio::piped())
            // A wrong program may have unused parts, but one that does not compile proves nothing.
            .stderr(log)
            .spawn()
            .map_err(|e| format!("cargo does not start: {e}"))?;
        let told = cargo.stdout.take().ok_or("no pipe to cargo")?;
        for line in BufReader::new(told).lines() {
            let line = line.map_err(|e| format!("cargo: {e}"))?;
            if let Some((name, path)) = artifact(&line) {
                self.lock().built.insert(name, path);
                self.0.changed.notify_all();
            }
        }
        cargo.wait().map_err(|e| format!("cargo: {e}"))?;
        self.explain(&workspace, wanted)
    }

    /// When nothing at all was built, cargo's own words are worth more than a path.
    fn explain(&self, workspace: &Path, wanted: &[Sources]) -> Result<(), String> {
        if wanted.is_empty() || !self.lock().built.is_empty() {
            return Ok(());
        }
        let said = fs::read_to_string(workspace.join("build.log")).unwrap_or_default();
        Err(format!("cargo builds nothing:\n{}", said.lines().take(12).collect::<Vec<_>>().join("\n")))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cargo() -> PathBuf {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()).into()
}

/// Compilers give way to the dialogues that go on meanwhile.
fn polite(program: &Path) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "10"]).arg(program);
    command
}

/// The binary that a line of cargo's tells of.
fn artifact(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let path = message["executable"].as_str()?;
    Some((message["target"]["name"].as_str()?.into(), path.into()))
}
