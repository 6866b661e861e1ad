//! `kv_server`: a store that is spoken to in frames, and that stays in step when a request is wrong.

use super::tlv_frames::*;
use crate::checks::common;
use netkata_kit::prelude::*;

const SET: u8 = 16;
const GET: u8 = 17;
const DELETE: u8 = 18;
const LIST: u8 = 19;
const DONE: u8 = 32;
const DATA: u8 = 33;
const KEYS: u8 = 34;
const MISSING: u8 = 35;
const ERROR: u8 = 47;

const WHOLE: &str =
    "the frame was whole, so the server knows where the next one begins: one wrong request is no reason to close";
const INCLUSIVE: &str = "a limit belongs to what it allows";
const NESTED: &str =
    "a value made of frames is a stream of its own: its claims need the same checks as those of the peer";

pub fn program() -> Program {
    Program::exercise(4, "kv_server")
        .check("misses_what_was_never_set", "a Get of a key that is not there is answered by Missing", misses)
        .check("gives_back_what_was_set", "a Get of a key that was set is answered by its data", gives_back)
        .check("keeps_every_octet_value", "data is any octets, and no data is data, too", any_octets)
        .check("replaces", "a Set of a key that is there replaces its data", replaces)
        .check("forgets_what_was_deleted", "a Delete is Done once, and then Missing", deletes)
        .check(
            "lists_the_keys_in_order",
            "a List is answered by a String for each key, in the order of their octets",
            lists,
        )
        .check("lists_nothing", "an empty store is an empty list", lists_nothing)
        .check("has_one_store_for_all", "what one client sets, another gets", shared)
        .check("joins_what_was_cut", "a request may be cut anywhere, and come together with the next", cut)
        .check("takes_the_longest", "a key of 255 octets and data of 65,536 octets are allowed", longest)
        .check(
            "refuses_a_wrong_key",
            "a key that is empty, too long or not UTF-8 is an Error, and it goes on",
            wrong_key,
        )
        .check("refuses_longer_data", "data of 65,537 octets is an Error, and it goes on", longer_data)
        .check(
            "refuses_a_set_that_lies",
            "a frame in a Set that claims more than there is is an Error, and it goes on",
            lies,
        )
        .check("refuses_a_set_in_another_order", "a Set is a String and then a Binary", another_order)
        .check("refuses_what_is_left_over", "nothing follows the data in a Set", left_over)
        .check("refuses_a_list_with_a_value", "a List is empty", list_with_value)
        .check("answers_an_unknown_request", "an unknown type is answered by an Error, and it goes on", unknown)
        .check("holds_so_many_keys", "a full store refuses another key", full)
        .with(&["--max-keys", "3"])
        .check("replaces_when_it_is_full", "a full store still replaces, and a Delete makes room", room)
        .with(&["--max-keys", "3"])
        .check("ends_with_the_client", "the client's end between two requests is answered with a FIN alone", clean_end)
        .check("ends_at_a_broken_frame", "a frame that is not whole is an Error, and the end", broken)
        .check(
            "ends_at_a_claim_beyond_all",
            "a frame that claims more than any request has is an Error, and the end",
            claim,
        )
        .check("an_octet_now_and_then_is_no_request", "a request has --frame-time to come", drip)
        .with(&["--frame-time", "250ms"])
        .check("serves_clients_side_by_side", "a silent client does not hold up the next", side_by_side)
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
}

fn set(key: &[u8], data: &[u8]) -> Vec<u8> {
    frame(SET, &[frame(STRING, key), frame(BINARY, data)].concat())
}

/// One request, and the one frame that answers it.
fn ask(c: &mut Talk, request: &[u8], answer: &[u8], why: &str) -> Outcome {
    c.send(request).because(why)?;
    expect(c, answer).because(why)
}

fn expect(c: &mut Talk, answer: &[u8]) -> Outcome {
    let what = format!("{} with {}", name(answer[0]), netkata::human::count(answer.len() - 5, "octet"));
    let (code, value) = whole(c, &what, 1 << 20)?;
    if code != answer[0] {
        return Err(Failure::new(what, named(code, &value)));
    }
    let got = frame(code, &value);
    if got == answer { Ok(()) } else { Err(Failure::octets(answer, &got, "all of the answer")) }
}

