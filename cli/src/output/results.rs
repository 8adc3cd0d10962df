//! What a command did to several objects: a sentence each for people, one document for programs.
//! Does not do anything to them.

use serde_json::{Value, json};

use super::{Console, Format};
use crate::exit::Result;

/// Collects results where the format is one document, prints them at once elsewhere.
pub struct Results<'a> {
    console: &'a Console,
    items: Vec<Value>,
}

impl<'a> Results<'a> {
    /// None yet.
    pub fn new(console: &'a Console) -> Self {
        Self { console, items: Vec::new() }
    }

    /// One result: the kind and name of the object, one word for programs, a sentence for people.
    pub fn add(&mut self, kind: &str, name: &str, result: &str, sentence: &str) -> Result<()> {
        let item = || json!({"kind": kind, "name": name, "result": result});
        match self.console.format() {
            Format::Table | Format::Wide => self.console.data(sentence),
            Format::Name => self.console.data(name),
            Format::Jsonl => self.console.line(&item()),
            Format::Json | Format::Yaml => {
                self.items.push(item());
                Ok(())
            }
        }
    }

    /// Prints the document.
    pub fn finish(self) -> Result<()> {
        match self.console.format() {
            Format::Json | Format::Yaml => self.console.documents(&self.items),
            Format::Table | Format::Wide | Format::Name | Format::Jsonl => Ok(()),
        }
    }
}
