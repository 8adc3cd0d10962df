//! Memoization: a node takes the outputs of an earlier one.
//! Does not keep the cache.

use runner_workflows::spec::Template;

use super::{Todo, Turn};
use crate::duration::parse_duration;
use crate::fact::Fact;
use crate::input::MemoEntry;
use crate::node::{MemoStatus, NodeIx, Work};

impl Turn<'_> {
    pub(super) fn ask_memo(&mut self, ix: NodeIx, template: &Template) {
        let Some(memoize) = &template.memoize else { return };
        let cache_name =
            memoize.cache.as_ref().and_then(|cache| cache.config_map.as_ref()).map(|map| map.name.clone());
        let valid = memoize.key.starts_with(|c: char| c.is_ascii_alphanumeric())
            && memoize.key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !valid {
            let message = format!(
                "memoize.key `{}` is not a valid cache key: use letters, digits and -, beginning with a letter or digit",
                memoize.key
            );
            self.fail(ix, message);
            return;
        }
        let memo =
            MemoStatus { hit: false, key: memoize.key.clone(), cache_name: cache_name.unwrap_or_default() };
        self.emit(Fact::MemoAsked { ix, memo });
    }

    pub(super) fn memo_answer(&mut self, ix: NodeIx, entry: Option<MemoEntry>) {
        if !self.status.node(ix).is_some_and(|node| node.work == Work::Memo) {
            return;
        }
        let (compiled, template) = match self.rendered(ix) {
            Ok(found) => found,
            Err(message) => {
                self.fail(ix, message);
                return;
            }
        };
        let max_age = match template.memoize.as_ref().map(|memoize| memoize.max_age.as_str()) {
            None | Some("") => None,
            Some(text) => match parse_duration(text) {
                Ok(age) => Some(age),
                Err(error) => {
                    self.fail(ix, format!("invalid maxAge: {error}"));
                    return;
                }
            },
        };
        let fresh = entry.filter(|entry| match (max_age, entry.created_at) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(age), Some(created)) => self.now.duration_since(created) <= age,
        });
        match fresh {
            Some(entry) => {
                self.emit(Fact::MemoHit { ix, outputs: entry.outputs.map(Box::new), at: self.now });
                self.queue.push_back(Todo::Changed(ix));
            }
            None => {
                self.emit(Fact::MemoMissed { ix });
                self.work(ix, &compiled, &template);
            }
        }
    }

    pub(super) fn memo_failed(&mut self, ix: NodeIx, message: String) {
        if self.status.node(ix).is_some_and(|node| node.work == Work::Memo) {
            self.fail(ix, message);
        }
    }

    /// A memoized node that succeeded by itself leaves its outputs in the cache. Attempts save for their
    /// Retry node, which is the one that asked.
    pub(super) fn save_memo(&mut self, ix: NodeIx) {
        let asked = self.status.node(ix).is_some_and(|node| node.memo.as_ref().is_some_and(|memo| !memo.hit));
        if asked {
            self.emit(Fact::MemoSaved { ix });
        }
    }
}
