//! The taker: is handed connections, and talks to their clients.

use crate::{TAKEN, arrival, conversation, trust, usual_place};
use clap::Args;
use netkata::accept::{self, Limits};
use netkata::conn::{Conn, Peer};
use netkata::endpoint::Endpoint;
use netkata::error::{NetError, Result, cause_text};
use netkata::unix::options::AccessOptions;
use netkata::{exit, human, listen};
use std::io::Write;
use std::time::Duration;

#[derive(Args, Clone)]
pub struct Options {
    /// Where connections are handed over: a path, or @name
    #[arg(default_value_t = usual_place())]
    name: String,
    #[command(flatten)]
    access: AccessOptions,
    /// Take connections from processes of any user, not only from one's own and root's
    #[arg(long)]
    any_user: bool,
    /// The time for a giver to send the line and the descriptor
    #[arg(long, default_value = "5s", value_parser = human::parse_limit)]
    give_time: Duration,
    /// Close a connection on which no line comes for this long
    #[arg(long, default_value = "5m", value_parser = human::parse_limit)]
    idle: Duration,
    /// Conversations at once; further givers are sent away
    #[arg(long, default_value_t = 12_000)]
    max_connections: usize,
    /// After SIGINT or SIGTERM, let conversations go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

pub fn serve(options: Options) -> Result<()> {
    let name = options.name.parse().map_err(|why| NetError::invalid("address", format!("{:?}", options.name), why))?;
    let (place, access) = (Endpoint::Unix(name), options.access.access());
    let limits = Limits { connections: options.max_connections, grace: options.grace };
    accept::run_with(
        || listen::announced_for(&place, &access),
        &place,
        &limits,
        move |giver, who| {
            take(giver, who, &options);
        },
    )
}

/// One hand-over, and in the same thread the conversation that comes of it.
fn take(mut giver: Conn, who: Peer, options: &Options) {
    let received = trust::check(&giver, options.any_user).and_then(|_| arrival::receive(&giver, options.give_time));
    let arrival = match received {
        Ok(arrival) => arrival,
        Err(e) => {
            exit::log(format_args!("{who}: refused: {}", cause_text(&e)));
            let _ = giver.write_all(format!("refused: {}\n", cause_text(&e)).as_bytes());
            return;
        }
    };
    let client = arrival.client.peer_addr().map_or_else(|_| "a client that has gone".into(), |a| a.to_string());
    let ship = arrival.ship.clone();
    exit::log(format_args!("{client}: {ship}, taken from {who}"));
    // The giver may have gone. All the more is the client ours.
    let _ = giver.write_all(TAKEN);
    drop(giver);
    match conversation::run(arrival, options.idle) {
        Ok(()) => exit::log(format_args!("{client}: {ship} has left")),
        Err(e) => exit::log(format_args!("{client}: {ship}: {}", cause_text(&e))),
    }
}
