//! Values on a command line, in the order in which they stand there: `--string Alma --binary 00ff --file chart.png`.

use super::{BINARY, Kind, LIMIT, STRING, Value};
use crate::error::{Attempt, NetError, Result};
use crate::hexdump;
use crate::human::thousands;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use std::fs::File;
use std::io::{self, BufRead, Read};

/// The options, flattened into a program's own.
#[derive(Clone, Debug, Default)]
pub struct Given(Vec<(Form, String)>);

#[derive(Clone, Copy, Debug)]
enum Form {
    Text,
    Hex,
    File(Kind),
}

const OPTIONS: [(&str, char, &str, &str, Form); 4] = [
    ("string", 's', "TEXT", "A String with this text", Form::Text),
    ("binary", 'b', "HEX", "A Binary with these octets, in hexadecimal: 00ff or \"00 ff\"", Form::Hex),
    ("file", 'f', "PATH", "A Binary with what is in this file; - is standard input", Form::File(BINARY)),
    ("text-file", 't', "PATH", "A String with what is in this file; - is standard input", Form::File(STRING)),
];

impl Given {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values. Files are read now, up to the limit and no further.
    ///
    /// # Errors
    /// When one is not what it should be, cannot be read, or is too long: names it.
    pub fn values(&self) -> Result<Vec<Value>> {
        self.0.iter().map(|(form, given)| value(*form, given)).collect()
    }

    /// The values; where none is given, each line of standard input as a String, as it comes.
    ///
    /// # Errors
    /// As [`Given::values`], before the first; a line that is too long or no text is an error in its turn.
    pub fn values_or_lines(&self) -> Result<Box<dyn Iterator<Item = Result<Value>>>> {
        if self.is_empty() {
            return Ok(Box::new(std::iter::from_fn(|| line(&mut io::stdin().lock()).transpose())));
        }
        Ok(Box::new(self.values()?.into_iter().map(Ok)))
    }
}

/// The next line without its end, LF or CR LF; the last need not have one.
fn line(from: &mut impl BufRead) -> Result<Option<Value>> {
    let mut line = Vec::new();
    // Room for the longest value and its line end; what is longer is refused as a value.
    let got = from.take(u64::from(LIMIT) + 3).read_until(b'\n', &mut line).attempt("read", "standard input")?;
    if line.ends_with(b"\n") {
        line.pop();
        line.pop_if(|octet| *octet == b'\r');
    }
    if line.len() > LIMIT as usize {
        let why = format!("a line of more than {} octets", thousands(LIMIT as usize));
        return Err(NetError::invalid("read", "standard input", why));
    }
    if got == 0 { Ok(None) } else { text(line, "standard input").map(Some) }
}

fn value(form: Form, given: &str) -> Result<Value> {
    match form {
        Form::Text => text(given.as_bytes().to_vec(), "--string"),
        Form::Hex => {
            hexdump::parse(given).map(Value::Binary).map_err(|why| NetError::invalid("encode", "--binary", why))
        }
        Form::File(kind) if kind == STRING => text(read(given)?, given),
        Form::File(_) => read(given).map(Value::Binary),
    }
}

fn text(octets: Vec<u8>, from: &str) -> Result<Value> {
    Value::try_from(super::Frame { kind: STRING, value: octets })
        .map_err(|fault| NetError::invalid("encode", from, fault.to_string()))
}

/// One octet more than is allowed tells that there are too many.
fn read(path: &str) -> Result<Vec<u8>> {
    let mut octets = Vec::new();
    let mut fill = |from: &mut dyn Read| from.take(u64::from(LIMIT) + 1).read_to_end(&mut octets);
    match path {
        "-" => fill(&mut io::stdin().lock()).attempt("read", "standard input")?,
        _ => File::open(path).and_then(|mut file| fill(&mut file)).attempt("read", path)?,
    };
    if octets.len() > LIMIT as usize {
        return Err(NetError::invalid("read", path, format!("more than {} octets", thousands(LIMIT as usize))));
    }
    Ok(octets)
}

impl Args for Given {
    fn augment_args(command: Command) -> Command {
        OPTIONS.iter().fold(command, |command, (name, short, value, help, _)| {
            command.arg(
                Arg::new(*name)
                    .long(*name)
                    .short(*short)
                    .value_name(*value)
                    .help(*help)
                    .action(ArgAction::Append)
                    .allow_hyphen_values(true),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// clap sorts by option; the index says where each stood.
impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut all: Vec<(usize, Form, String)> = Vec::new();
        for (name, .., form) in OPTIONS {
            let given = matches.get_many::<String>(name).into_iter().flatten();
            let places = matches.indices_of(name).into_iter().flatten();
            all.extend(places.zip(given).map(|(place, given)| (place, form, given.clone())));
        }
        all.sort_by_key(|(place, ..)| *place);
        Ok(Self(all.into_iter().map(|(_, form, given)| (form, given)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(line: &[&str]) -> Given {
        let matches = Given::augment_args(Command::new("tlv").no_binary_name(true)).get_matches_from(line);
        Given::from_arg_matches(&matches).expect("matches")
    }

    /// The order on the line is the order on the wire, whatever the options are called.
    #[test]
    fn in_the_order_of_the_line() {
        let values = given(&["-s", "Alma", "--binary", "00 fF", "--string", "-1"]).values().expect("values");
        let text = |t: &str| Value::String(t.into());
        assert_eq!(values, [text("Alma"), Value::Binary(vec![0, 255]), text("-1")]);
        assert!(given(&[]).is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, said) in [
            (["--binary", "0g"], "encode --binary: 'g' is no hexadecimal digit"),
            (["--binary", "00f"], "encode --binary: 3 digits: an octet has two"),
            (["--file", "/no/such/chart"], "read /no/such/chart: no such file or directory"),
        ] {
            assert_eq!(given(&line).values().expect_err("wrong").to_string(), said);
        }
    }

    #[test]
    fn lines_are_strings() {
        let mut input = &b"ebb\r\n\nflood"[..];
        for expected in [Some("ebb"), Some(""), Some("flood"), None] {
            assert_eq!(line(&mut input).expect("text"), expected.map(|t| Value::String(t.into())));
        }
        let e = line(&mut &b"\xff\n"[..]).expect_err("no text").to_string();
        assert_eq!(e, "encode standard input: not UTF-8: octet 0 of a String of 1 octet is ff");
        let mut long = io::repeat(b'~').take(u64::from(LIMIT)).chain(&b"\n"[..]);
        let longest = line(&mut io::BufReader::new(&mut long)).expect("at the limit").expect("a value");
        assert_eq!(longest.octets().len(), LIMIT as usize);
        let mut endless = io::BufReader::new(io::repeat(b'~'));
        assert!(line(&mut endless).expect_err("endless").to_string().contains("a line of more than 10,485,760 octets"));
    }

    /// A file without end is read up to the limit.
    #[test]
    fn a_file_has_a_limit() {
        let e = given(&["--file", "/dev/zero"]).values().expect_err("endless");
        assert_eq!(e.to_string(), "read /dev/zero: more than 10,485,760 octets");
    }
}
