//! A few thousand inputs of each fuzz target, so that a target cannot rot. `make fuzz` tries millions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use fuzz::{TARGETS, Target, driver};

/// Then a target that fails: it is noticed, with the input that shows it. (In this order: the text of a panic takes more memory
/// than a target may.)
#[test]
fn nothing_is_found_where_nothing_is() {
    for target in TARGETS {
        if let Err(found) = driver::run(target, 7040, 0, 10_000) {
            panic!("{}: input {}: {}\n{:02x?}", target.name, found.number, found.why, found.input);
        }
    }
    let target = Target {
        name: "tide",
        make: |rng| vec![rng.u8(..)],
        check: |octets| assert_ne!(octets, [7], "one input in 256"),
    };
    let found = driver::run(&target, 7040, 0, 100_000).expect_err("it is there");
    assert_eq!(found.input, [7]);
}

/// The inputs are what they are meant to be: many of them whole, many of them not.
#[test]
fn inputs_of_every_kind() {
    let mut rng = fastrand::Rng::with_seed(7040);
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..10_000 {
        let octets = fuzz::tlv::make(&mut rng);
        let said = match netkata::tlv::read_value(&mut &octets[..]) {
            Ok(None) => "nothing".to_string(),
            Ok(Some(value)) => value.kind().name.to_string(),
            Err(e) => {
                e.to_string().split(": ").nth(1).unwrap_or_default().split(' ').take(2).collect::<Vec<_>>().join(" ")
            }
        };
        *seen.entry(said.trim_start_matches(|c: char| c.is_ascii_digit()).to_string()).or_insert(0) += 1;
    }
    for kind in ["nothing", "Binary", "String", "too long", "not UTF-8", "truncated header", "truncated value"] {
        assert!(seen.get(kind).is_some_and(|n| *n > 50), "{kind}: {seen:?}");
    }
}

/// Each target of TFTP makes packets of its own kind that are whole, and spoilt ones, with every fault among them.
#[test]
fn packets_and_faults_of_every_kind() {
    let mut rng = fastrand::Rng::with_seed(7069);
    let mut seen = std::collections::BTreeMap::new();
    for target in TARGETS.iter().filter(|t| t.name.starts_with("tftp")) {
        for _ in 0..5_000 {
            let octets = (target.make)(&mut rng);
            let said = match netkata::tftp::Packet::parse(&octets) {
                Ok(packet) => format!("{} whole {}", target.name, packet.opcode()),
                Err(fault) => format!("{:?}", fault.what).split(['(', ' ']).next().unwrap_or_default().to_string(),
            };
            *seen.entry(said).or_insert(0) += 1;
        }
    }
    for opcode in netkata::tftp::Opcode::ALL {
        let own = format!("tftp_{} whole {opcode}", opcode.name().to_lowercase());
        assert!(seen.get(&own).is_some_and(|n| *n > 500), "{own}: {seen:?}");
    }
    for fault in ["Missing", "Half", "NoNul", "Empty", "UnknownOpcode", "TrailingOctets", "TooLong"] {
        assert!(seen.get(fault).is_some_and(|n| *n > 20), "{fault}: {seen:?}");
    }
}
