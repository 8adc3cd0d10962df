//! `runner apply`: stores templates and other manifests.
//! Does not run anything.

use std::path::PathBuf;

use runner_runners::SecretData;
use runner_store::NewManifest;
use runner_workflows::diagnostic::{Diagnostic, Severity};
use runner_workflows::parse::Manifest;

use crate::exit::{Code, Failure, Result};
use crate::manifests::{Loaded, report};
use crate::output::results::Results;
use crate::secrets::file::data_of;
use crate::secrets::is_name;
use crate::wire::Wire;
use crate::{catalog, check};

/// Flags of `apply`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, directories, or - for stdin
    #[arg(short = 'f', long = "filename", required_unless_present = "files", value_name = "FILE|DIR")]
    filename: Vec<PathBuf>,
    /// The same without -f
    #[arg(value_name = "FILE|DIR", conflicts_with = "filename")]
    files: Vec<PathBuf>,
    /// Say what would be stored, and store nothing
    #[arg(long)]
    dry_run: bool,
    /// Unknown fields are errors
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    validate: Validate,
}

/// The flag of kubectl that stores what is not valid: as a cluster does, which knows no rules of Argo.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Validate {
    /// With =false, problems of validation are only warned of
    #[arg(long, value_name = "BOOL", default_value_t = true, hide_default_value = true, action = clap::ArgAction::Set)]
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub validate: bool,
}

impl Default for Validate {
    fn default() -> Self {
        Self::ON
    }
}

impl Validate {
    /// As it is without the flag.
    pub const ON: Self = Self { validate: true };

    /// What is found wrong: as it is, or as warnings.
    pub fn judge(self, problems: impl IntoIterator<Item = Diagnostic>) -> Vec<Diagnostic> {
        let soften = |mut problem: Diagnostic| {
            if !self.validate && problem.is_error() {
                problem.severity = Severity::Warning;
            }
            problem
        };
        problems.into_iter().map(soften).collect()
    }
}

/// The flags of `template apply` and `cluster-template apply`.
#[derive(Debug, clap::Args)]
pub(crate) struct Templates {
    /// Files, directories, or - for stdin
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Unknown fields are errors
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    validate: Validate,
}

impl Templates {
    /// Stores the documents whose kind ends with `kind`, and nothing else of the files.
    pub(crate) async fn store(&self, wire: &Wire, kind: &str) -> Result {
        let wanted = |manifest: &Manifest| manifest.kind().ends_with(kind);
        let storing = Storing { strict: self.strict, dry_run: false, validate: self.validate };
        store_files(wire, &self.files, storing, &wanted).await
    }
}

/// How files are stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storing {
    /// Unknown fields are errors.
    pub(crate) strict: bool,
    /// Nothing is stored.
    pub(crate) dry_run: bool,
    /// Whether problems refuse.
    pub(crate) validate: Validate,
}

pub(crate) const LONG: &str = "Examples:
  $ runner apply -f templates.yaml
  $ runner apply -f templates.yaml --dry-run

Stores WorkflowTemplates, ClusterWorkflowTemplates, CronWorkflows, ConfigMaps and Secrets, so that workflows can \
refer to them. Secrets are kept in a file of their own that only the owner can read, not in the database. Applying the same file again changes nothing. A Workflow is not applied: submit it.

What is not valid is refused. With --validate=false it is stored all the same, as a cluster would: a run that needs it is \
refused, or with `submit --validate=false` fails at once and says why.";

/// Applies.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    let files = if args.filename.is_empty() { &args.files } else { &args.filename };
    let storing = Storing { strict: args.strict, dry_run: args.dry_run, validate: args.validate };
    store_files(wire, files, storing, &|_| true).await
}

impl Storing {
    /// What is valid is stored.
    pub(crate) fn checked(strict: bool) -> Self {
        Self { strict, dry_run: false, validate: Validate::ON }
    }
}

