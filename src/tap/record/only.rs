//! `--only`: which sides, conversations and protocols are recorded.

use crate::relay::From;
use crate::tap::dialogue;
use crate::tap::protocol::Protocol;
use std::str::FromStr;

/// One word of the choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// `client` or `server`.
    Side(From),
    /// `A`, `B`, …, `AA`: a conversation, by its letter.
    Conversation(usize),
    /// `http`, `tls`, …
    Protocol(Protocol),
}

impl FromStr for Word {
    type Err = String;

    /// # Errors
    /// Says what the word may be.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "client" => return Ok(Word::Side(From::Client)),
            "server" => return Ok(Word::Side(From::Server)),
            _ => {}
        }
        // DNS and TLS would do as letters, for the 2,905th conversation and later.
        if let Ok(protocol) = text.parse() {
            return Ok(Word::Protocol(protocol));
        }
        let conversation = dialogue::number_of(text).map(Word::Conversation);
        conversation.ok_or_else(|| {
            let protocols = Protocol::names();
            format!("not client, server, a conversation's letter (A, B, …, AA) or a protocol ({protocols})")
        })
    }
}

/// A choice. Words of one kind widen it (`A,B`: both conversations), different kinds narrow it (`client,http`: what clients
/// say in HTTP). Without words of a kind, everything of that kind is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    sides: Vec<From>,
    conversations: Vec<usize>,
    protocols: Vec<Protocol>,
}

impl FromIterator<Word> for Only {
    fn from_iter<I: IntoIterator<Item = Word>>(words: I) -> Self {
        let mut only = Self::default();
        for word in words {
            match word {
                Word::Side(side) => only.sides.push(side),
                Word::Conversation(index) => only.conversations.push(index),
                Word::Protocol(protocol) => only.protocols.push(protocol),
            }
        }
        only
    }
}

impl Only {
    pub(super) fn side(&self, from: From) -> bool {
        self.sides.is_empty() || self.sides.contains(&from)
    }

    pub(super) fn conversation(&self, index: usize) -> bool {
        self.conversations.is_empty() || self.conversations.contains(&index)
    }

    /// Whether it takes a look at the octets to know.
    pub(super) fn asks_for_protocols(&self) -> bool {
        !self.protocols.is_empty()
    }

    pub(super) fn protocol(&self, spoken: Protocol) -> bool {
        self.protocols.iter().any(|wanted| spoken.is(*wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(words: &[&str]) -> Only {
        words.iter().map(|w| w.parse::<Word>().expect(w)).collect()
    }

    #[test]
    fn words_of_a_kind_widen() {
        let choice = only(&["A", "C"]);
        assert!(choice.conversation(0) && !choice.conversation(1) && choice.conversation(2));
        assert!(choice.side(From::Client) && choice.side(From::Server) && !choice.asks_for_protocols());
        let choice = only(&["server", "HTTP", "tls"]);
        assert!(!choice.side(From::Client) && choice.conversation(99));
        assert!(choice.protocol(Protocol::WebSocket) && !choice.protocol(Protocol::Dns));
    }

    #[test]
    fn what_it_is_not() {
        assert_eq!("DNS".parse(), Ok(Word::Protocol(Protocol::Dns)));
        assert_eq!("AA".parse(), Ok(Word::Conversation(26)));
        for text in ["", "a", "clients", "A B", "1", "ABCDEFG", "gopher", "É"] {
            let e = text.parse::<Word>().expect_err(text);
            assert!(e.contains("a conversation's letter") && e.contains("websocket"), "{e}");
        }
    }
}
