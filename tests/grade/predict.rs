//! Grading a *predict the bytes* file: the learner's octets against the recorded ones.

use crate::exercise::{not_started, record_or_say};
use libtest_mimic::{Completion, Failed, Trial};
use netkata::course::predict::{Octet, octets};
use netkata::course::state::{Check, Verdict};
use netkata::course::stub;
use netkata::course::{Exercise, Kind};
use std::time::Duration;

/// Lines of a message that name wrong fields; the rest is counted.
const SHOWN: usize = 8;

/// The trial of a predict file; `None` for an exercise of another kind.
pub fn trial(exercise: &Exercise) -> Option<Trial> {
    if exercise.kind != Kind::Predict {
        return None;
    }
    if stub::is_untouched(exercise).unwrap_or(false) {
        return Some(not_started(exercise));
    }
    let exercise = exercise.clone();
    Some(Trial::ignorable_test(exercise.id(), move || {
        let (outcome, note) = match grade(&exercise) {
            Ok(Some(open)) => {
                let note = Check::not_started("octets", Duration::ZERO, &open);
                (Ok(Completion::ignored_with(format!("not finished: {open}"))), note)
            }
            Ok(None) => (Ok(Completion::Completed), Check::ok("octets", Duration::ZERO)),
            Err(message) => (Err(Failed::from(&message)), Check::failed("octets", Duration::ZERO, &message)),
        };
        if let Ok(source) = exercise.text() {
            record_or_say(&exercise.id(), Verdict::new(&source, 1, vec![note]));
        }
        outcome
    }))
}

/// `Ok(None)`: all right. `Ok(Some)`: right as far as it goes, with what is open. `Err`: the message.
fn grade(exercise: &Exercise) -> Result<Option<String>, String> {
    let (text, solution) = (exercise.text()?, exercise.solution_text()?);
    let file = exercise.file.display();
    let answers = octets(&text).map_err(|e| format!("{file}: {e}"))?;
    let right = octets(&solution).map_err(|e| format!("{}: {e}", exercise.solution.display()))?;
    if answers.len() != right.len() {
        let (has, wants) = (answers.len(), right.len());
        return Err(format!("{file}: {has} octets where the listing has {wants}: replace each ?? by two hex digits"));
    }
    let wrong = wrong_lines(&text, &answers, &right);
    if !wrong.is_empty() {
        let more = wrong.len().saturating_sub(SHOWN);
        let mut message = format!("ch{:02} {}: not what went over the wire\n", exercise.chapter, exercise.name);
        message.push_str(&wrong.into_iter().take(SHOWN).collect::<Vec<_>>().join("\n"));
        if more > 0 {
            message.push_str(&format!("\n  … and {more} more lines"));
        }
        return Err(format!("{message}\n  file      {file}\n  hint      cargo run hint {}", exercise.name));
    }
    Ok(stub::steps_of(exercise, &text).into_iter().next().map(|(_, sentence)| sentence))
}

/// A sentence for each line with a wrong octet: where it is, what its comment calls it – not what would be right.
fn wrong_lines(text: &str, answers: &[Octet], right: &[Octet]) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut wrong = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let here = |pair: &(&Octet, &Octet)| pair.0.line == i + 1;
        let pairs: Vec<(&Octet, &Octet)> = answers.iter().zip(right).filter(here).collect();
        let bad: Vec<String> = (pairs.iter().enumerate())
            .filter(|(_, (answer, right))| answer.value.is_some() && answer.value != right.value)
            .map(|(n, (answer, _))| format!("octet {n} ({:02x})", answer.value.unwrap_or_default()))
            .collect();
        if !bad.is_empty() {
            let field = line.split_once('#').map_or("", |(_, comment)| comment.trim());
            wrong.push(format!(
                "  line {:<4} wrong: {}{}",
                i + 1,
                bad.join(", "),
                if field.is_empty() { String::new() } else { format!("  in: {field}") }
            ));
        }
    }
    wrong
}
