//! The subject as a process: signals, its end, what it uses.

use super::{Scene, panic_line};
use crate::failure::{Failure, Outcome};
use crate::patience::{PATIENCE, Wait};
use crate::subject::{Subject, describe};
use netkata::human;
use nix::sys::signal::Signal;
use std::time::Duration;

impl Scene {
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
        self.place()?;
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

    /// The running subject has so many descriptors open: its next start in this check may open `more` than that, and cannot
    /// raise the limit. `false` where there is no /proc.
    pub fn leave_room_for(&mut self, more: u32) -> Outcome<bool> {
        let Some(open) = self.descriptors()? else { return Ok(false) };
        // Not the limit itself: it depends on the program, and on what it inherits.
        self.journal.note(format!("ulimit -n leaves room for {} more", human::count(more as usize, "descriptor")));
        self.descriptors = u32::try_from(open).ok().map(|open| open + more);
        Ok(true)
    }

    /// Processor time that the subject uses within `time`, by proc(5). Zero where there is no /proc.
    pub fn processor_time(&mut self, time: Duration) -> Outcome<Duration> {
        let before = self.subject()?.processor_time();
        std::thread::sleep(time);
        Ok(self.subject()?.processor_time().saturating_sub(before))
    }

    /// For `time`, and longer on a busy machine, the subject waits for its peer and does not ask again and again whether it has
    /// come: it uses no more of the processors than a hundredth of a second, which is what a coarse clock shows for nothing.
    /// Where there is no /proc, nobody can tell.
    pub fn expect_rest(&mut self, time: Duration) -> Outcome {
        const NOTHING: Duration = Duration::from_millis(10);
        let before = self.subject()?.processor_time();
        let mut wait = Wait::new(time, &self.queue);
        // Who spins and gets no processor is on a run queue, and is given the time that it spends there.
        while let Some(left) = wait.left() {
            std::thread::sleep(left.min(NOTHING));
            if self.subject()?.processor_time().saturating_sub(before) > NOTHING {
                return Err(Failure::new("the program to wait for its peer", "it asks again and again"));
            }
        }
        self.journal.note(format!("at rest for {}, as it should be", human::duration(time)));
        Ok(())
    }

    /// Open descriptors of the subject (/proc/PID/fd), once it has nothing to do: a server says where it listens before it
    /// has opened all that it needs. `None` where there is no /proc.
    pub fn descriptors(&mut self) -> Outcome<Option<usize>> {
        self.subject()?.wait_until_still(PATIENCE);
        Ok(self.subject()?.descriptors())
    }

    /// Waits until the subject has no more than so many descriptors open: what it opened for a connection is closed with it.
    pub fn expect_descriptors(&mut self, most: usize) -> Outcome {
        let mut wait = Wait::new(PATIENCE, &self.queue);
        loop {
            match self.subject()?.descriptors() {
                Some(open) if open > most && wait.until().is_none() => {
                    return Err(Failure::new(
                        // Not their number: it depends on what the grader's own parent left open.
                        "no more open descriptors than before",
                        format!("{} more are open", open - most),
                    ));
                }
                Some(open) if open > most => std::thread::sleep(Duration::from_millis(1)),
                _ => return Ok(()),
            }
        }
    }

    /// Memory that the subject uses, in octets. `None` where there is no /proc.
    pub fn memory(&mut self) -> Outcome<Option<u64>> {
        Ok(self.subject()?.memory())
    }
}