/// With what it says.
fn named(code: u8, value: &[u8]) -> String {
    format!("{}: \"{}\"", name(code), netkata::hexdump::text(value, 70))
}

fn name(code: u8) -> String {
    let name = match code {
        DONE => "Done",
        DATA => "Data",
        KEYS => "Keys",
        MISSING => "Missing",
        ERROR => "Error",
        _ => "a frame of type",
    };
    format!("{name} ({code})")
}

/// An Error with some text, and the connection goes on: a Get works.
fn error_and_on(c: &mut Talk, request: &[u8], why: &str) -> Outcome {
    c.send(request)?;
    error(c, why)?;
    ask(c, &frame(GET, b"no such ship"), &frame(MISSING, b""), WHOLE)
}

fn error(c: &mut Talk, why: &str) -> Outcome {
    let (code, said) = whole(c, "Error (47), with a text", 1 << 20).because(why)?;
    if code != ERROR || said.is_empty() || std::str::from_utf8(&said).is_err() {
        return Err(Failure::new("Error (47), with a text", named(code, &said))).because(why);
    }
    Ok(())
}

/// As [`error`], and then a FIN.
fn error_and_end(c: &mut Talk, why: &str) -> Outcome {
    error(c, why)?;
    c.expect_close(Close::Fin).because("after a frame that is not whole, nobody knows where the next one begins")
}

fn misses(s: &mut Scene) -> Outcome {
    let key = s.phrase();
    let mut c = s.connect()?;
    ask(
        &mut c,
        &frame(GET, key.as_bytes()),
        &frame(MISSING, b""),
        "Missing is an answer: no Data is not the same as empty Data",
    )?;
    c.expect_no_more(ms(20))
}

fn gives_back(s: &mut Scene) -> Outcome {
    let why = "the contract: Set holds a String frame and a Binary frame; Done is empty; Data is the octets alone";
    let (key, data) = (s.phrase(), s.phrase());
    let mut c = s.connect()?;
    ask(&mut c, &set(key.as_bytes(), data.as_bytes()), &frame(DONE, b""), why)?;
    ask(&mut c, &frame(GET, key.as_bytes()), &frame(DATA, data.as_bytes()), why)?;
    let other = frame(GET, format!("{key}!").as_bytes());
    ask(&mut c, &other, &frame(MISSING, b""), "a key is all of its octets")
}

fn any_octets(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    for data in [s.every_octet(), Vec::new()] {
        let key = s.phrase();
        ask(&mut c, &set(key.as_bytes(), &data), &frame(DONE, b""), "the data is a Binary: octets, as they are")?;
        ask(
            &mut c,
            &frame(GET, key.as_bytes()),
            &frame(DATA, &data),
            "data is octets, as they are; none at all are data, too",
        )?;
    }
    Ok(())
}

fn replaces(s: &mut Scene) -> Outcome {
    let key = s.phrase();
    let mut c = s.connect()?;
    for data in [s.octets(20), s.octets(9)] {
        let why = "a Set is done when a Get gives what was set";
        ask(&mut c, &set(key.as_bytes(), &data), &frame(DONE, b""), why)?;
        ask(&mut c, &frame(GET, key.as_bytes()), &frame(DATA, &data), why)?;
    }
    Ok(())
}

fn deletes(s: &mut Scene) -> Outcome {
    let key = s.phrase();
    let (delete, get) = (frame(DELETE, key.as_bytes()), frame(GET, key.as_bytes()));
    let mut c = s.connect()?;
    ask(&mut c, &set(key.as_bytes(), b"12 fathoms"), &frame(DONE, b""), "a Delete needs something to delete")?;
    ask(&mut c, &delete, &frame(DONE, b""), "Done is for a key that was there")?;
    ask(&mut c, &get, &frame(MISSING, b""), "what was deleted is not there any more")?;
    ask(&mut c, &delete, &frame(MISSING, b""), "Done is for a key that was there")
}

fn lists(s: &mut Scene) -> Outcome {
    let mut ships = ["Doris", "alma", "Elbe", "\u{d8}resund", "Bruna", "Brun"];
    s.rng.shuffle(&mut ships);
    let mut c = s.connect()?;
    for key in ships {
        ask(&mut c, &set(key.as_bytes(), b"at sea"), &frame(DONE, b""), "a List needs keys")?;
    }
    ships.sort_unstable_by_key(|key| key.as_bytes());
    let keys: Vec<u8> = ships.iter().flat_map(|key| frame(STRING, key.as_bytes())).collect();
    let why = "an answer has one order for all clients; a frame for each key needs no octet that a key may not have";
    ask(&mut c, &frame(LIST, b""), &frame(KEYS, &keys), why)
}

