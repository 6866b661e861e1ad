//! How fast the TLV codec takes frames out of octets that are there already: what is left is the codec's own cost.

use crate::common::settings::ROUNDS;
use netkata::human;
use netkata::tlv::{Reader, VALUES, Value};
use std::error::Error;
use std::time::{Duration, Instant};

/// Octets that are decoded again and again; they fit a processor's cache.
const ALL: usize = 1 << 20;
const SIZES: [usize; 3] = [16, 1024, 64 * 1024];

pub(crate) fn decode(round: Duration) -> Result<(), Box<dyn Error>> {
    println!("\n{:<22} {:>16} {:>12} {:>8}", "tlv, decoding", "frames a second", "GB/s", "spread");
    for size in SIZES {
        let mut octets = Vec::new();
        let value = Value::Binary(vec![0x5a; size]);
        while octets.len() < ALL {
            value.write_to(&mut octets)?;
        }
        let mut rates = Vec::new();
        for _ in 0..ROUNDS {
            rates.push(one_round(&octets, &value, round)?);
        }
        rates.sort_by(f64::total_cmp);
        let (low, median, high) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
        let (frames, speed) = (human::thousands(median as usize), median * (size + 5) as f64 / 1e9);
        let name = format!("values of {}", human::count(size, "octet"));
        println!("{name:<22} {frames:>16} {speed:>12.2} {:>7.0}%", (high - low) / median * 100.0);
    }
    Ok(())
}

/// Frames a second. Every value is compared with what was encoded.
fn one_round(octets: &[u8], expected: &Value, time: Duration) -> Result<f64, Box<dyn Error>> {
    let (start, mut frames) = (Instant::now(), 0_u64);
    while start.elapsed() < time {
        let mut reader = Reader::new(octets, VALUES);
        while let Some(value) = reader.read_value()? {
            if &value != expected {
                return Err("a value came out that did not go in".into());
            }
            frames += 1;
        }
    }
    Ok(frames as f64 / start.elapsed().as_secs_f64())
}
