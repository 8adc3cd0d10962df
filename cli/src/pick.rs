//! Which workflows a command is about: names, `-l`, `--all`.
//! Does not do anything to them.

use std::sync::Arc;

use runner_store::Store;

use crate::catalog;
use crate::exit::{Failure, Result};
use crate::names::{self, Known};
use crate::selector;
use crate::wire::Wire;

/// Flags that choose workflows.
#[derive(Debug, Default, clap::Args)]
pub struct Pick {
    /// Workflows: names, unique prefixes, @latest, @-2, @failed
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// All that match a label selector
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "names")]
    pub selector: Option<String>,
    /// All whose fields match: metadata.name and metadata.namespace
    #[arg(long, value_name = "SELECTOR", conflicts_with = "names")]
    pub field_selector: Option<String>,
    /// All of the namespace, or all that match the selector
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl Pick {
    /// More than one workflow may be meant: one that refuses does not keep the others from it.
    pub fn several(&self) -> bool {
        self.all || self.selector.is_some() || self.field_selector.is_some() || self.names.len() > 1
    }

    /// No name, no selector, not all.
    pub fn nothing(&self) -> bool {
        self.names.is_empty() && self.selector.is_none() && self.field_selector.is_none() && !self.all
    }
}

/// The workflows meant, each once.
///
/// # Errors
/// Exit code 2 when nothing is named, 4 when a name is not known.
pub async fn any(wire: &Wire, store: &Arc<dyn Store>, pick: &Pick) -> Result<Vec<Known>> {
    if pick.nothing() {
        return Err(Failure::usage("name a workflow, or use -l SELECTOR, --field-selector or --all"));
    }
    let fields = pick.field_selector.as_deref().map(selector::fields).transpose()?;
    let chosen = match &pick.selector {
        Some(text) => Some(catalog::selected(store.as_ref(), &wire.namespace, selector::parse(text)?).await?),
        None if pick.all || fields.is_some() => Some(catalog::every(store.as_ref(), &wire.namespace).await?),
        None => None,
    };
    if let Some(mut chosen) = chosen {
        let fits =
            |one: &Known| fields.iter().flatten().all(|field| field.matches(&one.name, &wire.namespace));
        chosen.retain(fits);
        return Ok(chosen);
    }
    let mut out: Vec<Known> = Vec::new();
    for given in &pick.names {
        let known = catalog::known(store.as_ref(), &wire.namespace, given).await?;
        let name = names::resolve(given, &known)?;
        if let Some(one) = known.iter().find(|one| one.name == name)
            && !out.contains(one)
        {
            out.push(one.clone());
        }
    }
    Ok(out)
}

/// The same, where a selector or `--all` means only workflows that have not ended.
pub async fn open(wire: &Wire, store: &Arc<dyn Store>, pick: &Pick) -> Result<Vec<String>> {
    let ended = |one: &Known| matches!(one.phase.as_str(), "Succeeded" | "Failed" | "Error");
    let named = !pick.names.is_empty();
    let found = any(wire, store, pick).await?;
    Ok(found.into_iter().filter(|one| named || !ended(one)).map(|one| one.name).collect())
}