fn lists_nothing(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    ask(&mut c, &frame(LIST, b""), &frame(KEYS, b""), "no keys are no reason for another answer")?;
    ask(&mut c, &set(b"Elbe", b""), &frame(DONE, b""), "a List needs keys")?;
    ask(&mut c, &frame(LIST, b""), &frame(KEYS, &frame(STRING, b"Elbe")), "a key without data is a key")
}

fn shared(s: &mut Scene) -> Outcome {
    let (key, data) = (s.phrase(), s.octets(12));
    let (mut a, mut b) = (s.connect()?, s.connect()?);
    let why = "the store belongs to the server; a thread for each connection shares it";
    ask(&mut a, &set(key.as_bytes(), &data), &frame(DONE, b""), why)?;
    ask(&mut b, &frame(GET, key.as_bytes()), &frame(DATA, &data), why)
}

fn cut(s: &mut Scene) -> Outcome {
    let (key, data) = (s.phrase(), s.octets(12));
    let mut c = s.connect()?;
    let get = frame(GET, key.as_bytes());
    c.send_split(&set(key.as_bytes(), &data), &[3, 7, 12, 30])?;
    expect(&mut c, &frame(DONE, b"")).because(STREAM)?;
    c.send(&[&get[..], &get, &frame(LIST, b"")].concat())?;
    for answer in [frame(DATA, &data), frame(DATA, &data), frame(KEYS, &frame(STRING, key.as_bytes()))] {
        expect(&mut c, &answer).because(STREAM)?;
    }
    Ok(())
}

fn longest(s: &mut Scene) -> Outcome {
    let key = [b'k'; 255];
    let data = s.octets(65_536);
    let mut c = s.connect()?;
    ask(&mut c, &set(&key, &data), &frame(DONE, b""), INCLUSIVE)?;
    ask(&mut c, &frame(GET, &key), &frame(DATA, &data), INCLUSIVE)?;
    ask(&mut c, &frame(DELETE, &key), &frame(DONE, b""), INCLUSIVE)
}

fn wrong_key(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    for key in [&b""[..], &[b'k'; 256], b"Alma\xff"] {
        let why = "a key is UTF-8, and has 1 to 255 octets";
        error_and_on(&mut c, &set(key, b"12"), why)?;
        error_and_on(&mut c, &frame(GET, key), why)?;
        error_and_on(&mut c, &frame(DELETE, key), why)?;
    }
    ask(&mut c, &frame(LIST, b""), &frame(KEYS, b""), "a request that is refused stores nothing")
}

fn longer_data(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    error_and_on(&mut c, &set(b"Alma", &vec![b'~'; 65_537]), "1,000 keys of any size are memory of any size")?;
    ask(&mut c, &frame(LIST, b""), &frame(KEYS, b""), "a request that is refused stores nothing")
}

/// The Set is whole; the frames in it claim to be longer.
fn lies(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    for value in [
        [frame(STRING, b"Alma"), header(BINARY, 60_000), vec![1, 2]].concat(),
        [header(STRING, 200), b"Alma".to_vec()].concat(),
        [header(STRING, u32::MAX), b"Alma".to_vec()].concat(),
        [frame(STRING, b"Alma"), vec![BINARY, 0, 0]].concat(),
        frame(STRING, b"Alma"),
        Vec::new(),
    ] {
        error_and_on(&mut c, &frame(SET, &value), NESTED)?;
    }
    ask(&mut c, &frame(LIST, b""), &frame(KEYS, b""), "a request that is refused stores nothing")
}

fn another_order(s: &mut Scene) -> Outcome {
    let (name, data) = (frame(STRING, b"Alma"), frame(BINARY, b"12"));
    let mut c = s.connect()?;
    for value in [[&data[..], &name].concat(), [&name[..], &name].concat(), [&data[..], &data].concat()] {
        error_and_on(
            &mut c,
            &frame(SET, &value),
            "the types say which frame is which; a server that guesses will guess wrong",
        )?;
    }
    Ok(())
}

