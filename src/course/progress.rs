//! Where the learner stands: the last verdict, held against the exercise's text as it is now.

use super::state::{Outcome, State, Verdict};
use super::{Catalogue, Exercise, stub};

/// Where one exercise stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// The file is the stub.
    NotStarted,
    /// There is work, and the grader has not seen any of it.
    NotGraded,
    /// The grader's verdict on the file as it is.
    Graded(Verdict),
    /// The grader's verdict on a text that has changed since.
    Changed(Verdict),
    /// The file is gone, or is not text: why.
    Unreadable(String),
}

impl Standing {
    /// Whether the text as it is passes all its checks.
    pub fn passes(&self) -> bool {
        matches!(self, Standing::Graded(v) if v.outcome == Outcome::Ok)
    }

    /// Whether the exercise passed when last graded, whatever was edited since.
    pub fn has_passed(&self) -> bool {
        self.verdict().is_some_and(|v| v.outcome == Outcome::Ok)
    }

    /// The last verdict, if it still says something.
    pub fn verdict(&self) -> Option<&Verdict> {
        match self {
            Standing::Graded(verdict) | Standing::Changed(verdict) => Some(verdict),
            _ => None,
        }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Standing::NotStarted => write!(f, "not started"),
            Standing::NotGraded => write!(f, "not graded yet"),
            // The text is no stub any more, and ran into one of its `todo!`s.
            Standing::Graded(verdict) if verdict.outcome == Outcome::NotStarted => write!(f, "not finished"),
            Standing::Graded(verdict) => write!(f, "{}", verdict.outcome),
            Standing::Changed(verdict) => write!(f, "{}, changed since", verdict.outcome),
            Standing::Unreadable(why) => f.write_str(why),
        }
    }
}

/// Holds what `state` remembers of an exercise against its file.
pub fn standing(exercise: &Exercise, state: &State) -> Standing {
    let text = match exercise.text() {
        Ok(text) => text,
        Err(why) => return Standing::Unreadable(why),
    };
    // Without a solution there is no stub to compare with; the verdict alone speaks then.
    if stub::is_untouched(exercise).unwrap_or(false) {
        return Standing::NotStarted;
    }
    match state.verdicts.get(&exercise.id()) {
        None => Standing::NotGraded,
        Some(verdict) if verdict.is_of(&text) => Standing::Graded(verdict.clone()),
        Some(verdict) if verdict.outcome == Outcome::NotStarted => Standing::NotGraded,
        Some(verdict) => Standing::Changed(verdict.clone()),
    }
}

/// The first exercise, in the order of the course, that does not pass.
pub fn next<'a>(catalogue: &'a Catalogue, state: &State) -> Option<&'a Exercise> {
    catalogue.exercises().find(|e| !standing(e, state).passes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::state::Check;
    use std::time::Duration;

    /// The life of an exercise, from the stub to an edit after it passed.
    #[test]
    fn from_stub_to_changed_since() {
        let dir = tempfile::tempdir().expect("tempdir");
        for folder in ["lessons/03-tides", "tests/solutions/ch03"] {
            std::fs::create_dir_all(dir.path().join(folder)).expect("mkdir");
        }
        std::fs::write(dir.path().join("Cargo.toml"), "").expect("write");
        let solution = "fn main() {\n    // step 1: ebb\n    drop(1);\n    // end of step 1\n}\n";
        std::fs::write(dir.path().join("tests/solutions/ch03/ebb.rs"), solution).expect("write");
        let file = dir.path().join("lessons/03-tides/ebb.rs");
        let catalogue = Catalogue::read(dir.path()).expect("read");
        let ebb = catalogue.exercise("ebb").expect("exercise");
        let mut state = State::default();
        assert!(matches!(standing(ebb, &state), Standing::Unreadable(_)));

        std::fs::write(&file, stub::of(ebb).expect("stub").replace('\n', "\r\n")).expect("write");
        assert_eq!(standing(ebb, &state), Standing::NotStarted);
        std::fs::write(&file, "fn main() {}\n").expect("write");
        assert_eq!(standing(ebb, &state), Standing::NotGraded);

        let todo = Check::not_started("ebbs", Duration::ZERO, "step 1: ebb");
        state.set_verdict(&ebb.id(), Verdict::new("fn main() {}\n", 1, vec![todo]));
        assert_eq!(standing(ebb, &state).to_string(), "not finished");
        state.set_verdict(&ebb.id(), Verdict::new("fn main() {}\n", 1, vec![Check::ok("ebbs", Duration::ZERO)]));
        assert!(standing(ebb, &state).passes());
        assert!(next(&catalogue, &state).is_none());
        std::fs::write(&file, "fn main() { }\n").expect("write");
        assert_eq!(standing(ebb, &state).to_string(), "ok, changed since");
        assert!(!standing(ebb, &state).passes() && standing(ebb, &state).has_passed());
        assert_eq!(next(&catalogue, &state).map(Exercise::id).as_deref(), Some("ch03::ebb"));
    }
}
