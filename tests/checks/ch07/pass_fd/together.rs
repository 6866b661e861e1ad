//! Both programs: the giver ends, and the conversation goes on.

use super::QUESTION;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;

pub fn checks(program: Program) -> Program {
    program.check("outlives_its_giver", "the giver is killed, and the client notices nothing", killed)
}

fn killed(s: &mut Scene) -> Outcome {
    const WHY: &str = "unix(7), SCM_RIGHTS: the taker's descriptor is as good as the giver's was, and needs it no more";
    let (path, name, before, after) = (s.socket_path()?, s.phrase(), s.phrase(), s.phrase());
    s.start_with_arguments(&["take".into(), path.clone()])?;
    let mut giver = s.beside(&["give", "127.0.0.1:0", "--to", &path])?;
    let address = giver.announced()?;
    let address = address.parse().map_err(|_| Failure::new("an address with a port", address))?;
    let mut client = s.connect_to(address)?;
    client.expect(QUESTION)?;
    client.send(format!("{name}\n{before}\n").as_bytes())?;
    client.expect(format!("welcome, {name}\n{name}: {before}\n").as_bytes())?;
    giver.signal(Signal::SIGKILL)?;
    giver.expect_end()?;
    client.expect_silence(ms(150)).because(WHY)?;
    client.send(format!("{after}\nbye\n").as_bytes()).because(WHY)?;
    client.expect(format!("{name}: {after}\nfair winds, {name}\n").as_bytes()).because(WHY)?;
    client.expect_close(Close::Fin)
}