fn left_over(s: &mut Scene) -> Outcome {
    let entry = [frame(STRING, b"Alma"), frame(BINARY, b"12")].concat();
    let mut c = s.connect()?;
    for more in [frame(BINARY, b"13"), vec![0]] {
        let why = "two readers that differ in what they overlook see two different requests";
        error_and_on(&mut c, &frame(SET, &[&entry[..], &more].concat()), why)?;
    }
    ask(&mut c, &frame(LIST, b""), &frame(KEYS, b""), "a request that is refused stores nothing")
}

fn list_with_value(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    error_and_on(
        &mut c,
        &frame(LIST, b"A"),
        "what is not in the contract today may mean something tomorrow: refuse it until then",
    )
}

fn unknown(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    for code in [s.rng.u8(20..32), s.rng.u8(48..), STRING, DONE] {
        let value = s.octets(40);
        error_and_on(&mut c, &frame(code, &value), WHOLE)?;
    }
    Ok(())
}

fn fill(c: &mut Talk) -> Outcome {
    for key in [b"Alma", b"Elbe", b"Ebba"] {
        ask(c, &set(key, b"12"), &frame(DONE, b""), INCLUSIVE)?;
    }
    Ok(())
}

fn full(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    fill(&mut c)?;
    error_and_on(
        &mut c,
        &set(b"Bruna", b"12"),
        "a limit on each value and none on their number is no limit on memory",
    )?;
    ask(&mut c, &frame(GET, b"Bruna"), &frame(MISSING, b""), "a request that is refused stores nothing")
}

fn room(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    fill(&mut c)?;
    ask(&mut c, &set(b"Elbe", b"13"), &frame(DONE, b""), "a key that is there needs no more room")?;
    ask(&mut c, &frame(GET, b"Elbe"), &frame(DATA, b"13"), "a key that is there needs no more room")?;
    ask(&mut c, &frame(DELETE, b"Alma"), &frame(DONE, b""), "a Delete makes room")?;
    ask(&mut c, &set(b"Bruna", b"14"), &frame(DONE, b""), "a Delete makes room")
}

fn clean_end(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    ask(&mut c, &frame(LIST, b""), &frame(KEYS, b""), STREAM)?;
    c.half_close()?;
    c.expect_close(Close::Fin).because("recv(2): zero octets where a frame may begin is the end that was meant")
}

fn broken(s: &mut Scene) -> Outcome {
    let whole = set(b"Alma", b"12");
    for there in [s.rng.usize(1..5), s.rng.usize(5..whole.len())] {
        let mut c = s.connect()?;
        c.send(&whole[..there])?;
        c.half_close()?;
        error_and_end(&mut c, "recv(2): zero octets is the end of the stream; inside a frame it was not meant")?;
    }
    let mut c = s.connect()?;
    ask(&mut c, &frame(LIST, b""), &frame(KEYS, b""), "half a request is no request")
}

fn claim(s: &mut Scene) -> Outcome {
    for length in [65_802, u32::MAX] {
        let mut c = s.connect()?;
        c.send(&header(SET, length))?;
        error_and_end(&mut c, CLAIM)?;
    }
    Ok(())
}

/// An octet each 50 ms, for four times as long as a request may take.
fn drip(s: &mut Scene) -> Outcome {
    let why = "socket(7): SO_RCVTIMEO limits each read anew; only a deadline limits a frame";
    let mut c = s.connect()?;
    c.send(&header(GET, 200))?;
    if c.drip(&[b'.'; 20], ms(50)) == 20 {
        return Err(Failure::new("the program to give the request up after 250ms", "1 s later it is still waiting"))
            .because(why);
    }
    error_and_end(&mut c, why)
}

fn side_by_side(s: &mut Scene) -> Outcome {
    let why = "a lock that is held while a client is silent is held for as long as it likes";
    let mut silent = s.connect()?;
    ask(&mut silent, &set(b"Alma", b"12"), &frame(DONE, b""), why)?;
    silent.send(&header(SET, 9))?;
    silent.wait_until_read();
    s.keep(silent);
    let mut c = s.connect()?;
    ask(&mut c, &frame(GET, b"Alma"), &frame(DATA, b"12"), why)
}
