//! The subject as a command: started with arguments of the check's choice.

use super::Scene;
use crate::console::Console;
use crate::failure::Outcome;
use crate::subject::Subject;

impl Scene {
    /// Starts the subject with these arguments alone.
    pub fn run(&mut self, arguments: &[String]) -> Outcome {
        self.launch(arguments, true)
    }

    /// As [`Scene::run`], for arguments that are written out in the check.
    pub fn run_with(&mut self, arguments: &[&str]) -> Outcome {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        self.run(&arguments)
    }

    /// As [`Scene::run_with`], without its output in the dialogue: for output that differs from run to run.
    pub fn run_unseen(&mut self, arguments: &[&str]) -> Outcome {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        self.journal.note(format!("{} {}", self.launch.name, arguments.join(" ")));
        self.launch(&arguments, false)
    }

    /// From now on the subject is started inside [`Scene::folder`]: what it writes without being told where is there.
    pub fn inside_its_folder(&mut self) {
        self.inside = true;
    }

    pub(super) fn launch(&mut self, arguments: &[String], shown: bool) -> Outcome {
        let mut launch = self.launch.clone();
        if let Some(limit) = self.descriptors {
            let shell = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
            launch.command.splice(0..0, ["sh".into(), "-c".into(), shell]);
        }
        if self.unprivileged && nix::unistd::geteuid().is_root() {
            let no_override = "-dac_override,-dac_read_search";
            let setpriv = ["setpriv", "--inh-caps", no_override, "--bounding-set", no_override, "--"];
            launch.command.splice(0..0, setpriv.map(String::from));
        }
        if self.inside {
            let shell = format!("cd '{}' && exec \"$0\" \"$@\"", self.folder()?.display());
            launch.command.splice(0..0, ["sh".into(), "-c".into(), shell]);
        }
        let console = Console { shown, ..self.console };
        let subject = Subject::start_at(console, &launch, arguments, &self.journal)?;
        self.queue.watch(subject.pid());
        self.subject = Some(subject);
        self.exit_seen = false;
        Ok(())
    }
}