/// Validates and stores what `wanted` lets through. Nothing is stored when anything is wrong.
pub(crate) async fn store_files(
    wire: &Wire,
    files: &[PathBuf],
    storing: Storing,
    wanted: &(dyn Fn(&Manifest) -> bool + Sync),
) -> Result {
    let loaded = Loaded::read(files, storing.strict)?;
    let mut diagnostics = loaded.diagnostics;
    let mut known = match wire.existing().await? {
        Some(store) => catalog::templates(store.as_ref(), &wire.namespace).await?,
        None => runner_workflows::resolve::Catalog::default(),
    };
    for manifest in &loaded.manifests {
        known.add(manifest);
    }
    let executor = wire.executor()?;
    let mut new = Vec::new();
    let mut secrets = Vec::new();
    for manifest in &loaded.manifests {
        let storable =
            if wanted(manifest) { check::storable(manifest, &wire.namespace, wire.now()) } else { None };
        match storable {
            None if wanted(manifest) && matches!(manifest, Manifest::Secret(_)) => {
                secrets.extend(secret(manifest, &wire.namespace, &mut diagnostics));
            }
            Some(one) if one.name.is_empty() => {
                let problem =
                    Diagnostic::error("name-missing", format!("{} has no metadata.name", manifest.kind()));
                diagnostics.push(problem.at(Some(manifest.origin().span(&[]))));
            }
            Some(one) => {
                diagnostics.extend(check::notes(manifest, executor));
                diagnostics.extend(storing.validate.judge(check::lint(manifest, &known, storing.strict)));
                new.push(one);
            }
            None => {
                let problem =
                    Diagnostic::error("not-stored", format!("a {} cannot be stored here", manifest.kind()));
                let problem = match manifest {
                    Manifest::Workflow(_) => problem.hint("run it with `runner submit`"),
                    _ => problem,
                };
                diagnostics.push(problem.at(Some(manifest.origin().span(&[]))).object(manifest.label()));
            }
        }
    }
    report(&wire.console, &diagnostics, "nothing was stored")?;
    if new.is_empty() && secrets.is_empty() {
        return Err(Failure::new(Code::Invalid, "the files hold nothing to store"));
    }
    put_all(wire, new, &secrets, storing.dry_run).await
}

/// A Secret to keep: namespace, name, data.
type NewSecret = (String, String, SecretData);

/// A Secret is kept beside the store, not in it: see [`crate::secrets::vault`].
fn secret(manifest: &Manifest, namespace: &str, problems: &mut Vec<Diagnostic>) -> Option<NewSecret> {
    let Manifest::Secret(doc) = manifest else { return None };
    let meta = &doc.object.metadata;
    let namespace = if meta.namespace.is_empty() { namespace } else { &meta.namespace };
    let refuse = |code: &'static str, why: String| {
        Diagnostic::error(code, why).at(Some(manifest.origin().span(&[]))).object(manifest.label())
    };
    if !is_name(&meta.name) {
        problems.push(refuse("name-missing", "the Secret has no metadata.name that can be used".to_owned()));
        return None;
    }
    let data = data_of(&doc.object);
    if let Some(key) = data.keys().find(|key| !is_name(key)) {
        problems.push(refuse("secret-key", format!("{key:?} is no key: use letters, digits, -, _ and .")));
        return None;
    }
    Some((namespace.to_owned(), meta.name.clone(), data))
}

fn put_secrets(wire: &Wire, secrets: &[NewSecret], dry_run: bool, results: &mut Results<'_>) -> Result<()> {
    let vault = wire.vault()?;
    for (namespace, name, data) in secrets {
        let before = vault.get(namespace, name)?;
        let word = match (&before, dry_run) {
            (None, true) => "would be stored",
            (Some(_), true) => "would be stored again",
            (None, false) => "created",
            (Some(old), false) if old == data => "unchanged",
            (Some(_), false) => "configured",
        };
        if !dry_run {
            vault.put(namespace, name, data)?;
        }
        results.add("Secret", name, word, &format!("secret/{name} {word}"))?;
    }
    Ok(())
}

/// Stores them, or says what would be stored.
async fn put_all(wire: &Wire, new: Vec<NewManifest>, secrets: &[NewSecret], dry_run: bool) -> Result {
    let store = if dry_run { wire.existing().await? } else { Some(wire.store().await?) };
    let mut results = Results::new(&wire.console);
    put_secrets(wire, secrets, dry_run, &mut results)?;
    for one in new {
        let (kind, name) = (one.kind.clone(), one.name.clone());
        let before = match &store {
            Some(store) => {
                store.get_manifest(&one.kind, &one.namespace, &one.name).await?.map(|m| m.generation)
            }
            None => None,
        };
        let after = match &store {
            Some(store) if !dry_run => Some(store.put_manifest(one).await?),
            Some(_) | None => None,
        };
        let word = match (before, after) {
            (None, None) => "would be stored",
            (Some(_), None) => "would be stored again",
            (None, Some(_)) => "created",
            (Some(before), Some(after)) if before == after => "unchanged",
            (Some(_), Some(_)) => "configured",
        };
        results.add(&kind, &name, word, &format!("{}/{name} {word}", kind.to_lowercase()))?;
    }
    results.finish()?;
    Ok(Code::Ok)
}
