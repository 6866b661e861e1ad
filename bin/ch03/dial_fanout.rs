//! Fans a dial out: several threads dial at once, the first to deliver wins, and the others are told to stop.
//!
//! Each dialer connects, closes, and offers its number on a channel without a buffer, until somebody takes it or the
//! context ends. The program takes one number, cancels the context, and waits for every dialer. Without an address it
//! calls a listener of its own, which accepts one connection and no more: the kernel completes the handshakes of the
//! others all the same and queues them (listen(2)). So it is the channel that picks the winner. With `--take-after` all
//! of them have connected before that.
//!
//! ```text
//! cargo run --bin dial_fanout -- --take-after 100ms
//! nc -lk 127.0.0.1 7007 & cargo run --bin dial_fanout -- 127.0.0.1:7007
//! ```

use clap::Parser;
use crossbeam_channel::{Receiver, Sender, bounded, select};
use netkata::addr::Network;
use netkata::context::{Cause, Context, Ready};
use netkata::dial::dial;
use netkata::error::{Attempt, NetError, Result};
use netkata::{exit, human, listen, sys};
use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// Dials from several threads; the first wins.
#[derive(Parser)]
#[command(after_help = "Example:\n  dial_fanout 127.0.0.1:7007 --dialers 3 --deadline 2s")]
struct Args {
    /// Whom to call: host:port, :port or [v6]:port [default: a listener of its own that accepts once]
    address: Option<String>,
    /// How many dial at once
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    dialers: u16,
    /// Give up when nobody has won after this long
    #[arg(long, default_value = "10s", value_parser = human::parse_limit)]
    deadline: Duration,
    /// Leave the dialers this long before one is taken
    #[arg(long, default_value = "0", value_parser = human::parse_duration)]
    take_after: Duration,
}

/// What became of a dialer.
enum End {
    Won,
    /// Connected, and nobody wanted it any more.
    TooLate,
    Failed(NetError),
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| call(&args))
}

fn call(args: &Args) -> Result<()> {
    // The dialers' sockets are all open at once.
    sys::limits::raise_descriptors().attempt("raise", "the limit on open descriptors")?;
    let ctx = Context::new().with_timeout(args.deadline);
    let Some(address) = &args.address else {
        let listener = listen::tcp(Network::Tcp, "127.0.0.1:0")?;
        let address = listener.local_addr().attempt("listen", "127.0.0.1:0")?.to_string();
        let acceptor = thread::Builder::new().name("acceptor".into());
        return thread::scope(|s| {
            let accepting = acceptor.spawn_scoped(s, || accept_one(&ctx, &listener)).attempt("start", "a thread")?;
            let ended = fan_out(&ctx, args, &address);
            let accepted = accepting.join().unwrap_or(Ok(())).attempt("accept", &address);
            ended.and(accepted)
        });
    };
    fan_out(&ctx, args, address)
}

/// The listener stays open afterwards: to close it would reset those who wait in its queue.
fn accept_one(ctx: &Context, listener: &TcpListener) -> io::Result<()> {
    match ctx.wait_readable(listener)? {
        Ready::Socket => listener.accept().map(drop),
        Ready::Ended(_) => Ok(()),
    }
}

fn fan_out(ctx: &Context, args: &Args, address: &str) -> Result<()> {
    let (offer, offers) = bounded(0);
    let ends = thread::scope(|s| {
        let mut dialers = Vec::new();
        for id in 1..=args.dialers {
            let (name, offer) = (format!("dialer {id}"), offer.clone());
            let dialer = thread::Builder::new().name(name).spawn_scoped(s, move || compete(ctx, address, id, &offer));
            dialers.push(dialer.inspect_err(|_| ctx.cancel()).attempt("start", "a thread")?);
        }
        // The dialers hold the other ends: when all have failed, there is nobody left to wait for.
        drop(offer);
        let winner = take_one(ctx, args.take_after, &offers);
        ctx.cancel();
        // A loser may still be closing its socket. It is waited for: a thread left behind would outlive its purpose.
        let ends = dialers.into_iter().map(|dialer| dialer.join().unwrap_or(End::TooLate)).collect::<Vec<_>>();
        report(ctx, winner, &ends).map(|()| ends)
    })?;
    verdict(ctx, address, ends)
}

fn verdict(ctx: &Context, address: &str, ends: Vec<End>) -> Result<()> {
    let won = ends.iter().any(|end| matches!(end, End::Won));
    let failure = ends.into_iter().find_map(|end| if let End::Failed(e) = end { Some(e) } else { None });
    if won { Ok(()) } else { Err(failure.unwrap_or_else(|| nobody(ctx, address))) }
}

fn compete(ctx: &Context, address: &str, id: u16, offer: &Sender<u16>) -> End {
    match dial(ctx, address) {
        Ok(stream) => drop(stream),
        Err(e) => return End::Failed(e),
    }
    select! {
        // Without a buffer, the send is over only when somebody has taken it.
        send(offer, id) -> taken => if taken.is_ok() { End::Won } else { End::TooLate },
        recv(ctx.done()) -> _ => End::TooLate,
        recv(ctx.expiry()) -> _ => End::TooLate,
    }
}

fn take_one(ctx: &Context, after: Duration, offers: &Receiver<u16>) -> Option<u16> {
    ctx.sleep(after).ok()?;
    select! {
        recv(offers) -> id => id.ok(),
        recv(ctx.expiry()) -> _ => None,
    }
}

fn report(ctx: &Context, winner: Option<u16>, ends: &[End]) -> Result<()> {
    if let Some(id) = winner {
        exit::say(format_args!("dialer {id} retrieved the resource"))?;
    }
    for (id, end) in (1..).zip(ends) {
        match end {
            End::Won => {}
            End::TooLate => exit::say(format_args!("dialer {id}: connected, too late"))?,
            End::Failed(e) => exit::say(format_args!("dialer {id}: {e}"))?,
        }
    }
    // The first cause sticks: a cancel after the deadline changes nothing.
    let cause = ctx.cause().map_or("not ended".into(), |cause: Cause| cause.to_string());
    exit::say(format_args!("context: {cause}"))
}

/// Every dialer connected, and the deadline passed before one was taken.
fn nobody(ctx: &Context, address: &str) -> NetError {
    let cause = ctx.cause().unwrap_or(Cause::DeadlineExceeded);
    NetError::new("connect", format!("tcp://{address}"), cause.into())
}
