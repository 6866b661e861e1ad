//! The last ACK, which nobody acknowledges.

use super::*;
use netkata::human;

const DALLY: &str = "RFC 1350 §6: who has sent the last ACK may stay a while, to send it again if it was lost";

pub fn checks(program: Program) -> Program {
    program
        .check("finishes_before_it_dallies", "the file has its name before the client waits for the server", file_first)
        .check("dallies_when_told", "for --dally, the last block that comes again is acknowledged again", told)
        .check("dallies_after_a_loss", "without being told, it stays when something was lost on the way", after_a_loss)
}

fn file_first(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (wanted, mut transfer) = asked(s, &["--dally", "10s"])?;
    transfer.data(1, words.as_bytes())?;
    transfer.expect_ack(1)?;
    s.expect_error(&format!("{}: {} in 1 block", wanted.name, human::count(words.len(), "octet")))?;
    expect_file(s, &wanted.name, words.as_bytes())
        .because("the file is whole: what follows is for the server alone")?;
    if s.subject()?.poll()?.is_some() {
        return Err(Failure::new("the program to stay", "it ended")).because(DALLY);
    }
    Ok(())
}

fn told(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (_, mut transfer) = asked(s, &["--dally", "10s"])?;
    for _ in 0..3 {
        transfer.data(1, words.as_bytes())?;
        transfer.expect_ack(1).because(DALLY)?;
    }
    transfer.expect_silence(ms(20))
}

fn after_a_loss(s: &mut Scene) -> Outcome {
    let file = s.octets(BLOCK + 9);
    let (_, mut transfer) = asked(s, &["--timeout", "2s"])?;
    for _ in 0..2 {
        transfer.data(1, &file[..BLOCK])?;
        transfer.expect_ack(1)?;
    }
    for _ in 0..2 {
        transfer.data(2, &file[BLOCK..])?;
        transfer.expect_ack(2).because(DALLY)?;
    }
    Ok(())
}
