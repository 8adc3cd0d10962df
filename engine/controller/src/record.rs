//! Facts and answers as records of the journal, and back.
//! Deliberately gives facts no meaning: `fold` does.

use runner_machine::Fact;
use runner_store::{CommandId, NewRecord, Record};
use serde::{Deserialize, Serialize};

/// Kind of the records that answer commands. They are no facts: replay passes over them.
const ANSWERED: &str = "commandAnswered";

/// The answer to a command, in the journal with the facts that the command led to: whoever asked finds it there,
/// in whatever process, also after a crash on either side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    /// Id in the inbox.
    pub(crate) command: u64,
    /// Verb.
    pub(crate) name: String,
    /// Who asked.
    pub(crate) by: String,
    /// Why it was refused; accepted without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<String>,
}

impl Answer {
    pub(crate) fn id(&self) -> CommandId {
        CommandId(self.command)
    }
}

/// One record, read.
#[derive(Debug)]
pub(crate) enum Entry {
    Fact(Box<Fact>),
    Answer(Answer),
}

/// The record of a fact. The kind is a column of its own, so the body holds what is inside the variant.
pub(crate) fn fact(fact: &Fact) -> Result<NewRecord, String> {
    let text = serde_json::to_vec(fact).map_err(|e| e.to_string())?;
    let kind = fact.kind();
    let body = text
        .strip_prefix(format!("{{\"{kind}\":").as_bytes())
        .and_then(|rest| rest.strip_suffix(b"}"))
        .ok_or_else(|| format!("fact `{kind}` has an unexpected form"))?;
    Ok(NewRecord { kind: kind.to_owned(), body: body.to_vec() })
}

/// The record of an answer.
pub(crate) fn answer(answer: &Answer) -> Result<NewRecord, String> {
    let body = serde_json::to_vec(answer).map_err(|e| e.to_string())?;
    Ok(NewRecord { kind: ANSWERED.to_owned(), body })
}

/// Whether the record answers a command.
pub(crate) fn is_answer(record: &Record) -> bool {
    record.kind == ANSWERED
}

/// Reads a record.
pub(crate) fn read(record: &Record) -> Result<Entry, String> {
    let problem = |error: serde_json::Error| format!("record {} `{}`: {error}", record.seq.0, record.kind);
    if is_answer(record) {
        return serde_json::from_slice(&record.body).map(Entry::Answer).map_err(problem);
    }
    let mut text = Vec::with_capacity(record.body.len() + record.kind.len() + 5);
    text.extend_from_slice(b"{\"");
    text.extend_from_slice(record.kind.as_bytes());
    text.extend_from_slice(b"\":");
    text.extend_from_slice(&record.body);
    text.push(b'}');
    serde_json::from_slice(&text).map(|fact| Entry::Fact(Box::new(fact))).map_err(problem)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use jiff::Timestamp;
    use runner_machine::NodeIx;
    use runner_store::Seq;

    fn stored(new: NewRecord) -> Record {
        Record { seq: Seq(1), kind: new.kind, body: new.body, at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn facts_come_back_as_they_were() {
        let lost =
            Fact::AttemptLost { ix: NodeIx(3), reason: "rebooted".to_owned(), at: Timestamp::UNIX_EPOCH };
        let new = fact(&lost).unwrap();
        assert_eq!(new.kind, "attemptLost");
        assert!(!String::from_utf8(new.body.clone()).unwrap().contains("attemptLost"));
        match read(&stored(new)).unwrap() {
            Entry::Fact(back) => assert_eq!(*back, lost),
            Entry::Answer(answer) => panic!("{answer:?}"),
        }
    }

    #[test]
    fn unknown_kinds_are_errors_and_not_passed_over() {
        let record = stored(NewRecord { kind: "fromTheFuture".to_owned(), body: b"{}".to_vec() });
        assert!(read(&record).unwrap_err().contains("fromTheFuture"));
    }
}
